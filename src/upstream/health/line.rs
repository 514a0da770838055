//! The way to ask one endpoint.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context as TaskContext, Poll},
};

use futures_core::Stream;
use futures_util::stream;
use tokio::time::Instant;
use tonic::Streaming;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient};
use tower::Service;

use super::Finding;
use crate::{
    call::{Context, Inbound, Kind, Response},
    config::HealthCheck,
    telemetry::metrics::MethodMetrics,
    upstream::{
        attempt,
        attempt::Outgoing,
        connection::Connection,
        control,
        endpoint::Endpoint,
        failure::Failed,
        lane::{Lane, Permit},
    },
};

/// The way to ask one endpoint, over one connection at a time.
pub(super) trait Line: Send {
    /// Waits for a connection and takes it.
    fn connected(&mut self) -> impl Future<Output = ()> + Send;

    /// Waits until the connection that was taken takes no further call.
    fn gone(&self) -> impl Future<Output = ()> + Send;

    /// Whether any connection to the endpoint is left.
    fn is_connected(&self) -> bool;

    /// Asks once; answers within the timeout of the configuration.
    fn check(&self) -> impl Future<Output = Finding> + Send;

    /// Asks for all that will be; the last finding says why there are no more.
    fn watch(&self) -> impl Stream<Item = Finding> + Send;
}

/// The data connections of the workers, the first worker's if it has one.
pub(super) struct DataLine {
    lanes: Arc<[Arc<Lane>]>,
    endpoint: Arc<Endpoint>,
    config: HealthCheck,
    metrics: Arc<MethodMetrics>,
    taken: Option<(Arc<Lane>, Weak<Connection>)>,
}

impl DataLine {
    pub(super) fn new(
        lanes: Arc<[Arc<Lane>]>,
        endpoint: Arc<Endpoint>,
        config: HealthCheck,
        metrics: Arc<MethodMetrics>,
    ) -> Self {
        Self { lanes, endpoint, config, metrics, taken: None }
    }

    /// Waits until `found` finds something in the connections of the lanes.
    async fn until<T>(&self, found: impl Fn() -> Option<T>) -> Option<T> {
        let cluster = self.lanes.first()?.cluster();
        loop {
            let published = cluster.published();
            tokio::pin!(published);
            published.as_mut().enable();
            if let Some(found) = found() {
                return Some(found);
            }
            published.await;
        }
    }

    fn has(&self, lane: &Lane, connection: &Weak<Connection>) -> bool {
        let open = lane.connections(&self.endpoint);
        open.iter().any(|open| std::ptr::eq(Arc::as_ptr(open), connection.as_ptr()))
    }

    /// A stream on the connection that was taken, else `elsewhere` on another of the same worker.
    fn permit(&self, elsewhere: bool) -> Option<Permit> {
        let (lane, connection) = self.taken.as_ref()?;
        let over = connection.upgrade().into_iter();
        let others = if elsewhere { lane.connections(&self.endpoint) } else { Vec::new() };
        lane.reach(&self.endpoint, over.chain(others))
    }

    fn client(&self, permit: Permit, kind: Kind, deadline: Option<Instant>) -> HealthClient<Direct> {
        let mut context = Context::new(kind, Inbound::Control, Arc::clone(&self.metrics));
        context.deadline = deadline;
        HealthClient::new(Direct { permit: Some(permit), context })
    }

    fn question(&self) -> HealthCheckRequest {
        HealthCheckRequest { service: self.config.service_name.clone() }
    }

    async fn open(&self) -> Result<Streaming<HealthCheckResponse>, Finding> {
        let permit = self.permit(false).ok_or(Finding::Busy)?;
        let mut client = self.client(permit, Kind::ServerStream, None);
        let answer = client.watch(self.question()).await;
        answer.map(tonic::Response::into_inner).map_err(|status| Finding::of_watch(&status))
    }
}

impl Line for DataLine {
    async fn connected(&mut self) {
        let first = || {
            self.lanes.iter().find_map(|lane| {
                let connection = lane.connections(&self.endpoint).into_iter().next()?;
                Some((Arc::clone(lane), Arc::downgrade(&connection)))
            })
        };
        self.taken = self.until(first).await;
    }

    async fn gone(&self) {
        if let Some((lane, connection)) = &self.taken {
            self.until(|| (!self.has(lane, connection)).then_some(())).await;
        }
    }

    fn is_connected(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.connections(&self.endpoint).is_empty())
    }

    async fn check(&self) -> Finding {
        let Some(permit) = self.permit(true) else { return Finding::Busy };
        let deadline = Instant::now() + self.config.timeout;
        let mut client = self.client(permit, Kind::Unary, Some(deadline));
        match tokio::time::timeout_at(deadline, client.check(self.question())).await {
            Ok(Ok(answer)) => Finding::of(answer.into_inner().status()),
            Ok(Err(status)) if status.code() == tonic::Code::DeadlineExceeded => Finding::TimedOut,
            Ok(Err(status)) => Finding::of_check(&status),
            Err(_) => Finding::TimedOut,
        }
    }

    fn watch(&self) -> impl Stream<Item = Finding> + Send {
        stream::unfold(Watching::Unasked, async |state| {
            let mut stream = match state {
                Watching::Unasked => match self.open().await {
                    Ok(stream) => stream,
                    Err(finding) => return Some((finding, Watching::Over)),
                },
                Watching::Asked(stream) => stream,
                Watching::Over => return None,
            };
            Some(match stream.message().await {
                Ok(Some(answer)) => (Finding::of(answer.status()), Watching::Asked(stream)),
                Ok(None) => (Finding::Failed("it ended the watch".into()), Watching::Over),
                Err(status) => (Finding::of_watch(&status), Watching::Over),
            })
        })
    }
}

#[expect(clippy::large_enum_variant, reason = "one at a time per endpoint")]
enum Watching {
    Unasked,
    Asked(Streaming<HealthCheckResponse>),
    Over,
}

/// One call over a stream that is reserved already.
struct Direct {
    permit: Option<Permit>,
    context: Context,
}

impl Service<http::Request<tonic::body::Body>> for Direct {
    type Response = Response;
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let (permit, context) = (self.permit.take(), self.context.clone());
        Box::pin(async move {
            let permit = permit.expect("one call for each client");
            let (head, body) = control::request(request).into_parts();
            let mut outgoing = Outgoing::new(permit.lane().cluster(), head, body, context);
            Ok(control::answer(attempt::run(permit, &mut outgoing).await.or_else(Failed::into_end)))
        })
    }
}
