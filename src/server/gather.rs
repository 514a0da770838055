//! Small writes of an HTTP/2 connection gathered into one.
//!
//! `h2` copies small DATA frames into its buffer and hands larger ones to the socket as they are, each in a system
//! call of its own. Where the socket takes several slices at once it calls 256 bytes large, and a reply of a little
//! more JSON costs a call for itself. Here it is told that the socket takes one slice, so that frames below 1 KiB are
//! copied; and what it then writes slice by slice is held until a large slice takes it along, or a flush.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that holds small writes until they are flushed.
#[derive(Debug)]
pub(super) struct Gather<S> {
    stream: S,
    /// Written, and not with the system yet; at most [`MOST_HELD`] bytes.
    held: BytesMut,
}

impl<S: AsyncWrite + Unpin> Gather<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, held: BytesMut::new() }
    }

    /// Writes what is held and some of `bytes` behind it; how many of these.
    fn write_through(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        while !self.held.is_empty() {
            let slices = [IoSlice::new(&self.held), IoSlice::new(bytes)];
            let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, &slices))?;
            if written > self.held.len() {
                let beyond = written - self.held.len();
                self.held.clear();
                return Poll::Ready(Ok(beyond));
            }
            self.advance(written)?;
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn write_held(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.held))?;
            self.advance(written)?;
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.held.advance(written);
        Ok(())
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gather<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.held.len() + bytes.len() > MOST_HELD {
            return self.write_through(cx, bytes);
        }
        self.held.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_held(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.write_held(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gather<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

/// Above it a copy costs more than a slice of its own.
const MOST_HELD: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Writes pieces of these lengths through a pipe of few bytes: all arrive, in their order.
    async fn check(lengths: &[usize]) {
        let (near, mut far) = tokio::io::duplex(100);
        let mut expected = Vec::new();
        for (length, byte) in lengths.iter().zip(0..) {
            expected.extend(std::iter::repeat_n::<u8>(byte, *length));
        }
        let pieces: Vec<Vec<u8>> =
            lengths.iter().zip(0..).map(|(length, byte)| vec![byte; *length]).collect();
        let writing = tokio::spawn(async move {
            let mut stream = Gather::new(near);
            for piece in &pieces {
                stream.write_all(piece).await.expect("the pipe takes it");
            }
            stream.shutdown().await.expect("the pipe ends");
        });
        let mut found = Vec::new();
        far.read_to_end(&mut found).await.expect("the pipe gives it");
        writing.await.expect("the writer ends");
        assert!(found == expected, "{lengths:?}");
    }

    #[tokio::test]
    async fn everything_arrives_in_its_order() {
        check(&[]).await;
        check(&[1, 2, 3]).await;
        check(&[9, 16_384, 9, 16_384]).await;
        check(&[MOST_HELD, 1, MOST_HELD - 1, 1, MOST_HELD + 1, 0, 7]).await;
    }

    /// A slice that is small waits for the flush; one that is large takes along what waits.
    #[tokio::test]
    async fn small_writes_wait_for_a_flush() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let mut stream = Gather::new(near);
        stream.write_all(b"head").await.expect("held");
        assert!(!stream.held.is_empty());
        stream.flush().await.expect("flushed");
        let mut found = [0; 4];
        far.read_exact(&mut found).await.expect("it is there");
        assert_eq!(&found, b"head");
        stream.write_all(b"more").await.expect("held");
        stream.write_all(&[b'x'; MOST_HELD]).await.expect("written through");
        assert!(stream.held.is_empty());
    }
}
