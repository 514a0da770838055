//! The same endpoint for the same hash, as long as it is there.

use http::{HeaderMap, HeaderName};
use twox_hash::XxHash64;

use super::load::Load;
use crate::config::RingHash;

/// gRPC's ring, entry for entry (gRFC A42), which is also Envoy's: gateways of either kind send a key to the same
/// endpoint.
#[derive(Debug)]
pub(super) struct Ring {
    /// By hash.
    entries: Box<[Entry]>,
    bound: Option<Bound>,
}

/// An endpoint as the ring sees it.
#[derive(Debug)]
pub(super) struct Node {
    /// Its address, or what stands for it when addresses change (gRFC A76).
    pub(super) key: Box<str>,
    pub(super) weight: u32,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u64,
    index: usize,
}

/// How much more than its share an endpoint may have in flight (Envoy's `hash_balance_factor`).
#[derive(Debug)]
struct Bound {
    percent: usize,
    /// The share of each endpoint; one in all.
    shares: Box<[f64]>,
}

impl Ring {
    pub(super) fn new(config: &RingHash, nodes: &[Node]) -> Self {
        let sum: f64 = nodes.iter().map(|node| f64::from(node.weight)).sum();
        let shares: Box<[f64]> = nodes.iter().map(|node| f64::from(node.weight) / sum).collect();
        let least = shares.iter().copied().fold(1.0, f64::min);
        // The lightest gets a whole number of entries, within the limits.
        let scale = ((least * config.min_ring_size as f64).ceil() / least).min(config.max_ring_size as f64);
        let mut order: Vec<usize> = (0..nodes.len()).collect();
        order.sort_by(|one, other| key(nodes, *one).cmp(key(nodes, *other)));
        let mut entries = Vec::with_capacity(scale.ceil() as usize);
        // Added up as gRPC does: with whole counts per endpoint, rounding would move entries.
        let (mut current, mut target) = (0.0, 0.0);
        for index in order {
            target += scale * shares.get(index).copied().unwrap_or_default();
            let mut text = format!("{}_", key(nodes, index));
            let stem = text.len();
            let mut number = 0u32;
            while current < target {
                text.truncate(stem);
                text.push_str(itoa::Buffer::new().format(number));
                entries.push(Entry { hash: xxh64(text.as_bytes(), 0), index });
                number += 1;
                current += 1.0;
            }
        }
        entries.sort_by_key(|entry| entry.hash);
        let bound = config.hash_balance_factor.map(|percent| Bound { percent: percent as usize, shares });
        Self { entries: entries.into(), bound }
    }

    /// What `take` gives of the first endpoint that it takes: that of the hash, then the others as they follow on the
    /// ring; an endpoint that has more than its bound is passed over while one has less.
    pub(super) fn find<T>(
        &self,
        hash: u64,
        load: impl Fn(usize) -> Load,
        mut take: impl FnMut(usize) -> Option<T>,
    ) -> Option<T> {
        let place = self.entries.partition_point(|entry| entry.hash < hash);
        let (before, from) = self.entries.split_at_checked(place)?;
        let mut walk = from.iter().chain(before).map(|entry| entry.index);
        let owner = walk.next()?;
        let first = self.bound.as_ref().map_or(owner, |bound| bound.spill(hash, owner, load));
        if let Some(taken) = take(first) {
            return Some(taken);
        }
        let mut seen = Seen::default();
        seen.add(first);
        std::iter::once(owner).chain(walk).filter(|index| seen.add(*index)).find_map(take)
    }
}

impl Bound {
    /// The endpoint of the hash, or another one when that has too much in flight: the same ones in the same order for
    /// the same hash, but another order for each, so that what is too much for one does not all fall on its neighbour.
    fn spill(&self, hash: u64, owner: usize, load: impl Fn(usize) -> Load) -> usize {
        let count = self.shares.len();
        let total: usize = (0..count).map(|index| load(index).calls()).sum();
        let slots = ((total + 1) * self.percent).div_ceil(100) as f64;
        let fullness = |index: usize| {
            let share = self.shares.get(index).copied().unwrap_or_default();
            load(index).calls() as f64 / (slots * share).ceil().max(1.0)
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
            let index = (start + visit * step) % count;
            let full = fullness(index);
            if full <= 1.0 {
                return index;
            }
            if full < best.0 {
                best = (full, index);
            }
        }
        best.1
    }
}

/// The hash of the header that `config` names; `None` without it, which means any hash (gRFC A76).
pub(in crate::upstream) fn request_hash(name: &HeaderName, headers: &HeaderMap) -> Option<u64> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    let Some(second) = values.next() else {
        return Some(xxh64(first.as_bytes(), 0));
    };
    let mut joined = first.as_bytes().to_vec();
    for value in std::iter::once(second).chain(values) {
        joined.push(b',');
        joined.extend_from_slice(value.as_bytes());
    }
    Some(xxh64(&joined, 0))
}

pub(super) fn xxh64(bytes: &[u8], seed: u64) -> u64 {
    XxHash64::oneshot(seed, bytes)
}

fn key(nodes: &[Node], index: usize) -> &str {
    nodes.get(index).map_or("", |node| &node.key)
}

fn gcd(one: usize, other: usize) -> usize {
    if other == 0 { one } else { gcd(other, one % other) }
}

/// The indices that a walk has met; those past its end are met again at every entry.
#[derive(Default)]
struct Seen([u64; 16]);

impl Seen {
    /// Whether the index is new.
    fn add(&mut self, index: usize) -> bool {
        let Some(bits) = self.0.get_mut(index / 64) else { return true };
        let bit = 1 << (index % 64);
        let new = *bits & bit == 0;
        *bits |= bit;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(named: &[(&str, u32)]) -> Vec<Node> {
        named.iter().map(|(key, weight)| Node { key: (*key).into(), weight: *weight }).collect()
    }

    fn ring(min: usize, max: usize, bound: Option<u32>, nodes: &[Node]) -> Ring {
        let config = RingHash {
            min_ring_size: min,
            max_ring_size: max,
            request_hash_header: None,
            hash_balance_factor: bound,
        };
        Ring::new(&config, nodes)
    }

    fn entries(ring: &Ring) -> Vec<(usize, u64)> {
        ring.entries.iter().map(|entry| (entry.index, entry.hash)).collect()
    }

    fn idle(_: usize) -> Load {
        Load::default()
    }

    fn ports(weights: &[u32], first: u16) -> Vec<Node> {
        let node =
            |(port, weight): (u16, &u32)| Node { key: format!("127.0.0.1:{port}").into(), weight: *weight };
        (first..).zip(weights).map(node).collect()
    }

    /// Envoy's `ring_hash_lb_test.cc`, whose ring is gRPC's (gRFC A42): `Basic`, `UnevenHosts`, `HostWeightedTinyRing`.
    #[test]
    fn entries_are_those_of_grpc_and_envoy() {
        let expect = [
            (4, 833437586790550860),
            (2, 928266305478181108),
            (0, 1033482794131418490),
            (5, 3551244743356806947),
            (3, 3851675632748031481),
            (1, 5583722120771150861),
            (1, 6311230543546372928),
            (3, 7700377290971790572),
            (5, 13144177310400110813),
            (2, 13444792449719432967),
            (4, 15516499411664133160),
            (0, 16117243373044804889),
        ];
        assert_eq!(entries(&ring(12, 4096, None, &ports(&[1; 6], 90))), expect);

        let expect = [
            (0, 5454692015285649509),
            (1, 7859399908942313493),
            (0, 13838424394637650569),
            (1, 16064866803292627174),
        ];
        assert_eq!(entries(&ring(3, 4096, None, &ports(&[1; 2], 80))), expect, "two whole entries for each");

        let expect = [
            (2, 928266305478181108),
            (2, 4443673547860492590),
            (1, 5583722120771150861),
            (1, 6311230543546372928),
            (2, 13444792449719432967),
            (0, 16117243373044804889),
        ];
        assert_eq!(entries(&ring(6, 6, None, &ports(&[1, 2, 3], 90))), expect);
    }

    /// Envoy's counts: `HostWeightedLargeRing` and `LargeFractionalScale`.
    #[test]
    fn shares_are_those_of_envoy() {
        let cases: [(_, &[u32], u64, &[u32]); 2] =
            [(6144, &[1, 2, 3], 6000, &[987, 1932, 3081]), (1023, &[1, 1], 1023, &[526, 497])];
        for (size, weights, hashes, expect) in cases {
            let ring = ring(size, size, None, &ports(weights, 90));
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
        let ring = ring(12, 4096, None, &ports(&[1; 6], 90));
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
    fn the_ring_is_no_larger_than_it_may_be() {
        let heavy = nodes(&[("a", 1), ("b", 10_000)]);
        assert_eq!(ring(1024, 4096, None, &heavy).entries.len(), 4096);
        let many: Vec<Node> =
            (0..5000).map(|number| Node { key: number.to_string().into(), weight: 1 }).collect();
        assert!(ring(1024, 4096, None, &many).entries.len() <= 4096);
        assert!(ring(1024, 4096, None, &[]).find(7, idle, Some).is_none());
    }

    #[test]
    fn one_endpoint_more_moves_its_share_and_no_more() {
        let of = |count| ring(1024, 4096, None, &ports(&vec![1; count], 50051));
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
        let named = nodes(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
        let bounded = ring(1024, 4096, Some(150), &named);
        let mut calls = [0; 4];
        for _ in 0..400 {
            let load = |index: usize| Load { unary: calls[index], ..Load::default() };
            calls[bounded.find(42, load, Some).unwrap()] += 1;
        }
        let owner = ring(1024, 4096, None, &named).find(42, idle, Some).unwrap();
        assert_eq!(calls.iter().sum::<usize>(), 400);
        assert_eq!(*calls.iter().max().unwrap(), calls[owner]);
        assert!(calls.iter().all(|calls| *calls <= 151), "half more than its share of 100: {calls:?}");
        assert_eq!(bounded.find(42, idle, Some), Some(owner), "and comes back");
    }

    #[test]
    fn a_header_of_several_values_is_one_key() {
        let name = HeaderName::from_static("x-tenant");
        let hash = |values: &[&'static str]| {
            let headers = values.iter().map(|value| (name.clone(), http::HeaderValue::from_static(value)));
            let mut map = HeaderMap::new();
            headers.for_each(|(name, value)| {
                map.append(name, value);
            });
            request_hash(&name, &map)
        };
        assert_eq!(hash(&[]), None);
        assert_eq!(hash(&["a"]), Some(xxh64(b"a", 0)));
        assert_eq!(hash(&["a", "b"]), Some(xxh64(b"a,b", 0)));
    }
}
