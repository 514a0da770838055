//! Asks endpoints whether they serve, by `grpc.health.v1`.
//!
//! Checks go in-band, over the connection of one worker that calls use as well: they prove what calls need, and since
//! the server answers them they can never be the pings that it bans (gRFC A8). Timing and judgement are the control
//! runtime's. An endpoint that is checked takes no call before its first success, and one that has lost its last
//! connection is as good as new.
//!
//! | answer | `Check` | `Watch` (gRFC A17) |
//! |---|---|---|
//! | SERVING | good: `healthy_threshold` in a row bring it back, a new endpoint one | healthy |
//! | NOT_SERVING, UNKNOWN | unhealthy at once: that is how a deploy says goodbye | unhealthy |
//! | NOT_FOUND, SERVICE_UNKNOWN | unhealthy at once | unhealthy |
//! | UNIMPLEMENTED | good; said once in the log | healthy, not asked again on this connection |
//! | another status, no answer in time, connection lost | bad: `unhealthy_threshold` in a row put it out | unhealthy, asked again |
//! | no stream free for the question | says nothing: calls fill the connection, and are judged themselves | asked again |
//!
//! What failed so gets its connections closed, once their calls have ended: the next ones may take another way. One
//! that answered NOT_SERVING keeps them.

mod check;
mod finding;
mod judge;
mod line;
mod standing;
mod watch;

use std::sync::{Arc, atomic::AtomicBool};

use tokio_util::task::AbortOnDropHandle;

use self::{finding::Finding, line::DataLine, standing::Standing};
use super::{
    cluster::Cluster,
    direct::{Direct, for_each_linked},
    endpoint::Endpoint,
    lane::Lane,
};
use crate::{
    config::{self, HealthMode},
    telemetry::{Metrics, metrics::MethodMetrics},
};

/// Checks every endpoint that the lanes of a cluster keep connections to.
pub(super) async fn run(cluster: Arc<Cluster>, lanes: Arc<[Arc<Lane>]>) {
    let Some(config) = cluster.config().health_check.clone() else { return };
    let Some(first) = lanes.first() else { return };
    let checks = Checks {
        cluster: Arc::clone(&cluster),
        lanes: Arc::clone(&lanes),
        config,
        // Counted apart from everyone's calls, and shown nowhere: dashboards are about callers.
        metrics: Metrics::new().unknown_method(),
        unimplemented: Arc::default(),
    };
    for_each_linked(&cluster, first, |endpoint| checks.start(endpoint)).await;
}

struct Checks {
    cluster: Arc<Cluster>,
    lanes: Arc<[Arc<Lane>]>,
    config: config::HealthCheck,
    metrics: Arc<MethodMetrics>,
    /// Whether the log says already that there is nobody to ask.
    unimplemented: Arc<AtomicBool>,
}

impl Checks {
    fn start(&self, endpoint: Arc<Endpoint>) -> AbortOnDropHandle<()> {
        let (cluster, unimplemented) = (Arc::clone(&self.cluster), Arc::clone(&self.unimplemented));
        let standing = Standing::new(cluster, Arc::clone(&endpoint), unimplemented);
        let (lanes, metrics) = (Arc::clone(&self.lanes), Arc::clone(&self.metrics));
        let line = DataLine::new(Direct::new(lanes, endpoint, metrics), self.config.clone());
        let (config, rng) = (self.config.clone(), fastrand::Rng::new());
        AbortOnDropHandle::new(match config.mode {
            HealthMode::Check => tokio::spawn(check::run(line, standing, config, rng)),
            HealthMode::Watch => tokio::spawn(watch::run(line, standing, rng)),
        })
    }
}

#[cfg(test)]
mod tests;
