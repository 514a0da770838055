//! A name and the endpoints behind it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use http::uri::{Authority, Scheme};
use parking_lot::Mutex;
use tokio::sync::{Notify, futures::Notified, watch};

use super::{
    balance::{self, Sessions},
    brakes::{Brakes, Budget},
    endpoint::Endpoint,
    failover::Lacking,
    lane::Lane,
    outlier::Detector,
    roster::Roster,
    tls::Tls,
};
use crate::{
    config::{self, Address, Target},
    telemetry::metrics::ClusterMetrics,
};

/// The endpoints of one name, shared by all workers.
#[derive(Debug)]
pub struct Cluster {
    index: usize,
    name: Arc<str>,
    config: Arc<config::Cluster>,
    authority: Authority,
    roster: Roster,
    connects: watch::Sender<u64>,
    lanes: Mutex<Vec<Weak<Lane>>>,
    brakes: Brakes,
    lacking: Lacking,
    /// What chance a process has for itself: all its lanes choose the same subset, other gateways another one.
    seed: u64,
    sessions: Option<Arc<Sessions>>,
    published: Notify,
    outlier: Option<Detector>,
    metrics: Arc<ClusterMetrics>,
    tls: Option<Arc<Tls>>,
}

/// What `/readyz` says of a cluster's endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Endpoints that discovery lists.
    pub endpoints: usize,
    /// Those with an open connection that no health check found unhealthy.
    pub healthy: usize,
    /// Why none is healthy.
    pub reason: Option<String>,
}

impl Cluster {
    /// One without endpoints; `index` is its place among all clusters.
    pub(super) fn new(
        index: usize,
        config: config::Cluster,
        replay: Arc<Budget>,
        metrics: Arc<ClusterMetrics>,
    ) -> Self {
        let authority = authority(&config);
        let tls = config.tls.clone().map(|tls| Arc::new(Tls::new(tls, &config.target, &config.name)));
        let outlier = config.outlier_detection.clone().map(Detector::new);
        let config = Arc::new(config);
        Self {
            index,
            name: config.name.as_str().into(),
            brakes: Brakes::new(&config, replay),
            lacking: Lacking::default(),
            seed: fastrand::u64(..),
            sessions: config.session_affinity.as_ref().map(|config| Arc::new(Sessions::new(config))),
            roster: Roster::new(Arc::clone(&config), Arc::clone(&metrics)),
            config,
            authority,
            connects: watch::Sender::new(0),
            lanes: Mutex::default(),
            published: Notify::new(),
            outlier,
            metrics,
            tls,
        }
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its name, to keep.
    pub fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// What the configuration says of it.
    pub fn config(&self) -> &config::Cluster {
        &self.config
    }

    /// Its endpoints in the order of their addresses; empty until discovery has answered.
    pub fn snapshot(&self) -> Arc<[Arc<Endpoint>]> {
        self.roster.listed()
    }

    /// Endpoints that discovery no longer lists, and on which calls go on.
    pub fn leaving(&self) -> Vec<Arc<Endpoint>> {
        self.roster.leaving()
    }

    /// Who its endpoints are.
    pub(super) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Which endpoints calls may use has changed: every lane makes its snapshot anew.
    pub(super) fn touch(&self) {
        self.roster.touch();
    }

    /// Those of its endpoints that this process keeps connections to.
    pub(super) fn used(&self) -> Vec<Arc<Endpoint>> {
        balance::subset(&self.snapshot(), self.config.subset_size, self.seed)
    }

    /// Counts the connections ever made to it; a change means that a backend came, or came back.
    pub fn connects(&self) -> watch::Receiver<u64> {
        self.connects.subscribe()
    }

    /// Whether calls can be served, and why not.
    pub fn health(&self) -> Health {
        let endpoints = self.snapshot();
        let serves = |endpoint: &&Arc<Endpoint>| endpoint.connections() > 0 && endpoint.is_healthy();
        let healthy = endpoints.iter().filter(serves).count();
        let reason = (healthy == 0).then(|| self.why_down());
        Health { endpoints: endpoints.len(), healthy, reason }
    }

    /// Where what happens to it is counted.
    pub fn metrics(&self) -> &Arc<ClusterMetrics> {
        &self.metrics
    }

    /// What holds its calls back.
    pub(super) fn brakes(&self) -> &Brakes {
        &self.brakes
    }

    /// Which of its endpoints lack a method.
    pub(super) fn lacking(&self) -> &Lacking {
        &self.lacking
    }

    /// Chance, drawn once per process.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// How cookies name endpoints, where they do.
    pub(super) fn sessions(&self) -> Option<&Arc<Sessions>> {
        self.sessions.as_ref()
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// What calls carry as `:authority`: the target's name, whatever the client called the gateway.
    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// What calls carry as `:scheme`.
    pub(super) fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP }
    }

    /// How its connections are secured.
    pub(super) fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }

    /// Whether a further connection may be opened beside those that its endpoints have (`max_connections`).
    pub(super) fn may_connect(&self) -> bool {
        self.open_connections() < self.config.circuit_breakers.max_connections
    }

    /// The connections that its endpoints have.
    pub(super) fn open_connections(&self) -> usize {
        self.snapshot().iter().map(|endpoint| endpoint.connections()).sum()
    }

    /// Who decides which endpoints are left out for their failures.
    pub(super) fn outlier(&self) -> Option<&Detector> {
        self.outlier.as_ref()
    }

    /// A lane's links or connections have come or gone.
    pub(super) fn publish(&self) {
        self.published.notify_waiters();
    }

    /// Waits for the next change of any lane's links or connections.
    pub(super) fn published(&self) -> Notified<'_> {
        self.published.notified()
    }

    /// A worker's side of it has come.
    pub(super) fn joined(&self, lane: &Arc<Lane>) {
        self.lanes.lock().push(Arc::downgrade(lane));
    }

    /// Every worker's side of it.
    pub(super) fn lanes(&self) -> Vec<Arc<Lane>> {
        self.lanes.lock().iter().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn connected(&self) {
        self.connects.send_modify(|count| *count += 1);
    }

    /// Why no call can be sent, in one line without addresses.
    pub(super) fn why_down(&self) -> String {
        let endpoints = self.snapshot();
        if endpoints.is_empty() {
            return self.roster.why_empty();
        }
        let mut errors: BTreeMap<String, usize> = BTreeMap::new();
        for endpoint in endpoints.iter() {
            *errors.entry(endpoint.why_out().unwrap_or_else(|| "connected".into())).or_default() += 1;
        }
        let errors: Vec<_> = errors.into_iter().map(|(error, count)| format!("{count} x {error}")).collect();
        let plural = if endpoints.len() == 1 { "endpoint" } else { "endpoints" };
        let connected = endpoints.iter().any(|endpoint| endpoint.connections() > 0);
        let what = if connected { "takes calls" } else { "can be reached" };
        format!("none of {} {plural} {what} ({})", endpoints.len(), errors.join(", "))
    }
}

fn authority(config: &config::Cluster) -> Authority {
    let target = &config.target;
    let text = match target {
        Target::Dns { port, .. } => format!("{}:{port}", target.host().unwrap_or_default()),
        Target::Srv { .. } => target.host().unwrap_or_default().to_owned(),
        // The endpoints of a file are those of one service, of which the cluster's name is all that is known.
        Target::File(_) => config.name.clone(),
        Target::Static(addresses) => addresses.first().map_or_else(String::new, |first| match first {
            Address::Tcp(address) => address.to_string(),
            // gRPC's name for the other end of a Unix socket.
            Address::Unix(_) => "localhost".into(),
        }),
    };
    text.parse().unwrap_or_else(|_| Authority::from_static("edgeway"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authority_is_the_name_of_the_target() {
        for (target, expected) in [
            ("dns:///orders:50051", "orders:50051"),
            ("dns:///_grpc._tcp.orders.", "orders"),
            ("file:endpoints.yaml", "named"),
            ("ipv4:127.0.0.1:1,127.0.0.1:2", "127.0.0.1:1"),
            ("unix:orders.sock", "localhost"),
        ] {
            let config = config::Cluster::new("named", target.parse().unwrap());
            assert_eq!(authority(&config).as_str(), expected, "{target}");
        }
    }
}
