//! One worker's side of a cluster.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

use super::{
    balance::Balancer,
    cluster::{Cluster, Clusters},
    connection::Connection,
    endpoint::Endpoint,
    grow,
    link::{Link, Phase},
    snapshot::{Snapshot, Wish},
};
use crate::call::CallError;

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
    waiting: AtomicUsize,
    changed: Notify,
    /// Fires when streams that outlast a shutdown are to end.
    cut: CancellationToken,
}

/// The right to one stream on one connection; counts as load until it is dropped.
#[derive(Debug)]
pub(super) struct Permit {
    link: Arc<Link>,
    connection: Arc<Connection>,
    lane: Arc<Lane>,
}

/// What a look at the snapshot found.
enum Pick {
    Taken(Permit),
    /// Nothing yet, but a connection is being made or a stream will end.
    Wait(Wait),
    /// Nothing, and nothing under way.
    Down,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
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
            waiting: AtomicUsize::new(0),
            changed: Notify::new(),
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
            }
        }
    }

    /// Makes the snapshot anew and lets every waiting call look at it.
    pub(super) fn publish(&self) {
        let links = self.links.lock();
        // Stored under the lock, or an older snapshot could replace a newer one.
        self.ready.store(Arc::new(Snapshot::new(&links)));
        drop(links);
        self.changed.notify_waiters();
    }

    /// A stream on some endpoint, on the one of the `wish` where that can be.
    ///
    /// Waits for a connection that is being made up to the cluster's `connect_timeout`, for a stream to end up to the
    /// call's deadline. With every endpoint in backoff it fails at once: a queue in front of a dead cluster only turns
    /// errors into slow errors.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        wish: Wish<'_>,
        deadline: Option<Instant>,
    ) -> Result<Permit, CallError> {
        match self.pick(wish) {
            Pick::Taken(permit) => Ok(permit),
            // A call that lost its connection unprocessed waits for the next one as for a first: its endpoint rests for
            // a moment because of that very connection.
            Pick::Down if wish.tried.is_empty() => Err(self.down()),
            Pick::Down | Pick::Wait(_) => self.wait(wish, deadline).await,
        }
    }

    async fn wait(self: &Arc<Self>, wish: Wish<'_>, deadline: Option<Instant>) -> Result<Permit, CallError> {
        let name = self.cluster.name();
        if self.waiting.fetch_add(1, Relaxed) >= MOST_WAITING {
            self.waiting.fetch_sub(1, Relaxed);
            return Err(CallError::not_executed(
                name,
                format_args!("{MOST_WAITING} calls are waiting already"),
            ));
        }
        let _waiting = Waiting(&self.waiting);
        let started = Instant::now();
        let connected_by = started + self.cluster.config().connection.connect_timeout;
        let freed_by = deadline.unwrap_or(started + PATIENCE);
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let (until, why) = match self.pick(wish) {
                Pick::Taken(permit) => return Ok(permit),
                Pick::Down if wish.tried.is_empty() => return Err(self.down()),
                Pick::Down => (connected_by.min(freed_by), "no connection was made in time"),
                Pick::Wait(Wait::Connection) => {
                    (connected_by.min(freed_by), "no connection was made in time")
                }
                Pick::Wait(Wait::Stream) => {
                    grow::ask(&self.links.lock(), self.waiting.load(Relaxed), &self.cluster);
                    (freed_by, "every connection has as many streams as it may")
                }
            };
            if tokio::time::timeout_at(until, changed).await.is_err() {
                let late = deadline.is_some_and(|deadline| deadline <= Instant::now());
                return Err(if late {
                    CallError::deadline_exceeded(false)
                } else {
                    CallError::not_executed(name, why)
                });
            }
        }
    }

    fn pick(self: &Arc<Self>, wish: Wish<'_>) -> Pick {
        let ready = self.ready.load();
        if let Some((link, connection)) = ready.reserve(&self.balancer, wish) {
            link.endpoint.call_started();
            link.chosen(self.choices.fetch_add(1, Relaxed));
            let (link, connection) = (Arc::clone(link), Arc::clone(connection));
            return Pick::Taken(Permit { link, connection, lane: Arc::clone(self) });
        }
        if !ready.is_empty() {
            return Pick::Wait(Wait::Stream);
        }
        let links = self.links.lock();
        let connecting = links.iter().any(|link| link.phase() == Phase::Connecting);
        // Discovery's answer reaches this worker a moment after it reaches `/readyz`.
        let unlinked = links.is_empty() && (self.cluster.is_resolving() || self.cluster.has_endpoints());
        if connecting || unlinked { Pick::Wait(Wait::Connection) } else { Pick::Down }
    }

    fn down(&self) -> CallError {
        CallError::not_executed(self.cluster.name(), self.cluster.why_down())
    }
}

impl Permit {
    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.link.endpoint
    }

    pub(super) fn lane(&self) -> &Lane {
        &self.lane
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.link.endpoint.call_ended();
        self.connection.release();
        if self.lane.waiting.load(Relaxed) > 0 {
            self.lane.changed.notify_one();
        }
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Calls per worker and cluster that may wait at a time; each holds its request in memory.
const MOST_WAITING: usize = 1024;

/// How long a call without a deadline waits for a stream to end.
const PATIENCE: Duration = Duration::from_secs(15);
