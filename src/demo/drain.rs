//! The end of a backend: first it drains, then it cuts off who is still there.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Makes the two ends: what says that the backend drains, and what hears it.
pub(super) fn channel() -> (Draining, Drain) {
    let (sender, receiver) = watch::channel(None);
    (Draining { since: sender }, Drain { since: receiver })
}

/// Held by the server. Dropping it severs every connection that is left: a server whose task is aborted takes
/// its connections with it, as a killed process would.
#[derive(Debug)]
pub(super) struct Draining {
    since: watch::Sender<Option<Instant>>,
}

/// Held by each call and connection.
#[derive(Clone, Debug)]
pub(super) struct Drain {
    since: watch::Receiver<Option<Instant>>,
}

impl Draining {
    /// Starts draining.
    pub(super) fn start(&self) {
        self.since.send_replace(Some(Instant::now()));
    }
}

impl Drain {
    /// Waits until draining has lasted for `grace`.
    pub(super) async fn lasted(mut self, grace: Duration) {
        let since = match self.since.wait_for(Option::is_some).await {
            Ok(since) => *since,
            Err(_) => None,
        };
        match since {
            Some(since) => tokio::time::sleep_until(since + grace).await,
            // The server is gone, and its connections with it.
            None => std::future::pending().await,
        }
    }

    async fn severed(mut self) {
        while self.since.changed().await.is_ok() {}
    }
}

/// A connection that fails when the server is gone: a peer that reads nothing would else hold it for ever.
pub(super) struct Severable {
    io: TcpStream,
    severed: Option<BoxFuture<'static, ()>>,
}

impl Severable {
    pub(super) fn new(io: TcpStream, drain: Drain) -> Self {
        Self { io, severed: Some(Box::pin(drain.severed())) }
    }

    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(severed) = &mut self.severed
            && severed.as_mut().poll(cx).is_pending()
        {
            return Ok(());
        }
        self.severed = None;
        Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server is gone"))
    }
}

impl Connected for Severable {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.io.connect_info()
    }
}

impl AsyncRead for Severable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Severable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
