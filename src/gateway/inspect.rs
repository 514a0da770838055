//! What the admin port is told.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{ClusterReadiness, Inspect, Readiness},
    front::Serving,
    plan::Source,
    telemetry::metrics::EndpointState,
};

/// Looks at the sources of the plan, which the schema tasks keep.
#[derive(Debug)]
pub(super) struct Inspector {
    sources: Arc<Mutex<Vec<Source>>>,
    draining: AtomicBool,
    serving: watch::Sender<Serving>,
}

impl Inspector {
    pub(super) fn new(sources: Arc<Mutex<Vec<Source>>>) -> Self {
        Self { sources, draining: AtomicBool::new(false), serving: watch::Sender::new(Serving::default()) }
    }

    /// From here on not ready, whatever the clusters say.
    pub(super) fn drain(&self) {
        self.draining.store(true, Relaxed);
        self.tell();
    }

    /// What `grpc.health.v1` says, as it changes.
    pub(super) fn serving(&self) -> watch::Receiver<Serving> {
        self.serving.subscribe()
    }

    /// Keeps that up to date until `stop`. Connections come and go on the workers; one look for all who watch is
    /// cheaper than a word from each of them.
    pub(super) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            self.tell();
            let _ = tokio::time::timeout(LOOK, stop.cancelled()).await;
        }
    }

    fn tell(&self) {
        let readiness = self.readiness();
        let ready = readiness.clusters.iter().filter(|cluster| cluster.ready);
        let serving = Serving {
            ready: readiness.ready,
            draining: readiness.draining,
            clusters: ready.map(|cluster| cluster.name.clone()).collect(),
        };
        self.serving.send_if_modified(|known| {
            let changed = *known != serving;
            *known = serving;
            changed
        });
    }
}

impl Inspect for Inspector {
    fn readiness(&self) -> Readiness {
        let clusters = self.sources.lock().iter().map(cluster).collect();
        Readiness::new(self.draining.load(Relaxed), clusters)
    }

    fn clusters(&self) -> serde_json::Value {
        let clusters: Vec<_> = self.sources.lock().iter().map(|source| Arc::clone(&source.cluster)).collect();
        let views = clusters.iter().map(|cluster| serde_json::to_value(cluster.describe()));
        views.filter_map(Result::ok).collect()
    }

    fn refresh(&self) {
        for source in self.sources.lock().iter() {
            let endpoints = source.cluster.snapshot();
            for state in [EndpointState::Healthy, EndpointState::Unhealthy, EndpointState::Ejected] {
                let count = endpoints.iter().filter(|endpoint| endpoint.state() == state).count();
                source.cluster.metrics().set_endpoints(state, count);
            }
            source.cluster.metrics().set_endpoints(EndpointState::Draining, source.cluster.leaving().len());
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

/// How late a change of a cluster may be told.
const LOOK: std::time::Duration = std::time::Duration::from_millis(200);
