//! What backends report of their load (ORCA): in the trailers of calls (gRFC A51), or over a stream of their own.
//!
//! | report | when | how often |
//! |---|---|---|
//! | in trailers | the policy goes by reports | with every answer that has one |
//! | out of band | it does, with `enableOobLoadReport` | as the server sees fit, `oobReportingPeriod` at the most often |
//!
//! A stream of its own lies on the connection of one worker that calls use as well, like a health check's `Watch`, and
//! what it says is true for all workers. The call counts nowhere.

mod report;
mod reported;
mod watch;

use std::sync::{Arc, atomic::AtomicBool};

use tokio_util::task::AbortOnDropHandle;

pub(super) use report::from_trailers;
pub(super) use reported::Reported;

use self::watch::Watch;
use super::{
    cluster::Cluster,
    direct::{Direct, for_each_linked},
    lane::Lane,
};
use crate::{config::LoadBalancing, telemetry::Metrics};

/// Keeps a stream of reports to every endpoint that the lanes of a cluster keep connections to, where one is wanted.
pub(super) async fn run(cluster: Arc<Cluster>, lanes: Arc<[Arc<Lane>]>) {
    let LoadBalancing::WeightedRoundRobin(config) = &cluster.config().load_balancing else { return };
    let Some(first) = lanes.first().filter(|_| config.enable_oob_load_report) else { return };
    // Counted apart from everyone's calls, and shown nowhere: dashboards are about callers.
    let metrics = Metrics::new().unknown_method();
    let unimplemented: Arc<AtomicBool> = Arc::default();
    for_each_linked(&cluster, first, |endpoint| {
        let direct = Direct::new(Arc::clone(&lanes), Arc::clone(&endpoint), Arc::clone(&metrics));
        let watch = Watch {
            cluster: Arc::clone(&cluster),
            endpoint,
            config: config.clone(),
            unimplemented: Arc::clone(&unimplemented),
        };
        AbortOnDropHandle::new(tokio::spawn(watch.run(direct, fastrand::Rng::new())))
    })
    .await;
}

#[cfg(test)]
mod tests;
