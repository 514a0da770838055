//! When a cluster whose connections are full gets another one.

use std::sync::Arc;

use super::{cluster::Cluster, connection::MOST_STREAMS, link::Link};

/// Asks for one more connection, where calls wait for a stream that connections under way will not all serve (gRFC
/// A105).
///
/// The picker has passed over every endpoint that is full before any call waits, but for one whose session has it stay.
/// What is chosen here is the full endpoint with the fewest connections, so that load stays even, and no endpoint opens
/// two at a time.
pub(super) fn ask(links: &[Arc<Link>], waiting: usize, cluster: &Cluster) {
    let under_way = links.iter().filter(|link| link.is_asked()).count();
    if waiting <= under_way * MOST_STREAMS || !cluster.may_connect() {
        return;
    }
    let most = cluster.config().connection.connections_per_endpoint;
    let fewest = links
        .iter()
        .filter(|link| link.endpoint.is_healthy() && !link.endpoint.is_ejected() && link.may_grow(most))
        .min_by_key(|link| (link.connections().len(), link.endpoint.calls()));
    if let Some(link) = fewest {
        link.ask();
    }
}
