//! What the rest of the way out is told of an endpoint's health.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use super::Finding;
use crate::upstream::{cluster::Cluster, endpoint::Endpoint};

/// Tells lanes, outlier detection and the log.
#[derive(Debug)]
pub(super) struct Standing {
    cluster: Arc<Cluster>,
    endpoint: Arc<Endpoint>,
    /// Whether the log has said that there is no health service.
    unimplemented: Arc<AtomicBool>,
    /// Whether the log last said that it is unhealthy.
    out: bool,
}

impl Standing {
    pub(super) fn new(
        cluster: Arc<Cluster>,
        endpoint: Arc<Endpoint>,
        unimplemented: Arc<AtomicBool>,
    ) -> Self {
        Self { cluster, endpoint, unimplemented, out: false }
    }

    /// A question has brought this.
    pub(super) fn asked(&self, finding: &Finding) {
        if let Some(result) = finding.label() {
            self.cluster.metrics().health_checked(result);
        }
    }

    /// Takes an answer, whether it changes anything or not.
    pub(super) fn heard(&self, finding: &Finding) {
        if *finding == Finding::Unimplemented && !self.unimplemented.swap(true, Relaxed) {
            tracing::error!(
                cluster = self.cluster.name(),
                endpoint = %self.endpoint.address(),
                "the backend has no grpc.health.v1.Health and counts as healthy; take health_check out of the \
                 cluster, or add the service"
            );
        }
        if matches!(finding, Finding::Serving | Finding::Unimplemented)
            && let Some(detector) = self.cluster.outlier()
        {
            detector.checked(&self.cluster, &self.endpoint);
        }
    }

    pub(super) fn healthy(&mut self) {
        self.endpoint.set_unhealthy_because(None);
        if self.endpoint.set_healthy(true) {
            let (cluster, endpoint) = (self.cluster.name(), self.endpoint.address());
            if std::mem::take(&mut self.out) {
                tracing::info!(cluster, %endpoint, "endpoint healthy");
            } else {
                tracing::debug!(cluster, %endpoint, "endpoint healthy");
            }
            self.cluster.touch();
        }
    }

    /// `broken` says that its connections may be the cause.
    pub(super) fn unhealthy(&mut self, why: &Finding, broken: bool) {
        // News also of one that was never healthy: calls may be waiting for its first check.
        let news = self.endpoint.set_unhealthy_because(Some(why.to_string()));
        let news = self.endpoint.set_healthy(false) || news;
        if !std::mem::replace(&mut self.out, true) {
            let (cluster, endpoint) = (self.cluster.name(), self.endpoint.address());
            tracing::info!(cluster, %endpoint, %why, "endpoint unhealthy");
        }
        if news {
            self.cluster.touch();
        }
        if broken {
            self.endpoint.give_up_connections();
        }
    }

    /// Nobody is there to be asked.
    pub(super) fn unknown(&mut self) {
        self.endpoint.set_unhealthy_because(None);
        if self.endpoint.set_healthy(false) {
            self.cluster.touch();
        }
    }
}
