//! What is counted of one cluster and of each endpoint in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::label::{
    By, ConnectResult, ConnectionState, EndpointState, HedgeResult, ReloadResult, RetryCause, RetryReason,
    Shed,
};
use super::value::{Counter, Entered, Gauge};

/// All values of one cluster.
#[derive(Debug)]
pub struct ClusterMetrics {
    pub(super) name: Box<str>,
    pub(super) endpoints: By<EndpointState, Gauge>,
    pub(super) connections: By<ConnectionState, Arc<Gauge>>,
    pub(super) connects: By<ConnectResult, Counter>,
    pub(super) retries: By<RetryReason, Counter>,
    pub(super) policy_retries: By<RetryCause, Counter>,
    pub(super) throttled: Counter,
    pub(super) hedges: By<HedgeResult, Counter>,
    pub(super) shed: By<Shed, Counter>,
    pub(super) reloads: By<ReloadResult, Counter>,
    members: Mutex<BTreeMap<Box<str>, Weak<EndpointMetrics>>>,
}

impl ClusterMetrics {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            endpoints: By::default(),
            connections: By::default(),
            connects: By::default(),
            retries: By::default(),
            policy_retries: By::default(),
            throttled: Counter::default(),
            hedges: By::default(),
            shed: By::default(),
            reloads: By::default(),
            members: Mutex::default(),
        }
    }

    /// States how many endpoints are in `state`.
    pub fn set_endpoints(&self, state: EndpointState, count: usize) {
        self.endpoints.at(state).set(count);
    }

    /// Counts one connection in `state` until the answer is dropped; replace it when the state changes.
    pub fn connection(&self, state: ConnectionState) -> Entered {
        self.connections.at(state).enter()
    }

    /// A connect attempt has ended.
    pub fn connected(&self, result: ConnectResult) {
        self.connects.at(result).inc();
    }

    /// A call goes out again although nobody asked for retries.
    pub fn retried(&self, reason: RetryReason) {
        self.retries.at(reason).inc();
    }

    /// A call goes out again because its policy says so.
    pub fn retried_by_policy(&self, cause: RetryCause) {
        self.policy_retries.at(cause).inc();
    }

    /// A further attempt was not made because too many have failed.
    pub fn throttled(&self) {
        self.throttled.inc();
    }

    /// A hedge has ended.
    pub fn hedged(&self, result: HedgeResult) {
        self.hedges.at(result).inc();
    }

    /// Something was one too many.
    pub fn shed(&self, reason: Shed) {
        self.shed.at(reason).inc();
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
