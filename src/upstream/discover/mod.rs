//! Where a cluster's endpoints come from.

mod dns;

use std::sync::Arc;

use super::{cluster::Cluster, member::Member};
use crate::config::Target;

/// Keeps a cluster's endpoints true to its target; returns when they can no longer change.
pub(super) async fn run(cluster: Arc<Cluster>) {
    match cluster.config().target.clone() {
        Target::Static(addresses) => cluster.resolved(Member::in_order(addresses)),
        Target::Dns { server, host, port } => dns::run(&cluster, server, &host, port).await,
    }
}
