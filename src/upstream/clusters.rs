//! All clusters of a configuration, and what runs for them beside calls.

use std::sync::Arc;

use super::{Lanes, brakes::Budget, cluster::Cluster, discover, health, orca, outlier};
use crate::{config, telemetry::Metrics};

/// All clusters of a configuration; a cluster's place in it is its index.
#[derive(Clone, Debug)]
pub struct Clusters(Arc<[Arc<Cluster>]>);

impl Clusters {
    /// Clusters without endpoints; [`Clusters::discover`] brings them.
    pub fn new(clusters: impl IntoIterator<Item = config::Cluster>, metrics: &Metrics) -> Self {
        let replay = Arc::<Budget>::default();
        let clusters = clusters.into_iter().enumerate().map(|(index, config)| {
            let metrics = metrics.cluster(&config.name, &config.target.to_string(), config.tls.is_some());
            Arc::new(Cluster::new(index, config, Arc::clone(&replay), metrics))
        });
        Self(clusters.collect())
    }

    /// Starts discovery of every cluster, and watching its TLS files, on the current runtime.
    pub fn discover(&self) {
        for cluster in self.iter() {
            tokio::spawn(discover::run(Arc::clone(cluster)));
            if let Some(tls) = cluster.tls() {
                tokio::spawn(Arc::clone(tls).follow(cluster.shared_name()));
            }
        }
    }

    /// Starts health checks, outlier detection and streams of load reports, as configured, on the current runtime.
    ///
    /// With a health check no endpoint takes a call before this: checks go over the connections of `workers`.
    pub fn guard(&self, workers: &[Lanes]) {
        for cluster in self.iter() {
            let lanes: Arc<[_]> =
                workers.iter().filter_map(|lanes| lanes.lane(cluster)).map(Arc::clone).collect();
            tokio::spawn(health::run(Arc::clone(cluster), Arc::clone(&lanes)));
            tokio::spawn(orca::run(Arc::clone(cluster), lanes));
            tokio::spawn(outlier::run(Arc::clone(cluster)));
        }
    }

    /// In the order of their indices.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Cluster>> {
        self.0.iter()
    }
}
