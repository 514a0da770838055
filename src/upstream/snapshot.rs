//! What a lane may use at one moment.

use std::sync::Arc;

use tokio::time::{Duration, Instant};

use super::{
    balance::{Balancer, Call, Choices, Load, Reachable, Token},
    connection::Connection,
    link::Link,
    outlier::Probes,
};
use crate::config::Address;

/// The endpoints that calls may use, each with its connections, and the choices among them. Never changes: picking reads
/// it without a lock.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// Those that any call may use, as `choices` numbers them; then those that only sessions may.
    ready: Vec<Ready>,
    choices: Choices,
    /// The endpoints that cookies name, by token, with their places in `ready`; empty without session affinity.
    sessions: Vec<(Token, usize)>,
    probes: Probes,
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
    /// What policies go by.
    pub(super) call: Call,
    /// The endpoint that its session is at.
    pub(super) session: Option<&'a Token>,
}

impl Snapshot {
    /// `leaving` are links to endpoints that discovery no longer lists, and that sessions stay with.
    pub(super) fn new(balancer: &Balancer, links: &[Arc<Link>], leaving: &[Arc<Link>], now: Instant) -> Self {
        let mut linked: Vec<_> = links.iter().map(|link| Some(Ready::new(link))).collect();
        let reachable: Vec<_> = linked
            .iter()
            .flatten()
            .map(|ready| Reachable {
                endpoint: &ready.link.endpoint,
                ready: !ready.connections.is_empty(),
                pending: ready.link.is_hopeful(),
            })
            .collect();
        let (choices, order) = balancer.compile(&reachable, now);
        let mut ready: Vec<Ready> = order.iter().filter_map(|place| linked.get_mut(*place)?.take()).collect();
        let mut sessions = Vec::new();
        if let Some(cookies) = balancer.sessions() {
            let draining = leaving.iter().map(Ready::new);
            ready.extend(draining.filter(|ready| !ready.connections.is_empty()));
            let token = |ready: &Ready| {
                let endpoint = &ready.link.endpoint;
                *endpoint.traits().token(cookies, endpoint.address())
            };
            sessions.extend(ready.iter().map(token).zip(0..));
            // An address that left and came back is twice there; its new link stands first.
            sessions.sort_unstable();
            sessions.dedup_by_key(|(token, _)| *token);
        }
        Self { ready, choices, sessions, probes: Probes::new(links) }
    }

    /// Ejected endpoints that are to be tried with one call.
    pub(super) fn probes(&self) -> &Probes {
        &self.probes
    }

    /// Whether there is nowhere for a call to go.
    pub(super) fn is_empty(&self) -> bool {
        self.choices.is_empty()
    }

    /// After what time weights will have changed; `None` when they stay.
    pub(super) fn hold(&self) -> Option<Duration> {
        self.choices.hold()
    }

    /// Whether there is an endpoint for a call that has not been tried.
    pub(super) fn has_other(&self, balancer: &Balancer, wish: Wish<'_>) -> bool {
        let fresh = |index: usize| self.ready.get(index).filter(|ready| !ready.is_one_of(wish.tried));
        self.choices.find(balancer, wish.call, |_| Load::default(), fresh).is_some()
    }

    /// A place for one more stream on the endpoint that `balancer` names first and that has one.
    ///
    /// A session does not leave an endpoint that is full for the moment: there is none then.
    pub(super) fn reserve(
        &self,
        balancer: &Balancer,
        wish: Wish<'_>,
    ) -> Option<(&Arc<Link>, &Arc<Connection>)> {
        if let Some(session) = wish.session.and_then(|token| self.session(token))
            && !session.is_one_of(wish.tried)
        {
            return Some((&session.link, session.reserve()?));
        }
        let take = |index: usize| {
            let ready = self.ready.get(index)?;
            Some((&ready.link, ready.reserve()?))
        };
        let load = |index: usize| self.ready.get(index).map(|ready| ready.link.load()).unwrap_or_default();
        if wish.tried.is_empty() {
            return self.choices.find(balancer, wish.call, load, take);
        }
        let fresh = |index: usize| {
            let ready = self.ready.get(index).filter(|ready| !ready.is_one_of(wish.tried))?;
            Some((&ready.link, ready.reserve()?))
        };
        let fresh = self.choices.find(balancer, wish.call, load, fresh);
        fresh.or_else(|| self.choices.find(balancer, wish.call, load, take))
    }

    fn session(&self, token: &Token) -> Option<&Ready> {
        let place = self.sessions.binary_search_by(|(known, _)| known.cmp(token)).ok()?;
        let (_, index) = self.sessions.get(place)?;
        self.ready.get(*index)
    }
}

impl Ready {
    fn new(link: &Arc<Link>) -> Self {
        Self { link: Arc::clone(link), connections: link.connections() }
    }

    /// A place on the oldest connection that has one, so that newer ones can fall idle.
    fn reserve(&self) -> Option<&Arc<Connection>> {
        self.connections.iter().find(|connection| connection.reserve())
    }

    fn is_one_of(&self, addresses: &[Address]) -> bool {
        addresses.contains(self.link.endpoint.address())
    }
}
