//! No message above its limit, and as many messages as the method has.
//!
//! Frames are followed by their headers only; nothing is copied or decoded. A message over the limit ends the call with
//! RESOURCE_EXHAUSTED as soon as its length is known, before its bytes are waited for.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use pin_project_lite::pin_project;
use tonic::Code;
use tower::Service;

use crate::{
    call::{Body, CallError, Context, Journal, Request, Response},
    grpc::{
        GRPC_STATUS,
        frame::{FrameError, Scanner},
        status,
    },
    telemetry::metrics::MethodMetrics,
};

/// Counts and bounds the messages of a call.
#[derive(Clone, Debug)]
pub struct Limit<S> {
    inner: S,
}

impl<S> Limit<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S> Service<Request> for Limit<S>
where
    S: Service<Request, Response = Response, Error = CallError>,
{
    type Response = Response;
    type Error = CallError;
    type Future = Limited<S::Future>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Some(context) = request.extensions().get::<Context>() else {
            return Limited::Passed { answer: self.inner.call(request) };
        };
        let side = |direction, limit, single| Count {
            direction,
            single,
            scanner: Scanner::new(limit),
            metrics: Arc::clone(&context.metrics),
            journal: context.journal.clone(),
        };
        let up = side(Direction::Request, context.policy.max_request_bytes, !context.kind.client_streaming());
        let down =
            side(Direction::Response, context.policy.max_response_bytes, !context.kind.server_streaming());
        let (head, body) = request.into_parts();
        match up.apply(body) {
            Ok(body) => Limited::Waiting {
                answer: self.inner.call(Request::from_parts(head, body)),
                down: Some(down),
            },
            Err(error) => Limited::Refused { error: Some(error) },
        }
    }
}

pin_project! {
    /// An answer whose messages will be counted.
    #[project = LimitedProjection]
    pub enum Limited<F> {
        Waiting { #[pin] answer: F, down: Option<Count> },
        Passed { #[pin] answer: F },
        Refused { error: Option<CallError> },
    }
}

impl<F: Future<Output = Result<Response, CallError>>> Future for Limited<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        match self.project() {
            LimitedProjection::Waiting { answer, down } => {
                let (head, body) = ready!(answer.poll(cx))?.into_parts();
                let body = match down.take() {
                    // Trailers-only: the status stands in the head and there is no message to count.
                    Some(down) if head.headers.contains_key(GRPC_STATUS) => {
                        down.finish(|| is_ok(&head.headers))?;
                        body
                    }
                    Some(down) => down.apply(body)?,
                    None => body,
                };
                Poll::Ready(Ok(Response::from_parts(head, body)))
            }
            LimitedProjection::Passed { answer } => answer.poll(cx),
            LimitedProjection::Refused { error } => {
                Poll::Ready(Err(error.take().unwrap_or_else(CallError::client_gone)))
            }
        }
    }
}

/// One direction of one call.
#[derive(Debug)]
pub struct Count {
    direction: Direction,
    /// Exactly one message is due.
    single: bool,
    scanner: Scanner,
    metrics: Arc<MethodMetrics>,
    journal: Option<Arc<Journal>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Request,
    Response,
}

impl Count {
    /// Counts a body that is there, or counts it as it comes.
    fn apply(mut self, body: Body) -> Result<Body, CallError> {
        let whole = match body.into_whole() {
            Ok(whole) => whole,
            Err(body) => return Ok(Body::stream(Counted { body, count: self })),
        };
        for chunk in whole.chunks.iter() {
            self.feed(chunk)?;
        }
        self.finish(|| whole.trailers.as_ref().is_none_or(is_ok))?;
        Ok(Body::whole(whole))
    }

    fn feed(&mut self, chunk: &[u8]) -> Result<(), CallError> {
        let before = self.scanner.messages();
        let fed = self.scanner.feed(chunk);
        let more = self.scanner.messages() - before;
        if more > 0 {
            self.count(more);
        }
        fed.map_err(|error| self.wrong_frame(error))?;
        // A second message need not be waited for to its end.
        let surplus = self.scanner.messages() + u64::from(!self.scanner.at_boundary()) > 1;
        if self.single && surplus { Err(self.wrong_count("more than one")) } else { Ok(()) }
    }

    /// `ok` says whether the direction ended well; after an error status no message is due.
    fn finish(&self, ok: impl FnOnce() -> bool) -> Result<(), CallError> {
        let lacking = match self.scanner.finish() {
            Err(error) => self.wrong_frame(error),
            Ok(()) if self.single && self.scanner.messages() == 0 => self.wrong_count("none"),
            Ok(()) => return Ok(()),
        };
        if ok() { Err(lacking) } else { Ok(()) }
    }

    fn wrong_frame(&self, error: FrameError) -> CallError {
        match self.direction {
            Direction::Request => CallError::request_frame(error),
            Direction::Response => CallError::response_frame(error),
        }
    }

    fn count(&self, messages: u64) {
        match self.direction {
            Direction::Request => {
                self.metrics.server.received(messages);
                self.metrics.client.sent(messages);
            }
            Direction::Response => {
                self.metrics.client.received(messages);
                self.metrics.server.sent(messages);
            }
        }
        if let Some(journal) = &self.journal {
            match self.direction {
                Direction::Request => journal.received(messages),
                Direction::Response => journal.sent(messages),
            }
        }
    }

    /// gRPC's own implementations answer a wrong number of messages so (grpc `doc/statuscodes.md`).
    fn wrong_count(&self, found: &str) -> CallError {
        match self.direction {
            Direction::Request => CallError::refused(
                Code::Unimplemented,
                crate::call::reason::BAD_REQUEST,
                format!("expected exactly one request message, found {found}"),
            ),
            Direction::Response => {
                CallError::reply_lost(format_args!("expected exactly one response message, found {found}"))
            }
        }
    }
}

fn is_ok(trailers: &http::HeaderMap) -> bool {
    status::code(trailers) == Some(Code::Ok)
}

/// A body that is counted as it comes.
struct Counted {
    body: Body,
    count: Count,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let this = &mut *self;
        let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => return Poll::Ready(this.count.finish(|| true).err().map(Err)),
        };
        let checked = match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => this.count.feed(data),
            (None, Some(trailers)) => this.count.finish(|| is_ok(trailers)),
            (None, None) => Ok(()),
        };
        Poll::Ready(Some(checked.map(|()| frame)))
    }

    fn is_end_stream(&self) -> bool {
        // The end itself is checked, so a reader must come and fetch it.
        false
    }
}
