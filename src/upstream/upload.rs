//! The request body of a call that streams it.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use h2::{Reason, SendStream};
use http_body::Body as _;
use parking_lot::Mutex;
use tokio::task::AbortHandle;

use super::{
    activity::Activity,
    brakes::{Budget, Kept},
    trickle::Trickle,
};
use crate::{
    call::{Body, CallError},
    grpc::frame::Scanner,
};

/// A request body that remembers what it gave, so that the call can be sent again.
///
/// Dropped, it forgets: what is still to be sent goes out once.
#[derive(Debug)]
pub(super) struct Source(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    body: Body,
    /// What was sent, by this attempt and those before it.
    kept: Kept,
    /// How much of it this attempt has sent.
    sent: usize,
    /// No attempt follows this one.
    last: bool,
    error: Option<CallError>,
}

/// A body on its way up; dropped, it stops.
#[derive(Debug)]
pub(super) struct Upload {
    state: Arc<Mutex<State>>,
    /// Bytes of messages that it has sent.
    sent: Arc<AtomicU64>,
    task: AbortHandle,
}

impl Source {
    pub(super) fn new(body: Body, budget: Arc<Budget>) -> Self {
        let state = State { body, kept: Kept::new(budget), sent: 0, last: false, error: None };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Goes back to the start; `false` when more was sent than is kept.
    pub(super) fn rewind(&mut self) -> bool {
        let mut state = self.0.lock();
        state.sent = 0;
        state.kept.bytes().is_some()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.last = true;
        // A backend may answer before it has been sent again what an attempt before had sent.
        if state.unsent().is_none() {
            state.kept.give_up();
        }
    }
}

impl Upload {
    /// Sends the body in a task of its own: a backend may answer while it is still being sent, and a client may read
    /// nothing until it is.
    pub(super) fn start(source: &Source, stream: SendStream<Bytes>, activity: Activity) -> Self {
        let (state, sent) = (Arc::clone(&source.0), Arc::default());
        let task = send(Arc::clone(&state), stream, Arc::clone(&sent), activity);
        Self { state, sent, task: tokio::spawn(task).abort_handle() }
    }

    /// Counts the bytes of messages that it sends.
    pub(super) fn sent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.sent)
    }

    /// What the client did wrong, when that ended the upload.
    pub(super) fn error(&self) -> Option<CallError> {
        self.state.lock().error.take()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn send(
    state: Arc<Mutex<State>>,
    mut stream: SendStream<Bytes>,
    sent: Arc<AtomicU64>,
    activity: Activity,
) {
    let (mut frames, mut trickle) = (Scanner::new(usize::MAX), Trickle::new());
    loop {
        trickle.turn().await;
        let next = poll_fn(|cx| {
            // The backend may answer early and reset: reading on would only waste the client's bytes.
            if stream.poll_reset(cx).is_ready() {
                return Poll::Ready(None);
            }
            state.lock().poll_chunk(cx).map(Some)
        });
        match next.await {
            None => return,
            Some(Ok(Some(chunk))) => {
                activity.moved();
                trickle.sent(chunk.len());
                frames.follow(&chunk);
                if !send_chunk(&mut stream, chunk).await {
                    return;
                }
                sent.store(frames.payload(), Relaxed);
                activity.moved();
            }
            Some(Ok(None)) => {
                let _ = stream.send_data(Bytes::new(), true);
                return;
            }
            Some(Err(error)) => {
                state.lock().error = Some(error);
                stream.send_reset(Reason::CANCEL);
                return;
            }
        }
    }
}

/// Sends a chunk as the backend grants credit for it; `false` when the stream has ended.
async fn send_chunk(stream: &mut SendStream<Bytes>, mut chunk: Bytes) -> bool {
    while !chunk.is_empty() {
        stream.reserve_capacity(chunk.len());
        match poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(Ok(capacity)) => {
                if stream.send_data(chunk.split_to(capacity.min(chunk.len())), false).is_err() {
                    return false;
                }
            }
            Some(Err(_)) | None => return false,
        }
    }
    true
}

impl State {
    /// The next bytes to send: all that is there, small chunks put together.
    ///
    /// One DATA frame for many small messages, since a tonic backend of default settings ends a connection, shared by
    /// everyone, on which too many small frames come in.
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, CallError>> {
        if let Some(unsent) = self.unsent().map(Bytes::copy_from_slice) {
            self.sent += unsent.len();
            if self.last {
                self.kept.give_up();
            }
            return Poll::Ready(Ok(Some(unsent)));
        }
        let Some(first) = ready!(self.poll_data(cx))? else { return Poll::Ready(Ok(None)) };
        let chunk = if first.len() >= COALESCE || self.body.is_end_stream() {
            first
        } else {
            let mut joined = BytesMut::from(first);
            // What came before an end or an error is sent first; the next call finds the end again.
            while joined.len() < COALESCE {
                match self.poll_data(cx) {
                    Poll::Ready(Ok(Some(more))) => joined.extend_from_slice(&more),
                    Poll::Ready(Err(error)) => {
                        self.error = Some(error);
                        break;
                    }
                    Poll::Ready(Ok(None)) | Poll::Pending => break,
                }
            }
            joined.freeze()
        };
        if !self.last {
            self.kept.push(&chunk);
            self.sent += chunk.len();
        }
        Poll::Ready(Ok(Some(chunk)))
    }

    /// What attempts before this one have sent, and this one has not.
    fn unsent(&self) -> Option<&[u8]> {
        self.kept.bytes()?.get(self.sent..).filter(|unsent| !unsent.is_empty())
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, CallError>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Err(error));
        }
        loop {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                None => return Poll::Ready(Ok(None)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Poll::Ready(Ok(Some(data))),
                    // gRPC has no request trailers; nothing can follow them.
                    Err(_) => return Poll::Ready(Ok(None)),
                },
                Some(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
    }
}

/// Chunks are put together up to one HTTP/2 frame.
const COALESCE: usize = 16 << 10;
