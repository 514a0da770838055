//! HTTP/1.1 or HTTP/2, told by the first bytes.
//!
//! `hyper_util`'s own detection waits for them without a limit, for ever if need be. Reading them here, under a
//! timeout, costs one small read per connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// What a client speaks, with the bytes that told so put back.
#[derive(Debug)]
pub(super) enum Spoken {
    Http1(Rewound),
    Http2(Rewound),
}

/// A stream whose first bytes have been read and are read again.
#[derive(Debug)]
pub(super) struct Rewound {
    first: Bytes,
    stream: TcpStream,
}

/// `None` for a client that says nothing in time or goes away.
pub(super) async fn detect(mut stream: TcpStream) -> Option<Spoken> {
    let mut first = Vec::with_capacity(PREFACE.len());
    let read = async {
        while first.len() < PREFACE.len() && PREFACE.starts_with(&first) {
            let mut rest = (&mut stream).take((PREFACE.len() - first.len()) as u64);
            if rest.read_buf(&mut first).await? == 0 {
                return Ok(false);
            }
        }
        io::Result::Ok(true)
    };
    let said = tokio::time::timeout(FIRST_BYTES, read).await;
    if !matches!(said, Ok(Ok(true))) {
        return None;
    }
    let http2 = first == PREFACE;
    let rewound = Rewound { first: first.into(), stream };
    Some(if http2 { Spoken::Http2(rewound) } else { Spoken::Http1(rewound) })
}

impl AsyncRead for Rewound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let length = self.first.len().min(buffer.remaining());
        if let Some(bytes) = self.first.get(..length) {
            buffer.put_slice(bytes);
        }
        self.first.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Rewound {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// What every HTTP/2 client says first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a client may take to say it.
const FIRST_BYTES: Duration = Duration::from_secs(5);
