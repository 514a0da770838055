//! One address of a cluster, as all workers see it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::{backoff::Backoff, balance::Traits, connection::Pace, member::Member, outlier};
use crate::{
    config::Address,
    telemetry::metrics::{EndpointMetrics, EndpointState},
};

/// What is true of an address whichever worker asks: its load and whether it may be tried.
///
/// | state | a connect attempt | leaves by |
/// |---|---|---|
/// | free | any worker, at once | a failure: resting |
/// | resting until `t` | nobody | `t`: the first worker to ask probes |
/// | probed | the one worker that probes | success: free; failure: resting, longer |
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
    connections: AtomicUsize,
    reach: Mutex<Reach>,
    changed: Notify,
    metrics: Arc<EndpointMetrics>,
    pace: Arc<Pace>,
}

#[derive(Debug)]
struct Reach {
    state: State,
    backoff: Backoff,
    error: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Free,
    Resting { until: Instant },
    Probed,
}

/// Leave to try a connection once; dropped without a verdict it counts as not tried.
#[derive(Debug)]
pub(super) struct Ticket {
    endpoint: Arc<Endpoint>,
    probe: bool,
}

impl Endpoint {
    pub(super) fn new(member: Member, metrics: Arc<EndpointMetrics>) -> Self {
        let reach = Reach { state: State::Free, backoff: Backoff::default(), error: None };
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
            connections: AtomicUsize::new(0),
            reach: Mutex::new(reach),
            changed: Notify::new(),
            metrics,
            pace: Arc::default(),
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

    /// Discovery lists it again: what was true of the address before need not be.
    pub(super) fn announced(&self) {
        let mut reach = self.reach.lock();
        reach.backoff.reset();
        if matches!(reach.state, State::Resting { .. }) {
            reach.state = State::Free;
        }
        drop(reach);
        self.changed.notify_waiters();
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
            return Some(self.error().unwrap_or_else(|| "not connected yet".into()));
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
        self.connections.load(Relaxed)
    }

    /// What the last connect attempt failed of; `None` once one succeeded.
    pub fn error(&self) -> Option<String> {
        self.reach.lock().error.clone()
    }

    /// How often its connections may be asked for a sign of life.
    pub(super) fn pace(&self) -> &Arc<Pace> {
        &self.pace
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

    /// Whether any worker may connect: nobody has failed since the last success.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.reach.lock().state, State::Free)
    }

    /// Whether nobody may connect and nobody tries to.
    pub(super) fn is_resting(&self) -> bool {
        matches!(self.reach.lock().state, State::Resting { .. })
    }

    /// Until when nobody may connect; `None` when somebody may, or does.
    pub(super) fn resting_until(&self) -> Option<Instant> {
        match self.reach.lock().state {
            State::Resting { until } => Some(until),
            State::Free | State::Probed => None,
        }
    }

    /// Waits until somebody's attempt has come to a verdict.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Waits for leave to connect. Never ends while another worker probes in vain.
    pub(super) async fn ticket(self: &Arc<Self>) -> Ticket {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the state is read, or a change between the two would be missed.
            changed.as_mut().enable();
            let until = {
                let mut reach = self.reach.lock();
                match reach.state {
                    State::Free => return Ticket { endpoint: Arc::clone(self), probe: false },
                    State::Resting { until } if until <= Instant::now() => {
                        reach.state = State::Probed;
                        return Ticket { endpoint: Arc::clone(self), probe: true };
                    }
                    State::Resting { until } => Some(until),
                    State::Probed => None,
                }
            };
            match until {
                Some(until) => tokio::select! {
                    () = tokio::time::sleep_until(until) => {}
                    () = changed => {}
                },
                None => changed.await,
            }
        }
    }

    /// An open connection gave no sign of life: others to the same address are not likely to be better.
    pub(super) fn died(&self) {
        self.connections.fetch_sub(1, Relaxed);
        self.failed("the backend gave no sign of life", false);
    }

    /// An open connection was lost after `lifetime`.
    ///
    /// One that ends within a second of its start and has not `answered` did no good: it counts as a failed attempt, or
    /// a backend that accepts and hangs up would be redialled in a busy loop. One that has answered may be as young as a
    /// backend likes that sends its callers on, by a short MAX_CONNECTION_AGE or because it ends.
    pub(super) fn disconnected(&self, lifetime: std::time::Duration, answered: bool) {
        self.connections.fetch_sub(1, Relaxed);
        if answered || lifetime >= PROVEN {
            self.reach.lock().backoff.reset();
        } else {
            self.failed("the connection was closed as soon as it was open", false);
        }
    }

    fn failed(&self, error: impl fmt::Display, probe: bool) {
        let mut reach = self.reach.lock();
        reach.error = Some(error.to_string());
        let now = Instant::now();
        // Workers that failed side by side are one failure of the address, not several; a late failure does not end the
        // probe of another worker.
        let counted = match reach.state {
            State::Free => true,
            State::Probed => probe,
            State::Resting { until } => until <= now,
        };
        if counted {
            let rest = reach.backoff.fail(&mut fastrand::Rng::new());
            reach.state = State::Resting { until: now + rest };
        }
        drop(reach);
        self.changed.notify_waiters();
    }
}

impl Ticket {
    /// The connection stands.
    pub(super) fn succeeded(mut self) {
        self.probe = false;
        self.endpoint.connections.fetch_add(1, Relaxed);
        let mut reach = self.endpoint.reach.lock();
        let was_down = !matches!(std::mem::replace(&mut reach.state, State::Free), State::Free);
        reach.error = None;
        drop(reach);
        self.endpoint.traits.serves(was_down, Instant::now());
        self.endpoint.changed.notify_waiters();
    }

    /// There is no connection.
    pub(super) fn failed(mut self, error: impl fmt::Display) {
        let probe = std::mem::take(&mut self.probe);
        self.endpoint.failed(error, probe);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.probe {
            self.endpoint.reach.lock().state = State::Resting { until: Instant::now() };
            self.endpoint.changed.notify_waiters();
        }
    }
}

/// How long a connection must last to have been worth opening.
const PROVEN: std::time::Duration = std::time::Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn endpoint() -> Arc<Endpoint> {
        let metrics = crate::telemetry::Metrics::new()
            .cluster("test", "ipv4:127.0.0.1:1", false)
            .endpoint("127.0.0.1:1");
        let address = Address::Tcp(([127, 0, 0, 1], 1).into());
        Arc::new(Endpoint::new(address.into(), metrics))
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_address_is_probed_by_one_worker_at_a_time() {
        let endpoint = endpoint();
        endpoint.ticket().await.failed("refused");
        assert!(endpoint.is_resting());
        let started = Instant::now();
        let probe = endpoint.ticket().await;
        let rested = started.elapsed();
        assert!(rested >= Duration::from_millis(80) && rested <= Duration::from_millis(122), "{rested:?}");

        let second = tokio::time::timeout(Duration::from_secs(60), endpoint.ticket()).await;
        assert!(second.is_err(), "a second worker waits for the verdict of the first");
        probe.succeeded();
        endpoint.ticket().await.succeeded();
        assert_eq!((endpoint.connections(), endpoint.error()), (2, None));
    }

    #[tokio::test(start_paused = true)]
    async fn an_abandoned_probe_is_anyones() {
        let endpoint = endpoint();
        endpoint.ticket().await.failed("refused");
        drop(endpoint.ticket().await);
        endpoint.ticket().await.succeeded();
    }

    #[tokio::test(start_paused = true)]
    async fn connections_that_end_at_once_are_failures() {
        let endpoint = endpoint();
        for _ in 0..5 {
            endpoint.ticket().await.succeeded();
            endpoint.disconnected(Duration::from_millis(5), false);
        }
        let started = Instant::now();
        endpoint.ticket().await.succeeded();
        assert!(
            started.elapsed() > Duration::from_millis(100 * 16 / 10),
            "rests grow: {:?}",
            started.elapsed()
        );
        for (lifetime, answered) in [(Duration::from_secs(2), false), (Duration::from_millis(5), true)] {
            endpoint.disconnected(lifetime, answered);
            let started = Instant::now();
            endpoint.ticket().await.succeeded();
            assert_eq!(started.elapsed(), Duration::ZERO, "after {lifetime:?}, answered: {answered}");
        }
    }
}
