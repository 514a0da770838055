//! Some of very many endpoints.

use std::{collections::BTreeMap, sync::Arc};

use super::{super::endpoint::Endpoint, ring::xxh64};

/// The `size` endpoints of each priority with the lowest hashes (gRFC A68); all where there are no more.
///
/// Fifty gateways with a thousand endpoints would keep fifty thousand connections per worker. Each gateway draws a `seed`
/// of its own, so that together they cover all evenly; and since every endpoint has one hash for good, one that comes or
/// goes changes a subset by one at most. By priority, or a subset might consist of standbys alone.
pub(in crate::upstream) fn subset(
    endpoints: &[Arc<Endpoint>],
    size: Option<usize>,
    seed: u64,
) -> Vec<Arc<Endpoint>> {
    let Some(size) = size else { return endpoints.to_vec() };
    let mut by_priority: BTreeMap<u32, Vec<(u64, &Arc<Endpoint>)>> = BTreeMap::new();
    for endpoint in endpoints {
        let hash = xxh64(endpoint.address().to_string().as_bytes(), seed);
        by_priority.entry(endpoint.member().priority).or_default().push((hash, endpoint));
    }
    let mut chosen = Vec::new();
    for mut equals in by_priority.into_values() {
        equals.sort_by_key(|(hash, _)| *hash);
        chosen.extend(equals.into_iter().take(size).map(|(_, endpoint)| Arc::clone(endpoint)));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{config::Address, telemetry::Metrics, upstream::member::Member};

    fn endpoints(ports: impl IntoIterator<Item = u16>, priority: u32) -> Vec<Arc<Endpoint>> {
        let metrics = Metrics::new().cluster("test", "ipv4:127.0.0.1:1", false);
        let endpoint = |port: u16| {
            let member = Member { priority, ..Address::Tcp(([10, 0, 0, 1], port).into()).into() };
            Arc::new(Endpoint::new(member, metrics.endpoint("test")))
        };
        ports.into_iter().map(endpoint).collect()
    }

    fn addresses(endpoints: &[Arc<Endpoint>], seed: u64) -> BTreeSet<Address> {
        let chosen = subset(endpoints, Some(20), seed);
        chosen.iter().map(|endpoint| endpoint.address().clone()).collect()
    }

    #[test]
    fn one_endpoint_changes_a_subset_by_one_at_most() {
        let mut changes = 0;
        for gone in 1..=100 {
            let before = addresses(&endpoints(1..=100, 0), 7);
            let after = addresses(&endpoints((1..=100).filter(|port| *port != gone), 0), 7);
            assert_eq!((before.len(), after.len()), (20, 20));
            let lost = before.difference(&after).count();
            assert!(lost <= 1, "{lost}");
            changes += lost;
        }
        assert_eq!(changes, 20, "only the twenty that were in it");
    }

    #[test]
    fn gateways_cover_all_endpoints_evenly() {
        let all = endpoints(1..=50, 0);
        let mut hits: BTreeMap<Address, u32> = BTreeMap::new();
        let mut rng = fastrand::Rng::with_seed(2);
        for _ in 0..1000 {
            for address in addresses(&all, rng.u64(..)) {
                *hits.entry(address).or_default() += 1;
            }
        }
        assert_eq!(hits.len(), 50);
        assert!(hits.values().all(|hits| (320..=480).contains(hits)), "400 +-20 %: {hits:?}");
    }

    #[test]
    fn standbys_take_no_place() {
        let mut all = endpoints(1..=30, 0);
        all.extend(endpoints(101..=130, 1));
        let priorities: Vec<_> =
            subset(&all, Some(5), 1).iter().map(|endpoint| endpoint.member().priority).collect();
        assert_eq!(priorities, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
        assert_eq!(subset(&all, Some(30), 1).len(), 60);
        assert_eq!(subset(&all, None, 1).len(), 60);
    }
}
