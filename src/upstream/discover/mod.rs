//! Where a cluster's endpoints come from.
//!
//! | target | endpoints | told anew |
//! |---|---|---|
//! | addresses | those | never |
//! | a name with a port | its A and AAAA records | every `dns_refresh_rate`, and at once when a connection is lost |
//! | a name without | its SRV records | the same |
//! | a file | those it lists | when it changes |
//!
//! Each answer is complete, and the cluster finds out what is new. A look-up that fails, or that finds nothing where a
//! name server cannot say "nothing" and mean it, leaves the endpoints as they were.

mod file;
mod name;
mod pin;
mod poll;
mod resolver;
mod schedule;
mod srv;

use std::sync::Arc;

use super::{cluster::Cluster, member::Member};
use crate::config::Target;

/// Keeps a cluster's endpoints true to its target; returns when they can no longer change.
pub(super) async fn run(cluster: Arc<Cluster>) {
    match cluster.config().target.clone() {
        Target::Static(addresses) => cluster.roster().resolved(Member::in_order(addresses)),
        Target::Dns { server, host, port } => {
            poll::run(&cluster, name::Name::new(&cluster, server, host, port)).await;
        }
        Target::Srv { server, name } => poll::run(&cluster, srv::Services::new(server, name)).await,
        Target::File(path) => file::run(cluster.roster(), path).await,
    }
}
