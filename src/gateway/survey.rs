//! What a configuration would serve, without serving it.

use std::{sync::Arc, time::Duration};

use super::{SchemaError, Schemas, load_files, sources};
use crate::{
    config::{CallRoute, Config},
    plan::{Plan, Warning},
    telemetry::Metrics,
    upstream::{Clusters, Lanes, Outbound},
};

/// What a gateway with this configuration would have now.
#[derive(Debug)]
pub struct Survey {
    /// Its plan. Clusters that did not say in time what they have are in [`Plan::missing`].
    pub plan: Arc<Plan>,
    /// The routes that say which cluster calls go to, in the order in which they are asked.
    pub routes: Vec<CallRoute>,
    /// What it would warn of.
    pub warnings: Vec<Warning>,
}

/// Compiles the plan of `config`: by its files, and by what its backends answer within `patience`.
///
/// Nothing listens, and backends are asked for nothing but their schema, on the current runtime.
///
/// # Errors
/// Files that make no schema.
pub async fn survey(config: Config, patience: Duration) -> Result<Survey, SchemaError> {
    let config = Arc::new(config);
    let files = load_files(&config)?;
    let metrics = Metrics::new();
    let clusters = Clusters::new(config.clusters.iter().cloned(), &metrics);
    clusters.discover();
    let schemas = Schemas::new(Arc::clone(&config), sources(&config, &clusters), files, metrics);
    let lanes = Lanes::start(&clusters);
    clusters.guard(std::slice::from_ref(&lanes));
    schemas.follow(&Outbound::new(lanes));
    // What is late is missing, and the plan says so.
    let _ = tokio::time::timeout(patience, schemas.asked()).await;
    let plan = schemas.plan().load_full();
    Ok(Survey { plan, routes: config.routes.clone(), warnings: schemas.warnings() })
}
