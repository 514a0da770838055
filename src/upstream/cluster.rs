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
    member::Member,
    outlier::Detector,
    tls::Tls,
};
use crate::{
    config::{self, Address, Target},
    telemetry::metrics::{ClusterMetrics, DiscoveryResult},
};

/// The endpoints of one name, shared by all workers.
#[derive(Debug)]
pub struct Cluster {
    index: usize,
    name: Arc<str>,
    config: Arc<config::Cluster>,
    authority: Authority,
    /// `None` until discovery answered for the first time.
    endpoints: watch::Sender<Option<Arc<[Arc<Endpoint>]>>>,
    /// Endpoints that discovery no longer lists and that still have calls or connections.
    leaving: Mutex<BTreeMap<Address, Weak<Endpoint>>>,
    discovery_error: Mutex<Option<String>>,
    resolve_now: Notify,
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
        Self {
            index,
            name: config.name.as_str().into(),
            brakes: Brakes::new(&config, replay),
            lacking: Lacking::default(),
            seed: fastrand::u64(..),
            sessions: config.session_affinity.as_ref().map(|config| Arc::new(Sessions::new(config))),
            config: Arc::new(config),
            authority,
            endpoints: watch::Sender::new(None),
            leaving: Mutex::default(),
            discovery_error: Mutex::default(),
            resolve_now: Notify::new(),
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
        self.endpoints.borrow().clone().unwrap_or_default()
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

    pub(super) fn endpoints(&self) -> watch::Receiver<Option<Arc<[Arc<Endpoint>]>>> {
        self.endpoints.subscribe()
    }

    /// Who decides which endpoints are left out for their failures.
    pub(super) fn outlier(&self) -> Option<&Detector> {
        self.outlier.as_ref()
    }

    /// Whether discovery has yet to answer for the first time.
    pub(super) fn is_resolving(&self) -> bool {
        self.endpoints.borrow().is_none() && self.discovery_error.lock().is_none()
    }

    /// Whether discovery has found anyone.
    pub(super) fn has_endpoints(&self) -> bool {
        self.endpoints.borrow().as_ref().is_some_and(|endpoints| !endpoints.is_empty())
    }

    /// Whether any worker has a connection to any of them.
    pub(super) fn is_connected(&self) -> bool {
        let endpoints = self.endpoints.borrow();
        endpoints.iter().any(|endpoints| endpoints.iter().any(|endpoint| endpoint.connections() > 0))
    }

    /// Endpoints that discovery no longer lists, and on which calls go on.
    pub fn leaving(&self) -> Vec<Arc<Endpoint>> {
        self.leaving.lock().values().filter_map(Weak::upgrade).collect()
    }

    /// Takes discovery's answer: endpoints that stay keep their state, new ones join, the others leave. One that is
    /// listed again before its last call has ended is the same as before.
    pub(super) fn resolved(&self, members: impl IntoIterator<Item = impl Into<Member>>) {
        let known = self.snapshot();
        let known: BTreeMap<_, _> = known.iter().map(|endpoint| (endpoint.address(), endpoint)).collect();
        let members = members.into_iter().map(Into::into);
        let wanted: BTreeMap<Address, Member> =
            members.map(|member| (member.address.clone(), member)).collect();
        *self.discovery_error.lock() = None;
        self.metrics.discovered(if wanted.is_empty() {
            DiscoveryResult::Empty
        } else {
            DiscoveryResult::Found
        });
        let mut leaving = self.leaving.lock();
        leaving.retain(|_, endpoint| endpoint.strong_count() > 0);
        self.endpoints.send_if_modified(|current| {
            let same_members = wanted.keys().eq(known.keys().copied());
            let mut same = current.is_some() && same_members;
            let endpoints: Arc<[_]> = wanted
                .values()
                .map(|member| match known.get(&member.address) {
                    Some(known) => {
                        same &= !known.update(member);
                        Arc::clone(known)
                    }
                    None => match leaving.remove(&member.address).and_then(|left| left.upgrade()) {
                        Some(back) => {
                            back.update(member);
                            back.reach().announced();
                            back
                        }
                        None => self.endpoint(member.clone()),
                    },
                })
                .collect();
            if !same {
                let gone = known.iter().filter(|(address, _)| !wanted.contains_key(**address));
                leaving
                    .extend(gone.map(|(address, endpoint)| ((*address).clone(), Arc::downgrade(endpoint))));
                if !same_members {
                    let listed: Vec<_> = wanted.keys().map(ToString::to_string).collect();
                    tracing::info!(cluster = %self.name, endpoints = ?listed, "endpoints changed");
                }
                *current = Some(endpoints);
            }
            !same
        });
    }

    fn endpoint(&self, member: Member) -> Arc<Endpoint> {
        let metrics = self.metrics.endpoint(&member.address.to_string());
        let endpoint = Endpoint::new(member, metrics);
        // One that is checked has yet to prove itself.
        endpoint.set_healthy(self.config.health_check.is_none());
        Arc::new(endpoint)
    }

    /// A lane's links or connections have come or gone.
    pub(super) fn publish(&self) {
        self.published.notify_waiters();
    }

    /// Waits for the next change of any lane's links or connections.
    pub(super) fn published(&self) -> Notified<'_> {
        self.published.notified()
    }

    /// Which endpoints calls may use has changed: every lane makes its snapshot anew.
    pub(super) fn touch(&self) {
        self.endpoints.send_modify(|_| {});
    }

    /// Why the last answer of discovery was none.
    pub(super) fn discovery_error(&self) -> Option<String> {
        self.discovery_error.lock().clone()
    }

    /// A worker's side of it has come.
    pub(super) fn joined(&self, lane: &Arc<Lane>) {
        self.lanes.lock().push(Arc::downgrade(lane));
    }

    /// Every worker's side of it.
    pub(super) fn lanes(&self) -> Vec<Arc<Lane>> {
        self.lanes.lock().iter().filter_map(Weak::upgrade).collect()
    }

    /// Discovery failed; the endpoints it last found stay.
    pub(super) fn resolve_failed(&self, error: String) {
        let mut known = self.discovery_error.lock();
        if known.as_ref() != Some(&error) {
            tracing::warn!(cluster = %self.name, target = %self.config.target, error, "discovery failed, the last good answer stays");
        }
        *known = Some(error);
        drop(known);
        self.metrics.discovered(DiscoveryResult::Failed);
        // Calls that wait for the first answer learn that it is not coming.
        self.touch();
    }

    pub(super) fn connected(&self) {
        self.connects.send_modify(|count| *count += 1);
    }

    /// A connection that is refused or ends often means that the address has moved: discovery looks again without
    /// waiting for its next turn.
    pub(super) fn look_again(&self) {
        self.resolve_now.notify_one();
    }

    pub(super) async fn resolve_now(&self) {
        self.resolve_now.notified().await;
    }

    /// Why no call can be sent, in one line without addresses.
    pub(super) fn why_down(&self) -> String {
        let endpoints = self.snapshot();
        if endpoints.is_empty() {
            let target = &self.config.target;
            return match &*self.discovery_error.lock() {
                // Clients read it too: paths, and what stands in files, are for the log and `/clusters`.
                Some(_) if matches!(target, Target::File(_)) => "the list of endpoints cannot be used".into(),
                None if matches!(target, Target::File(_)) => "the list of endpoints is empty".into(),
                Some(error) => format!("{target} has no address: {error}"),
                None => format!("{target} is being resolved"),
            };
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
    use crate::telemetry::Metrics;

    #[test]
    fn endpoints_that_stay_keep_their_state() {
        let cluster = Cluster::new(
            0,
            config::Cluster::new("orders", Target::Dns { server: None, host: "orders".into(), port: 50051 }),
            Arc::default(),
            Metrics::new().cluster("orders", "dns:///orders:50051", false),
        );
        let addresses = |ports: &[u16]| {
            ports.iter().map(|port| Address::Tcp(([127, 0, 0, 1], *port).into())).collect::<Vec<_>>()
        };
        assert!(cluster.is_resolving());
        cluster.resolved(addresses(&[2, 1]));
        let mut before = cluster.snapshot();
        let mut changes = cluster.endpoints();
        changes.mark_unchanged();

        cluster.resolved(addresses(&[1, 2, 2]));
        assert!(!changes.has_changed().unwrap(), "the same set in another order is no change");
        cluster.resolved(addresses(&[3, 2]));
        let after = cluster.snapshot();
        assert!(Arc::ptr_eq(&before[1], &after[0]) && *after[1].address() == addresses(&[3])[0]);
        let left = Arc::downgrade(&before[0]);
        before = after;
        assert!(left.upgrade().is_none() && cluster.leaving().is_empty(), "nobody holds it");

        cluster.resolved(addresses(&[1, 3]));
        assert!(Arc::ptr_eq(&cluster.snapshot()[1], &before[1]));
        let held = Arc::clone(&cluster.snapshot()[1]);
        drop(before);
        cluster.resolved(addresses(&[1]));
        assert_eq!(cluster.leaving().len(), 1);
        cluster.resolved(addresses(&[1, 3]));
        assert!(Arc::ptr_eq(&cluster.snapshot()[1], &held), "who comes back in time is the same");
        assert_eq!(cluster.leaving().len(), 0);

        cluster.resolve_failed("timed out".into());
        assert_eq!(cluster.snapshot().len(), 2, "the last good answer stays");
        assert_eq!(cluster.authority().as_str(), "orders:50051");
    }
}
