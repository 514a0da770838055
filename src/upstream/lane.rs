//! One worker's side of a cluster.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{
    balance::Balancer,
    brakes::{Overflow, RetryPlace},
    cluster::{Cluster, Clusters},
    connection::Connection,
    endpoint::Endpoint,
    link::{Link, Phase},
    queue::Queue,
    snapshot::{Snapshot, Wish},
};
use crate::config::Address;

/// All lanes of one worker.
#[derive(Clone, Debug)]
pub struct Lanes {
    by_cluster: Arc<[Arc<Lane>]>,
    cut: CancellationToken,
}

/// Where a worker finds its connections to a cluster.
///
/// `ready` is a snapshot: picking reads it without a lock, and it is made anew only when a connection comes or goes.
#[derive(Debug)]
pub(super) struct Lane {
    cluster: Arc<Cluster>,
    balancer: Balancer,
    links: Mutex<Vec<Arc<Link>>>,
    ready: ArcSwap<Snapshot>,
    /// Counts the choices made, so that each has a place in time.
    choices: AtomicU64,
    pub(super) queue: Queue,
    /// Fires when streams that outlast a shutdown are to end.
    cut: CancellationToken,
}

/// The right to one stream on one connection; counts as load until it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    link: Arc<Link>,
    connection: Arc<Connection>,
    lane: Arc<Lane>,
    /// Its place among the retries of the cluster, if it is one.
    retry: Option<RetryPlace>,
}

/// What a look at the snapshot found.
pub(super) enum Pick {
    Taken(Permit),
    /// There is one, and as many calls are under way as may be.
    Full(Overflow),
    /// Nothing yet, but a connection is being made or a stream will end.
    Wait(Wait),
    /// Nothing, and nothing under way.
    Down,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Connection,
    Stream,
}

impl Lanes {
    /// Starts a lane for every cluster on the current runtime.
    pub fn start(clusters: &Clusters) -> Self {
        let cut = CancellationToken::new();
        let by_cluster = clusters.iter().map(|cluster| Lane::start(cluster, &cut)).collect();
        Self { by_cluster, cut }
    }

    /// Ends every stream that is still open, each with a status of its own.
    pub fn cut(&self) {
        self.cut.cancel();
    }

    pub(super) fn lane(&self, cluster: &Cluster) -> Option<&Arc<Lane>> {
        self.by_cluster.get(cluster.index())
    }
}

impl Lane {
    fn start(cluster: &Arc<Cluster>, cut: &CancellationToken) -> Arc<Self> {
        let lane = Arc::new(Self {
            cluster: Arc::clone(cluster),
            balancer: Balancer::new(&cluster.config().load_balancing),
            links: Mutex::default(),
            ready: ArcSwap::default(),
            choices: AtomicU64::new(1),
            queue: Queue::default(),
            cut: cut.clone(),
        });
        tokio::spawn(Arc::clone(&lane).follow());
        lane
    }

    pub(super) fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    pub(super) fn cut(&self) -> &CancellationToken {
        &self.cut
    }

    /// Keeps one link per endpoint of the cluster; links of endpoints that stay are not touched.
    async fn follow(self: Arc<Self>) {
        let mut endpoints = self.cluster.endpoints();
        loop {
            let wanted = endpoints.borrow_and_update().clone().unwrap_or_default();
            self.relink(&wanted);
            self.publish();
            if endpoints.changed().await.is_err() {
                return;
            }
        }
    }

    fn relink(self: &Arc<Self>, wanted: &[Arc<Endpoint>]) {
        let mut links = self.links.lock();
        links.retain(|link| {
            let stays = wanted.iter().any(|endpoint| Arc::ptr_eq(endpoint, &link.endpoint));
            if !stays {
                link.remove();
            }
            stays
        });
        for endpoint in wanted {
            if !links.iter().any(|link| Arc::ptr_eq(endpoint, &link.endpoint)) {
                links.push(Link::start(Arc::clone(endpoint), self));
                self.queue.has_new();
            }
        }
    }

    /// Makes the snapshot anew and lets every waiting call look at it.
    pub(super) fn publish(&self) {
        let links = self.links.lock();
        // Stored under the lock, or an older snapshot could replace a newer one.
        let snapshot = Snapshot::new(&links);
        self.queue.published(snapshot.is_empty());
        self.ready.store(Arc::new(snapshot));
        drop(links);
        self.queue.wake_all();
    }

    /// `exempt` is not counted against what the cluster may have under way.
    pub(super) fn pick(self: &Arc<Self>, wish: Wish<'_>, exempt: bool) -> Pick {
        let ready = self.ready.load();
        let breaker = &self.cluster.brakes().breaker;
        if !ready.is_empty() {
            if let Err(overflow) = breaker.request(exempt) {
                return Pick::Full(overflow);
            }
            if let Some((link, connection)) = ready.reserve(&self.balancer, wish) {
                link.endpoint.call_started();
                link.chosen(self.choices.fetch_add(1, Relaxed));
                let (link, connection) = (Arc::clone(link), Arc::clone(connection));
                return Pick::Taken(Permit { link, connection, lane: Arc::clone(self), retry: None });
            }
            breaker.request_ended();
            return Pick::Wait(Wait::Stream);
        }
        let links = self.links.lock();
        let connecting = links.iter().any(|link| link.phase() == Phase::Connecting);
        // Discovery's answer reaches this worker a moment after it reaches `/readyz`.
        let unlinked = links.is_empty() && (self.cluster.is_resolving() || self.cluster.has_endpoints());
        if connecting || unlinked { Pick::Wait(Wait::Connection) } else { Pick::Down }
    }

    /// Whether there is an endpoint that calls may use and that is none of `tried`.
    pub(super) fn has_other(&self, tried: &[Address]) -> bool {
        self.ready.load().has_other(tried)
    }
}

impl Permit {
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.link.endpoint
    }

    pub(super) fn lane(&self) -> &Lane {
        &self.lane
    }

    /// The call is a further try of one that failed.
    pub(super) fn counts_as_retry(&mut self, place: Option<RetryPlace>) {
        self.retry = place;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.link.endpoint.call_ended();
        self.connection.release();
        self.lane.cluster.brakes().breaker.request_ended();
        self.lane.queue.wake_one();
    }
}
