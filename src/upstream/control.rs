//! Edgeway's own calls to a cluster, for generated tonic clients.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use http_body_util::BodyExt;
use tokio::time::Instant;
use tower::Service;

use super::{Cluster, Outbound, Target};
use crate::{
    call::{Body, CallError, Context, Inbound, Kind, Request, Response},
    grpc::status,
    telemetry::{Metrics, metrics::MethodMetrics},
};

/// A cluster as a service that tonic's clients can be built on.
///
/// Its calls go over the same connections as everyone's, so that they prove what calls need. Tonic reads statuses with
/// code that panics on bad details; what it sees here has been made sound by the way out.
#[derive(Clone, Debug)]
pub struct Control {
    outbound: Outbound,
    cluster: Arc<Cluster>,
    timeout: Duration,
    metrics: Arc<MethodMetrics>,
}

impl Control {
    /// Calls to `cluster` that may take `timeout` each.
    pub fn new(outbound: Outbound, cluster: Arc<Cluster>, timeout: Duration) -> Self {
        // Counted apart from everyone's calls, and shown nowhere: dashboards are about callers.
        let metrics = Metrics::new().unknown_method();
        Self { outbound, cluster, timeout, metrics }
    }
}

impl Service<http::Request<tonic::body::Body>> for Control {
    type Response = Response;
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, CallError>> + Send>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let mut request = self::request(request);
        // Bidi, as reflection is: the way out then waits for nothing to be complete.
        let mut context = Context::new(Kind::Bidi, Inbound::Control, Arc::clone(&self.metrics));
        let deadline = Instant::now() + self.timeout;
        context.deadline = Some(deadline);
        request.extensions_mut().insert(context);
        request.extensions_mut().insert(Target(Arc::clone(&self.cluster)));
        let answer = self.outbound.call(request);
        Box::pin(async move {
            let answer = tokio::time::timeout_at(deadline, answer).await;
            Ok(self::answer(answer.unwrap_or_else(|_| Err(CallError::deadline_exceeded(true)))))
        })
    }
}

/// What tonic sends, as the way out takes it.
pub(super) fn request(request: http::Request<tonic::body::Body>) -> Request {
    let (head, body) = request.into_parts();
    Request::from_parts(head, Body::stream(body.map_err(CallError::client)))
}

/// What came of it, as tonic takes it. An error would reach tonic's caller as UNKNOWN; as trailers it keeps its code.
pub(super) fn answer(answer: Result<Response, CallError>) -> Response {
    answer.unwrap_or_else(|error| {
        let mut response = Response::new(Body::empty());
        status::write(error.status(), response.headers_mut());
        response
    })
}
