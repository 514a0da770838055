//! A new endpoint comes to its full share little by little.

use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

use crate::config::SlowStart;

/// When an endpoint began to serve: at its first connection, and again when it comes back from having been down or
/// unhealthy. A server that has just begun has cold caches and uncompiled code, and would answer its full share late.
///
/// A connection that is replaced while the endpoint is up begins nothing.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Warmth {
    since: Mutex<Option<Instant>>,
}

impl Warmth {
    /// The endpoint serves from `now` on; `back` is whether it was known not to.
    pub(in crate::upstream) fn serves(&self, back: bool, now: Instant) {
        let mut since = self.since.lock();
        if back || since.is_none() {
            *since = Some(now);
        }
    }

    /// What its weight is to be multiplied with at `now`; one when it is warm.
    pub(super) fn factor(&self, config: &SlowStart, now: Instant) -> f64 {
        let since = *self.since.lock();
        since.map_or(1.0, |since| config.factor(now.saturating_duration_since(since)))
    }
}

trait Factor {
    fn factor(&self, up: Duration) -> f64;
}

impl Factor for SlowStart {
    /// Envoy's formula: `max(min, (max(t, 1 s) / window) ^ (1 / aggression))`.
    fn factor(&self, up: Duration) -> f64 {
        let progress = up.max(Duration::from_secs(1)).as_secs_f64() / self.window.as_secs_f64();
        let least = f64::from(self.min_weight_percent) / 100.0;
        if progress >= 1.0 { 1.0 } else { progress.powf(1.0 / self.aggression).max(least) }
    }
}

/// How long weights of warming endpoints may stand before they are worked out again: thirty steps are close to smooth.
pub(super) fn step(config: &SlowStart) -> Duration {
    (config.window / 30).clamp(Duration::from_millis(100), Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn weight_grows_over_the_window() {
        let linear = SlowStart::default();
        let (eager, lazy) = (
            SlowStart { aggression: 2.0, ..linear.clone() },
            SlowStart { aggression: 0.5, min_weight_percent: 1, ..linear.clone() },
        );
        let warmth = Warmth::default();
        assert_eq!(warmth.factor(&linear, Instant::now()), 1.0, "one that was never up is nobody's problem");
        warmth.serves(false, Instant::now());
        // Seconds, then what of the weight for each.
        let cases = [
            (0, [0.1, (1.0f64 / 30.0).sqrt(), 0.01]),
            (3, [0.1, 0.1f64.sqrt(), 0.01]),
            (15, [0.5, 0.5f64.sqrt(), 0.25]),
            (29, [29.0 / 30.0, (29.0f64 / 30.0).sqrt(), (29.0f64 / 30.0).powi(2)]),
            (30, [1.0; 3]),
            (3000, [1.0; 3]),
        ];
        let started = Instant::now();
        for (seconds, expect) in cases {
            tokio::time::sleep_until(started + Duration::from_secs(seconds)).await;
            for (config, expect) in [&linear, &eager, &lazy].into_iter().zip(expect) {
                let factor = warmth.factor(config, Instant::now());
                assert!((factor - expect).abs() < 1e-9, "{seconds} s: {factor}, not {expect}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_return_starts_anew() {
        let (config, warmth) = (SlowStart::default(), Warmth::default());
        warmth.serves(false, Instant::now());
        tokio::time::advance(config.window).await;
        warmth.serves(false, Instant::now());
        assert_eq!(warmth.factor(&config, Instant::now()), 1.0, "another connection");
        warmth.serves(true, Instant::now());
        assert_eq!(warmth.factor(&config, Instant::now()), 0.1, "back from having been down");
    }
}
