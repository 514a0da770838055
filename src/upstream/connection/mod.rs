//! One HTTP/2 connection to a backend.
//!
//! ```text
//! Connection    what calls hold: a place in the gate, a handle to send on
//!   Gate        counts streams against what the peer allows
//!   Brake       holds resets back that would look like an attack
//! Drive         a task: moves the bytes
//!   Metered     reads along which frames come in
//!     Transport a socket, or TLS over one
//! Watch         a task: asks a silent peer for a sign of life
//! ```

mod brake;
mod drive;
mod error;
mod gate;
mod meter;
mod socket;
#[cfg(test)]
pub(super) mod tests;
mod transport;
mod vigil;

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use h2::client::SendRequest;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::AbortHandle,
    time::Instant,
};

use self::{
    brake::Brake,
    drive::Drive,
    gate::{Gate, Shut},
    meter::{Meter, Metered},
    vigil::Watch,
};
pub(super) use self::{brake::Exchange, error::ConnectError, vigil::Pace};
use super::{describe::ConnectionView, tls::Tls};
use crate::{
    config::{Address, ConnectionSettings},
    telemetry::metrics::DisconnectError,
};

/// A connection that calls may be sent on.
///
/// The gate keeps the streams that Edgeway has open at or below what the peer allows. `h2` alone would queue more,
/// without a bound, and a burst of cancelled queued streams looks to the peer like a rapid-reset attack.
#[derive(Debug)]
pub(super) struct Connection {
    send: SendRequest<Bytes>,
    gate: Arc<Gate>,
    brake: Arc<Brake>,
    meter: Arc<Meter>,
    driver: AbortHandle,
    opened: Instant,
    /// Whether a call has been lost with it.
    lost: AtomicBool,
}

impl Connection {
    /// Connects and waits for the peer's SETTINGS, all within the `connect_timeout` of the settings.
    ///
    /// A peer that accepts but never speaks, or does not speak HTTP/2, is found out here and not by a call.
    pub(super) async fn open(
        address: &Address,
        tls: Option<&Tls>,
        settings: &ConnectionSettings,
        pace: &Arc<Pace>,
    ) -> Result<Self, ConnectError> {
        let timeout = settings.connect_timeout;
        let opened = tokio::time::timeout(timeout, async {
            let transport = transport::open(address, tls).await?;
            Self::handshake(transport, tls, settings, pace).await
        });
        opened.await.unwrap_or(Err(ConnectError::TimedOut(timeout)))
    }

    async fn handshake<T>(
        transport: T,
        tls: Option<&Tls>,
        settings: &ConnectionSettings,
        pace: &Arc<Pace>,
    ) -> Result<Self, ConnectError>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (transport, meter) = Metered::new(transport);
        let not_http2 = |error| match (meter.alert(), tls) {
            // In TLS 1.3 a server looks at the client's certificate after the handshake has ended for the client.
            (Some(alert), Some(tls)) => ConnectError::Tls(tls.refusal(alert.clone())),
            (_, None) if meter.is_tls() => ConnectError::SpeaksTls,
            _ if meter.is_http1() => ConnectError::SpeaksHttp1,
            _ => ConnectError::NotHttp2(error),
        };
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
            .handshake::<_, Bytes>(transport)
            .await
            .map_err(not_http2)?;
        poll_fn(|cx| match pin!(&mut h2).poll(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(not_http2(error))),
            Poll::Ready(Ok(())) => Poll::Ready(Err(not_http2(h2::Reason::NO_ERROR.into()))),
            Poll::Pending if h2.max_concurrent_send_streams() == BEFORE_SETTINGS => Poll::Pending,
            Poll::Pending => Poll::Ready(Ok(())),
        })
        .await?;

        let gate = Arc::new(Gate::new(h2.max_concurrent_send_streams().min(MOST_STREAMS)));
        let brake = Arc::new(Brake::new(Arc::clone(&meter)));
        let pings = h2.ping_pong();
        let drive = Drive {
            h2,
            probe: send.clone(),
            gate: Arc::clone(&gate),
            brake: Arc::clone(&brake),
            pace: Arc::clone(pace),
        };
        let driver = tokio::spawn(drive).abort_handle();
        if let Some(pings) = pings {
            let (meter, gate) = (Arc::clone(&meter), Arc::clone(&gate));
            let watch = Watch { pings, meter, gate, driver: driver.clone() };
            tokio::spawn(watch.keep(settings.clone(), Arc::clone(pace)));
        }
        Ok(Self { send, gate, brake, meter, driver, opened: Instant::now(), lost: AtomicBool::new(false) })
    }

    /// What an operator is shown of it.
    pub(super) fn describe(&self) -> ConnectionView {
        ConnectionView {
            streams: self.gate.open(),
            stream_limit: self.gate.limit(),
            age: self.opened.elapsed(),
            draining: self.gate.why().is_some(),
        }
    }

    /// A place for one more stream, held until [`Connection::release`]; `false` when there is none.
    pub(super) fn reserve(&self) -> bool {
        self.gate.reserve()
    }

    /// Whether there is no place at the moment.
    pub(super) fn is_full(&self) -> bool {
        self.gate.is_full()
    }

    /// Gives a place back.
    pub(super) fn release(&self) {
        self.gate.release();
    }

    /// The handle to open a reserved stream with.
    pub(super) fn sender(&self) -> SendRequest<Bytes> {
        self.send.clone()
    }

    /// A stream could not be opened: nobody need try again before the driver has said why.
    pub(super) fn close(&self) {
        self.gate.shut(Shut::Closing);
    }

    /// Whether a call that is lost with the connection is the first: however many there are, it broke once.
    pub(super) fn is_first_lost(&self) -> bool {
        !self.lost.swap(true, Relaxed)
    }

    /// Waits until no further stream may be opened.
    pub(super) async fn closing(&self) {
        self.gate.until(|gate| gate.is_shut(Shut::Closing)).await;
    }

    /// Whether it is no more.
    pub(super) fn has_ended(&self) -> bool {
        self.gate.has_ended()
    }

    /// Waits for the reason why it takes no further stream.
    pub(super) async fn why(&self) -> DisconnectError {
        self.gate.until(|gate| gate.why().is_some()).await;
        self.gate.why().unwrap_or(DisconnectError::Unknown)
    }

    /// Whether its peer gave no sign of life when it was asked for one.
    pub(super) fn is_dead(&self) -> bool {
        self.gate.is_dead()
    }

    /// How often there came room for more streams other than by the end of one.
    pub(super) fn widened(&self) -> u32 {
        self.gate.widened()
    }

    /// Waits for more room than there was when [`Connection::widened`] said `known`.
    pub(super) async fn widens(&self, known: u32) {
        self.gate.until(|gate| gate.widened() != known).await;
    }

    /// Whether it has brought any part of an answer.
    pub(super) fn has_answered(&self) -> bool {
        self.meter.answers() > 0
    }

    /// Answers received so far where no stream is open, `None` where one is: equal ones say that it was not used between.
    pub(super) fn idle(&self) -> Option<u64> {
        (self.gate.open() == 0).then(|| self.meter.answers())
    }

    /// Whether so many stream ids are used up that it is time for another connection.
    pub(super) fn is_spent(&self) -> bool {
        self.meter.seen() >= MOST_STREAM_ID
    }

    /// Opens no further stream, lets those that are open finish for up to `patience`, then closes.
    pub(super) async fn retire(self: Arc<Self>, patience: Duration) {
        self.gate.retire();
        let idle = self.gate.until(|gate| gate.open() == 0 || gate.has_ended());
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

/// Streams per connection, whatever more the peer would take.
pub(super) const MOST_STREAMS: usize = 100;

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

/// Three quarters of all there are, as grpc-go has it.
const MOST_STREAM_ID: u32 = (1 << 31) / 4 * 3;
