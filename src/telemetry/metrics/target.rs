//! What is counted of one method at one cluster, under the names of gRFC A66 and A96.
//!
//! Durations and sizes are kept by status, and what go-grpc-prometheus counts of the client side follows from them at a
//! scrape: an attempt is counted once, whatever number of families show it.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{
    cluster::ClusterMetrics,
    code::{CODES, UNKNOWN},
    value::{Amounts, Counter, Histogram},
};

/// The clusters that a method has been called at, each with its values.
///
/// A chain that only grows: a method has one cluster, or the two or three of a canary, and the path of a call finds its
/// own without a lock. Nodes stay as long as the method does.
#[derive(Debug, Default)]
pub(super) struct Targets(OnceLock<Box<Node>>);

#[derive(Debug)]
struct Node {
    cluster: Arc<ClusterMetrics>,
    values: TargetMetrics,
    next: Targets,
}

/// All values of one method at one cluster.
#[derive(Debug)]
pub struct TargetMetrics {
    pub(super) started: Counter,
    pub(super) attempts: [OnceLock<Box<Attempts>>; CODES],
    pub(super) calls: [OnceLock<Box<Histogram>>; CODES],
    pub(super) retries: Rare,
    pub(super) transparent_retries: Rare,
    pub(super) hedges: Rare,
    pub(super) retry_delay: OnceLock<Box<Histogram>>,
}

/// Attempts that ended with one status.
#[derive(Debug)]
pub(super) struct Attempts {
    pub(super) elapsed: Histogram,
    pub(super) sent: Amounts,
    pub(super) received: Amounts,
}

/// Amounts that most methods never have; nothing is shown of what never was.
pub(super) type Rare = OnceLock<Box<Amounts>>;

/// The bytes of an attempt's messages, without the five before each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Of request messages.
    pub sent: u64,
    /// Of response messages.
    pub received: u64,
}

/// What a call took beside its first attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Again {
    /// Further attempts by a retry policy.
    pub retries: u32,
    /// Further attempts because the backend cannot have acted on the one before.
    pub transparent_retries: u32,
    /// Attempts side by side with an earlier one.
    pub hedges: u32,
    /// How long no attempt was under way.
    pub delay: Duration,
}

impl Targets {
    /// The values at `cluster`, made when they are asked for first.
    pub(super) fn at(&self, cluster: &Arc<ClusterMetrics>) -> &TargetMetrics {
        let mut slot = self;
        loop {
            let node = slot.0.get_or_init(|| {
                let (cluster, values) = (Arc::clone(cluster), TargetMetrics::new());
                Box::new(Node { cluster, values, next: Self::default() })
            });
            if Arc::ptr_eq(&node.cluster, cluster) {
                return &node.values;
            }
            slot = &node.next;
        }
    }

    /// All of them, each with its cluster.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&ClusterMetrics, &TargetMetrics)> {
        let nodes = std::iter::successors(self.0.get(), |node| node.next.0.get());
        nodes.map(|node| (&*node.cluster, &node.values))
    }
}

impl TargetMetrics {
    fn new() -> Self {
        Self {
            started: Counter::default(),
            attempts: [const { OnceLock::new() }; CODES],
            calls: [const { OnceLock::new() }; CODES],
            retries: OnceLock::new(),
            transparent_retries: OnceLock::new(),
            hedges: OnceLock::new(),
            retry_delay: OnceLock::new(),
        }
    }

    /// An attempt has begun.
    pub fn attempt_started(&self) {
        self.started.inc();
    }

    /// An attempt has ended with this status code, `elapsed` after it began.
    pub fn attempt_ended(&self, code: usize, elapsed: Duration, sizes: Sizes) {
        if let Some(slot) = at(&self.attempts, code) {
            let attempts = slot.get_or_init(|| Box::new(Attempts::new()));
            attempts.elapsed.observe(elapsed);
            attempts.sent.observe(sizes.sent);
            attempts.received.observe(sizes.received);
        }
    }

    /// A call has ended with this status code, `elapsed` after it began.
    pub fn call_ended(&self, code: usize, elapsed: Duration) {
        if let Some(slot) = at(&self.calls, code) {
            slot.get_or_init(|| Box::new(Histogram::new(LATENCY_BOUNDS))).observe(elapsed);
        }
    }

    /// What a call took beside its first attempt; of what there was nothing, nothing is recorded (gRFC A96).
    pub fn took(&self, again: Again) {
        let record = |rare: &Rare, bounds, n: u32| {
            if n > 0 {
                rare.get_or_init(|| Box::new(Amounts::new(bounds))).observe(n.into());
            }
        };
        record(&self.retries, RETRY_BOUNDS, again.retries);
        record(&self.transparent_retries, TRANSPARENT_BOUNDS, again.transparent_retries);
        record(&self.hedges, RETRY_BOUNDS, again.hedges);
        if !again.delay.is_zero() {
            let delays = self.retry_delay.get_or_init(|| Box::new(Histogram::new(LATENCY_BOUNDS)));
            delays.observe(again.delay);
        }
    }
}

impl Attempts {
    fn new() -> Self {
        Self {
            elapsed: Histogram::new(LATENCY_BOUNDS),
            sent: Amounts::new(SIZE_BOUNDS),
            received: Amounts::new(SIZE_BOUNDS),
        }
    }
}

/// The slot of a code; that of `Unknown` for a number that gRPC does not have.
fn at<T>(slots: &[T; CODES], code: usize) -> Option<&T> {
    slots.get(code).or_else(|| slots.get(UNKNOWN))
}

/// The latency buckets of gRFC A66, and 2.5 s, which `grpc_client_handling_seconds` has beside them.
const LATENCY_BOUNDS: &[f64] = &[
    0.0, 0.00001, 0.00005, 0.0001, 0.0003, 0.0006, 0.0008, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008,
    0.01, 0.013, 0.016, 0.02, 0.025, 0.03, 0.04, 0.05, 0.065, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3, 0.4,
    0.5, 0.65, 0.8, 1.0, 2.0, 2.5, 5.0, 10.0, 20.0, 50.0, 100.0,
];

/// The size buckets of gRFC A66.
const SIZE_BOUNDS: &[u64] = &[
    0,
    1 << 10,
    2 << 10,
    4 << 10,
    16 << 10,
    64 << 10,
    256 << 10,
    1 << 20,
    4 << 20,
    16 << 20,
    64 << 20,
    256 << 20,
    1 << 30,
    4 << 30,
];

/// gRFC A96.
const RETRY_BOUNDS: &[u64] = &[1, 2, 3, 4, 5];

/// gRFC A96.
const TRANSPARENT_BOUNDS: &[u64] = &[1, 2, 3, 4, 5, 10];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[test]
    fn a_cluster_has_the_same_values_whenever_it_is_asked_for() {
        let metrics = Metrics::new();
        let [one, two] = ["one", "two"].map(|name| metrics.cluster(name, "dns:///backends:1", false));
        let targets = Targets::default();
        let first: *const TargetMetrics = targets.at(&one);
        let second: *const TargetMetrics = targets.at(&two);
        assert!(!std::ptr::eq(first, second));
        assert!(std::ptr::eq(first, targets.at(&one)) && std::ptr::eq(second, targets.at(&two)));
        assert_eq!(targets.iter().map(|(cluster, _)| &*cluster.name).collect::<Vec<_>>(), ["one", "two"]);
    }

    #[test]
    fn workers_that_come_at_once_share_the_values() {
        let metrics = Metrics::new();
        let clusters: Vec<_> = ["a", "b", "c"].map(|name| metrics.cluster(name, "dns:///b:1", false)).into();
        let targets = Targets::default();
        std::thread::scope(|scope| {
            for start in 0..6 {
                let (targets, clusters) = (&targets, &clusters);
                scope.spawn(move || {
                    for step in 0..300 {
                        targets.at(&clusters[(start + step) % 3]).attempt_started();
                    }
                });
            }
        });
        let started: Vec<_> = targets.iter().map(|(_, target)| target.started.value()).collect();
        assert_eq!(started, [600; 3]);
    }
}
