//! What is counted of the calls that a route copies.

use std::sync::Arc;

use super::label::{By, MirrorResult};
use super::value::{Counter, Entered, Gauge};

/// All values of one route's copies.
#[derive(Debug)]
pub struct MirrorMetrics {
    pub(super) route: Box<str>,
    pub(super) results: By<MirrorResult, Counter>,
    pub(super) in_flight: Arc<Gauge>,
}

impl MirrorMetrics {
    pub(super) fn new(route: &str) -> Self {
        Self { route: route.into(), results: By::default(), in_flight: Arc::default() }
    }

    /// Counts a copy that is on its way until the answer is dropped; `None` when `most` are already.
    pub fn depart(&self, most: usize) -> Option<Entered> {
        let entered = self.in_flight.enter();
        usize::try_from(self.in_flight.value()).is_ok_and(|count| count <= most).then_some(entered)
    }

    /// What became of a copy.
    pub fn ended(&self, result: MirrorResult) {
        self.results.at(result).inc();
    }
}
