//! What the admin port is told.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use parking_lot::Mutex;

use crate::{
    admin::{ClusterReadiness, Inspect, Readiness},
    plan::Source,
    telemetry::metrics::EndpointState,
};

/// Looks at the sources of the plan, which the schema tasks keep.
#[derive(Debug)]
pub(super) struct Inspector {
    sources: Arc<Mutex<Vec<Source>>>,
    draining: AtomicBool,
}

impl Inspector {
    pub(super) fn new(sources: Arc<Mutex<Vec<Source>>>) -> Self {
        Self { sources, draining: AtomicBool::new(false) }
    }

    /// From here on not ready, whatever the clusters say.
    pub(super) fn drain(&self) {
        self.draining.store(true, Relaxed);
    }
}

impl Inspect for Inspector {
    fn readiness(&self) -> Readiness {
        let clusters = self.sources.lock().iter().map(cluster).collect();
        Readiness::new(self.draining.load(Relaxed), clusters)
    }

    fn refresh(&self) {
        for source in self.sources.lock().iter() {
            let health = source.cluster.health();
            let metrics = source.cluster.metrics();
            metrics.set_endpoints(EndpointState::Healthy, health.healthy);
            metrics.set_endpoints(EndpointState::Unhealthy, health.endpoints - health.healthy);
        }
    }
}

fn cluster(source: &Source) -> ClusterReadiness {
    let health = source.cluster.health();
    let schema = source.schema.as_ref().map(|schema| schema.methods().count());
    let no_schema = schema.as_ref().err().map(|why| format!("no schema: {why}"));
    ClusterReadiness {
        name: source.cluster.name().to_owned(),
        ready: health.healthy > 0 && schema.is_ok(),
        required: source.config.required,
        endpoints: health.endpoints,
        healthy: health.healthy,
        methods: schema.ok(),
        // Without an endpoint there can be no schema either: the first cause is the one to mend.
        reason: health.reason.or(no_schema),
    }
}
