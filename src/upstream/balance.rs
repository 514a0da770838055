//! Which endpoint a call goes to.
//!
//! | policy | first choice | after it |
//! |---|---|---|
//! | `least_request` | of two distinct random endpoints the one with fewer calls in flight (gRFC A48), of two equal ones the one chosen longer ago | the others in turn |
//! | `round_robin` | the next in turn, from a random start | the others in turn |
//!
//! Two choices rather than the least loaded of all: with many gateways everyone would see the same least loaded
//! endpoint and run there at once. Load is calls whose body has not ended, so that a stream weighs as long as it lasts.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::config::LoadBalancing;

/// The state of one worker's choices for one cluster.
#[derive(Debug)]
pub(super) enum Balancer {
    LeastRequest,
    RoundRobin { next: AtomicUsize },
}

impl Balancer {
    pub(super) fn new(policy: &LoadBalancing) -> Self {
        match policy {
            LoadBalancing::LeastRequest { .. } => Self::LeastRequest,
            // A random start, or the first calls of every gateway would meet on the first endpoint.
            _ => Self::RoundRobin { next: AtomicUsize::new(fastrand::usize(..1 << 16)) },
        }
    }

    /// All of `count` endpoints, in the order in which a call should try to get a stream on them.
    pub(super) fn order(
        &self,
        count: usize,
        load: &dyn Fn(usize) -> Load,
    ) -> impl Iterator<Item = usize> + use<> {
        let first = match self {
            _ if count < 2 => 0,
            Self::RoundRobin { next } => next.fetch_add(1, Relaxed) % count,
            Self::LeastRequest => {
                let (one, other) = two_of(count, |bound| fastrand::usize(..bound));
                if load(other) < load(one) { other } else { one }
            }
        };
        (0..count).map(move |step| (first + step) % count)
    }
}

/// How busy an endpoint is. Calls in flight decide; between equals it is when it was last chosen, which keeps the shares
/// of idle endpoints even where chance alone would scatter them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Load {
    pub(super) calls: usize,
    pub(super) chosen: u64,
}

/// Two distinct indices below `count`, each pair equally likely.
fn two_of(count: usize, mut random: impl FnMut(usize) -> usize) -> (usize, usize) {
    let one = random(count);
    let other = random(count - 1);
    (one, if other >= one { other + 1 } else { other })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_robin_is_exact() {
        let balancer = Balancer::new(&LoadBalancing::RoundRobin);
        let mut hits = [0; 3];
        for _ in 0..3000 {
            hits[balancer.order(3, &|_| Load::default()).next().unwrap()] += 1;
        }
        assert_eq!(hits, [1000; 3]);
    }

    #[test]
    fn every_endpoint_is_tried_once() {
        for policy in [&LoadBalancing::RoundRobin, &LoadBalancing::default()] {
            for count in 0..5 {
                let mut order: Vec<_> = Balancer::new(policy).order(count, &|_| Load::default()).collect();
                order.sort_unstable();
                assert_eq!(order, (0..count).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn the_busier_of_two_is_never_chosen() {
        let balancer = Balancer::new(&LoadBalancing::default());
        for _ in 0..1000 {
            assert_eq!(balancer.order(2, &|index| Load { calls: [7, 3][index], chosen: 0 }).next(), Some(1));
        }
    }

    #[test]
    fn idle_endpoints_get_even_shares() {
        let balancer = Balancer::new(&LoadBalancing::default());
        let (mut chosen, mut hits) = ([0u64; 3], [0u32; 3]);
        for now in 1..=3000 {
            let index = balancer.order(3, &|index| Load { calls: 0, chosen: chosen[index] }).next().unwrap();
            chosen[index] = now;
            hits[index] += 1;
        }
        assert!(hits.iter().all(|hits| hits.abs_diff(1000) <= 70), "{hits:?}");
    }

    #[test]
    fn pairs_are_distinct_and_even() {
        let mut rng = fastrand::Rng::with_seed(11);
        let mut seen = [[0u32; 4]; 4];
        for _ in 0..12_000 {
            let (one, other) = two_of(4, |bound| rng.usize(..bound));
            seen[one][other] += 1;
        }
        for (one, row) in seen.iter().enumerate() {
            for (other, hits) in row.iter().enumerate() {
                let expect = if one == other { 0..=0 } else { 850..=1150 };
                assert!(expect.contains(hits), "({one}, {other}): {hits}");
            }
        }
    }
}
