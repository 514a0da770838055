//! The other end of a connection, frame by frame.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A peer that does what the test says, well-formed or not.
pub(in crate::upstream) struct Peer<T> {
    transport: T,
}

#[derive(Debug)]
pub(in crate::upstream) struct Frame {
    pub(in crate::upstream) kind: u8,
    pub(in crate::upstream) flags: u8,
    pub(in crate::upstream) stream: u32,
    pub(in crate::upstream) payload: Vec<u8>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Peer<T> {
    /// Reads the client's preface and says hello.
    pub(in crate::upstream) async fn accept(mut transport: T) -> io::Result<Self> {
        let mut preface = [0; 24];
        transport.read_exact(&mut preface).await?;
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut peer = Self { transport };
        peer.send(SETTINGS, 0, 0, &[]).await?;
        Ok(peer)
    }

    pub(in crate::upstream) async fn read(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.transport.read_exact(&mut head).await?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.transport.read_exact(&mut payload).await?;
        Ok(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload })
    }

    /// The next frame that is no SETTINGS or WINDOW_UPDATE; SETTINGS are acknowledged.
    pub(in crate::upstream) async fn next(&mut self) -> io::Result<Frame> {
        loop {
            let frame = self.read().await?;
            match frame.kind {
                SETTINGS if frame.flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]).await?,
                SETTINGS | WINDOW_UPDATE => {}
                _ => return Ok(frame),
            }
        }
    }

    pub(in crate::upstream) async fn send(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> io::Result<()> {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.transport.write_all(&frame).await
    }

    /// The head of a gRPC answer.
    pub(in crate::upstream) async fn head(&mut self, stream: u32) -> io::Result<()> {
        self.send(
            HEADERS,
            END_HEADERS,
            stream,
            &[b"\x88\x0f\x10\x10", b"application/grpc".as_slice()].concat(),
        )
        .await
    }

    /// The trailers of a gRPC answer that went well.
    pub(in crate::upstream) async fn ok(&mut self, stream: u32) -> io::Result<()> {
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, b"\x00\x0bgrpc-status\x010").await
    }

    pub(in crate::upstream) async fn pong(&mut self, ping: &Frame) -> io::Result<()> {
        self.send(PING, ACK, 0, &ping.payload).await
    }
}

pub(in crate::upstream) const DATA: u8 = 0;
pub(in crate::upstream) const HEADERS: u8 = 1;
pub(in crate::upstream) const RST_STREAM: u8 = 3;
pub(in crate::upstream) const SETTINGS: u8 = 4;
pub(in crate::upstream) const PUSH_PROMISE: u8 = 5;
pub(in crate::upstream) const PING: u8 = 6;
pub(in crate::upstream) const GOAWAY: u8 = 7;
pub(in crate::upstream) const WINDOW_UPDATE: u8 = 8;
pub(in crate::upstream) const CONTINUATION: u8 = 9;
pub(in crate::upstream) const ACK: u8 = 1;
pub(in crate::upstream) const END_STREAM: u8 = 1;
pub(in crate::upstream) const END_HEADERS: u8 = 4;
