//! Every call is counted once, with its outcome.
//!
//! | end | counted as |
//! |---|---|
//! | trailers, or a trailers-only head | their `grpc-status` |
//! | [`CallError`], in place of the answer or of trailers | its code |
//! | dropped before either | `Canceled`: the client went away |
//!
//! To dashboards the gateway is the server, so REST and gRPC-Web calls stand in `grpc_server_*` like all others, and an
//! HTTP 200 over a bad status is counted as what it is.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tonic::Code;
use tower::Service;

use crate::{
    call::{Body, CallError, Context, Journal, Request, Response},
    grpc::{GRPC_STATUS, status},
    telemetry::{
        Metrics,
        metrics::{ClusterMetrics, DeadlineIn, Gauge, MethodMetrics},
    },
    upstream::Target,
};

/// Counts calls and writes their outcome into their journal.
#[derive(Clone, Debug)]
pub struct Record<S> {
    inner: S,
    metrics: Metrics,
}

impl<S> Record<S> {
    /// A recorder around `inner`.
    pub fn new(inner: S, metrics: Metrics) -> Self {
        Self { inner, metrics }
    }
}

impl<S: Clone> Record<S> {
    /// What is recorded, for calls that are not to be.
    pub(super) fn uncounted(&self) -> S {
        self.inner.clone()
    }
}

impl<S> Service<Request> for Record<S>
where
    S: Service<Request, Response = Response, Error = CallError>,
{
    type Response = Response;
    type Error = CallError;
    type Future = Recorded<S::Future>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let target = request.extensions().get::<Target>();
        let context = request.extensions().get::<Context>();
        let entry = context.map(|context| Entry::open(context, target, &self.metrics));
        Recorded { answer: self.inner.call(request), entry }
    }
}

pin_project! {
    /// An answer whose outcome will be recorded.
    pub struct Recorded<F> {
        #[pin]
        answer: F,
        entry: Option<Entry>,
    }
}

impl<F: Future<Output = Result<Response, CallError>>> Future for Recorded<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = self.project();
        let answer = ready!(this.answer.poll(cx));
        let Some(entry) = this.entry.take() else { return Poll::Ready(answer) };
        Poll::Ready(match answer {
            Ok(response) => Ok(entry.follow(response)),
            Err(error) => {
                entry.close_with(&error);
                Err(error)
            }
        })
    }
}

/// One call that has begun; closes as cancelled when it is dropped open.
struct Entry {
    started: Instant,
    method: Arc<MethodMetrics>,
    cluster: Option<Arc<ClusterMetrics>>,
    metrics: Metrics,
    journal: Option<Arc<Journal>>,
    stream: Option<Arc<Gauge>>,
    open: bool,
}

impl Entry {
    fn open(context: &Context, target: Option<&Target>, metrics: &Metrics) -> Self {
        context.metrics.server.started();
        let streams = context.kind.client_streaming() || context.kind.server_streaming();
        let stream = streams.then(|| metrics.streams_active(context.inbound.label()));
        if let Some(stream) = &stream {
            stream.inc();
        }
        Self {
            started: context.started,
            method: Arc::clone(&context.metrics),
            cluster: target.map(|Target(cluster)| Arc::clone(cluster.metrics())),
            metrics: metrics.clone(),
            journal: context.journal.clone(),
            stream,
            open: true,
        }
    }

    fn follow(self, response: Response) -> Response {
        if response.headers().contains_key(GRPC_STATUS) {
            self.close_from(response.headers());
            return response;
        }
        let (head, body) = response.into_parts();
        let body = match body.into_whole() {
            Ok(whole) => {
                if let Some(trailers) = &whole.trailers {
                    self.close_from(trailers);
                }
                Body::whole(whole)
            }
            Err(body) => Body::stream(Followed { body, entry: Some(self) }),
        };
        Response::from_parts(head, body)
    }

    fn close_from(mut self, headers: &HeaderMap) {
        if let Some(journal) = &self.journal {
            let status = status::read_or_unknown(headers);
            journal.ended(status.code(), status.message());
        }
        self.count(status::code(headers).unwrap_or(Code::Unknown), None);
    }

    fn close_with(mut self, error: &CallError) {
        self.ended_by(error);
    }

    fn ended_by(&mut self, error: &CallError) {
        if let Some(by) = error.cancelled_by() {
            self.metrics.cancelled(by);
        }
        if let Some(journal) = &self.journal {
            journal.ended_by(error);
        }
        self.count(error.status().code(), error.deadline_in());
    }

    fn count(&mut self, code: Code, waiting: Option<DeadlineIn>) {
        self.open = false;
        let elapsed = self.started.elapsed();
        if code == Code::DeadlineExceeded
            && let Some(cluster) = &self.cluster
        {
            // The backend that says so keeps the same time, and looks at its clock a moment sooner.
            cluster.deadline_exceeded(waiting.unwrap_or(DeadlineIn::Upstream));
        }
        self.method.server.handled(code as usize, elapsed);
        if let Some(cluster) = &self.cluster {
            self.method.at(cluster).call_ended(code as usize, elapsed);
        }
        if let Some(stream) = &self.stream {
            stream.dec();
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if self.open {
            self.ended_by(&CallError::client_gone());
        }
    }
}

/// A body whose end will be recorded.
struct Followed {
    body: Body,
    entry: Option<Entry>,
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref()
                    && let Some(entry) = self.entry.take()
                {
                    entry.close_from(trailers);
                }
            }
            Some(Err(error)) => {
                if let Some(entry) = self.entry.take() {
                    entry.close_with(error);
                }
            }
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        call::{Inbound, Kind},
        config,
        upstream::Clusters,
    };

    #[tokio::test]
    async fn a_deadline_counts_by_what_the_call_waited_for() {
        let metrics = Metrics::new();
        let target = config::Target::Static(Vec::new());
        let clusters = Clusters::new([config::Cluster::new("orders", target)], &metrics);
        let cluster = clusters.iter().next().unwrap();
        let counts = || {
            ["queue", "connect", "upstream", "stream"].map(|place| {
                let labels = format!(r#"{{cluster="orders",where="{place}"}}"#);
                metrics.shown(&format!("edgeway_deadline_exceeded_total{labels}")).unwrap()
            })
        };
        let late = CallError::deadline_exceeded;
        let status = |code: &'static str| {
            let mut response = Response::new(Body::empty());
            response.headers_mut().insert(GRPC_STATUS, code.parse().unwrap());
            Ok(response)
        };
        for (answer, expect) in [
            (Err(late(false)), [1.0, 0.0, 0.0, 0.0]),
            (Err(late(false).waiting_in(DeadlineIn::Connect)), [1.0, 1.0, 0.0, 0.0]),
            (Err(late(true)), [1.0, 1.0, 1.0, 0.0]),
            (status("4"), [1.0, 1.0, 2.0, 0.0]),
            (status("14"), [1.0, 1.0, 2.0, 0.0]),
            (Err(late(true).waiting_in(DeadlineIn::Stream)), [1.0, 1.0, 2.0, 1.0]),
            (Err(CallError::client_gone()), [1.0, 1.0, 2.0, 1.0]),
        ] {
            let mut request = Request::new(Body::empty());
            let context = Context::new(Kind::Unary, Inbound::Grpc, metrics.unknown_method());
            request.extensions_mut().insert(context);
            request.extensions_mut().insert(Target(Arc::clone(cluster)));
            let mut answer = Some(answer);
            let inner = tower::service_fn(|_: Request| std::future::ready(answer.take().unwrap()));
            drop(Record::new(inner, metrics.clone()).call(request).await);
            assert_eq!(counts(), expect);
        }
    }
}
