//! When a name is looked up again.
//!
//! gRPC's own resolver looks a name up once and again only after a disconnect: pods that join later get no traffic.
//!
//! | the look-up | the next one after | sooner when a connection is lost |
//! |---|---|---|
//! | found endpoints | `dns_refresh_rate`; with `respect_dns_ttl` the TTL, within 1 s to 30 s | yes, after 1 s |
//! | found that there are none | the same, without a TTL | yes, after 1 s |
//! | failed | 1 s, twice as long after each failure, up to 30 s | no: the server has enough to do |
//!
//! All +-10 %, which keeps replicas of the gateway from asking in step.

use std::time::Duration;

use crate::config;

/// Counts failures in a row.
#[derive(Debug)]
pub(super) struct Schedule {
    refresh: Duration,
    respect_ttl: bool,
    failures: u32,
}

/// What a look-up came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Found { ttl: Duration },
    Absent,
    Failed,
}

/// How long to wait from the start of one look-up to the start of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) next: Duration,
    /// When a lost connection asks for it; `None` where it does not help.
    pub(super) soonest: Option<Duration>,
}

impl Schedule {
    pub(super) fn new(config: &config::Cluster) -> Self {
        Self { refresh: config.dns_refresh_rate, respect_ttl: config.respect_dns_ttl, failures: 0 }
    }

    pub(super) fn after(&mut self, outcome: Outcome, random: &mut fastrand::Rng) -> Wait {
        self.failures = if outcome == Outcome::Failed { self.failures.saturating_add(1) } else { 0 };
        let next = match outcome {
            Outcome::Found { ttl } if self.respect_ttl => ttl.clamp(LEAST_TTL, MOST_TTL),
            Outcome::Found { .. } | Outcome::Absent => self.refresh,
            Outcome::Failed => {
                let doubled = 1u32.checked_shl(self.failures - 1).unwrap_or(u32::MAX);
                FIRST_BACKOFF.saturating_mul(doubled).min(LAST_BACKOFF)
            }
        };
        let next = next.mul_f64(0.9 + 0.2 * random.f64());
        let soonest = (outcome != Outcome::Failed).then(|| next.min(SOONEST));
        Wait { next, soonest }
    }
}

/// Between a look-up and the next that a lost connection asks for.
const SOONEST: Duration = Duration::from_secs(1);

/// A TTL of zero is usual where answers rotate; it is no reason to ask all the time.
const LEAST_TTL: Duration = Duration::from_secs(1);

/// New endpoints wait no longer than this, whatever the TTL.
const MOST_TTL: Duration = Duration::from_secs(30);

const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LAST_BACKOFF: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Target;

    fn check(respect_ttl: bool, outcomes: &[(Outcome, u64)]) {
        let target = Target::Srv { server: None, name: "_grpc._tcp.orders".into() };
        let mut config = config::Cluster::new("orders", target);
        config.respect_dns_ttl = respect_ttl;
        for seed in 0..50 {
            let (mut schedule, mut random) = (Schedule::new(&config), fastrand::Rng::with_seed(seed));
            for (outcome, expected) in outcomes {
                let wait = schedule.after(*outcome, &mut random);
                let expected = Duration::from_secs(*expected);
                let bounds = expected.mul_f64(0.9)..=expected.mul_f64(1.1);
                assert!(bounds.contains(&wait.next), "{outcome:?}: {wait:?}");
                let sooner = (*outcome != Outcome::Failed).then(|| wait.next.min(Duration::from_secs(1)));
                assert_eq!(wait.soonest, sooner, "{outcome:?}");
            }
        }
    }

    fn found(ttl: u64) -> Outcome {
        Outcome::Found { ttl: Duration::from_secs(ttl) }
    }

    #[test]
    fn the_ttl_is_ignored() {
        check(false, &[(found(0), 5), (found(600), 5), (Outcome::Absent, 5)]);
    }

    #[test]
    fn the_ttl_is_obeyed_within_bounds() {
        check(true, &[(found(0), 1), (found(1), 1), (found(7), 7), (found(600), 30), (Outcome::Absent, 5)]);
    }

    #[test]
    fn failures_are_asked_about_less_and_less_often() {
        let mut outcomes: Vec<_> = [1, 2, 4, 8, 16].map(|wait| (Outcome::Failed, wait)).into();
        outcomes.extend([(Outcome::Failed, 30); 100]);
        outcomes.extend([(found(1), 5), (Outcome::Failed, 1), (Outcome::Absent, 5), (Outcome::Failed, 1)]);
        check(false, &outcomes);
    }
}
