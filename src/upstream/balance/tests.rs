//! Shares of calls by policy, over choices that chance makes the same way in every run.

use std::{cell::RefCell, sync::Arc};

use super::*;
use crate::{
    config::{self, Address, Locality, RingHash, Target},
    telemetry::Metrics,
    upstream::{Clusters, member::Member},
};

/// A balancer and endpoints, with whatever calls are in flight on them.
struct Scene {
    metrics: Metrics,
    balancer: Balancer,
    endpoints: Vec<Arc<Endpoint>>,
    in_flight: RefCell<Vec<usize>>,
    choice: RefCell<(u64, Vec<u64>)>,
}

impl Scene {
    fn new(members: Vec<Member>, configure: impl FnOnce(&mut config::Cluster)) -> Self {
        fastrand::seed(17);
        let mut config = config::Cluster::new("test", Target::Static(vec![address(0)]));
        configure(&mut config);
        let metrics = Metrics::new();
        let clusters = Clusters::new([config], &metrics);
        let cluster = clusters.iter().next().unwrap();
        let count = members.len();
        let endpoint = |member: Member| Arc::new(Endpoint::new(member, cluster.metrics().endpoint("test")));
        Self {
            balancer: Balancer::new(cluster),
            metrics: metrics.clone(),
            endpoints: members.into_iter().map(endpoint).collect(),
            in_flight: RefCell::new(vec![0; count]),
            choice: RefCell::new((0, vec![0; count])),
        }
    }

    fn compile(&self) -> (Choices, Vec<usize>) {
        let reachable: Vec<_> = self
            .endpoints
            .iter()
            .map(|endpoint| Reachable { endpoint, ready: true, pending: false })
            .collect();
        self.balancer.compile(&reachable, Instant::now())
    }

    /// Where a call goes of those that `takes` a stream, by the place in `endpoints`.
    fn pick(
        &self,
        (choices, order): &(Choices, Vec<usize>),
        call: Call,
        takes: fn(usize) -> bool,
    ) -> Option<usize> {
        let load = |index: usize| Load {
            unary: self.in_flight.borrow()[order[index]],
            streams: 0,
            chosen: self.choice.borrow().1[order[index]],
        };
        let place = choices
            .find(&self.balancer, call, load, |index| Some(order[index]).filter(|place| takes(*place)))?;
        let mut choice = self.choice.borrow_mut();
        choice.0 += 1;
        choice.1[place] = choice.0;
        Some(place)
    }

    /// How many of `count` calls, one after the other, went where.
    fn shares(&self, count: usize) -> Vec<usize> {
        let compiled = self.compile();
        let mut hits = vec![0; self.endpoints.len()];
        for _ in 0..count {
            hits[self.pick(&compiled, Call::default(), |_| true).unwrap()] += 1;
        }
        hits
    }
}

fn address(port: u16) -> Address {
    Address::Tcp(([10, 0, 0, 1], port).into())
}

fn members(weights: &[u32]) -> Vec<Member> {
    (1..).zip(weights).map(|(port, weight)| Member { weight: *weight, ..address(port).into() }).collect()
}

fn policies() -> Vec<LoadBalancing> {
    vec![
        LoadBalancing::LeastRequest { choice_count: 2 },
        LoadBalancing::LeastRequest { choice_count: 4 },
        LoadBalancing::RoundRobin,
        LoadBalancing::WeightedRoundRobin(WeightedRoundRobin::default()),
        LoadBalancing::RingHash(RingHash::default()),
        LoadBalancing::RingHash(RingHash { hash_balance_factor: Some(150), ..RingHash::default() }),
        LoadBalancing::PickFirst { shuffle: false },
        LoadBalancing::PickFirst { shuffle: true },
        LoadBalancing::Random,
    ]
}

fn near(found: &[usize], expect: &[usize], within: usize) -> bool {
    found.iter().zip(expect).all(|(found, expect)| found.abs_diff(*expect) <= within)
}

#[test]
fn shares_are_those_of_the_policy() {
    let alike = [1, 1, 1];
    let weighted = [1, 2, 3];
    let wrr = || LoadBalancing::WeightedRoundRobin(WeightedRoundRobin::default());
    let cases: Vec<(LoadBalancing, &[u32], [usize; 3], usize)> = vec![
        (LoadBalancing::default(), &alike, [1000, 1000, 1000], 70),
        (LoadBalancing::LeastRequest { choice_count: 3 }, &alike, [1000, 1000, 1000], 0),
        (LoadBalancing::RoundRobin, &alike, [1000, 1000, 1000], 0),
        (LoadBalancing::RoundRobin, &weighted, [1000, 1000, 1000], 0),
        (wrr(), &alike, [1000, 1000, 1000], 0),
        (wrr(), &weighted, [500, 1000, 1500], 1),
        (LoadBalancing::RingHash(RingHash::default()), &alike, [1000, 1000, 1000], 150),
        (LoadBalancing::RingHash(RingHash::default()), &weighted, [500, 1000, 1500], 150),
        (LoadBalancing::PickFirst { shuffle: false }, &weighted, [3000, 0, 0], 0),
        (LoadBalancing::Random, &weighted, [1000, 1000, 1000], 90),
    ];
    for (policy, weights, expect, within) in cases {
        let name = format!("{policy:?} {weights:?}");
        let scene = Scene::new(members(weights), |cluster| cluster.load_balancing = policy);
        let shares = scene.shares(3000);
        assert!(near(&shares, &expect, within), "{name}: {shares:?}");
    }
}

#[test]
fn least_request_fills_by_weight() {
    let scene = Scene::new(members(&[1, 2, 5]), |_| {});
    let compiled = scene.compile();
    for _ in 0..800 {
        let place = scene.pick(&compiled, Call::default(), |_| true).unwrap();
        scene.in_flight.borrow_mut()[place] += 1;
    }
    let in_flight = scene.in_flight.borrow().clone();
    assert!(near(&in_flight, &[100, 200, 500], 5), "{in_flight:?}");
}

#[test]
fn an_endpoint_without_a_place_is_passed_over_by_every_policy() {
    for policy in policies() {
        let name = format!("{policy:?}");
        let scene = Scene::new(members(&[1; 5]), |cluster| cluster.load_balancing = policy);
        let compiled = scene.compile();
        for _ in 0..100 {
            assert_eq!(scene.pick(&compiled, Call::default(), |place| place == 3), Some(3), "{name}");
            assert_eq!(scene.pick(&compiled, Call::default(), |_| false), None, "{name}");
        }
        let none = Scene::new(Vec::new(), |cluster| cluster.load_balancing = scene.balancer.policy.clone());
        assert_eq!(none.pick(&none.compile(), Call::default(), |_| true), None, "{name}");
    }
}

#[test]
fn a_shuffled_first_is_the_same_for_all_workers_and_another_for_other_gateways() {
    let shuffled = |cluster: &mut config::Cluster| {
        cluster.load_balancing = LoadBalancing::PickFirst { shuffle: true };
    };
    let first = |seed: u64| {
        let mut scene = Scene::new(members(&[1; 4]), shuffled);
        scene.balancer.seed = seed;
        scene.pick(&scene.compile(), Call::default(), |_| true).unwrap()
    };
    let mut hits = [0; 4];
    for seed in 0..400 {
        hits[first(seed)] += 1;
        assert_eq!(first(seed), first(seed));
    }
    assert!(near(&hits, &[100; 4], 30), "{hits:?}");
}

#[test]
fn a_hash_stays_with_its_endpoint() {
    let ring = LoadBalancing::RingHash(RingHash::default());
    let scene = Scene::new(members(&[1; 8]), |cluster| cluster.load_balancing = ring);
    let (one, other) = (scene.compile(), scene.compile());
    let mut owners = std::collections::BTreeSet::new();
    for key in 0..200u64 {
        let call = Call { hash: Some(ring::xxh64(&key.to_le_bytes(), 0)), stream: false };
        let place = scene.pick(&one, call, |_| true).unwrap();
        assert_eq!(scene.pick(&other, call, |_| true), Some(place));
        owners.insert(place);
    }
    assert_eq!(owners.len(), 8);
}

#[test]
fn a_name_of_discovery_holds_a_place_on_the_ring() {
    let named = |port: u16, name: &str| Member { hash_key: Some(name.into()), ..address(port).into() };
    let ring = |cluster: &mut config::Cluster| {
        cluster.load_balancing = LoadBalancing::RingHash(RingHash::default());
    };
    let before = Scene::new((1..4).map(|port| named(port, &format!("orders-{port}"))).collect(), ring);
    let after = Scene::new((1..4).map(|port| named(port + 70, &format!("orders-{port}"))).collect(), ring);
    for hash in (0..u64::MAX).step_by(1 << 57) {
        let call = Call { hash: Some(hash), stream: false };
        let moved = after.pick(&after.compile(), call, |_| true);
        assert_eq!(before.pick(&before.compile(), call, |_| true), moved);
    }
}

#[tokio::test(start_paused = true)]
async fn load_reports_become_shares() {
    let policy = LoadBalancing::WeightedRoundRobin(WeightedRoundRobin::default());
    let scene = Scene::new(members(&[1, 1, 7]), |cluster| cluster.load_balancing = policy);
    assert_eq!(scene.compile().0.hold(), Some(Duration::from_secs(1)));
    assert!(near(&scene.shares(900), &[100, 100, 700], 1), "discovery's, until somebody reports");
    let report = |weights: [f64; 3]| {
        for (endpoint, weight) in scene.endpoints.iter().zip(weights) {
            if weight > 0.0 {
                endpoint.traits().reported.set(weight, Instant::now());
            }
        }
    };
    report([10.0, 0.0, 0.0]);
    assert!(near(&scene.shares(900), &[100, 100, 700], 1), "not before the blackout is over");
    tokio::time::advance(Duration::from_secs(10)).await;
    report([10.0, 30.0, 0.0]);
    assert_eq!(scene.shares(900), [300; 3], "one alone says nothing");
    tokio::time::advance(Duration::from_secs(10)).await;
    let shares = scene.shares(1200);
    assert!(near(&shares, &[200, 600, 400], 1), "the third counts as their mean: {shares:?}");
    tokio::time::advance(Duration::from_secs(180)).await;
    assert!(near(&scene.shares(900), &[100, 100, 700], 1), "nobody reports any more");
}

#[tokio::test(start_paused = true)]
async fn updates_of_weights_are_counted() {
    let policy = LoadBalancing::WeightedRoundRobin(WeightedRoundRobin::default());
    let scene = Scene::new(members(&[1; 3]), |cluster| cluster.load_balancing = policy);
    let counts = || {
        scene.compile();
        let names = [
            "rr_fallback_total",
            "endpoint_weight_not_yet_usable_total",
            "endpoint_weight_stale_total",
            "endpoint_weights_sum",
        ];
        names.map(|name| {
            let labels = r#"{grpc_target="ipv4:10.0.0.1:0",grpc_lb_backend_service="test"}"#;
            scene.metrics.shown(&format!("grpc_lb_wrr_{name}{labels}")).unwrap()
        })
    };
    let report = |weights: &[f64]| {
        for (endpoint, weight) in scene.endpoints.iter().zip(weights) {
            endpoint.traits().reported.set(*weight, Instant::now());
        }
    };
    assert_eq!(counts(), [1.0, 3.0, 0.0, 0.0], "nobody has reported");
    report(&[10.0, 20.4]);
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(counts(), [1.0, 4.0, 0.0, 30.0], "two have");
    tokio::time::advance(Duration::from_secs(170)).await;
    assert_eq!(counts(), [2.0, 5.0, 2.0, 30.0], "three minutes ago");
}

#[tokio::test(start_paused = true)]
async fn a_new_endpoint_comes_to_its_share_little_by_little() {
    for policy in
        [LoadBalancing::RoundRobin, LoadBalancing::WeightedRoundRobin(WeightedRoundRobin::default())]
    {
        let name = format!("{policy:?}");
        let scene = Scene::new(members(&[1; 3]), |cluster| {
            cluster.load_balancing = policy;
            cluster.slow_start = Some(SlowStart::default());
        });
        let serves = |place: usize| scene.endpoints[place].traits().serves(false, Instant::now());
        (0..2).for_each(serves);
        tokio::time::advance(Duration::from_secs(60)).await;
        serves(2);
        assert!(near(&scene.shares(2100), &[1000, 1000, 100], 2), "{name}");
        assert_eq!(scene.compile().0.hold(), Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_secs(15)).await;
        assert!(near(&scene.shares(2500), &[1000, 1000, 500], 2), "{name}");
        tokio::time::advance(Duration::from_secs(15)).await;
        assert!(near(&scene.shares(3000), &[1000, 1000, 1000], 2), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn least_request_sends_a_new_endpoint_less() {
    let scene = Scene::new(members(&[1; 2]), |cluster| cluster.slow_start = Some(SlowStart::default()));
    scene.endpoints[0].traits().serves(false, Instant::now());
    tokio::time::advance(Duration::from_secs(60)).await;
    scene.endpoints[1].traits().serves(false, Instant::now());
    tokio::time::advance(Duration::from_secs(6)).await;
    let compiled = scene.compile();
    for _ in 0..120 {
        let place = scene.pick(&compiled, Call::default(), |_| true).unwrap();
        scene.in_flight.borrow_mut()[place] += 1;
    }
    assert_eq!(*scene.in_flight.borrow(), [100, 20], "a fifth of the window is a fifth of the load");
    assert!(compiled.0.hold().is_some());
    tokio::time::advance(Duration::from_secs(24)).await;
    assert_eq!(scene.compile().0.hold(), None, "nobody warms up: the snapshot stays");
}

#[test]
fn who_is_ejected_or_unhealthy_is_left_out() {
    let scene = Scene::new(members(&[1; 4]), |cluster| cluster.load_balancing = LoadBalancing::RoundRobin);
    scene.endpoints[1].set_ejected(true);
    assert_eq!(scene.shares(300), [100, 0, 100, 100]);
    scene.endpoints[2].set_healthy(false);
    assert_eq!(scene.shares(300), [150, 0, 0, 150], "half of them are enough");
    scene.endpoints[3].set_ejected(true);
    assert_eq!(scene.shares(300), [100, 100, 0, 100], "a panic ends ejections, not illness");
}

#[test]
fn calls_stay_in_the_zone_as_far_as_it_carries_them() {
    let zoned = |port: u16, zone: &str| Member { zone: Some(zone.into()), ..address(port).into() };
    let endpoints = || vec![zoned(1, "a"), zoned(2, "a"), zoned(3, "b"), zoned(4, "b")];
    for policy in [LoadBalancing::RoundRobin, LoadBalancing::default()] {
        let scene = Scene::new(endpoints(), |cluster| {
            cluster.load_balancing = policy;
            cluster.locality = Some(Locality { zone: "a".into() });
        });
        assert!(near(&scene.shares(1000), &[500, 500, 0, 0], 0));
        let full = scene.pick(&scene.compile(), Call::default(), |place| place > 1);
        assert!(full.is_some(), "a full zone is no reason to fail");
        scene.endpoints[0].set_healthy(false);
        let shares = scene.shares(3000);
        // One of three in one of two zones: two thirds of its calls.
        assert!(near(&shares, &[0, 2000, 500, 500], 80), "{shares:?}");
    }
}

#[test]
fn a_standby_takes_what_its_priority_leaves() {
    let mut endpoints = members(&[1; 4]);
    endpoints[2].priority = 1;
    endpoints[3].priority = 1;
    let scene = Scene::new(endpoints, |cluster| cluster.load_balancing = LoadBalancing::RoundRobin);
    assert_eq!(scene.shares(1000), [500, 500, 0, 0]);
    scene.endpoints[0].set_healthy(false);
    let shares = scene.shares(10_000);
    assert!(near(&shares, &[0, 7000, 1500, 1500], 150), "{shares:?}");
    assert_eq!(
        shares[2].abs_diff(shares[3]),
        shares[2].abs_diff(shares[3]).min(1),
        "each tier turns for itself"
    );
}
