//! The same endpoint for the same hash, as long as it is there.

use http::{HeaderMap, HeaderName};
use twox_hash::XxHash64;

use crate::config::RingHash;

/// gRPC's ring, entry for entry (gRFC A42), which is also Envoy's: gateways of either kind send a key to the same
/// endpoint.
///
/// As in gRPC, endpoints that are down keep their entries, and the walk goes on past them: of the keys of others none
/// moves when an endpoint is gone for a while.
#[derive(Debug)]
pub(super) struct Ring {
    nodes: Box<[Node]>,
    /// By hash.
    entries: Box<[Entry]>,
}

/// An endpoint as the ring sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl Ring {
    pub(super) fn new(config: &RingHash, nodes: Box<[Node]>) -> Self {
        let sum: f64 = nodes.iter().map(|node| f64::from(node.weight)).sum();
        let share = |node: &Node| f64::from(node.weight) / sum;
        let least = nodes.iter().map(share).fold(1.0, f64::min);
        // The lightest gets a whole number of entries, within the limits.
        let scale = ((least * config.min_ring_size as f64).ceil() / least).min(config.max_ring_size as f64);
        let mut order: Vec<(usize, &Node)> = nodes.iter().enumerate().collect();
        order.sort_by(|(_, one), (_, other)| one.key.cmp(&other.key));
        let mut entries = Vec::with_capacity(scale.ceil() as usize);
        // Added up as gRPC does: with whole counts per endpoint, rounding would move entries.
        let (mut current, mut target) = (0.0, 0.0);
        for (index, node) in order {
            target += scale * share(node);
            let mut text = format!("{}_", node.key);
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
        Self { entries: entries.into(), nodes }
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The places in `nodes` of the entries from that of `hash` on, once around.
    pub(super) fn walk(&self, hash: u64) -> impl Iterator<Item = usize> {
        let place = self.entries.partition_point(|entry| entry.hash < hash);
        let (before, from) = self.entries.split_at_checked(place).unwrap_or_default();
        from.iter().chain(before).map(|entry| entry.index)
    }
}

/// The hash of the header that `name` names; `None` without it, which means any hash (gRFC A76).
pub(crate) fn request_hash(name: &HeaderName, headers: &HeaderMap) -> Option<u64> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(named: &[(&str, u32)]) -> Vec<Node> {
        named.iter().map(|(key, weight)| Node { key: (*key).into(), weight: *weight }).collect()
    }

    fn ring(min: usize, max: usize, nodes: &[Node]) -> Ring {
        let config = RingHash {
            min_ring_size: min,
            max_ring_size: max,
            request_hash_header: None,
            hash_balance_factor: None,
        };
        Ring::new(&config, nodes.into())
    }

    fn entries(ring: &Ring) -> Vec<(usize, u64)> {
        ring.entries.iter().map(|entry| (entry.index, entry.hash)).collect()
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
        assert_eq!(entries(&ring(12, 4096, &ports(&[1; 6], 90))), expect);

        let expect = [
            (0, 5454692015285649509),
            (1, 7859399908942313493),
            (0, 13838424394637650569),
            (1, 16064866803292627174),
        ];
        assert_eq!(entries(&ring(3, 4096, &ports(&[1; 2], 80))), expect, "two whole entries for each");

        let expect = [
            (2, 928266305478181108),
            (2, 4443673547860492590),
            (1, 5583722120771150861),
            (1, 6311230543546372928),
            (2, 13444792449719432967),
            (0, 16117243373044804889),
        ];
        assert_eq!(entries(&ring(6, 6, &ports(&[1, 2, 3], 90))), expect);
    }

    #[test]
    fn the_ring_is_no_larger_than_it_may_be() {
        let heavy = nodes(&[("a", 1), ("b", 10_000)]);
        assert_eq!(ring(1024, 4096, &heavy).entries.len(), 4096);
        let many: Vec<Node> =
            (0..5000).map(|number| Node { key: number.to_string().into(), weight: 1 }).collect();
        assert!(ring(1024, 4096, &many).entries.len() <= 4096);
        assert_eq!(ring(1024, 4096, &[]).walk(7).next(), None);
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
