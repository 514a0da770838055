//! One HTTP/2 connection to a backend, and the gate that counts its streams.

use std::{
    future::poll_fn,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use h2::client::SendRequest;
use socket2::{SockRef, TcpKeepalive};
use tokio::{net::TcpStream, sync::Notify, task::AbortHandle};

use crate::config::Address;

/// A connection that calls may be sent on.
///
/// The gate keeps the streams that Edgeway has open at or below what the peer allows. `h2` alone would queue more,
/// without a bound, and a burst of cancelled queued streams looks to the peer like a rapid-reset attack.
#[derive(Debug)]
pub(super) struct Connection {
    send: SendRequest<Bytes>,
    gate: Arc<Gate>,
    driver: AbortHandle,
    /// Whether a call has been lost with it.
    lost: AtomicBool,
}

#[derive(Debug)]
struct Gate {
    open: AtomicUsize,
    limit: AtomicUsize,
    /// No further stream may be opened: GOAWAY was received, or the transport is gone.
    closing: AtomicBool,
    /// Edgeway itself wants no further stream on it.
    retired: AtomicBool,
    ended: AtomicBool,
    changed: Notify,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("connection refused")]
    Refused,
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
    #[error("cannot connect")]
    Io(#[source] io::Error),
    #[error("no HTTP/2 there: expected the SETTINGS of a gRPC server")]
    NotHttp2(#[source] h2::Error),
}

impl Connection {
    /// Connects and waits for the peer's SETTINGS, all within `timeout`.
    ///
    /// A peer that accepts but never speaks, or does not speak HTTP/2, is found out here and not by a call.
    pub(super) async fn open(address: &Address, timeout: Duration) -> Result<Self, ConnectError> {
        tokio::time::timeout(timeout, Self::handshake(address))
            .await
            .unwrap_or(Err(ConnectError::TimedOut(timeout)))
    }

    async fn handshake(address: &Address) -> Result<Self, ConnectError> {
        let Address::Tcp(address) = address else {
            return Err(ConnectError::Io(io::Error::from(io::ErrorKind::Unsupported)));
        };
        let socket = TcpStream::connect(address).await.map_err(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused => ConnectError::Refused,
            _ => ConnectError::Io(error),
        })?;
        tune(&socket).map_err(ConnectError::Io)?;
        let (send, mut h2) = h2::client::Builder::new()
            .enable_push(false)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEADER_LIST)
            .max_frame_size(MOST_FRAME)
            .max_send_buffer_size(SEND_BUFFER)
            .initial_max_send_streams(BEFORE_SETTINGS)
            // Each cancelled call counts as a reset here; the default of 1024 per connection would end a connection
            // that does nothing but serve impatient clients.
            .max_local_error_reset_streams(None)
            .data_frame_budget(DATA_FRAME_BUDGET)
            .handshake::<_, Bytes>(socket)
            .await
            .map_err(ConnectError::NotHttp2)?;
        poll_fn(|cx| match pin!(&mut h2).poll(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(ConnectError::NotHttp2(error))),
            Poll::Ready(Ok(())) => Poll::Ready(Err(ConnectError::NotHttp2(h2::Reason::NO_ERROR.into()))),
            Poll::Pending if h2.max_concurrent_send_streams() == BEFORE_SETTINGS => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(())),
        })
        .await?;

        let gate = Arc::new(Gate {
            open: AtomicUsize::new(0),
            limit: AtomicUsize::new(h2.max_concurrent_send_streams().min(MOST_STREAMS)),
            closing: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            changed: Notify::new(),
        });
        let driver = tokio::spawn(drive(h2, send.clone(), Arc::clone(&gate))).abort_handle();
        Ok(Self { send, gate, driver, lost: AtomicBool::new(false) })
    }

    /// A place for one more stream, held until [`Connection::release`]; `false` when there is none.
    pub(super) fn reserve(&self) -> bool {
        let gate = &self.gate;
        if gate.closing.load(Relaxed) || gate.retired.load(Relaxed) {
            return false;
        }
        let limit = gate.limit.load(Relaxed);
        gate.open.fetch_update(Relaxed, Relaxed, |open| (open < limit).then_some(open + 1)).is_ok()
    }

    /// Gives a place back.
    pub(super) fn release(&self) {
        let before = self.gate.open.fetch_sub(1, Relaxed);
        if before == 1 && self.gate.retired.load(Relaxed) {
            self.gate.changed.notify_waiters();
        }
    }

    /// The handle to open a reserved stream with.
    pub(super) fn sender(&self) -> SendRequest<Bytes> {
        self.send.clone()
    }

    /// A stream could not be opened: nobody need try again before the driver has said why.
    pub(super) fn close(&self) {
        self.gate.close();
    }

    /// Whether a call that is lost with the connection is the first: however many there are, it broke once.
    pub(super) fn is_first_lost(&self) -> bool {
        !self.lost.swap(true, Relaxed)
    }

    /// Waits until no further stream may be opened.
    pub(super) async fn closing(&self) {
        self.gate.until(|gate| gate.closing.load(Relaxed)).await;
    }

    /// The streams that may be open at a time.
    pub(super) fn limit(&self) -> usize {
        self.gate.limit.load(Relaxed)
    }

    /// Waits until more than `limit` streams may be open.
    pub(super) async fn grown(&self, limit: usize) {
        self.gate.until(|gate| gate.limit.load(Relaxed) > limit).await;
    }

    /// Opens no further stream, lets those that are open finish for up to `patience`, then closes.
    pub(super) async fn retire(self: Arc<Self>, patience: Duration) {
        self.gate.retired.store(true, Relaxed);
        let idle = self.gate.until(|gate| gate.open.load(Relaxed) == 0 || gate.ended.load(Relaxed));
        let _ = tokio::time::timeout(patience, idle).await;
        self.driver.abort();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Streams hold the connection through their permit, so none is open here.
        self.driver.abort();
    }
}

impl Gate {
    fn close(&self) {
        if !self.closing.swap(true, Relaxed) {
            self.changed.notify_waiters();
        }
    }

    async fn until(&self, reached: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if reached(self) {
                return;
            }
            changed.await;
        }
    }
}

/// Moves the connection's bytes until it ends, keeping the gate true to what the peer says.
async fn drive(
    mut h2: h2::client::Connection<TcpStream, Bytes>,
    mut probe: SendRequest<Bytes>,
    gate: Arc<Gate>,
) {
    let outcome = poll_fn(|cx| {
        let outcome = pin!(&mut h2).poll(cx);
        let limit = h2.max_concurrent_send_streams().min(MOST_STREAMS);
        if gate.limit.swap(limit, Relaxed) < limit {
            gate.changed.notify_waiters();
        }
        // `poll_ready` fails from the moment that GOAWAY has been read, while open streams go on.
        if outcome.is_ready() || matches!(probe.poll_ready(cx), Poll::Ready(Err(_))) {
            gate.close();
        }
        outcome
    })
    .await;
    if let Err(error) = outcome {
        tracing::debug!(%error, "upstream connection ended");
    }
    gate.ended.store(true, Relaxed);
    gate.changed.notify_waiters();
}

fn tune(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = SockRef::from(socket);
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    socket.set_tcp_keepalive(&keepalive)?;
    // Without it a write to a black hole is retried for a quarter of an hour (gRFC A18).
    socket.set_tcp_user_timeout(Some(Duration::from_secs(20)))
}

/// Streams per connection, whatever more the peer would take.
const MOST_STREAMS: usize = 100;

/// Stands for "no SETTINGS yet": no peer announces this limit, and `h2` replaces it when SETTINGS come.
const BEFORE_SETTINGS: usize = 0x0ed6_e0a1;

/// What a backend may send on one stream before the client has taken it.
pub(super) const STREAM_WINDOW: u32 = 256 << 10;

/// At least `MOST_STREAMS` x `STREAM_WINDOW`, so that stalled streams cannot use up what others need.
const CONNECTION_WINDOW: u32 = 32 << 20;

/// What a backend may put into one DATA frame. Four times what it may unasked: a list of orders is then one frame in
/// place of three, each of which costs a pass through the connection and the stream.
const MOST_FRAME: u32 = 64 << 10;

/// Room for a large `grpc-status-details-bin`.
const HEADER_LIST: u32 = 64 << 10;

/// `h2` reports capacity only up to this, which bounds what an upload leaves in its buffers.
const SEND_BUFFER: usize = 64 << 10;

/// `h2` charges 256 bytes less their length for each DATA frame below 256 bytes until it is taken, and ends the whole
/// connection when this is spent. 100 streams of 5-byte messages in full windows cost 329 MB; since every frame is
/// taken as it comes (`download`), real memory stays near the windows.
const DATA_FRAME_BUDGET: usize = 384 << 20;
