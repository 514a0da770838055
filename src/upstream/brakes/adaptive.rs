//! A limit of unary calls in flight that follows latency: Gradient2 of Netflix's concurrency-limits.
//!
//! Little's law: calls in flight are rate times latency. What a backend cannot work on at once it queues, and its latency
//! grows. So each answer is compared with the average of the last six hundred: while it takes no longer, the limit
//! grows, by what a queue of four is worth; when it takes longer, the limit shrinks in that proportion, by half at most.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config::AdaptiveConcurrency;

/// The limit of one cluster, over all workers.
#[derive(Debug)]
pub(in crate::upstream) struct Adaptive {
    in_flight: AtomicUsize,
    /// What [`Gradient::limit`] is, for those who only read it.
    limit: AtomicUsize,
    gradient: Mutex<Gradient>,
}

/// A call in flight, until dropped.
#[derive(Debug)]
pub(in crate::upstream) struct Admitted {
    adaptive: Arc<Adaptive>,
    /// How many there were, this one included.
    in_flight: usize,
    sent: Option<Instant>,
}

/// The state machine.
#[derive(Debug)]
struct Gradient {
    least: f64,
    most: f64,
    limit: f64,
    long: Average,
}

/// An exponential moving average in seconds, plain over its first samples.
#[derive(Debug, Default)]
struct Average {
    value: f64,
    sum: f64,
    samples: f64,
}

impl Adaptive {
    pub(in crate::upstream) fn new(config: &AdaptiveConcurrency) -> Self {
        let [least, most, limit] = [config.min_limit, config.max_limit, config.initial_limit].map(to_f64);
        Self {
            in_flight: AtomicUsize::new(0),
            limit: AtomicUsize::new(config.initial_limit),
            gradient: Mutex::new(Gradient { least, most, limit, long: Average::default() }),
        }
    }

    /// One call more, or what the limit is that it would be over.
    pub(in crate::upstream) fn admit(self: &Arc<Self>) -> Result<Admitted, usize> {
        let limit = self.limit.load(Relaxed);
        let before = self.in_flight.fetch_add(1, Relaxed);
        let admitted = Admitted { adaptive: Arc::clone(self), in_flight: before + 1, sent: None };
        if before < limit { Ok(admitted) } else { Err(limit) }
    }
}

impl Admitted {
    /// It goes out.
    pub(in crate::upstream) fn sent(&mut self, at: Instant) {
        self.sent = Some(at);
    }

    /// It was answered, or its time is over: only the first of these counts. What failed otherwise says nothing, for an
    /// error can be quick.
    pub(in crate::upstream) fn took_its_time(&mut self) {
        let Some(sent) = self.sent.take() else { return };
        let limit = self.adaptive.gradient.lock().sample(sent.elapsed(), self.in_flight);
        self.adaptive.limit.store(limit, Relaxed);
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.adaptive.in_flight.fetch_sub(1, Relaxed);
    }
}

impl Gradient {
    /// Takes the time of one call, with so many in flight when it began; the limit after it.
    fn sample(&mut self, took: Duration, in_flight: usize) -> usize {
        let short = took.as_secs_f64().max(SHORTEST);
        let long = self.long.add(short);
        if long / short > 2.0 {
            // Latency is back to normal after a long time of load: the average follows faster than by itself.
            self.long.value *= 0.9;
        }
        // Calls that do not use the limit say nothing of it.
        if to_f64(in_flight) >= self.limit / 2.0 {
            let gradient = (long / short).clamp(0.5, 1.0);
            let wanted = self.limit * gradient + QUEUE;
            self.limit = (self.limit * (1.0 - SMOOTHING) + wanted * SMOOTHING).clamp(self.least, self.most);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within the limits of the configuration"
        )]
        let limit = self.limit as usize;
        limit
    }
}

impl Average {
    fn add(&mut self, sample: f64) -> f64 {
        if self.samples < WARM_UP {
            self.samples += 1.0;
            self.sum += sample;
            self.value = self.sum / self.samples;
        } else {
            let factor = 2.0 / (WINDOW + 1.0);
            self.value = self.value * (1.0 - factor) + sample * factor;
        }
        self.value
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn to_f64(number: usize) -> f64 {
    number as f64
}

/// Netflix's defaults, as its Gradient2Limit has them.
const WINDOW: f64 = 600.0;
const WARM_UP: f64 = 10.0;
const QUEUE: f64 = 4.0;
const SMOOTHING: f64 = 0.2;

/// In seconds: a clock that has not moved is no reason to divide by zero.
const SHORTEST: f64 = 1e-9;

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(limit: f64) -> Gradient {
        Gradient { least: 20.0, most: 200.0, limit, long: Average::default() }
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Worked out by hand from the formulas at the head of Netflix's class.
    #[test]
    fn one_step_of_each_kind() {
        let mut steady = gradient(100.0);
        // Gradient 1: 100 * 0.8 + (100 + 4) * 0.2.
        assert_eq!(steady.sample(millis(10), 100), 100);
        assert!((steady.limit - 100.8).abs() < 1e-9);
        // The average is (10 + 30) / 2, the gradient 2/3: 100.8 * 0.8 + (67.2 + 4) * 0.2.
        steady.sample(millis(30), 100);
        assert!((steady.limit - 94.88).abs() < 1e-9, "{}", steady.limit);
        // Half at most: the average of 10, 30 and 10000 is a third of that; 94.88 * 0.8 + (47.44 + 4) * 0.2.
        steady.sample(Duration::from_secs(10), 100);
        assert!((steady.limit - 86.192).abs() < 1e-9, "{}", steady.limit);
    }

    #[test]
    fn a_limit_that_is_not_used_stays() {
        let mut idle = gradient(100.0);
        for _ in 0..50 {
            assert_eq!(idle.sample(millis(10), 49), 100);
        }
        assert_eq!(idle.sample(millis(1000), 49), 100);
        assert!(idle.sample(millis(1000), 50) < 100);
    }

    #[test]
    fn the_average_is_plain_at_first_and_then_of_six_hundred() {
        let mut average = Average::default();
        for sample in 1..=10 {
            average.add(f64::from(sample));
        }
        assert!((average.value - 5.5).abs() < 1e-9);
        average.add(11.5);
        assert!((average.value - (5.5 + 6.0 * 2.0 / 601.0)).abs() < 1e-9);
    }

    #[test]
    fn an_average_of_worse_times_comes_down_faster() {
        let mut gradient = gradient(100.0);
        for _ in 0..10 {
            gradient.sample(millis(1000), 100);
        }
        gradient.sample(millis(10), 100);
        let by_itself = 1.0 - 0.99 * 2.0 / 601.0;
        assert!((gradient.long.value - by_itself * 0.9).abs() < 1e-9, "{}", gradient.long.value);
    }

    #[test]
    fn the_limit_stays_within_its_bounds() {
        let mut gradient = gradient(100.0);
        for _ in 0..2000 {
            gradient.sample(millis(10), 200);
        }
        assert_eq!(gradient.sample(millis(10), 200), 200);
        for sample in 0..200 {
            gradient.sample(millis(10 << (sample / 20)), 200);
        }
        assert_eq!(gradient.sample(Duration::from_secs(60), 200), 20);
    }

    /// A backend that works on 40 calls at a time, each for 10 ms; what is above waits its turn.
    #[tokio::test(start_paused = true)]
    async fn the_limit_follows_a_backend() {
        let config = AdaptiveConcurrency { initial_limit: 20, min_limit: 5, max_limit: 400 };
        let adaptive = Arc::new(Adaptive::new(&config));
        let limit = || adaptive.limit.load(Relaxed);
        let round = async |work: u64| {
            let calls: Vec<_> = std::iter::from_fn(|| adaptive.admit().ok()).collect();
            assert_eq!(calls.len(), limit(), "as many as the limit says, and no more");
            let started = Instant::now();
            for (turn, mut call) in calls.into_iter().enumerate() {
                let ends = millis(work) * (1 + u32::try_from(turn / 40).unwrap());
                call.sent(started);
                tokio::time::sleep_until(started + ends).await;
                call.took_its_time();
            }
            assert_eq!(adaptive.in_flight.load(Relaxed), 0);
        };
        // It swings: calls that had to wait bring it down, and those of the next round do not wait.
        let highest = async |rounds: usize, work: u64| {
            let mut highest = 0;
            for _ in 0..rounds {
                round(work).await;
                highest = highest.max(limit());
            }
            highest
        };
        let quick = highest(20, 10).await;
        assert!((41..100).contains(&quick), "it grows until calls wait: {quick}");
        highest(3, 100).await;
        assert!(limit() <= 10, "ten times the latency: {} after {quick}", limit());
        let again = highest(50, 10).await;
        assert!((41..100).contains(&again), "and recovers: {again}");
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_was_sent_is_a_sample_and_only_once() {
        let adaptive = Arc::new(Adaptive::new(&AdaptiveConcurrency::default()));
        let mut call = adaptive.admit().unwrap();
        call.took_its_time();
        assert!(adaptive.gradient.lock().long.samples.abs() < 0.5);
        call.sent(Instant::now());
        call.took_its_time();
        call.took_its_time();
        assert!((adaptive.gradient.lock().long.samples - 1.0).abs() < 0.5);
    }
}
