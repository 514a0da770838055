//! Moves a connection's bytes.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use h2::{Reason, client::SendRequest};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{MOST_STREAMS, brake::Brake, gate::Gate, meter::Metered, vigil::Pace};
use crate::telemetry::metrics::DisconnectError;

/// Moves the connection's bytes until it ends, keeping the gate true to what the peer says.
pub(super) struct Drive<T> {
    pub(super) h2: h2::client::Connection<Metered<T>, Bytes>,
    pub(super) probe: SendRequest<Bytes>,
    pub(super) gate: Arc<Gate>,
    pub(super) brake: Arc<Brake>,
    pub(super) pace: Arc<Pace>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Drive<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let outcome = pin!(&mut this.h2).poll(cx);
            this.gate.allow(this.h2.max_concurrent_send_streams().min(MOST_STREAMS));
            // `poll_ready` fails from the moment that GOAWAY has been read, while open streams go on. What it says is
            // more than the outcome does, which is none where the peer has said goodbye.
            if let Poll::Ready(Err(error)) = this.probe.poll_ready(cx) {
                this.gate.shut_for_good(why(&error));
            } else if let Poll::Ready(outcome) = &outcome {
                let why = outcome.as_ref().err().map_or(DisconnectError::Unknown, why);
                this.gate.shut_for_good(why);
            }
            if let Poll::Ready(outcome) = outcome {
                if let Err(error) = outcome {
                    this.failed(&error);
                }
                return Poll::Ready(());
            }
            if !this.brake.step(&mut this.h2) {
                return Poll::Pending;
            }
        }
    }
}

impl<T> Drive<T> {
    fn failed(&self, error: &h2::Error) {
        let calm =
            error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::ENHANCE_YOUR_CALM);
        // gRFC A8 has servers say so in the debug data, which `h2` shows in the text of the error and nowhere else.
        if calm && error.to_string().contains("too_many_pings") && self.pace.slow_down() {
            tracing::warn!(
                "a backend calls the keepalive PINGs too many; those to it come half as often from now on"
            );
        }
        tracing::debug!(%error, "upstream connection ended");
    }
}

/// What ended a connection, in the words of gRFC A94.
fn why(error: &h2::Error) -> DisconnectError {
    if let Some(io) = error.get_io() {
        return DisconnectError::io(io.kind());
    }
    match error.reason() {
        Some(reason) if error.is_go_away() && error.is_remote() => DisconnectError::goaway(reason.into()),
        _ => DisconnectError::Unknown,
    }
}

impl<T> Drop for Drive<T> {
    /// Also where the task is aborted: what waits for the end must learn of it.
    fn drop(&mut self) {
        self.gate.end();
        self.brake.end();
    }
}
