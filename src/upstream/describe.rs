//! What an operator is shown of a cluster at one moment.
//!
//! Written for people with a problem: each field answers a question that somebody asks of a gateway at night. What is
//! nothing, or does not apply, is left out.

use std::{collections::BTreeMap, time::Duration};

use serde::{Serialize, Serializer};
use tokio::time::Instant;

use super::{cluster::Cluster, endpoint::Endpoint};
use crate::{
    config::LoadBalancing,
    telemetry::metrics::{Breaker, Label},
};

/// A cluster and everything in it.
#[derive(Clone, Debug, Serialize)]
pub struct ClusterView {
    name: String,
    target: String,
    policy: &'static str,
    /// Why the endpoints are those of an older answer, or why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    discovery_error: Option<String>,
    calls_in_flight: usize,
    /// What is under way of what may be, by the name of the limit.
    breakers: BTreeMap<&'static str, BreakerView>,
    /// Half of them gone, nothing is tried again (`retryThrottling`).
    retry_tokens: TokensView,
    endpoints: Vec<EndpointView>,
}

/// One limit.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BreakerView {
    max: usize,
    open: usize,
}

/// What retries and hedges are paid from.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TokensView {
    max: f64,
    left: f64,
}

/// An endpoint, over all workers.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointView {
    address: String,
    state: EndpointPhase,
    healthy: bool,
    ejected: bool,
    /// How long until it is probed, or taken back.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "milliseconds",
        rename = "ejected_for_ms"
    )]
    ejected_for: Option<Duration>,
    /// How often it was ejected, failed probes included.
    #[serde(skip_serializing_if = "Option::is_none")]
    times_ejected: Option<u32>,
    weight: u32,
    priority: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash_key: Option<String>,
    calls_in_flight: usize,
    /// How long until it is tried again.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "milliseconds", rename = "backoff_ms")]
    backoff: Option<Duration>,
    /// What the last attempt to connect failed of.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Why the last connection that it lost took no further call: the code of a GOAWAY, say.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_disconnect: Option<&'static str>,
    connections: Vec<ConnectionView>,
}

/// What an endpoint is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointPhase {
    /// At least one connection.
    Ready,
    /// No connection, and some worker makes one.
    Connecting,
    /// No connection, and nobody tries before the end of its backoff.
    Backoff,
    /// Discovery no longer lists it; calls on it go on.
    Draining,
}

/// One connection.
#[derive(Clone, Debug, Serialize)]
pub struct ConnectionView {
    pub(super) streams: usize,
    pub(super) stream_limit: usize,
    #[serde(serialize_with = "in_milliseconds", rename = "age_ms")]
    pub(super) age: Duration,
    /// It takes no further call, and those that it has go on.
    pub(super) draining: bool,
}

impl Cluster {
    /// What there is to see of it. Takes locks of the workers for a few instructions each: for people, not for calls.
    pub fn describe(&self) -> ClusterView {
        let listed = self.snapshot();
        let leaving = self.leaving();
        let states = listed.iter().map(|endpoint| (endpoint, false));
        let states = states.chain(leaving.iter().map(|endpoint| (endpoint, true)));
        let lanes = self.lanes();
        let endpoints = states.map(|(endpoint, leaving)| {
            let connections = lanes.iter().flat_map(|lane| lane.connections(endpoint));
            let connections = connections.chain(endpoint.partings().draining());
            endpoint.describe(leaving, connections.map(|connection| connection.describe()).collect())
        });
        let (left, most) = self.brakes().throttle.tokens();
        ClusterView {
            name: self.name().to_owned(),
            target: self.config().target.to_string(),
            policy: policy(&self.config().load_balancing),
            discovery_error: self.roster().discovery_error(),
            calls_in_flight: listed.iter().chain(&leaving).map(|endpoint| endpoint.calls()).sum(),
            breakers: self
                .circuits()
                .map(|(breaker, open, max)| (breaker.label(), BreakerView { max, open }))
                .collect(),
            retry_tokens: TokensView { max: f64::from(most) / 1000.0, left: f64::from(left) / 1000.0 },
            endpoints: endpoints.collect(),
        }
    }

    /// States for metrics which breakers let nothing more through at this moment.
    pub fn show_circuits(&self) {
        for (breaker, open, max) in self.circuits() {
            self.metrics().set_circuit(breaker, open >= max);
        }
    }

    fn circuits(&self) -> impl Iterator<Item = (Breaker, usize, usize)> {
        let connections =
            (Breaker::Connections, self.open_connections(), self.config().circuit_breakers.max_connections);
        self.brakes().breaker.usage().into_iter().chain([connections])
    }
}

impl Endpoint {
    fn describe(&self, leaving: bool, connections: Vec<ConnectionView>) -> EndpointView {
        let backoff =
            self.reach().resting_until().map(|until| until.saturating_duration_since(Instant::now()));
        let state = match backoff {
            _ if leaving => EndpointPhase::Draining,
            _ if self.connections() > 0 => EndpointPhase::Ready,
            Some(_) => EndpointPhase::Backoff,
            None => EndpointPhase::Connecting,
        };
        let member = self.member();
        let (out_until, times_ejected) = self.record().ejections();
        EndpointView {
            address: self.address().to_string(),
            state,
            healthy: self.is_healthy(),
            ejected: self.is_ejected(),
            ejected_for: out_until.map(|until| until.saturating_duration_since(Instant::now())),
            times_ejected: (times_ejected > 0).then_some(times_ejected),
            weight: member.weight,
            priority: member.priority,
            zone: member.zone.as_deref().map(str::to_owned),
            hash_key: member.hash_key.as_deref().map(str::to_owned),
            calls_in_flight: self.calls(),
            backoff: backoff.filter(|_| state == EndpointPhase::Backoff),
            error: self.reach().error(),
            last_disconnect: self.partings().last().map(Label::label),
            connections,
        }
    }
}

/// The name that gRPC gives a policy in `loadBalancingConfig`.
fn policy(policy: &LoadBalancing) -> &'static str {
    match policy {
        LoadBalancing::LeastRequest { .. } => "least_request",
        LoadBalancing::RoundRobin => "round_robin",
        LoadBalancing::WeightedRoundRobin(_) => "weighted_round_robin",
        LoadBalancing::RingHash(_) => "ring_hash",
        LoadBalancing::PickFirst { .. } => "pick_first",
        LoadBalancing::Random => "random",
    }
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn milliseconds<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(|duration| duration.as_millis()).serialize(serializer)
}

fn in_milliseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    duration.as_millis().serialize(serializer)
}
