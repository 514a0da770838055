//! What a lane may use at one moment.

use std::sync::Arc;

use super::{balance::Balancer, connection::Connection, link::Link};
use crate::config::Address;

/// The endpoints that calls may use, each with its connections. Never changes: picking reads it without a lock.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    ready: Vec<Ready>,
}

/// An endpoint that calls may use.
#[derive(Debug)]
struct Ready {
    link: Arc<Link>,
    /// At least one, the oldest first.
    connections: Vec<Arc<Connection>>,
}

/// What a call wants of the endpoint that it goes to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wish<'a> {
    /// Where it has been: another one is preferred.
    pub(super) tried: &'a [Address],
}

impl Snapshot {
    pub(super) fn new(links: &[Arc<Link>]) -> Self {
        let ready = links
            .iter()
            .filter(|link| link.endpoint.is_healthy() && !link.endpoint.is_ejected())
            .map(|link| Ready { link: Arc::clone(link), connections: link.connections() })
            .filter(|ready| !ready.connections.is_empty())
            .collect();
        Self { ready }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Whether there is an endpoint that is none of `tried`.
    pub(super) fn has_other(&self, tried: &[Address]) -> bool {
        self.ready.iter().any(|ready| !tried.contains(ready.link.endpoint.address()))
    }

    /// A place for one more stream on the endpoint that `balancer` names first and that has one.
    pub(super) fn reserve(
        &self,
        balancer: &Balancer,
        wish: Wish<'_>,
    ) -> Option<(&Arc<Link>, &Arc<Connection>)> {
        let ready = &self.ready;
        let take = |index: usize| {
            let ready = ready.get(index)?;
            Some((&ready.link, ready.reserve()?))
        };
        let load = |index: usize| ready.get(index).map(|ready| ready.link.load()).unwrap_or_default();
        let mut order = balancer.order(ready.len(), &load);
        if wish.tried.is_empty() {
            return order.find_map(take);
        }
        let is_fresh = |index: &usize| {
            ready.get(*index).is_some_and(|ready| !wish.tried.contains(ready.link.endpoint.address()))
        };
        let order: Vec<usize> = order.collect();
        let fresh = order.iter().copied().filter(is_fresh).find_map(take);
        fresh.or_else(|| order.iter().copied().find_map(take))
    }
}

impl Ready {
    /// A place on the oldest connection that has one, so that newer ones can fall idle.
    fn reserve(&self) -> Option<&Arc<Connection>> {
        self.connections.iter().find(|connection| connection.reserve())
    }
}
