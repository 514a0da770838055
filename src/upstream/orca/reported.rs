//! The weight that an endpoint last reported, and whether it holds.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::time::Instant;

use crate::config::WeightedRoundRobin;

/// Written by every worker as answers come, without a lock: of reports of the same moment any may win.
#[derive(Debug)]
pub(in crate::upstream) struct Reported {
    epoch: Instant,
    /// The bits of an `f64`.
    weight: AtomicU64,
    /// Milliseconds from the epoch to the last report, and one; 0 for never.
    last: AtomicU64,
    /// The same to the first report of those that came without a gap.
    first: AtomicU64,
}

/// What an endpoint counts for by its reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::upstream) enum Weight {
    Known(f64),
    /// It has not reported for long enough.
    NotYet,
    /// It has not reported for too long.
    Stale,
}

impl Default for Reported {
    fn default() -> Self {
        Self { epoch: Instant::now(), weight: 0.into(), last: 0.into(), first: 0.into() }
    }
}

impl Reported {
    /// The endpoint reported a weight.
    pub(in crate::upstream) fn set(&self, weight: f64, now: Instant) {
        let now = self.millis(now);
        self.weight.store(weight.to_bits(), Relaxed);
        self.last.store(now, Relaxed);
        if self.first.load(Relaxed) == 0 {
            self.first.store(now, Relaxed);
        }
    }

    /// Reports count again only after a further blackout: the endpoint has just come back.
    pub(in crate::upstream) fn black_out(&self) {
        self.first.store(0, Relaxed);
    }

    /// The weight that holds at `now`, if any does (gRFC A58).
    pub(in crate::upstream) fn standing(&self, config: &WeightedRoundRobin, now: Instant) -> Weight {
        let (now, last, first) = (self.millis(now), self.last.load(Relaxed), self.first.load(Relaxed));
        if last == 0 {
            return Weight::NotYet;
        }
        if u128::from(now.saturating_sub(last)) >= config.weight_expiration_period.as_millis() {
            self.black_out();
            return Weight::Stale;
        }
        let reporting = u128::from(now.saturating_sub(first));
        let blackout = config.blackout_period.as_millis();
        if blackout > 0 && (first == 0 || reporting < blackout) {
            return Weight::NotYet;
        }
        Weight::Known(f64::from_bits(self.weight.load(Relaxed)))
    }

    /// The weight alone.
    #[cfg(test)]
    pub(in crate::upstream) fn weight(&self, config: &WeightedRoundRobin, now: Instant) -> f64 {
        match self.standing(config, now) {
            Weight::Known(weight) => weight,
            Weight::NotYet | Weight::Stale => 0.0,
        }
    }

    fn millis(&self, now: Instant) -> u64 {
        let millis = now.saturating_duration_since(self.epoch).as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_weight_counts_from_the_blackout_to_its_expiration() {
        let (config, reported) = (WeightedRoundRobin::default(), Reported::default());
        let weight = || reported.standing(&config, Instant::now());
        assert_eq!(weight(), Weight::NotYet, "never reported");
        for second in 0..15 {
            reported.set(f64::from(second) + 1.0, Instant::now());
            let expect = if second < 10 { Weight::NotYet } else { Weight::Known(f64::from(second) + 1.0) };
            assert_eq!(weight(), expect, "{second} s");
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        tokio::time::advance(Duration::from_secs(178)).await;
        assert_eq!(weight(), Weight::Known(15.0), "179 s after the last");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(weight(), Weight::Stale, "180 s after the last");
        reported.set(7.0, Instant::now());
        assert_eq!(weight(), Weight::NotYet, "the blackout begins again");
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(weight(), Weight::Known(7.0));
        reported.black_out();
        assert_eq!(weight(), Weight::NotYet, "the endpoint came back");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_blackout_the_first_report_counts() {
        let config = WeightedRoundRobin { blackout_period: Duration::ZERO, ..Default::default() };
        let reported = Reported::default();
        reported.set(3.0, Instant::now());
        assert_eq!(reported.standing(&config, Instant::now()), Weight::Known(3.0));
    }
}
