//! One worker's way to one endpoint.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    balance::Load,
    cluster::Cluster,
    connection::{ConnectError, Connection},
    endpoint::Endpoint,
    lane::Lane,
    tenure::Tenure,
};
use crate::telemetry::metrics::{ConnectResult, ConnectionState};

/// Keeps connections to an endpoint for as long as discovery lists it: one, and more when that is full.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) endpoint: Arc<Endpoint>,
    /// What it offers, the oldest first.
    tenures: Mutex<Vec<Arc<Tenure>>>,
    /// Calls wait for one more connection than there are.
    asked: AtomicBool,
    phase: AtomicU8,
    /// The last choice of its lane that fell on it.
    chosen: AtomicU64,
    changed: Notify,
    removed: CancellationToken,
}

/// What a link is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No connection, but one is being tried or about to be.
    Connecting,
    /// A connection that calls may use.
    Ready,
    /// The last attempt failed and the next is not due.
    Resting,
}

impl Link {
    /// A link that connects at once, on the current runtime, and tells `lane` of every change.
    pub(super) fn start(endpoint: Arc<Endpoint>, lane: &Arc<Lane>) -> Arc<Self> {
        let link = Arc::new(Self {
            endpoint,
            tenures: Mutex::default(),
            asked: AtomicBool::new(false),
            phase: AtomicU8::new(Phase::Connecting as u8),
            chosen: AtomicU64::new(0),
            changed: Notify::new(),
            removed: CancellationToken::new(),
        });
        tokio::spawn(Arc::clone(&link).keep(Arc::clone(lane)));
        link
    }

    /// The connections that calls may use, the oldest first.
    pub(super) fn connections(&self) -> Vec<Arc<Connection>> {
        self.tenures.lock().iter().map(|tenure| Arc::clone(&tenure.connection)).collect()
    }

    /// How busy it is, to this worker's eyes.
    pub(super) fn load(&self) -> Load {
        Load {
            unary: self.endpoint.unary(),
            streams: self.endpoint.streams(),
            chosen: self.chosen.load(Relaxed),
        }
    }

    /// A choice of the lane fell on it.
    pub(super) fn chosen(&self, choice: u64) {
        self.chosen.store(choice, Relaxed);
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            _ if !self.tenures.lock().is_empty() => Phase::Ready,
            // Another worker's success is as good as an own one: this link is about to connect as well.
            phase if phase == Phase::Resting as u8 && !self.endpoint.reach().is_free() => Phase::Resting,
            // And so is another worker's failure: the address rests for all.
            _ if self.endpoint.reach().is_resting() => Phase::Resting,
            _ => Phase::Connecting,
        }
    }

    /// Whether a connection is being made, and nobody has failed to since the last one.
    pub(super) fn is_hopeful(&self) -> bool {
        self.phase() == Phase::Connecting && self.endpoint.reach().is_free()
    }

    /// Discovery no longer lists the endpoint: no further call, open ones may finish.
    pub(super) fn remove(&self) {
        self.removed.cancel();
    }

    /// Waits until that is so.
    pub(super) async fn removed(&self) {
        self.removed.cancelled().await;
    }

    /// Whether it may be asked for a connection beyond those that it has.
    pub(super) fn may_grow(&self, most: usize) -> bool {
        let tenures = self.tenures.lock();
        let is_full = !tenures.is_empty() && tenures.iter().all(|tenure| tenure.connection.is_full());
        is_full && tenures.len() < most && !self.is_asked()
    }

    /// Whether it has been asked, and not yet found that it can or cannot.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Relaxed)
    }

    /// Calls wait: one more connection.
    pub(super) fn ask(&self) {
        self.asked.store(true, Relaxed);
        self.wake();
    }

    /// Whether there is an older connection than that of `tenure`.
    pub(super) fn is_extra(&self, tenure: &Arc<Tenure>) -> bool {
        self.tenures.lock().first().is_some_and(|first| !Arc::ptr_eq(first, tenure))
    }

    /// A connection is to be opened.
    pub(super) fn wake(&self) {
        self.changed.notify_waiters();
    }

    /// A connection is no longer offered.
    pub(super) fn left(&self, tenure: &Arc<Tenure>, lane: &Lane) {
        let mut tenures = self.tenures.lock();
        tenures.retain(|other| !Arc::ptr_eq(other, tenure));
        let last = tenures.is_empty();
        drop(tenures);
        if last {
            self.set(Phase::Connecting);
        }
        lane.publish();
        self.wake();
    }

    async fn keep(self: Arc<Self>, lane: Arc<Lane>) {
        loop {
            tokio::select! {
                () = self.removed.cancelled() => return,
                () = self.wants() => {}
            }
            let ticket = loop {
                tokio::select! {
                    () = self.removed.cancelled() => return,
                    ticket = self.endpoint.ticket() => break ticket,
                    // Another worker's attempt has failed: calls that wait for this link's learn it.
                    () = self.endpoint.reach().changed() => lane.publish(),
                }
            };
            self.set(Phase::Connecting);
            lane.publish();
            let opened = tokio::select! {
                () = self.removed.cancelled() => return,
                opened = self.open(lane.cluster()) => opened,
            };
            match opened {
                Ok(connection) => {
                    ticket.succeeded();
                    lane.cluster().connected();
                    self.offer(connection, &lane);
                }
                Err(error) => {
                    tracing::debug!(
                        cluster = lane.cluster().name(),
                        endpoint = %self.endpoint.address(),
                        error = &error as &dyn std::error::Error,
                        "cannot connect"
                    );
                    ticket.failed(&error);
                    self.asked.store(false, Relaxed);
                    self.set(Phase::Resting);
                    lane.publish();
                    lane.cluster().roster().look_again();
                }
            }
        }
    }

    /// Waits until there is to be one more connection: for want of any, for calls, or as a successor.
    async fn wants(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.is_short() {
                return;
            }
            changed.await;
        }
    }

    fn is_short(&self) -> bool {
        let tenures = self.tenures.lock();
        tenures.is_empty() || self.is_asked() || tenures.iter().any(|tenure| tenure.is_due())
    }

    async fn open(&self, cluster: &Cluster) -> Result<Connection, ConnectError> {
        let metrics = cluster.metrics();
        let connecting = metrics.connection(ConnectionState::Connecting);
        let (address, tls) = (self.endpoint.address(), cluster.tls().map(Arc::as_ref));
        let settings = &cluster.config().connection;
        let opened = Connection::open(address, tls, settings, self.endpoint.pace()).await;
        drop(connecting);
        metrics.connected(opened.as_ref().map_or_else(ConnectError::result, |_| ConnectResult::Success));
        opened
    }

    /// Offers a new connection to calls, in the place of one that is due where there is one.
    fn offer(self: &Arc<Self>, connection: Connection, lane: &Arc<Lane>) {
        let tenure = Tenure::new(connection);
        let mut tenures = self.tenures.lock();
        match tenures.iter().find(|tenure| tenure.is_due()) {
            Some(due) => due.replace(),
            None => self.asked.store(false, Relaxed),
        }
        tenures.push(Arc::clone(&tenure));
        drop(tenures);
        self.set(Phase::Ready);
        lane.publish();
        tokio::spawn(tenure.serve(Arc::clone(self), Arc::clone(lane)));
    }

    /// Has no say while there are connections: their presence is the phase.
    fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }
}
