//! A name and the endpoints behind it.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use http::uri::Authority;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::{discover, endpoint::Endpoint};
use crate::{
    config::{LoadBalancing, Target},
    telemetry::{Metrics, metrics::ClusterMetrics},
};

/// What the configuration says of a cluster's way out.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Where its endpoints come from.
    pub target: Target,
    /// How often a DNS name is looked up again.
    pub dns_refresh_rate: Duration,
    /// From the first SYN to the peer's SETTINGS.
    pub connect_timeout: Duration,
    /// Which endpoint a call goes to.
    pub balancing: LoadBalancing,
}

/// The endpoints of one name, shared by all workers.
#[derive(Debug)]
pub struct Cluster {
    index: usize,
    settings: Settings,
    authority: Authority,
    /// `None` until discovery answered for the first time.
    endpoints: watch::Sender<Option<Arc<[Arc<Endpoint>]>>>,
    discovery_error: Mutex<Option<String>>,
    resolve_now: Notify,
    connects: watch::Sender<u64>,
    metrics: Arc<ClusterMetrics>,
}

/// All clusters of a configuration; a cluster's place in it is its index.
#[derive(Clone, Debug)]
pub struct Clusters(Arc<[Arc<Cluster>]>);

/// What `/readyz` says of a cluster's endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Endpoints that discovery lists.
    pub endpoints: usize,
    /// Those with an open connection.
    pub healthy: usize,
    /// Why none is healthy.
    pub reason: Option<String>,
}

impl Clusters {
    /// Clusters without endpoints; [`Clusters::discover`] brings them.
    pub fn new(settings: impl IntoIterator<Item = Settings>, metrics: &Metrics) -> Self {
        Self(
            settings
                .into_iter()
                .enumerate()
                .map(|(index, settings)| {
                    let metrics = metrics.cluster(&settings.name);
                    Arc::new(Cluster::new(index, settings, metrics))
                })
                .collect(),
        )
    }

    /// Starts discovery of every cluster on the current runtime.
    pub fn discover(&self) {
        for cluster in self.iter() {
            tokio::spawn(discover::run(Arc::clone(cluster)));
        }
    }

    /// In the order of their indices.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        self.0.iter()
    }
}

impl Cluster {
    fn new(index: usize, settings: Settings, metrics: Arc<ClusterMetrics>) -> Self {
        let authority = authority(&settings.target);
        Self {
            index,
            settings,
            authority,
            endpoints: watch::Sender::new(None),
            discovery_error: Mutex::default(),
            resolve_now: Notify::new(),
            connects: watch::Sender::new(0),
            metrics,
        }
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What the configuration says of it.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its endpoints in the order of their addresses; empty until discovery has answered.
    pub fn snapshot(&self) -> Arc<[Arc<Endpoint>]> {
        self.endpoints.borrow().clone().unwrap_or_default()
    }

    /// Counts the connections ever made to it; a change means that a backend came, or came back.
    pub fn connects(&self) -> watch::Receiver<u64> {
        self.connects.subscribe()
    }

    /// Whether calls can be served, and why not.
    pub fn health(&self) -> Health {
        let endpoints = self.snapshot();
        let healthy = endpoints.iter().filter(|endpoint| endpoint.connections() > 0).count();
        let reason = (healthy == 0).then(|| self.why_down());
        Health { endpoints: endpoints.len(), healthy, reason }
    }

    /// Where what happens to it is counted.
    pub fn metrics(&self) -> &ClusterMetrics {
        &self.metrics
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// What calls carry as `:authority`: the target's name, whatever the client called the gateway.
    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(super) fn endpoints(&self) -> watch::Receiver<Option<Arc<[Arc<Endpoint>]>>> {
        self.endpoints.subscribe()
    }

    /// Whether discovery has yet to answer for the first time.
    pub(super) fn is_resolving(&self) -> bool {
        self.endpoints.borrow().is_none() && self.discovery_error.lock().is_none()
    }

    /// Whether discovery has found anyone.
    pub(super) fn has_endpoints(&self) -> bool {
        self.endpoints.borrow().as_ref().is_some_and(|endpoints| !endpoints.is_empty())
    }

    /// Takes discovery's answer: endpoints that stay keep their state, new ones join, the others leave.
    pub(super) fn resolved(&self, addresses: impl IntoIterator<Item = SocketAddr>) {
        let known = self.snapshot();
        let known: BTreeMap<_, _> = known.iter().map(|endpoint| (endpoint.address(), endpoint)).collect();
        let wanted: std::collections::BTreeSet<_> = addresses.into_iter().collect();
        *self.discovery_error.lock() = None;
        self.endpoints.send_if_modified(|current| {
            let same = current.is_some() && wanted.iter().eq(known.keys());
            if !same {
                tracing::info!(cluster = self.name(), endpoints = ?wanted, "endpoints changed");
                let endpoints = wanted.iter().map(|address| {
                    known.get(address).map_or_else(|| self.endpoint(*address), |known| Arc::clone(known))
                });
                *current = Some(endpoints.collect());
            }
            !same
        });
    }

    fn endpoint(&self, address: SocketAddr) -> Arc<Endpoint> {
        Arc::new(Endpoint::new(address, self.metrics.endpoint(&address.to_string())))
    }

    /// Discovery failed; the endpoints it last found stay.
    pub(super) fn resolve_failed(&self, error: String) {
        let mut known = self.discovery_error.lock();
        if known.as_ref() != Some(&error) {
            tracing::warn!(cluster = self.name(), target = %self.settings.target, error, "discovery failed, the last good answer stays");
        }
        *known = Some(error);
        drop(known);
        // Calls that wait for the first answer learn that it is not coming.
        self.endpoints.send_modify(|_| {});
    }

    pub(super) fn connected(&self) {
        self.connects.send_modify(|count| *count += 1);
    }

    /// A refused connection often means that the address has moved: look again without waiting for the next turn.
    pub(super) fn failed_to_connect(&self) {
        self.resolve_now.notify_one();
    }

    pub(super) async fn resolve_now(&self) {
        self.resolve_now.notified().await;
    }

    /// Why there is no connection, in one line without addresses.
    pub(super) fn why_down(&self) -> String {
        let endpoints = self.snapshot();
        if endpoints.is_empty() {
            return match &*self.discovery_error.lock() {
                Some(error) => format!("{} has no address: {error}", self.settings.target),
                None => format!("{} is being resolved", self.settings.target),
            };
        }
        let mut errors: BTreeMap<String, usize> = BTreeMap::new();
        for endpoint in endpoints.iter() {
            *errors.entry(endpoint.error().unwrap_or_else(|| "not connected yet".into())).or_default() += 1;
        }
        let errors: Vec<_> = errors.into_iter().map(|(error, count)| format!("{count} x {error}")).collect();
        let plural = if endpoints.len() == 1 { "endpoint" } else { "endpoints" };
        format!("none of {} {plural} can be reached ({})", endpoints.len(), errors.join(", "))
    }
}

fn authority(target: &Target) -> Authority {
    let text = match target {
        Target::Dns { host, port, .. } => format!("{}:{port}", host.trim_end_matches('.')),
        Target::Static(addresses) => addresses.first().map_or_else(String::new, ToString::to_string),
    };
    text.parse().unwrap_or_else(|_| Authority::from_static("edgeway"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_that_stay_keep_their_state() {
        let cluster = Cluster::new(
            0,
            Settings {
                name: "orders".into(),
                target: Target::Dns { server: None, host: "orders".into(), port: 50051 },
                dns_refresh_rate: Duration::from_secs(5),
                connect_timeout: Duration::from_secs(2),
                balancing: LoadBalancing::LeastRequest,
            },
            Metrics::new().cluster("orders"),
        );
        let addresses = |ports: &[u16]| {
            ports.iter().map(|port| SocketAddr::from(([127, 0, 0, 1], *port))).collect::<Vec<_>>()
        };
        assert!(cluster.is_resolving());
        cluster.resolved(addresses(&[2, 1]));
        let before = cluster.snapshot();
        let mut changes = cluster.endpoints();
        changes.mark_unchanged();

        cluster.resolved(addresses(&[1, 2, 2]));
        assert!(!changes.has_changed().unwrap(), "the same set in another order is no change");
        cluster.resolved(addresses(&[3, 2]));
        let after = cluster.snapshot();
        assert!(Arc::ptr_eq(&before[1], &after[0]) && after[1].address().port() == 3);

        cluster.resolve_failed("timed out".into());
        assert_eq!(cluster.snapshot().len(), 2, "the last good answer stays");
        assert_eq!(cluster.authority().as_str(), "orders:50051");
    }
}
