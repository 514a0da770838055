//! One worker's side of a cluster.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{
    balance::{self, Balancer},
    brakes::{Admitted, Overflow},
    cluster::Cluster,
    clusters::Clusters,
    connection::Connection,
    endpoint::Endpoint,
    grow,
    link::{Link, Phase},
    permit::Permit,
    queue::Queue,
    snapshot::{Snapshot, Wish},
};
use crate::call::Signal;

/// All lanes of one worker.
#[derive(Clone, Debug)]
pub struct Lanes(Arc<Worker>);

#[derive(Debug)]
struct Worker {
    by_cluster: Vec<Arc<Lane>>,
    cut: Signal,
}

/// Where a worker finds its connections to a cluster.
///
/// `ready` is a snapshot: picking reads it without a lock, and it is made anew only when a connection comes or goes.
#[derive(Debug)]
pub(super) struct Lane {
    cluster: Arc<Cluster>,
    balancer: Balancer,
    links: Mutex<Links>,
    ready: ArcSwap<Snapshot>,
    /// Counts the choices made, so that each has a place in time.
    choices: AtomicU64,
    pub(super) queue: Queue,
    /// A snapshot was published whose weights do not stay.
    ages: Notify,
    /// Fires when streams that outlast a shutdown are to end.
    cut: Signal,
}

/// A worker's links to the endpoints of a cluster.
#[derive(Debug, Default)]
struct Links {
    listed: Vec<Arc<Link>>,
    /// To endpoints that discovery no longer lists, while sessions may stay with them.
    leaving: Vec<Arc<Link>>,
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
        let cut = Signal::default();
        let by_cluster = clusters.iter().map(|cluster| Lane::start(cluster, &cut)).collect();
        Self(Arc::new(Worker { by_cluster, cut }))
    }

    /// Ends every stream that is still open, each with a status of its own.
    pub fn cut(&self) {
        self.0.cut.fire();
    }

    pub(super) fn lane(&self, cluster: &Cluster) -> Option<&Arc<Lane>> {
        self.0.by_cluster.get(cluster.index())
    }
}

impl Lane {
    fn start(cluster: &Arc<Cluster>, cut: &Signal) -> Arc<Self> {
        let lane = Arc::new(Self {
            cluster: Arc::clone(cluster),
            balancer: Balancer::new(cluster),
            links: Mutex::default(),
            ready: ArcSwap::default(),
            choices: AtomicU64::new(1),
            queue: Queue::default(),
            ages: Notify::new(),
            cut: cut.clone(),
        });
        cluster.joined(&lane);
        tokio::spawn(Arc::clone(&lane).follow());
        lane
    }

    pub(super) fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// How it chooses.
    pub(super) fn balancer(&self) -> &Balancer {
        &self.balancer
    }

    pub(super) fn cut(&self) -> &Signal {
        &self.cut
    }

    /// Keeps one link per endpoint of the cluster, or of the subset of them that this gateway uses; links of endpoints
    /// that stay are not touched.
    async fn follow(self: Arc<Self>) {
        let mut endpoints = self.cluster.roster().endpoints();
        let (size, seed) = (self.cluster.config().subset_size, self.cluster.seed());
        loop {
            let all = endpoints.borrow_and_update().clone().unwrap_or_default();
            self.relink(&balance::subset(&all, size, seed));
            self.publish();
            if self.renew(&mut endpoints).await.is_err() {
                return;
            }
        }
    }

    /// Makes the snapshot anew as often as weights ask for it, until the endpoints change.
    async fn renew(
        &self,
        endpoints: &mut watch::Receiver<Option<Arc<[Arc<Endpoint>]>>>,
    ) -> Result<(), watch::error::RecvError> {
        loop {
            let hold = self.snapshot().hold();
            tokio::select! {
                changed = endpoints.changed() => return changed,
                () = self.ages.notified() => {}
                () = tokio::time::sleep(hold.unwrap_or_default()), if hold.is_some() => self.publish(),
            }
        }
    }

    /// What calls may use now.
    pub(super) fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.ready.load()
    }

    fn relink(self: &Arc<Self>, wanted: &[Arc<Endpoint>]) {
        let mut links = self.links.lock();
        let is_wanted =
            |link: &Arc<Link>| wanted.iter().any(|endpoint| Arc::ptr_eq(endpoint, &link.endpoint));
        let (listed, gone): (Vec<_>, Vec<_>) =
            std::mem::take(&mut links.listed).into_iter().partition(is_wanted);
        links.listed = listed;
        for link in gone {
            if self.cluster.sessions().is_some() {
                links.leaving.push(Arc::clone(&link));
                let patience = self.cluster.config().drain_timeout;
                tokio::spawn(async move {
                    tokio::time::sleep(patience).await;
                    link.remove();
                });
            } else {
                link.remove();
            }
        }
        for endpoint in wanted {
            if !links.listed.iter().any(|link| Arc::ptr_eq(endpoint, &link.endpoint)) {
                links.listed.push(Link::start(Arc::clone(endpoint), self));
                self.queue.has_new();
            }
        }
    }

    /// Makes the snapshot anew and lets every waiting call look at it.
    pub(super) fn publish(&self) {
        let mut links = self.links.lock();
        links.leaving.retain(|link| {
            // One that has lost its connection makes no other.
            let stays = link.phase() == Phase::Ready;
            if !stays {
                link.remove();
            }
            stays
        });
        let snapshot = Snapshot::new(&self.balancer, &links.listed, &links.leaving, Instant::now());
        let ages = snapshot.hold().is_some();
        // Stored under the lock, or an older snapshot could replace a newer one.
        self.queue.published(snapshot.is_empty());
        self.ready.store(Arc::new(snapshot));
        drop(links);
        self.queue.wake_all();
        if ages {
            self.ages.notify_one();
        }
        self.cluster.publish();
    }

    /// The endpoints that it keeps connections to.
    pub(super) fn linked(&self) -> Vec<Arc<Endpoint>> {
        self.links.lock().listed.iter().map(|link| Arc::clone(&link.endpoint)).collect()
    }

    /// The connections to one endpoint that calls could use, healthy or not, the oldest first.
    pub(super) fn connections(&self, endpoint: &Arc<Endpoint>) -> Vec<Arc<Connection>> {
        self.link(endpoint).map(|link| link.connections()).unwrap_or_default()
    }

    /// A stream on one endpoint for a call of Edgeway itself, over the first of its `connections` that has one now.
    pub(super) fn reach(
        self: &Arc<Self>,
        endpoint: &Arc<Endpoint>,
        mut connections: impl Iterator<Item = Arc<Connection>>,
    ) -> Option<Permit> {
        let link = self.link(endpoint)?;
        let connection = connections.find(|connection| connection.reserve())?;
        Some(Permit::apart(Arc::clone(self), link, connection))
    }

    fn link(&self, endpoint: &Arc<Endpoint>) -> Option<Arc<Link>> {
        self.links.lock().listed.iter().find(|link| Arc::ptr_eq(&link.endpoint, endpoint)).map(Arc::clone)
    }

    /// So many calls wait for a stream: a full endpoint may get a further connection.
    pub(super) fn grow(&self, waiting: usize) {
        grow::ask(&self.links.lock().listed, waiting, &self.cluster);
    }

    /// `exempt` is not counted against what the cluster may have under way.
    pub(super) fn pick(self: &Arc<Self>, wish: Wish<'_>, exempt: bool) -> Pick {
        let brakes = self.cluster.brakes();
        let stream = wish.call.stream;
        let admitted = match &brakes.adaptive {
            Some(adaptive) if !stream && !exempt => match adaptive.admit() {
                Ok(admitted) => Some(admitted),
                Err(limit) => return Pick::Full(Overflow::Concurrency(limit)),
            },
            _ => None,
        };
        let breaker = &brakes.breaker;
        if let Err(overflow) = breaker.request(exempt) {
            return Pick::Full(overflow);
        }
        let ready = self.snapshot();
        // A call that is bound to one endpoint tells nothing of another.
        if wish.session.is_none()
            && wish.call.hash.is_none()
            && let Some((link, connection)) = ready.probes().reserve(wish)
        {
            return Pick::Taken(self.permit(link, connection, stream, true, admitted));
        }
        if let Some((link, connection)) = ready.reserve(&self.balancer, wish) {
            return Pick::Taken(self.permit(link, Arc::clone(connection), stream, false, admitted));
        }
        breaker.request_ended();
        if !ready.is_empty() {
            return Pick::Wait(Wait::Stream);
        }
        let links = self.links.lock();
        let connecting =
            links.listed.iter().any(|link| link.phase() == Phase::Connecting || link.endpoint.is_unchecked());
        let roster = self.cluster.roster();
        // Discovery's answer reaches this worker a moment after it reaches `/readyz`.
        let unlinked = links.listed.is_empty() && (roster.is_resolving() || roster.has_endpoints());
        if connecting || unlinked { Pick::Wait(Wait::Connection) } else { Pick::Down }
    }

    fn permit(
        self: &Arc<Self>,
        link: &Arc<Link>,
        connection: Arc<Connection>,
        stream: bool,
        probe: bool,
        admitted: Option<Admitted>,
    ) -> Permit {
        let permit = Permit::new(Arc::clone(self), Arc::clone(link), connection, stream, probe, admitted);
        link.chosen(self.choices.fetch_add(1, Relaxed));
        permit
    }

    /// Whether there is an endpoint for a call that has not been tried.
    pub(super) fn has_other(&self, wish: Wish<'_>) -> bool {
        self.snapshot().has_other(&self.balancer, wish)
    }
}
