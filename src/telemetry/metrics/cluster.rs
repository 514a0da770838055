//! What is counted of one cluster and of each endpoint in it.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, Weak};

use parking_lot::Mutex;

use super::label::{
    By, ConnectResult, ConnectionState, DeadlineIn, DiscoveryResult, EndpointState, HedgeResult,
    ReloadResult, RetryCause, RetryReason,
};
use super::resilience::{Breaker, DetectionMethod, DisconnectError, HealthResult, Shed, UnenforcedReason};
use super::value::{Amounts, Counter, Entered, Gauge};

/// All values of one cluster.
#[derive(Debug)]
pub struct ClusterMetrics {
    pub(super) name: Box<str>,
    /// `grpc_target`, in the canonical form of the configuration.
    pub(super) target: Box<str>,
    /// Whether its connections are encrypted.
    pub(super) secure: bool,
    pub(super) endpoints: By<EndpointState, Gauge>,
    pub(super) discovery: By<DiscoveryResult, Counter>,
    pub(super) stale: Gauge,
    pub(super) connections: By<ConnectionState, Arc<Gauge>>,
    pub(super) connects: By<ConnectResult, Counter>,
    pub(super) disconnects: By<DisconnectError, Counter>,
    pub(super) transparent_retries: By<RetryReason, Counter>,
    pub(super) retries: By<RetryCause, Counter>,
    pub(super) throttled: Counter,
    pub(super) hedges: By<HedgeResult, Counter>,
    pub(super) shed: By<Shed, Counter>,
    pub(super) circuits: By<Breaker, Gauge>,
    pub(super) concurrency_limit: OnceLock<Gauge>,
    pub(super) deadlines: By<DeadlineIn, Counter>,
    pub(super) health_checks: By<HealthResult, Counter>,
    pub(super) ejections: By<DetectionMethod, Counter>,
    pub(super) unenforced: By<DetectionMethod, By<UnenforcedReason, Counter>>,
    pub(super) weights: OnceLock<Box<WeightMetrics>>,
    pub(super) reloads: By<ReloadResult, Counter>,
    members: Mutex<BTreeMap<Box<str>, Weak<EndpointMetrics>>>,
}

/// What weighted round robin makes of the loads that endpoints report (gRFC A78).
#[derive(Debug)]
pub struct WeightMetrics {
    /// Updates with fewer than two endpoints of a known weight, after which all got even shares.
    pub rr_fallback: Counter,
    /// Endpoints, at each update, that have not reported for long enough.
    pub not_yet_usable: Counter,
    /// Endpoints, at each update, whose last report is too old.
    pub stale: Counter,
    /// The weight of every endpoint at each update, rounded; 0 for none.
    pub weights: Amounts,
}

impl ClusterMetrics {
    pub(super) fn new(name: &str, target: &str, secure: bool) -> Self {
        Self {
            name: name.into(),
            target: target.into(),
            secure,
            endpoints: By::default(),
            discovery: By::default(),
            stale: Gauge::default(),
            connections: By::default(),
            connects: By::default(),
            disconnects: By::default(),
            transparent_retries: By::default(),
            retries: By::default(),
            throttled: Counter::default(),
            hedges: By::default(),
            shed: By::default(),
            circuits: By::default(),
            concurrency_limit: OnceLock::new(),
            deadlines: By::default(),
            health_checks: By::default(),
            ejections: By::default(),
            unenforced: By::default(),
            weights: OnceLock::new(),
            reloads: By::default(),
            members: Mutex::default(),
        }
    }

    /// States how many endpoints are in `state`.
    pub fn set_endpoints(&self, state: EndpointState, count: usize) {
        self.endpoints.at(state).set(count);
    }

    /// Discovery has answered, or failed to.
    pub fn discovered(&self, result: DiscoveryResult) {
        self.discovery.at(result).inc();
        self.stale.set(usize::from(result == DiscoveryResult::Failed));
    }

    /// Counts one connection in `state` until the answer is dropped; replace it when the state changes.
    pub fn connection(&self, state: ConnectionState) -> Entered {
        self.connections.at(state).enter()
    }

    /// A connect attempt has ended.
    pub fn connected(&self, result: ConnectResult) {
        self.connects.at(result).inc();
    }

    /// A connection takes no further call, for this reason before all others.
    pub fn disconnected(&self, error: DisconnectError) {
        self.disconnects.at(error).inc();
    }

    /// A call goes out again although nobody asked for retries.
    pub fn retried(&self, reason: RetryReason) {
        self.transparent_retries.at(reason).inc();
    }

    /// A call goes out again because its policy says so.
    pub fn retried_by_policy(&self, cause: RetryCause) {
        self.retries.at(cause).inc();
    }

    /// A retry or a hedge did not go out because too many calls fail (`retryThrottling`).
    pub fn throttled(&self) {
        self.throttled.inc();
    }

    /// An attempt beside the first of a hedged call has ended.
    pub fn hedged(&self, result: HedgeResult) {
        self.hedges.at(result).inc();
    }

    /// Something was one too many.
    pub fn shed(&self, reason: Shed) {
        self.shed.at(reason).inc();
    }

    /// States whether a breaker lets nothing more through.
    pub fn set_circuit(&self, breaker: Breaker, open: bool) {
        self.circuits.at(breaker).set(usize::from(open));
    }

    /// States the limit that `adaptive_concurrency` has found.
    pub fn set_concurrency_limit(&self, limit: usize) {
        self.concurrency_limit.get_or_init(Gauge::default).set(limit);
    }

    /// A call reached its deadline.
    pub fn deadline_exceeded(&self, waiting: DeadlineIn) {
        self.deadlines.at(waiting).inc();
    }

    /// A health check has ended.
    pub fn health_checked(&self, result: HealthResult) {
        self.health_checks.at(result).inc();
    }

    /// An endpoint was ejected.
    pub fn ejected(&self, method: DetectionMethod) {
        self.ejections.at(method).inc();
    }

    /// An endpoint would have been ejected but for `reason`.
    pub fn ejection_unenforced(&self, method: DetectionMethod, reason: UnenforcedReason) {
        self.unenforced.at(method).at(reason).inc();
    }

    /// Where weighted round robin counts; its series are shown from the first time that it asks.
    pub fn weights(&self) -> &WeightMetrics {
        self.weights.get_or_init(|| {
            Box::new(WeightMetrics {
                rr_fallback: Counter::default(),
                not_yet_usable: Counter::default(),
                stale: Counter::default(),
                weights: Amounts::new(WEIGHT_BOUNDS),
            })
        })
    }

    /// The cluster's descriptors were asked for.
    pub fn reloaded(&self, result: ReloadResult) {
        self.reloads.at(result).inc();
    }

    /// The values of the endpoint at `address`.
    ///
    /// Its series are shown while somebody holds the answer: keep it in the endpoint, and they leave with it,
    /// after its last call. Asked again before that, the same values are handed out.
    pub fn endpoint(&self, address: &str) -> Arc<EndpointMetrics> {
        let mut members = self.members.lock();
        if let Some(endpoint) = members.get(address).and_then(Weak::upgrade) {
            return endpoint;
        }
        let endpoint = Arc::new(EndpointMetrics {
            address: address.into(),
            rpcs: Counter::default(),
            in_flight: Gauge::default(),
        });
        members.retain(|_, member| member.strong_count() > 0);
        members.insert(address.into(), Arc::downgrade(&endpoint));
        endpoint
    }

    /// The endpoints somebody holds, by address; none at all above [`ENDPOINT_SERIES`].
    pub(super) fn shown_endpoints(&self) -> Vec<Arc<EndpointMetrics>> {
        let endpoints: Vec<_> = self.members.lock().values().filter_map(Weak::upgrade).collect();
        if endpoints.len() > ENDPOINT_SERIES { Vec::new() } else { endpoints }
    }
}

/// The values of one endpoint.
#[derive(Debug)]
pub struct EndpointMetrics {
    pub(super) address: Box<str>,
    /// Attempts sent to it.
    pub rpcs: Counter,
    /// Attempts whose answer has not ended.
    pub in_flight: Gauge,
}

/// Above this many endpoints in a cluster their own series cost more than they tell.
const ENDPOINT_SERIES: usize = 500;

/// Weights are calls per second over utilization: from a few to many thousands.
const WEIGHT_BOUNDS: &[u64] =
    &[0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];
