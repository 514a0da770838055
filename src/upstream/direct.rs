//! Edgeway's own calls to one endpoint, over the connections that calls use.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context as TaskContext, Poll},
};

use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tower::Service;

use super::{
    attempt, attempt::Outgoing, cluster::Cluster, connection::Connection, control, endpoint::Endpoint,
    failure::Failed, lane::Lane, permit::Permit,
};
use crate::{
    call::{Context, Inbound, Kind, Response},
    telemetry::metrics::MethodMetrics,
};

/// The data connections of the workers to one endpoint, of which one at a time is taken: the first worker's if it has
/// one.
pub(super) struct Direct {
    lanes: Arc<[Arc<Lane>]>,
    endpoint: Arc<Endpoint>,
    metrics: Arc<MethodMetrics>,
    taken: Option<(Arc<Lane>, Weak<Connection>)>,
}

/// One call over a stream that is reserved already, for a generated tonic client.
pub(super) struct DirectCall {
    permit: Option<Permit>,
    context: Context,
}

impl Direct {
    pub(super) fn new(lanes: Arc<[Arc<Lane>]>, endpoint: Arc<Endpoint>, metrics: Arc<MethodMetrics>) -> Self {
        Self { lanes, endpoint, metrics, taken: None }
    }

    /// Waits for a connection and takes it.
    pub(super) async fn connected(&mut self) {
        let first = || {
            self.lanes.iter().find_map(|lane| {
                let connection = lane.connections(&self.endpoint).into_iter().next()?;
                Some((Arc::clone(lane), Arc::downgrade(&connection)))
            })
        };
        self.taken = self.until(first).await;
    }

    /// Waits until the connection that was taken takes no further call.
    pub(super) async fn gone(&self) {
        if let Some((lane, connection)) = &self.taken {
            self.until(|| (!self.has(lane, connection)).then_some(())).await;
        }
    }

    /// Whether any connection to the endpoint is left.
    pub(super) fn is_connected(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.connections(&self.endpoint).is_empty())
    }

    /// A call on the connection that was taken, else `elsewhere` on another of the same worker; `None` while all their
    /// streams are in use.
    pub(super) fn call(&self, kind: Kind, deadline: Option<Instant>, elsewhere: bool) -> Option<DirectCall> {
        let (lane, connection) = self.taken.as_ref()?;
        let over = connection.upgrade().into_iter();
        let others = if elsewhere { lane.connections(&self.endpoint) } else { Vec::new() };
        let permit = lane.reach(&self.endpoint, over.chain(others))?;
        let mut context = Context::new(kind, Inbound::Control, Arc::clone(&self.metrics));
        context.deadline = deadline;
        Some(DirectCall { permit: Some(permit), context })
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
}

impl Service<http::Request<tonic::body::Body>> for DirectCall {
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

/// Keeps a task of `start` for every endpoint that `lane` keeps a connection to. Never ends.
pub(super) async fn for_each_linked(
    cluster: &Cluster,
    lane: &Lane,
    start: impl Fn(Arc<Endpoint>) -> AbortOnDropHandle<()>,
) {
    let mut running = BTreeMap::new();
    loop {
        let published = cluster.published();
        tokio::pin!(published);
        published.as_mut().enable();
        // Held by its task, an endpoint's place in memory is no other's.
        let linked: BTreeMap<_, _> =
            lane.linked().into_iter().map(|endpoint| (Arc::as_ptr(&endpoint).addr(), endpoint)).collect();
        running.retain(|place, _| linked.contains_key(place));
        for (place, endpoint) in linked {
            running.entry(place).or_insert_with(|| start(endpoint));
        }
        published.await;
    }
}
