//! Keeps cancelled calls from looking like a rapid-reset attack.
//!
//! A server that defends itself against CVE-2023-44487 counts streams that are reset before it has come to look at them,
//! and ends the connection, with every call on it, above some number: 20 of them in `h2`, and so in tonic. An honest
//! client gets there when its backend stands still for a moment: a hundred calls run into their deadlines, and the
//! backend wakes to find a hundred streams with their resets.
//!
//! So a stream is reset at once only when the peer has proven to know it, or few such resets are on their way. Others
//! are held, with their place in the gate, until there is proof:
//!
//! | proof | of |
//! |---|---|
//! | a part of an answer on a later stream | the heads of all streams before it |
//! | the same on a stream that was opened after a reset | that reset |
//! | SETTINGS that were sent after a reset, acknowledged | that reset |
//!
//! The SETTINGS change nothing, and unlike a PING no server of gRPC counts them as a nuisance (gRFC A8). A peer that
//! never acknowledges them owes an answer, so that the vigil ends the connection.

use std::{
    collections::VecDeque,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    task::{Poll, ready},
};

use bytes::Bytes;
use h2::{RecvStream, client::ResponseFuture};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::Code;

use super::{STREAM_WINDOW, meter::Meter};
use crate::upstream::{
    permit::Permit,
    tally::{Orphan, Tally},
};

/// The resets of one connection.
pub(super) struct Brake {
    meter: Arc<Meter>,
    /// The stream that was opened last.
    top: AtomicU32,
    /// Whether the driver has to look at the state.
    busy: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Resets on their way that no SETTINGS follow yet.
    fresh: usize,
    /// Those that SETTINGS follow.
    followed: usize,
    /// How many SETTINGS had been acknowledged when ours went out.
    settings: Option<u32>,
    /// The stream that was opened last when the last reset went out.
    top: u32,
    held: VecDeque<Held>,
    ended: bool,
}

/// A call that nobody waits for any more; dropped, its stream is reset and its place free.
struct Held {
    stream: u32,
    response: ResponseFuture,
    orphan: Orphan,
    _permit: Permit,
}

/// A call that has been sent and not answered.
///
/// Dropped, its stream is reset with CANCEL, at once or as soon as the brake lets it.
#[derive(Debug)]
pub(in crate::upstream) struct Exchange(Option<(ResponseFuture, Permit, Tally)>);

impl Exchange {
    pub(in crate::upstream) fn new(response: ResponseFuture, permit: Permit, tally: Tally) -> Self {
        permit.connection().brake.top.store(response.stream_id().as_u32(), Relaxed);
        Self(Some((response, permit, tally)))
    }

    /// Waits for the head of the answer, or the error in its place.
    pub(in crate::upstream) async fn answer(
        &mut self,
    ) -> (Result<http::Response<RecvStream>, h2::Error>, Permit, Tally) {
        poll_fn(|cx| {
            let Some((response, ..)) = &mut self.0 else { return Poll::Pending };
            let response = ready!(Pin::new(response).poll(cx));
            // From here on dropping the stream is no surprise to the peer.
            let Some((_, permit, tally)) = self.0.take() else { return Poll::Pending };
            Poll::Ready((response, permit, tally))
        })
        .await
    }

    /// It is given up, with this code.
    pub(in crate::upstream) fn give_up(self, code: Code) {
        if let Some((_, _, tally)) = &self.0 {
            tally.ended(code);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some((response, permit, tally)) = self.0.take() {
            let brake = Arc::clone(&permit.connection().brake);
            brake.cancel(response, permit, &tally);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.orphan.look(&mut self.response);
    }
}

impl Brake {
    pub(super) fn new(meter: Arc<Meter>) -> Self {
        Self { meter, top: AtomicU32::new(0), busy: AtomicBool::new(false), state: Mutex::default() }
    }

    fn cancel(&self, response: ResponseFuture, mut permit: Permit, tally: &Tally) {
        permit.abandoned();
        let stream = response.stream_id().as_u32();
        let held = Held { stream, response, orphan: tally.orphan(), _permit: permit };
        if stream <= self.meter.seen() {
            return;
        }
        let mut state = self.state.lock();
        if state.ended {
            return;
        }
        self.busy.store(true, Relaxed);
        let now = if state.unproven() < MOST_RESETS {
            state.fresh += 1;
            state.top = self.top.load(Relaxed);
            Some(held)
        } else {
            state.held.push_back(held);
            None
        };
        // Neither the reset nor the end of the permit is to find the lock taken.
        drop(state);
        drop(now);
    }

    /// Lets go what may go, after the driver has sent what there was to send. Whether there is more to send now.
    pub(super) fn step<T>(&self, h2: &mut h2::client::Connection<T, Bytes>) -> bool
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        if !self.busy.load(Relaxed) {
            return false;
        }
        let mut state = self.state.lock();
        let follows = state.learn(self.meter.seen(), self.meter.settled())
            // Refused while earlier SETTINGS, those of the handshake say, are unacknowledged; their end brings us here.
            && h2.set_initial_window_size(STREAM_WINDOW).is_ok();
        if follows {
            state.follow(self.meter.settled());
        }
        let freed = state.release(self.meter.seen(), self.top.load(Relaxed));
        self.busy.store(!state.is_idle(), Relaxed);
        drop(state);
        follows || !freed.is_empty()
    }

    /// The connection is no more, and nobody is bothered by anything.
    pub(super) fn end(&self) {
        let mut state = self.state.lock();
        state.ended = true;
        let held = std::mem::take(&mut state.held);
        drop(state);
        drop(held);
    }
}

impl State {
    /// Takes what the peer has proven; whether there is need for more proof.
    fn learn(&mut self, seen: u32, settled: u32) -> bool {
        if self.settings.is_some_and(|before| before != settled) {
            (self.settings, self.followed) = (None, 0);
        }
        if seen > self.top {
            (self.fresh, self.followed) = (0, 0);
        }
        let short = !self.held.is_empty() || self.unproven() >= MOST_RESETS / 2;
        short && self.fresh > 0 && self.settings.is_none()
    }

    /// SETTINGS go out after all resets so far.
    fn follow(&mut self, settled: u32) {
        self.settings = Some(settled);
        self.followed += std::mem::take(&mut self.fresh);
    }

    /// What was held and may go.
    fn release(&mut self, seen: u32, top: u32) -> Vec<Held> {
        let mut freed = Vec::new();
        while let Some(next) = self.held.front() {
            let known = next.stream <= seen;
            if !known && self.unproven() >= MOST_RESETS {
                break;
            }
            if !known {
                self.fresh += 1;
                self.top = top;
            }
            freed.extend(self.held.pop_front());
        }
        freed
    }

    fn unproven(&self) -> usize {
        self.fresh + self.followed
    }

    fn is_idle(&self) -> bool {
        self.unproven() == 0 && self.held.is_empty() && self.settings.is_none()
    }
}

impl fmt::Debug for Brake {
    /// Without what is held: that leads back here by way of its permit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brake").field("top", &self.top).field("busy", &self.busy).finish_non_exhaustive()
    }
}

/// Half of the 20 that `h2` forgives, so that those of another moment find room.
const MOST_RESETS: usize = 10;
