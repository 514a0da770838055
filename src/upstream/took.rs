//! Counts what a call takes beside its first attempt (gRFC A96).

use std::{sync::Arc, time::Duration};

use super::cluster::Cluster;
use crate::telemetry::metrics::{Again, ClusterMetrics, MethodMetrics};

/// What a call has taken beside its first attempt; counted when it is dropped. Made with the first failure: nearly all
/// calls have none.
#[derive(Debug)]
pub(super) struct Took {
    method: Arc<MethodMetrics>,
    cluster: Arc<ClusterMetrics>,
    again: Again,
}

impl Took {
    /// Nothing yet.
    pub(super) fn new(method: &Arc<MethodMetrics>, cluster: &Cluster) -> Self {
        Self { method: Arc::clone(method), cluster: Arc::clone(cluster.metrics()), again: Again::default() }
    }

    /// A further attempt goes out after `rest`, because the policy wants it or because no backend has run the call.
    pub(super) fn attempt(&mut self, by_policy: bool, rest: Duration) {
        let count = if by_policy { &mut self.again.retries } else { &mut self.again.transparent_retries };
        *count += 1;
        self.again.delay += rest;
    }
}

impl Drop for Took {
    fn drop(&mut self) {
        self.method.at(&self.cluster).took(self.again);
    }
}
