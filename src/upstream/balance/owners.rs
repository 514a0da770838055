//! Whose a hash is, of the endpoints that there are.

use std::{iter, sync::Arc};

use parking_lot::Mutex;

use super::{
    load::Load,
    ring::{Node, Ring},
};
use crate::config::RingHash;

/// Chooses along a ring among those of its endpoints that calls may go to.
#[derive(Debug)]
pub(super) struct Owners {
    ring: Arc<Ring>,
    /// For each node of the ring its number among the endpoints that are there.
    numbers: Box<[Option<usize>]>,
    bound: Option<Bound>,
}

/// The rings that are in use. They depend on who is listed and not on who is up, and are kept while that stays.
#[derive(Debug, Default)]
pub(super) struct Rings(Mutex<Vec<Arc<Ring>>>);

/// How much more than its share an endpoint may have in flight (Envoy's `hash_balance_factor`).
#[derive(Debug)]
struct Bound {
    percent: usize,
    /// The share of each endpoint that is there; one in all.
    shares: Box<[f64]>,
}

impl Rings {
    /// The ring of `nodes`, a new one where there is none.
    pub(super) fn ring(&self, config: &RingHash, nodes: Box<[Node]>) -> Arc<Ring> {
        let mut rings = self.0.lock();
        // The only holder here is this list: nobody has used it since the last snapshot.
        rings.retain(|ring| Arc::strong_count(ring) > 1);
        if let Some(known) = rings.iter().find(|ring| *ring.nodes() == *nodes) {
            return Arc::clone(known);
        }
        let ring = Arc::new(Ring::new(config, nodes));
        rings.push(Arc::clone(&ring));
        ring
    }
}

impl Owners {
    /// `there` says of each node of the ring whether calls may go to its endpoint; those are numbered in this order.
    pub(super) fn new(config: &RingHash, ring: Arc<Ring>, there: impl Iterator<Item = bool>) -> Self {
        let mut next = 0..;
        let numbers: Box<[_]> = there.map(|there| if there { next.next() } else { None }).collect();
        let weights: Vec<f64> = iter::zip(ring.nodes(), &numbers)
            .filter(|(_, number)| number.is_some())
            .map(|(node, _)| f64::from(node.weight))
            .collect();
        let sum: f64 = weights.iter().sum();
        let bound = config.hash_balance_factor.map(|percent| Bound {
            percent: percent as usize,
            shares: weights.iter().map(|weight| weight / sum).collect(),
        });
        Self { ring, numbers, bound }
    }

    /// What `take` gives of the first endpoint that it takes: that of the hash, then the others as they follow on the
    /// ring. An endpoint that has more than its bound is passed over while one has less.
    pub(super) fn find<T>(
        &self,
        hash: u64,
        load: impl Fn(usize) -> Load,
        mut take: impl FnMut(usize) -> Option<T>,
    ) -> Option<T> {
        let number = |index: usize| self.numbers.get(index).copied().flatten();
        let mut walk = self.ring.walk(hash).filter_map(number);
        let owner = walk.next()?;
        let first = self.bound.as_ref().map_or(owner, |bound| bound.spill(hash, owner, load));
        if let Some(taken) = take(first) {
            return Some(taken);
        }
        let mut seen = Seen::default();
        seen.add(first);
        iter::once(owner).chain(walk).filter(|number| seen.add(*number)).find_map(take)
    }
}

impl Bound {
    /// The endpoint of the hash, or another one when that has too much in flight: the same ones in the same order for
    /// the same hash, but another order for each, so that what is too much for one does not all fall on its neighbour.
    fn spill(&self, hash: u64, owner: usize, load: impl Fn(usize) -> Load) -> usize {
        let count = self.shares.len();
        let total: usize = (0..count).map(|number| load(number).calls()).sum();
        let slots = ((total + 1) * self.percent).div_ceil(100) as f64;
        let fullness = |number: usize| {
            let share = self.shares.get(number).copied().unwrap_or_default();
            load(number).calls() as f64 / (slots * share).ceil().max(1.0)
        };
        let mut best = (fullness(owner), owner);
        if best.0 <= 1.0 {
            return owner;
        }
        // Steps of a length that has no divisor in common with the count visit each once.
        let mut step = 1 + (hash >> 32) as usize % count;
        while gcd(step, count) != 1 {
            step += 1;
        }
        let start = hash as u32 as usize % count;
        for visit in 0..count {
            let number = (start + visit * step) % count;
            let full = fullness(number);
            if full <= 1.0 {
                return number;
            }
            if full < best.0 {
                best = (full, number);
            }
        }
        best.1
    }
}

fn gcd(one: usize, other: usize) -> usize {
    if other == 0 { one } else { gcd(other, one % other) }
}

/// The numbers that a walk has met; those past its end are met again at every entry.
#[derive(Default)]
struct Seen([u64; 16]);

impl Seen {
    /// Whether the number is new.
    fn add(&mut self, number: usize) -> bool {
        let Some(bits) = self.0.get_mut(number / 64) else { return true };
        let bit = 1 << (number % 64);
        let new = *bits & bit == 0;
        *bits |= bit;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Over endpoints of Envoy's tests, of which those of a weight below zero are down.
    fn owners(sizes: (usize, usize), bound: Option<u32>, weights: &[i32], first: u16) -> Owners {
        let config = RingHash {
            min_ring_size: sizes.0,
            max_ring_size: sizes.1,
            request_hash_header: None,
            hash_balance_factor: bound,
        };
        let node = |(port, weight): (u16, &i32)| Node {
            key: format!("127.0.0.1:{port}").into(),
            weight: weight.unsigned_abs(),
        };
        let ring = Rings::default().ring(&config, (first..).zip(weights).map(node).collect());
        Owners::new(&config, ring, weights.iter().map(|weight| *weight > 0))
    }

    fn idle(_: usize) -> Load {
        Load::default()
    }

    /// Envoy's counts: `HostWeightedLargeRing` and `LargeFractionalScale`.
    #[test]
    fn shares_are_those_of_envoy() {
        let cases: [(_, &[i32], u64, &[u32]); 2] =
            [(6144, &[1, 2, 3], 6000, &[987, 1932, 3081]), (1023, &[1, 1], 1023, &[526, 497])];
        for (size, weights, hashes, expect) in cases {
            let ring = owners((size, size), None, weights, 90);
            let mut hits = vec![0; weights.len()];
            for number in 0..hashes {
                hits[ring.find(number * (u64::MAX / hashes), idle, Some).unwrap()] += 1;
            }
            assert_eq!(hits, expect);
        }
    }

    /// Envoy's picks on the ring of its test `Basic`.
    #[test]
    fn a_hash_finds_the_next_entry() {
        let ring = owners((12, 4096), None, &[1; 6], 90);
        let cases = [
            (0, 4),
            (u64::MAX, 4),
            (3551244743356806947, 5),
            (3551244743356806948, 3),
            (16117243373044804880, 0),
        ];
        for (hash, expect) in cases {
            assert_eq!(ring.find(hash, idle, Some), Some(expect), "{hash}");
        }
        let mut walked = Vec::new();
        assert_eq!(
            ring.find(0, idle, |index| {
                walked.push(index);
                None::<()>
            }),
            None
        );
        assert_eq!(walked, [4, 2, 0, 5, 3, 1], "each once, in the order of the ring");
    }

    #[test]
    fn one_endpoint_more_moves_its_share_and_no_more() {
        let of = |count| owners((1024, 4096), None, &vec![1; count], 50051);
        let (before, after) = (of(9), of(10));
        let mut rng = fastrand::Rng::with_seed(1);
        let (mut moved, mut astray) = (0, 0);
        for _ in 0..10_000 {
            let hash = rng.u64(..);
            let (was, is) = (before.find(hash, idle, Some), after.find(hash, idle, Some));
            moved += usize::from(was != is);
            astray += usize::from(was != is && is != Some(9));
        }
        assert!((900..=2000).contains(&moved), "{moved} of 10000 for one of ten");
        // The number of entries per endpoint is made whole anew, 114 for nine and 103 for ten.
        assert!(astray < 1200, "{astray}");
    }

    #[test]
    fn a_hot_key_spills_over_by_its_bound() {
        let bounded = owners((1024, 4096), Some(150), &[1; 4], 90);
        let mut calls = [0; 4];
        for _ in 0..400 {
            let load = |index: usize| Load { unary: calls[index], ..Load::default() };
            calls[bounded.find(42, load, Some).unwrap()] += 1;
        }
        let owner = owners((1024, 4096), None, &[1; 4], 90).find(42, idle, Some).unwrap();
        assert_eq!(calls.iter().sum::<usize>(), 400);
        assert_eq!(*calls.iter().max().unwrap(), calls[owner]);
        assert!(calls.iter().all(|calls| *calls <= 151), "half more than its share of 100: {calls:?}");
        assert_eq!(bounded.find(42, idle, Some), Some(owner), "and comes back");
    }

    #[test]
    fn only_the_keys_of_an_endpoint_that_is_down_move() {
        let (all, without) =
            (owners((1024, 4096), None, &[1; 5], 90), owners((1024, 4096), None, &[1, 1, -1, 1, 1], 90));
        // Numbers are those among the endpoints that are there.
        let port = |number: usize| if number < 2 { number } else { number + 1 };
        let mut rng = fastrand::Rng::with_seed(4);
        let mut moved = [0; 5];
        for _ in 0..5000 {
            let hash = rng.u64(..);
            let (was, is) =
                (all.find(hash, idle, Some).unwrap(), port(without.find(hash, idle, Some).unwrap()));
            assert!(was == 2 || was == is);
            moved[is] += usize::from(was == 2);
        }
        assert!(
            moved.iter().enumerate().all(|(to, keys)| (to == 2) == (*keys < 100)),
            "to all others: {moved:?}"
        );
    }

    #[test]
    fn a_ring_is_kept_while_the_same_endpoints_are_listed() {
        let (rings, config) = (Rings::default(), RingHash::default());
        let nodes = |weight| -> Box<[Node]> { [Node { key: "a".into(), weight }].into() };
        let first = rings.ring(&config, nodes(1));
        assert!(Arc::ptr_eq(&first, &rings.ring(&config, nodes(1))));
        let second = rings.ring(&config, nodes(2));
        assert!(!Arc::ptr_eq(&first, &second));
        drop((first, second));
        rings.ring(&config, nodes(3));
        assert_eq!(rings.0.lock().len(), 1, "those that nobody uses are not kept");
    }
}
