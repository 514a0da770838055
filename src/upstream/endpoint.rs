//! One address of a cluster, as all workers see it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::{
    balance::Traits,
    connection::Pace,
    member::Member,
    outlier,
    partings::Partings,
    reach::{Reach, Ticket},
};
use crate::{
    config::Address,
    telemetry::metrics::{EndpointMetrics, EndpointState},
};

/// What is true of an address whichever worker asks: its load, whether it may be tried and whether it takes calls.
#[derive(Debug)]
pub struct Endpoint {
    address: Address,
    member: ArcSwap<Member>,
    healthy: AtomicBool,
    /// Why it is not, in a few words without an address.
    unhealthy: Mutex<Option<String>>,
    ejected: AtomicBool,
    unary: AtomicUsize,
    streams: AtomicUsize,
    traits: Traits,
    record: outlier::Record,
    /// Counts how often its connections were given up.
    distrust: AtomicUsize,
    distrusted: Notify,
    reach: Reach,
    metrics: Arc<EndpointMetrics>,
    pace: Arc<Pace>,
    partings: Partings,
}

impl Endpoint {
    pub(super) fn new(member: Member, metrics: Arc<EndpointMetrics>) -> Self {
        Self {
            address: member.address.clone(),
            member: ArcSwap::from_pointee(member),
            healthy: AtomicBool::new(true),
            unhealthy: Mutex::default(),
            ejected: AtomicBool::new(false),
            unary: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
            traits: Traits::default(),
            record: outlier::Record::default(),
            distrust: AtomicUsize::new(0),
            distrusted: Notify::new(),
            reach: Reach::default(),
            metrics,
            pace: Arc::default(),
            partings: Partings::default(),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Takes what discovery says now; whether that is news.
    pub(super) fn update(&self, member: &Member) -> bool {
        let changed = **self.member.load() != *member;
        if changed {
            self.member.store(Arc::new(member.clone()));
        }
        changed
    }

    /// What discovery says of it.
    pub(super) fn member(&self) -> Arc<Member> {
        self.member.load_full()
    }

    /// Whether it may be tried.
    pub(super) fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Waits for leave to connect, as [`Reach::ticket`] has it.
    pub(super) async fn ticket(&self) -> Ticket<'_> {
        self.reach.ticket(&self.traits).await
    }

    /// What the choice of an endpoint goes by, beside its load.
    pub(super) fn traits(&self) -> &Traits {
        &self.traits
    }

    /// Whether health checks find it serving; true without any.
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Relaxed)
    }

    /// Whether it is left out because calls on it failed.
    pub fn is_ejected(&self) -> bool {
        self.ejected.load(Relaxed)
    }

    /// Takes what a health check found; whether that is news. [`super::Cluster::touch`] tells the lanes.
    pub fn set_healthy(&self, healthy: bool) -> bool {
        let changed = self.healthy.swap(healthy, Relaxed) != healthy;
        if changed && healthy {
            self.traits.serves(true, Instant::now());
        }
        changed
    }

    /// Leaves it out, or takes it back; whether that is news. [`super::Cluster::touch`] tells the lanes.
    pub fn set_ejected(&self, ejected: bool) -> bool {
        self.ejected.swap(ejected, Relaxed) != ejected
    }

    /// Whether calls may go to it now, over the connection of some worker.
    pub fn takes_calls(&self) -> bool {
        self.state() == EndpointState::Healthy
    }

    /// What metrics count it as. One that is ejected and cannot be reached either is unhealthy.
    pub fn state(&self) -> EndpointState {
        if self.connections() == 0 || !self.is_healthy() {
            EndpointState::Unhealthy
        } else if self.is_ejected() {
            EndpointState::Ejected
        } else {
            EndpointState::Healthy
        }
    }

    /// Why no call goes to it, in a few words without an address; `None` when calls do.
    pub fn why_out(&self) -> Option<String> {
        if self.connections() == 0 {
            return Some(self.reach.error().unwrap_or_else(|| "not connected yet".into()));
        }
        if !self.is_healthy() {
            return Some(self.unhealthy.lock().clone().unwrap_or_else(|| "not checked yet".into()));
        }
        self.is_ejected().then(|| "ejected for its failures".into())
    }

    /// Whether its first health check has yet to end, which a call may wait for as for a connection.
    pub(super) fn is_unchecked(&self) -> bool {
        !self.is_healthy() && self.unhealthy.lock().is_none() && self.connections() > 0
    }

    /// Keeps what the last health check found wrong, for [`Endpoint::why_out`]; whether nothing was known to be.
    pub(super) fn set_unhealthy_because(&self, why: Option<String>) -> bool {
        std::mem::replace(&mut *self.unhealthy.lock(), why).is_none()
    }

    /// What outlier detection remembers of it.
    pub(super) fn record(&self) -> &outlier::Record {
        &self.record
    }

    /// Its connections do no good: every worker gives up those it has, once their calls have ended.
    pub(super) fn give_up_connections(&self) {
        self.distrust.fetch_add(1, Relaxed);
        self.distrusted.notify_waiters();
    }

    /// A point in time for [`Endpoint::given_up`].
    pub(super) fn trust(&self) -> usize {
        self.distrust.load(Relaxed)
    }

    /// Waits until the connections that were opened at `trust` are to be given up.
    pub(super) async fn given_up(&self, trust: usize) {
        loop {
            let distrusted = self.distrusted.notified();
            tokio::pin!(distrusted);
            distrusted.as_mut().enable();
            if self.trust() != trust {
                return;
            }
            distrusted.await;
        }
    }

    /// Calls in flight, over all workers; a call counts until its response body has ended.
    pub fn calls(&self) -> usize {
        self.unary() + self.streams()
    }

    /// Open connections, over all workers.
    pub fn connections(&self) -> usize {
        self.reach.connections()
    }

    /// How often its connections may be asked for a sign of life.
    pub(super) fn pace(&self) -> &Arc<Pace> {
        &self.pace
    }

    /// How its connections have ended.
    pub(super) fn partings(&self) -> &Partings {
        &self.partings
    }

    /// Unary calls in flight, of [`Endpoint::calls`].
    pub(super) fn unary(&self) -> usize {
        self.unary.load(Relaxed)
    }

    /// Streams in flight, of [`Endpoint::calls`].
    pub(super) fn streams(&self) -> usize {
        self.streams.load(Relaxed)
    }

    pub(super) fn call_started(&self, stream: bool) {
        self.in_flight(stream).fetch_add(1, Relaxed);
        self.metrics.rpcs.inc();
        self.metrics.in_flight.inc();
    }

    pub(super) fn call_ended(&self, stream: bool) {
        self.in_flight(stream).fetch_sub(1, Relaxed);
        self.metrics.in_flight.dec();
    }

    fn in_flight(&self, stream: bool) -> &AtomicUsize {
        if stream { &self.streams } else { &self.unary }
    }
}
