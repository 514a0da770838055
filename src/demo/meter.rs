//! The layer around every call of the backend: counts it, and ends it when draining has lasted long enough.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::drain::Drain;
use super::stats::{CountedCall, Counters, Stats};

/// Wraps the services of a backend. It sits on the bytes, not in the services, so that it sees each call end
/// in each way it can: with its trailers, by a reset, or with its connection.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    stats: Arc<Stats>,
    drain: Drain,
    grace: Duration,
}

/// What [`Meter`] makes of a service.
#[derive(Clone, Debug)]
pub(super) struct Metered<S> {
    inner: S,
    meter: Meter,
}

impl Meter {
    /// Counts into `stats`; lets calls run for `grace` after the start of `drain`.
    pub(super) fn new(stats: Arc<Stats>, drain: Drain, grace: Duration) -> Self {
        Self { stats, drain, grace }
    }
}

impl<S> Layer<S> for Meter {
    type Service = Metered<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Metered { inner, meter: self.clone() }
    }
}

impl<S> Service<Request<Body>> for Metered<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut call = self.meter.stats.start(request.uri().path());
        // Calls that do not count are health watches and reflection: they end only when told, and hold nothing
        // that is worth the wait.
        let grace = if call.is_some() { self.meter.grace } else { IDLE_GRACE.min(self.meter.grace) };
        let mut expired: BoxFuture<'static, ()> = Box::pin(self.meter.drain.clone().lasted(grace));

        let request = match &call {
            None => request,
            Some(call) => {
                let counters = Arc::clone(call.counters());
                request.map(|body| Body::new(Received { body, counters, lengths: Lengths::default() }))
            }
        };
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = tokio::select! {
                biased;
                response = response => response?,
                () = &mut expired => {
                    if let Some(call) = &mut call {
                        call.finish();
                    }
                    return Ok(draining().into_http());
                }
            };
            Ok(response.map(|body| {
                // A response of headers only has its status in them, and its body is never polled.
                if body.is_end_stream()
                    && let Some(call) = &mut call
                {
                    call.finish();
                }
                Body::new(Sent {
                    body,
                    call,
                    lengths: Lengths::default(),
                    expired,
                    over: false,
                    ended: false,
                })
            }))
        })
    }
}

/// A request body that counts what is read of it.
struct Received {
    body: Body,
    counters: Arc<Counters>,
    lengths: Lengths,
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            let messages = self.lengths.completed(data);
            self.counters.received(messages, data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response body that counts what is taken of it, and how its call ends.
struct Sent {
    body: Body,
    call: Option<CountedCall>,
    lengths: Lengths,
    expired: BoxFuture<'static, ()>,
    over: bool,
    ended: bool,
}

impl Sent {
    fn finish(&mut self) {
        self.ended = true;
        if let Some(call) = &mut self.call {
            call.finish();
        }
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        // The body comes before the clock: what it has to say when the time is out, a last health status say,
        // still goes. The clock is read beside data too, or a body that never rests would never be stopped.
        if !self.over {
            let frame = Pin::new(&mut self.body).poll_frame(cx);
            self.over = self.expired.as_mut().poll(cx).is_ready();
            match frame {
                Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                    if let (Some(data), Some(call)) = (frame.data_ref(), &self.call) {
                        let counters = Arc::clone(call.counters());
                        counters.sent(self.lengths.completed(data), data.len() as u64);
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                Poll::Ready(last) => {
                    self.finish();
                    return Poll::Ready(last);
                }
                Poll::Pending if !self.over => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        self.finish();
        self.body = Body::empty();
        Poll::Ready(Some(Ok(Frame::trailers(trailers(&draining())))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // An exact size would promise what a drain may cut short.
        SizeHint::default()
    }
}

/// Finds the messages in bytes that come in any pieces: each is a flag byte, four bytes of length, the message.
#[derive(Debug, Default)]
struct Lengths {
    prefix: Vec<u8>,
    rest: usize,
}

impl Lengths {
    /// How many messages end in `data`, the bytes that follow those of the last time.
    fn completed(&mut self, mut data: &[u8]) -> u64 {
        let mut messages = 0;
        while !data.is_empty() {
            if self.rest == 0 {
                let missing = (PREFIX - self.prefix.len()).min(data.len());
                let (head, tail) = data.split_at(missing);
                self.prefix.extend_from_slice(head);
                data = tail;
                let &[_, a, b, c, d] = self.prefix.as_slice() else { break };
                self.prefix.clear();
                self.rest = u32::from_be_bytes([a, b, c, d]) as usize;
                if self.rest == 0 {
                    messages += 1;
                }
            } else {
                let taken = self.rest.min(data.len());
                data = data.split_at(taken).1;
                self.rest -= taken;
                if self.rest == 0 {
                    messages += 1;
                }
            }
        }
        messages
    }
}

fn draining() -> Status {
    Status::unavailable("the backend is shutting down")
}

fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        // Only a message that no header can hold ends here; the code alone still is a status.
        trailers.insert("grpc-status", HeaderValue::from(status.code() as i32));
    }
    trailers
}

/// How long health watches and reflection streams may go on while the backend drains: long enough for the last
/// health status to go out.
const IDLE_GRACE: Duration = Duration::from_millis(200);

/// The bytes before each message.
const PREFIX: usize = 5;

#[cfg(test)]
mod tests {
    use super::Lengths;

    #[test]
    fn messages_are_found_however_the_bytes_are_cut() {
        let mut wire = Vec::new();
        for len in [0_u8, 1, 0, 7, 200] {
            wire.extend_from_slice(&[0, 0, 0, 0, len]);
            wire.extend(std::iter::repeat_n(b'x', usize::from(len)));
        }
        for piece in 1..=wire.len() {
            let mut lengths = Lengths::default();
            let messages: u64 = wire.chunks(piece).map(|data| lengths.completed(data)).sum();
            assert_eq!(messages, 5, "in pieces of {piece}");
        }
        assert_eq!(Lengths::default().completed(&wire[..wire.len() - 1]), 4, "the last one is not whole");
    }
}
