//! How long to leave an address alone after it failed.

use std::time::Duration;

/// Exponential backoff: 100 ms, times 1.6 for each failure in a row, at most 10 s, each +-20 %.
///
/// Shorter than gRPC's own 1 s to 120 s: those protect servers from the whole internet, these endpoints stand behind
/// one gateway and a restarted pod should be back within moments. The jitter keeps replicas of the gateway apart.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: i32,
}

impl Backoff {
    /// Counts one more failure and says how long to wait for it.
    pub(super) fn fail(&mut self, rng: &mut fastrand::Rng) -> Duration {
        let exact = FIRST.as_secs_f64() * GROWTH.powi(self.failures);
        self.failures = (self.failures + 1).min(MOST_FAILURES);
        let jitter = 1.0 - JITTER + 2.0 * JITTER * rng.f64();
        Duration::from_secs_f64(exact.min(LONGEST.as_secs_f64()) * jitter)
    }

    /// The address has proven itself.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);
const GROWTH: f64 = 1.6;
const JITTER: f64 = 0.2;
/// 1.6^10 x 100 ms is past the longest wait; more would only overflow some day.
const MOST_FAILURES: i32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_the_longest_and_starts_over() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut backoff = Backoff::default();
        for failure in 0..20 {
            let exact = (0.1 * 1.6f64.powi(failure)).min(10.0);
            let wait = backoff.fail(&mut rng).as_secs_f64();
            assert!(
                (exact * 0.8 - 1e-9..=exact * 1.2 + 1e-9).contains(&wait),
                "{failure}: {wait} of {exact}"
            );
        }
        backoff.reset();
        assert!(backoff.fail(&mut rng) <= Duration::from_millis(120));
    }
}
