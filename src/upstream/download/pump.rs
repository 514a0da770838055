//! Takes a stream off its connection as it comes, gives it to the client as it reads.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, Waker},
};

use bytes::Bytes;
use h2::{FlowControl, RecvStream};
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep};

use super::{Held, Pieces};
use crate::{
    call::{CallError, Context, Watch},
    grpc::frame::Scanner,
    telemetry::metrics::DeadlineIn,
    upstream::{activity::Activity, tally::Orphan},
};

/// Starts the task that takes the stream's frames; the body is the client's end of it.
pub(super) fn start(mut stream: RecvStream, pieces: Pieces, context: &Context, held: Held) -> Download {
    held.activity.moved();
    let activity = held.activity.clone();
    let flow = Some(stream.flow_control().clone());
    let orphan = held.tally.orphan();
    let mut frames = Scanner::new(usize::MAX);
    for piece in pieces.iter() {
        frames.follow(piece);
    }
    held.tally.received(frames.payload());
    let state = State { pieces, flow, outcome: None, reader: None, pump: None, abandoned: false };
    let shared = Arc::new(Mutex::new(state));
    let limits = Limits { deadline: context.deadline, expires: context.expires, activity: activity.clone() };
    let cut = held.permit.lane().cut().watch();
    let timer = limits.next().map(|at| Box::pin(tokio::time::sleep_until(at)));
    tokio::spawn(Pump { shared: Arc::clone(&shared), stream, frames, limits, timer, cut, held });
    Download { shared, activity, orphan }
}

/// The client's end: bytes, then trailers or the error that ended the call.
#[derive(Debug)]
pub(super) struct Download {
    shared: Arc<Mutex<State>>,
    activity: Activity,
    orphan: Orphan,
}

/// The backend's end. Ends the call by itself when its time is over: a client that does not read does not poll either.
#[derive(Debug)]
struct Pump {
    shared: Arc<Mutex<State>>,
    stream: RecvStream,
    /// What has come by now, for its size.
    frames: Scanner,
    limits: Limits,
    timer: Option<Pin<Box<Sleep>>>,
    cut: Watch,
    held: Held,
}

/// At most one window of bytes waits here: the backend has no credit for more.
#[derive(Debug)]
struct State {
    pieces: Pieces,
    /// Grants the backend credit; `None` once the call has ended. `h2` resets a stream when its last handle is dropped,
    /// and a client that does not read keeps its end for long.
    flow: Option<FlowControl>,
    outcome: Option<Result<HeaderMap, CallError>>,
    reader: Option<Waker>,
    pump: Option<Waker>,
    abandoned: bool,
}

#[derive(Debug)]
struct Limits {
    deadline: Option<Instant>,
    expires: Option<Instant>,
    activity: Activity,
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
            self.activity.moved();
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
        if let Some(Ok(trailers)) = &state.outcome {
            self.orphan.ended(trailers);
        }
    }
}

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.shared.lock();
        if state.abandoned {
            this.held.tally.orphan().look_on(&mut this.stream);
            return Poll::Ready(());
        }
        let before = state.pieces.len();
        let received = receive(&mut this.stream, &mut state.pieces, &mut this.frames, cx);
        if state.pieces.len() > before {
            this.held.activity.moved();
            this.held.tally.received(this.frames.payload());
        }
        let outcome = match received {
            Poll::Ready(Ok(trailers)) => Some(this.held.trailers(trailers).map(|(trailers, _)| trailers)),
            Poll::Ready(Err(error)) => Some(Err(this.held.error(&error))),
            Poll::Pending if Pin::new(&mut this.cut).poll(cx).is_ready() => {
                Some(Err(this.held.ended(CallError::shutting_down())))
            }
            Poll::Pending => {
                let exceeded = this.limits.exceeded(&mut this.timer, cx);
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
    frames: &mut Scanner,
    cx: &mut TaskContext<'_>,
) -> Poll<Result<Option<HeaderMap>, h2::Error>> {
    loop {
        match stream.poll_data(cx) {
            Poll::Ready(Some(Ok(data))) => {
                frames.follow(&data);
                pieces.push(data);
            }
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
            Poll::Ready(None) => return stream.poll_trailers(cx),
            Poll::Pending => return Poll::Pending,
        }
    }
}

impl Limits {
    /// When to look at the clock again.
    fn next(&self) -> Option<Instant> {
        [self.deadline, self.expires, self.activity.idle_at()].into_iter().flatten().min()
    }

    /// Which limit in time the call has run into. Moves the timer on when it rang for bytes that have moved since.
    fn exceeded(&self, timer: &mut Option<Pin<Box<Sleep>>>, cx: &mut TaskContext<'_>) -> Option<CallError> {
        let timer = timer.as_mut()?;
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let passed = |limit: Option<Instant>| limit.is_some_and(|limit| limit <= now);
            if passed(self.deadline) {
                return Some(CallError::deadline_exceeded(true).waiting_in(DeadlineIn::Stream));
            }
            if passed(self.expires) {
                return Some(CallError::stream_expired());
            }
            if passed(self.activity.idle_at()) {
                return Some(CallError::stream_idle());
            }
            timer.as_mut().reset(self.next()?);
        }
        None
    }
}
