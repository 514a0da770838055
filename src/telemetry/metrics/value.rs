//! The things that are counted: counters, gauges, durations and amounts, each a few relaxed atomics.
//!
//! `prometheus-client` has the same types with an allocation per value and, for histograms, a lock. Here the
//! values of a method lie in one allocation, and no worker waits for another to record a duration.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// What was counted since the start.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that rises and falls.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Adds one.
    pub fn inc(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes one away.
    pub fn dec(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Replaces the value.
    pub fn set(&self, n: usize) {
        self.0.store(i64::try_from(n).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Adds one until the answer is dropped.
    pub fn enter(self: &Arc<Self>) -> Entered {
        self.inc();
        Entered(Arc::clone(self))
    }

    /// The value of this moment.
    pub fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One in a [`Gauge`], until dropped.
#[must_use = "dropping it takes the one away again"]
#[derive(Debug)]
pub struct Entered(Arc<Gauge>);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Durations in buckets, exposed in seconds.
pub struct Histogram {
    bounds: &'static [f64],
    /// One per bound and one for what is above the last, not cumulative.
    buckets: Box<[AtomicU64]>,
    /// Whole nanoseconds: one addition instead of a compare-exchange loop over a float. Full after 584 years.
    sum_nanos: AtomicU64,
}

impl Histogram {
    /// A histogram with these upper bounds, in seconds, ascending.
    pub fn new(bounds: &'static [f64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, sum_nanos: AtomicU64::new(0) }
    }

    /// Counts one duration into the first bucket whose bound is not below it.
    pub fn observe(&self, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        let at = self.bounds.partition_point(|bound| *bound < seconds);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// What has been counted so far, in seconds.
    pub(super) fn snapshot(&self) -> Distribution {
        let sum = Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed)).as_secs_f64();
        Distribution::new(self.bounds.iter().copied(), &self.buckets, sum)
    }
}

/// Whole numbers in buckets: bytes, retries, weights.
pub struct Amounts {
    bounds: &'static [u64],
    /// One per bound and one for what is above the last, not cumulative.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Amounts {
    /// Amounts with these upper bounds, ascending.
    pub fn new(bounds: &'static [u64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, sum: AtomicU64::new(0) }
    }

    /// Counts one amount into the first bucket whose bound is not below it.
    pub fn observe(&self, amount: u64) {
        let at = self.bounds.partition_point(|bound| *bound < amount);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(amount, Ordering::Relaxed);
    }

    /// What has been counted so far.
    pub(super) fn snapshot(&self) -> Distribution {
        let sum = as_f64(self.sum.load(Ordering::Relaxed));
        Distribution::new(self.bounds.iter().map(|bound| as_f64(*bound)), &self.buckets, sum)
    }
}

/// What a histogram held at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Distribution {
    /// All observations together.
    pub(super) sum: f64,
    /// Upper bound and observations in it alone, the last one unbounded.
    pub(super) buckets: Vec<(f64, u64)>,
}

impl Distribution {
    fn new(bounds: impl Iterator<Item = f64>, buckets: &[AtomicU64], sum: f64) -> Self {
        let counts = buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        Self { sum, buckets: bounds.chain([f64::INFINITY]).zip(counts).collect() }
    }

    /// A distribution of nothing.
    pub(super) fn empty(bounds: &[f64]) -> Self {
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        Self { sum: 0.0, buckets: bounds.map(|bound| (bound, 0)).collect() }
    }

    /// How many observations there are.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }

    /// Adds what another one holds, whose bounds have those of this one among them.
    pub(super) fn add(&mut self, other: &Self) {
        self.sum += other.sum;
        for (bound, count) in &other.buckets {
            let at = self.buckets.partition_point(|(own, _)| own < bound);
            if let Some((_, own)) = self.buckets.get_mut(at) {
                *own += count;
            }
        }
    }
}

fn as_f64(n: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "an exposition has no more digits than a double")]
    let float = n as f64;
    float
}

impl fmt::Debug for Amounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_own_bucket() {
        let histogram = Histogram::new(&[0.5, 1.0]);
        for millis in [0, 500, 501, 1000, 1001, 5000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let seen = histogram.snapshot();
        assert_eq!(seen.buckets, [(0.5, 2), (1.0, 2), (f64::INFINITY, 2)]);
        assert_eq!((seen.count(), seen.sum), (6, 8.002));
    }

    #[test]
    fn amounts_are_as_durations() {
        let amounts = Amounts::new(&[0, 10]);
        for amount in [0, 1, 10, 11] {
            amounts.observe(amount);
        }
        let seen = amounts.snapshot();
        assert_eq!(seen.buckets, [(0.0, 1), (10.0, 2), (f64::INFINITY, 1)]);
        assert_eq!((seen.count(), seen.sum), (4, 22.0));
    }

    #[test]
    fn fine_buckets_add_up_to_coarse_ones() {
        let fine = Histogram::new(&[0.1, 0.2, 0.5, 1.0]);
        for millis in [50, 150, 200, 300, 900, 2000] {
            fine.observe(Duration::from_millis(millis));
        }
        let mut coarse = Distribution::empty(&[0.2, 1.0]);
        coarse.add(&fine.snapshot());
        assert_eq!(coarse.buckets, [(0.2, 3), (1.0, 2), (f64::INFINITY, 1)]);
        assert_eq!(coarse.sum, fine.snapshot().sum);
    }

    #[test]
    fn what_entered_leaves_on_drop() {
        let gauge = Arc::new(Gauge::default());
        let (first, second) = (gauge.enter(), gauge.enter());
        assert_eq!(gauge.value(), 2);
        drop(first);
        drop(second);
        assert_eq!(gauge.value(), 0);
    }
}
