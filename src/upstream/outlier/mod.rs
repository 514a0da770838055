//! Leaves endpoints out that calls fail on.
//!
//! Three detectors, of which the first works with few endpoints and the others compare many:
//!
//! | detector | looks | an endpoint comes back |
//! |---|---|---|
//! | failures in a row (Envoy's `consecutive_*`, by gRPC status) | at every outcome | by a single probe |
//! | success rate (gRFC A50) | every `interval` | when its time is over |
//! | failure percentage (gRFC A50) | every `interval` | when its time is over |
//!
//! What counts as a failure is the table of [`Verdict`]. An ejection lasts `base_ejection_time` times how often the
//! endpoint has been ejected lately, at most `max_ejection_time` (A50's multiplier).
//!
//! | state | calls | leaves by |
//! |---|---|---|
//! | in | all | a detector: out |
//! | out | none | its time: due after failures in a row, in after the others |
//! | due | one, the next that comes | its success: in; its failure: out, longer; neither: due |
//!
//! The probe is linkerd's: a backend that is still broken costs one call for each ejection and not another five. A
//! health check that succeeds ends an ejection at any time, unless the configuration says otherwise.
//!
//! At most `max_ejection_percent` of the endpoints that this process uses, which may be a subset, are out, counting the
//! one to be ejected (Envoy's reading; A50 stops only once the percentage has been reached, and so may be one over it). One always may be, however few they are,
//! but never the last that can take calls: with nowhere else to go, leaving it out would turn some failures into all.
//! No connection is no reason for ejection: such an endpoint is out of the rotation as it is, and its way back is the
//! probe of [`Endpoint::ticket`].

mod probes;
mod record;
mod statistics;
mod trial;
mod verdict;

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::{cluster::Cluster, endpoint::Endpoint};
use crate::config;

pub(super) use self::{probes::Probes, record::Record, trial::Trial, verdict::Verdict};

/// Decides for one cluster who is out. Verdicts come from every worker, time from [`run`].
#[derive(Debug)]
pub(super) struct Detector {
    config: config::OutlierDetection,
    /// Held while one endpoint is moved: two that are ejected at once would each not see the other.
    moves: Mutex<()>,
    /// There is a further ejection to wait for.
    ejected: Notify,
}

/// What found an endpoint to be an outlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    FailuresInARow,
    SuccessRate,
    FailurePercentage,
}

/// What became of an endpoint that was found to be an outlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ejection {
    Enforced,
    /// The chance of `enforcement_percentage` was against it.
    Spared,
    /// Too many are out already.
    Overflow,
    /// It is out, or no longer used.
    Moot,
}

/// Keeps the time of a cluster's detector.
pub(super) async fn run(cluster: Arc<Cluster>) {
    let Some(detector) = cluster.outlier() else { return };
    let mut tick = Instant::now() + detector.config.interval;
    loop {
        let due = detector.next_due(&cluster.snapshot());
        let until = due.map_or(tick, |due| due.min(tick));
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            () = detector.ejected.notified() => {}
        }
        let now = Instant::now();
        detector.open_probes(&cluster, now);
        if tick <= now {
            detector.tick(&cluster, now, &mut fastrand::Rng::new());
            tick = now + detector.config.interval;
        }
    }
}

impl Detector {
    pub(super) fn new(config: config::OutlierDetection) -> Self {
        Self { config, moves: Mutex::default(), ejected: Notify::new() }
    }

    /// An attempt on `endpoint` has ended; `probe` says whether it was let through to see how the endpoint is.
    pub(super) fn judge(&self, cluster: &Cluster, endpoint: &Endpoint, verdict: Verdict, probe: bool) {
        let record = endpoint.record();
        if self.config.success_rate.is_some() || self.config.failure_percentage.is_some() {
            record.count(verdict);
        }
        if probe {
            return self.probed(cluster, endpoint, verdict);
        }
        match verdict {
            Verdict::Success => record.broke_row(),
            // Neither breaks a row nor is part of one: a backend that sheds load is not a broken one.
            Verdict::Soft | Verdict::Ignored => {}
            Verdict::Failure => {
                let Some(most) = self.config.consecutive_failures else { return };
                // Out already: its last calls, or those of a panic.
                if record.failed() >= most && !endpoint.is_ejected() {
                    // From the start, also where nothing follows: the next look is due after as many again.
                    record.broke_row();
                    let cause = Cause::FailuresInARow;
                    noted(cluster, endpoint, cause, self.eject(cluster, endpoint, cause, Instant::now()));
                }
            }
        }
    }

    /// A health check on `endpoint` has succeeded.
    pub(super) fn checked(&self, cluster: &Cluster, endpoint: &Endpoint) {
        if self.config.successful_health_check_ends_ejection && endpoint.is_ejected() {
            self.readmit(cluster, endpoint, "a health check succeeded");
        }
    }

    fn probed(&self, cluster: &Cluster, endpoint: &Endpoint, verdict: Verdict) {
        match verdict {
            Verdict::Success => self.readmit(cluster, endpoint, "its probe succeeded"),
            Verdict::Failure | Verdict::Soft => self.prolong(cluster, endpoint, Instant::now()),
            Verdict::Ignored => endpoint.record().probe_untold(),
        }
    }

    /// The sweep of gRFC A50, once an interval.
    fn tick(&self, cluster: &Cluster, now: Instant, rng: &mut fastrand::Rng) {
        let endpoints = cluster.snapshot();
        let counts: Vec<_> = endpoints.iter().map(|endpoint| endpoint.record().take_counts()).collect();
        if let Some(config) = &self.config.success_rate {
            let outliers = statistics::success_rate(config, &counts);
            let chance = config.enforcement_percentage;
            self.sweep(cluster, &endpoints, &outliers, (Cause::SuccessRate, chance), now, rng);
        }
        if let Some(config) = &self.config.failure_percentage {
            let outliers = statistics::failure_percentage(config, &counts);
            let chance = config.enforcement_percentage;
            self.sweep(cluster, &endpoints, &outliers, (Cause::FailurePercentage, chance), now, rng);
        }
        for endpoint in endpoints.iter() {
            if endpoint.record().aged(now) {
                self.readmit(cluster, endpoint, "its time is over");
            }
        }
    }

    fn sweep(
        &self,
        cluster: &Cluster,
        endpoints: &[Arc<Endpoint>],
        outliers: &[usize],
        (cause, chance): (Cause, u8),
        now: Instant,
        rng: &mut fastrand::Rng,
    ) {
        for endpoint in outliers.iter().filter_map(|index| endpoints.get(*index)) {
            let ejection = if rng.u8(..100) < chance {
                self.eject(cluster, endpoint, cause, now)
            } else {
                Ejection::Spared
            };
            noted(cluster, endpoint, cause, ejection);
        }
    }

    fn eject(&self, cluster: &Cluster, endpoint: &Endpoint, cause: Cause, now: Instant) -> Ejection {
        let moving = self.moves.lock();
        let endpoints = cluster.used();
        let listed = endpoints.iter().any(|listed| std::ptr::eq(&**listed, endpoint));
        if !listed || endpoint.is_ejected() {
            return Ejection::Moot;
        }
        if !self.has_room(&endpoints, endpoint) {
            return Ejection::Overflow;
        }
        let time = endpoint.record().eject(cause, now, &self.config);
        endpoint.set_ejected(true);
        drop(moving);
        told(cluster, endpoint, cause.why(), time);
        self.ejected.notify_one();
        cluster.touch();
        Ejection::Enforced
    }

    /// Whether one more may be out.
    fn has_room(&self, endpoints: &[Arc<Endpoint>], next: &Endpoint) -> bool {
        let percent = usize::from(self.config.max_ejection_percent);
        let out = endpoints.iter().filter(|endpoint| endpoint.is_ejected()).count();
        let fits = percent > 0 && (out == 0 || (out + 1) * 100 <= percent * endpoints.len());
        fits && endpoints.iter().any(|other| !std::ptr::eq(&**other, next) && other.takes_calls())
    }

    /// Its probe failed.
    fn prolong(&self, cluster: &Cluster, endpoint: &Endpoint, now: Instant) {
        let moving = self.moves.lock();
        let Some(time) = endpoint.record().prolong(now, &self.config) else { return };
        drop(moving);
        told(cluster, endpoint, "its probe failed", time);
        self.ejected.notify_one();
        cluster.touch();
    }

    fn readmit(&self, cluster: &Cluster, endpoint: &Endpoint, why: &str) {
        let moving = self.moves.lock();
        endpoint.record().readmit();
        let news = endpoint.set_ejected(false);
        drop(moving);
        if news {
            tracing::info!(cluster = cluster.name(), endpoint = %endpoint.address(), why, "endpoint readmitted");
            cluster.touch();
        }
    }

    /// Lets one call through to each endpoint whose time is over.
    fn open_probes(&self, cluster: &Cluster, now: Instant) {
        let opened = cluster.snapshot().iter().filter(|endpoint| endpoint.record().open_probe(now)).count();
        if opened > 0 {
            cluster.touch();
        }
    }

    /// When the next endpoint is to be probed.
    fn next_due(&self, endpoints: &[Arc<Endpoint>]) -> Option<Instant> {
        endpoints.iter().filter_map(|endpoint| endpoint.record().due_at()).min()
    }
}

impl Cause {
    fn why(self) -> &'static str {
        match self {
            Self::FailuresInARow => "failures in a row",
            Self::SuccessRate => "success rate",
            Self::FailurePercentage => "failure percentage",
        }
    }
}

fn noted(cluster: &Cluster, endpoint: &Endpoint, cause: Cause, ejection: Ejection) {
    if matches!(ejection, Ejection::Spared | Ejection::Overflow) {
        let (cluster, endpoint, why) = (cluster.name(), endpoint.address(), cause.why());
        tracing::debug!(cluster, %endpoint, why, ?ejection, "endpoint not ejected");
    }
}

fn told(cluster: &Cluster, endpoint: &Endpoint, why: &str, time: Duration) {
    let (cluster, endpoint) = (cluster.name(), endpoint.address());
    tracing::info!(cluster, %endpoint, why, for_seconds = time.as_secs_f64(), "endpoint ejected");
}

#[cfg(test)]
mod tests;
