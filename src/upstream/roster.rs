//! Who the endpoints of a cluster are, as discovery has it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::{endpoint::Endpoint, member::Member};
use crate::{
    config::{self, Address, Target},
    telemetry::metrics::{ClusterMetrics, DiscoveryResult},
};

/// The endpoints that discovery lists, and those that it did.
#[derive(Debug)]
pub(super) struct Roster {
    config: Arc<config::Cluster>,
    metrics: Arc<ClusterMetrics>,
    /// `None` until discovery answered for the first time.
    endpoints: watch::Sender<Option<Arc<[Arc<Endpoint>]>>>,
    /// Endpoints that discovery no longer lists and that still have calls or connections.
    leaving: Mutex<BTreeMap<Address, Weak<Endpoint>>>,
    discovery_error: Mutex<Option<String>>,
    resolve_now: Notify,
}

impl Roster {
    pub(super) fn new(config: Arc<config::Cluster>, metrics: Arc<ClusterMetrics>) -> Self {
        Self {
            config,
            metrics,
            endpoints: watch::Sender::new(None),
            leaving: Mutex::default(),
            discovery_error: Mutex::default(),
            resolve_now: Notify::new(),
        }
    }

    /// Takes discovery's answer: endpoints that stay keep their state, new ones join, the others leave. One that is
    /// listed again before its last call has ended is the same as before.
    pub(super) fn resolved(&self, members: impl IntoIterator<Item = impl Into<Member>>) {
        let known = self.listed();
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
                    tracing::info!(cluster = %self.config.name, endpoints = ?listed, "endpoints changed");
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

    /// Discovery failed; the endpoints it last found stay.
    pub(super) fn resolve_failed(&self, error: String) {
        let mut known = self.discovery_error.lock();
        if known.as_ref() != Some(&error) {
            tracing::warn!(cluster = %self.config.name, target = %self.config.target, error, "discovery failed, the last good answer stays");
        }
        *known = Some(error);
        drop(known);
        self.metrics.discovered(DiscoveryResult::Failed);
        // Calls that wait for the first answer learn that it is not coming.
        self.touch();
    }

    /// A connection that is refused or ends often means that the address has moved: discovery looks again without
    /// waiting for its next turn.
    pub(super) fn look_again(&self) {
        self.resolve_now.notify_one();
    }

    /// Waits until discovery is to look again.
    pub(super) async fn resolve_now(&self) {
        self.resolve_now.notified().await;
    }

    /// The endpoints in the order of their addresses; empty until discovery has answered.
    pub(super) fn listed(&self) -> Arc<[Arc<Endpoint>]> {
        self.endpoints.borrow().clone().unwrap_or_default()
    }

    /// The same, `None` until discovery has answered, and every change of it.
    pub(super) fn endpoints(&self) -> watch::Receiver<Option<Arc<[Arc<Endpoint>]>>> {
        self.endpoints.subscribe()
    }

    /// Which endpoints calls may use has changed: every lane makes its snapshot anew.
    pub(super) fn touch(&self) {
        self.endpoints.send_modify(|_| {});
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
    pub(super) fn leaving(&self) -> Vec<Arc<Endpoint>> {
        self.leaving.lock().values().filter_map(Weak::upgrade).collect()
    }

    /// Why the last answer of discovery was none.
    pub(super) fn discovery_error(&self) -> Option<String> {
        self.discovery_error.lock().clone()
    }

    /// Why there is no endpoint, in one line without addresses.
    pub(super) fn why_empty(&self) -> String {
        let target = &self.config.target;
        match &*self.discovery_error.lock() {
            // Clients read it too: paths, and what stands in files, are for the log and `/clusters`.
            Some(_) if matches!(target, Target::File(_)) => "the list of endpoints cannot be used".into(),
            None if matches!(target, Target::File(_)) => "the list of endpoints is empty".into(),
            Some(error) => format!("{target} has no address: {error}"),
            None => format!("{target} is being resolved"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn endpoints_that_stay_keep_their_state() {
        let config =
            config::Cluster::new("orders", Target::Dns { server: None, host: "orders".into(), port: 50051 });
        let roster =
            Roster::new(Arc::new(config), Metrics::new().cluster("orders", "dns:///orders:50051", false));
        let addresses = |ports: &[u16]| {
            ports.iter().map(|port| Address::Tcp(([127, 0, 0, 1], *port).into())).collect::<Vec<_>>()
        };
        assert!(roster.is_resolving());
        roster.resolved(addresses(&[2, 1]));
        let mut before = roster.listed();
        let mut changes = roster.endpoints();
        changes.mark_unchanged();

        roster.resolved(addresses(&[1, 2, 2]));
        assert!(!changes.has_changed().unwrap(), "the same set in another order is no change");
        roster.resolved(addresses(&[3, 2]));
        let after = roster.listed();
        assert!(Arc::ptr_eq(&before[1], &after[0]) && *after[1].address() == addresses(&[3])[0]);
        let left = Arc::downgrade(&before[0]);
        before = after;
        assert!(left.upgrade().is_none() && roster.leaving().is_empty(), "nobody holds it");

        roster.resolved(addresses(&[1, 3]));
        assert!(Arc::ptr_eq(&roster.listed()[1], &before[1]));
        let held = Arc::clone(&roster.listed()[1]);
        drop(before);
        roster.resolved(addresses(&[1]));
        assert_eq!(roster.leaving().len(), 1);
        roster.resolved(addresses(&[1, 3]));
        assert!(Arc::ptr_eq(&roster.listed()[1], &held), "who comes back in time is the same");
        assert_eq!(roster.leaving().len(), 0);

        roster.resolve_failed("timed out".into());
        assert_eq!(roster.listed().len(), 2, "the last good answer stays");
    }
}
