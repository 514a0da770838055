//! One route, as the calls of one method see it.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};

use super::{Asked, Choice, Destination, Mirror, hash};
use crate::{config::CallRoute, upstream::request_hash};

/// A route that selects the method.
#[derive(Debug)]
pub struct Rule {
    route: Arc<CallRoute>,
    /// At least one, with the sum of the weights up to and with it; of weight zero none.
    shares: Vec<(u32, Destination)>,
    total: u32,
    mirror: Option<Arc<Mirror>>,
}

impl Rule {
    /// `destinations` are those of the route that there are, with their weights.
    pub(in crate::plan) fn new(
        route: Arc<CallRoute>,
        destinations: impl IntoIterator<Item = (u32, Destination)>,
        mirror: Option<Arc<Mirror>>,
    ) -> Self {
        let mut total = 0_u32;
        let shares =
            destinations.into_iter().filter(|(weight, _)| *weight > 0).map(|(weight, destination)| {
                total = total.saturating_add(weight);
                (total, destination)
            });
        Self { route, shares: shares.collect(), total, mirror }
    }

    /// The route as it was written.
    pub fn route(&self) -> &CallRoute {
        &self.route
    }

    /// Its clusters by their share of the sum, in percent.
    pub fn shares(&self) -> impl Iterator<Item = (f64, &Destination)> {
        let before = std::iter::once(0).chain(self.shares.iter().map(|(upto, _)| *upto));
        let total = f64::from(self.total.max(1));
        self.shares
            .iter()
            .zip(before)
            .map(move |((upto, destination), before)| (f64::from(upto - before) * 100.0 / total, destination))
    }

    /// Where a call with this metadata goes, where chance has no part in it.
    pub fn certain(&self, headers: &HeaderMap) -> Option<&Destination> {
        let is_certain = self.shares.len() == 1 || self.sticky(headers).is_some();
        is_certain.then(|| self.deal(headers, &mut |_| 0))
    }

    /// Where copies go.
    pub fn mirror(&self) -> Option<&Arc<Mirror>> {
        self.mirror.as_ref()
    }

    /// Whether it takes every call that it is asked about, so that no route below it is.
    pub(in crate::plan) fn takes_all(&self) -> bool {
        self.route.hosts.is_empty() && self.route.headers.is_empty()
    }

    pub(super) fn takes(&self, asked: Asked<'_>) -> bool {
        let named = |host: &str| self.route.hosts.iter().any(|pattern| pattern.matches(host));
        (self.route.hosts.is_empty() || asked.host.is_some_and(named))
            && self.route.headers.iter().all(|header| header.matches(asked.headers))
    }

    pub(super) fn choose(&self, headers: &HeaderMap, random: &mut impl FnMut(u32) -> u32) -> Choice<'_> {
        let mirror = self.mirror.as_ref().filter(|mirror| mirror.draws(random));
        Choice {
            rule: self,
            destination: self.deal(headers, random),
            hash: hash::of_headers(headers, &self.route.hash_policy),
            mirror,
        }
    }

    fn deal(&self, headers: &HeaderMap, random: &mut impl FnMut(u32) -> u32) -> &Destination {
        let [(_, only)] = self.shares.as_slice() else {
            let at = self.sticky(headers).unwrap_or_else(|| random(self.total));
            let share = self.shares.iter().find(|(upto, _)| at < *upto).or(self.shares.last());
            return share.map(|(_, destination)| destination).expect("a route has at least one share");
        };
        only
    }

    /// The place of a caller that has told who it is.
    fn sticky(&self, headers: &HeaderMap) -> Option<u32> {
        let name: &HeaderName = self.route.sticky_header.as_ref()?;
        let place = request_hash(name, headers)? % u64::from(self.total);
        u32::try_from(place).ok()
    }
}
