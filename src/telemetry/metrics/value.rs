//! The three things that are counted: counters, gauges and durations, each a few relaxed atomics.
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

    /// The buckets as (upper bound, observations in it), the last one unbounded.
    pub(super) fn snapshot(&self) -> Vec<(f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed))).collect()
    }

    /// All durations together, in seconds.
    pub(super) fn sum(&self) -> f64 {
        Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed)).as_secs_f64()
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram").field("buckets", &self.snapshot()).field("sum", &self.sum()).finish()
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
        assert_eq!(histogram.snapshot(), [(0.5, 2), (1.0, 2), (f64::INFINITY, 2)]);
        assert_eq!(histogram.sum(), 8.002);
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
