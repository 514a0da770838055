//! What checks in a row make of an endpoint, and when the next one is due.

use std::time::Duration;

use super::Finding;
use crate::config::HealthCheck;

/// The state of one endpoint under `Check`.
///
/// | state | a good check | a bad one | NOT_SERVING |
/// |---|---|---|---|
/// | unknown | healthy | the `unhealthy_threshold`th in a row: unhealthy | unhealthy |
/// | healthy | | the `unhealthy_threshold`th in a row: unhealthy | unhealthy |
/// | unhealthy | the `healthy_threshold`th in a row: healthy | | |
#[derive(Debug)]
pub(super) struct Judge {
    config: HealthCheck,
    state: State,
    /// Checks in a row that were good, or bad.
    good: u32,
    bad: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unknown,
    Healthy,
    Unhealthy,
}

/// What a finding has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Healthy,
    /// `broken` says that it gave no sound answer.
    Unhealthy {
        broken: bool,
    },
}

impl Judge {
    pub(super) fn new(config: HealthCheck) -> Self {
        Self { config, state: State::Unknown, good: 0, bad: 0 }
    }

    /// Takes what a check has found.
    pub(super) fn take(&mut self, finding: &Finding) -> Option<Change> {
        match finding {
            Finding::Busy => None,
            Finding::Serving | Finding::Unimplemented => {
                self.bad = 0;
                self.good = self.good.saturating_add(1);
                let enough = match self.state {
                    State::Healthy => false,
                    State::Unknown => true,
                    State::Unhealthy => self.good >= self.config.healthy_threshold,
                };
                enough.then(|| self.turn(State::Healthy, Change::Healthy))
            }
            Finding::NotServing(_) => self.failed(1, false),
            Finding::Failed(_) | Finding::TimedOut => self.failed(self.config.unhealthy_threshold, true),
        }
    }

    /// Its last connection is gone, and whoever answers next may be somebody else.
    pub(super) fn forget(&mut self) {
        (self.good, self.bad) = (0, 0);
        if self.state == State::Healthy {
            self.state = State::Unknown;
        }
    }

    /// How long to wait for the next check. The second on a connection is spread over the interval: gateways and
    /// backends that started together would otherwise be in step for ever.
    pub(super) fn pause(&self, first: bool, rng: &mut fastrand::Rng) -> Duration {
        let HealthCheck { interval, unhealthy_interval, .. } = self.config;
        if self.state != State::Healthy || self.bad > 0 {
            unhealthy_interval.mul_f64(0.9 + 0.2 * rng.f64())
        } else if first {
            interval.mul_f64(rng.f64())
        } else {
            interval.mul_f64(0.9 + 0.2 * rng.f64())
        }
    }

    fn failed(&mut self, threshold: u32, broken: bool) -> Option<Change> {
        self.good = 0;
        self.bad = self.bad.saturating_add(1);
        let enough = self.state != State::Unhealthy && self.bad >= threshold;
        enough.then(|| self.turn(State::Unhealthy, Change::Unhealthy { broken }))
    }

    fn turn(&mut self, state: State, change: Change) -> Change {
        self.state = state;
        change
    }
}
