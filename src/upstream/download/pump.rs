//! Takes a stream off its connection as it comes, gives it to the client as it reads.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use h2::{FlowControl, RecvStream};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{Held, Pieces};
use crate::call::{CallError, Context};

/// Starts the task that takes the stream's frames; the body is the client's end of it.
pub(super) fn start(mut stream: RecvStream, pieces: Pieces, context: &Context, held: Held) -> Download {
    let state = State {
        pieces,
        flow: Some(stream.flow_control().clone()),
        outcome: None,
        reader: None,
        pump: None,
        abandoned: false,
        moved: Instant::now(),
    };
    let shared = Arc::new(Mutex::new(state));
    let limits = Limits { deadline: context.deadline, expires: context.expires, idle: context.idle_timeout };
    let cut = Box::pin(held.permit.lane().cut().cancelled_owned());
    let timer = limits.next(Instant::now()).map(|at| Box::pin(tokio::time::sleep_until(at)));
    tokio::spawn(Pump { shared: Arc::clone(&shared), stream, limits, timer, cut, held });
    Download { shared }
}

/// The client's end: bytes, then trailers or the error that ended the call.
#[derive(Debug)]
pub(super) struct Download {
    shared: Arc<Mutex<State>>,
}

/// The backend's end. Ends the call by itself when its time is over: a client that does not read does not poll either.
#[derive(Debug)]
struct Pump {
    shared: Arc<Mutex<State>>,
    stream: RecvStream,
    limits: Limits,
    timer: Option<Pin<Box<Sleep>>>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    held: Held,
}

/// At most one window of bytes waits here: the backend has no credit for more.
#[derive(Debug)]
struct State {
    pieces: Pieces,
    /// Grants the backend credit for what the client took. Gone with the pump: `h2` neither resets a stream nor gives
    /// its credit back to the connection while a handle of it is left, and the client may hold its end for ever.
    flow: Option<FlowControl>,
    outcome: Option<Result<HeaderMap, CallError>>,
    reader: Option<Waker>,
    pump: Option<Waker>,
    abandoned: bool,
    /// When a byte of the answer last moved, in or out.
    moved: Instant,
}

#[derive(Debug)]
struct Limits {
    deadline: Option<Instant>,
    expires: Option<Instant>,
    idle: Option<Duration>,
}

impl HttpBody for Download {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let mut state = self.shared.lock();
        if let Some(bytes) = state.pieces.take() {
            state.moved = Instant::now();
            if let Some(flow) = &mut state.flow {
                // Fails only for bytes that were never received.
                let _ = flow.release_capacity(bytes.len());
            }
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        match state.outcome.take() {
            Some(outcome) => Poll::Ready(Some(outcome.map(Frame::trailers))),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.abandoned = true;
        if let Some(pump) = state.pump.take() {
            pump.wake();
        }
    }
}

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.shared.lock();
        if state.abandoned {
            return Poll::Ready(());
        }
        let before = state.pieces.len();
        let received = receive(&mut this.stream, &mut state.pieces, cx);
        if state.pieces.len() > before {
            state.moved = Instant::now();
        }
        let outcome = match received {
            Poll::Ready(Ok(trailers)) => Some(this.held.trailers(trailers)),
            Poll::Ready(Err(error)) => Some(Err(this.held.error(&error))),
            Poll::Pending if this.cut.as_mut().poll(cx).is_ready() => {
                Some(Err(this.held.ended(CallError::shutting_down())))
            }
            Poll::Pending => {
                let moved =
                    || this.held.upload.as_ref().map_or(state.moved, |up| up.moved().max(state.moved));
                let exceeded = this.limits.exceeded(&mut this.timer, moved, cx);
                exceeded.map(|error| Err(this.held.ended(error)))
            }
        };
        let ended = outcome.is_some();
        if ended {
            state.outcome = outcome;
            state.flow = None;
        } else {
            state.pump = Some(cx.waker().clone());
        }
        let reader = if ended || state.pieces.len() > before { state.reader.take() } else { None };
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        if ended { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Takes all frames that are there; ready when the stream has ended.
fn receive(
    stream: &mut RecvStream,
    pieces: &mut Pieces,
    cx: &mut TaskContext<'_>,
) -> Poll<Result<Option<HeaderMap>, h2::Error>> {
    loop {
        match stream.poll_data(cx) {
            Poll::Ready(Some(Ok(data))) => pieces.push(data),
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
            Poll::Ready(None) => return stream.poll_trailers(cx),
            Poll::Pending => return Poll::Pending,
        }
    }
}

impl Limits {
    /// When to look at the clock again.
    fn next(&self, moved: Instant) -> Option<Instant> {
        [self.deadline, self.expires, self.idle.map(|idle| moved + idle)].into_iter().flatten().min()
    }

    /// Which limit in time the call has run into. Moves the timer on when it rang for bytes that have moved since.
    fn exceeded(
        &self,
        timer: &mut Option<Pin<Box<Sleep>>>,
        moved: impl Fn() -> Instant,
        cx: &mut TaskContext<'_>,
    ) -> Option<CallError> {
        let timer = timer.as_mut()?;
        while timer.as_mut().poll(cx).is_ready() {
            let (now, moved) = (Instant::now(), moved());
            let passed = |limit: Option<Instant>| limit.is_some_and(|limit| limit <= now);
            if passed(self.deadline) {
                return Some(CallError::deadline_exceeded(true));
            }
            if passed(self.expires) {
                return Some(CallError::stream_ended(
                    "UpstreamMaxStreamDurationReached",
                    "the stream reached its longest duration (max_stream_duration)",
                ));
            }
            if passed(self.idle.map(|idle| moved + idle)) {
                return Some(CallError::stream_ended(
                    "StreamIdleTimeout",
                    "no byte moved for too long (stream_idle_timeout)",
                ));
            }
            timer.as_mut().reset(self.next(moved)?);
        }
        None
    }
}
