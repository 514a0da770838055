//! What is remembered of one endpoint.

use std::{
    sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Cause, Verdict};
use crate::config::OutlierDetection;

/// What is remembered of one endpoint, over all workers. Calls touch the atomics only.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Record {
    /// Outcomes since the last tick. Taking them is A50's swap of the active bucket with an empty one.
    successes: AtomicU64,
    failures: AtomicU64,
    in_a_row: AtomicU32,
    probe: AtomicU8,
    standing: Mutex<Standing>,
}

/// Successes and failures of one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) successes: u64,
    pub(super) failures: u64,
}

#[derive(Debug, Default)]
struct Standing {
    out: Option<Out>,
    /// How many times the base an ejection lasts.
    multiplier: u32,
    times: u32,
}

#[derive(Debug)]
struct Out {
    cause: Cause,
    until: Instant,
}

impl Record {
    pub(super) fn count(&self, verdict: Verdict) {
        match verdict {
            Verdict::Success => self.successes.fetch_add(1, Relaxed),
            Verdict::Failure | Verdict::Soft => self.failures.fetch_add(1, Relaxed),
            Verdict::Ignored => return,
        };
    }

    pub(super) fn take_counts(&self) -> Counts {
        Counts { successes: self.successes.swap(0, Relaxed), failures: self.failures.swap(0, Relaxed) }
    }

    /// One more failure; how many there are in a row.
    pub(super) fn failed(&self) -> u32 {
        self.in_a_row.fetch_add(1, Relaxed).saturating_add(1)
    }

    /// No failures in a row.
    pub(super) fn broke_row(&self) {
        // Nearly always there are none, and a store would take the line from the other workers.
        if self.in_a_row.load(Relaxed) != 0 {
            self.in_a_row.store(0, Relaxed);
        }
    }

    /// Notes an ejection; how long it lasts.
    pub(super) fn eject(&self, cause: Cause, now: Instant, config: &OutlierDetection) -> Duration {
        let mut standing = self.standing.lock();
        standing.multiplier = standing.multiplier.saturating_add(1);
        standing.times = standing.times.saturating_add(1);
        let time = time(standing.multiplier, config);
        standing.out = Some(Out { cause, until: now + time });
        self.probe.store(CLOSED, Relaxed);
        time
    }

    /// Notes that an endpoint that is out failed its probe; how long it now lasts.
    pub(super) fn prolong(&self, now: Instant, config: &OutlierDetection) -> Option<Duration> {
        let cause = self.standing.lock().out.as_ref()?.cause;
        Some(self.eject(cause, now, config))
    }

    pub(super) fn readmit(&self) {
        self.standing.lock().out = None;
        self.probe.store(CLOSED, Relaxed);
        self.broke_row();
    }

    /// Counts an interval; whether it has ended an ejection.
    pub(super) fn aged(&self, now: Instant) -> bool {
        let mut standing = self.standing.lock();
        match &standing.out {
            Some(out) => out.cause != Cause::FailuresInARow && out.until < now,
            None => {
                standing.multiplier = standing.multiplier.saturating_sub(1);
                false
            }
        }
    }

    /// Until when it is out, if it is, and how often it was ejected or not taken back.
    pub(in crate::upstream) fn ejections(&self) -> (Option<Instant>, u32) {
        let standing = self.standing.lock();
        (standing.out.as_ref().map(|out| out.until), standing.times)
    }

    /// When it is to be probed; `None` when it is not, or already may be.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let standing = self.standing.lock();
        let out = standing.out.as_ref()?;
        let waits = out.cause == Cause::FailuresInARow && self.probe.load(Relaxed) == CLOSED;
        waits.then_some(out.until)
    }

    /// Lets a probe through if it is time; whether that is news.
    pub(super) fn open_probe(&self, now: Instant) -> bool {
        let due = self.due_at().is_some_and(|due| due <= now);
        if due {
            self.probe.store(OPEN, Relaxed);
        }
        due
    }

    /// Whether a probe may be made, or is being made.
    pub(super) fn is_due(&self) -> bool {
        self.probe.load(Relaxed) != CLOSED
    }

    /// Takes the right to make the probe.
    pub(super) fn take_probe(&self) -> bool {
        self.probe.compare_exchange(OPEN, TAKEN, Relaxed, Relaxed).is_ok()
    }

    /// The probe told nothing: the next call is another.
    pub(super) fn probe_untold(&self) {
        let _ = self.probe.compare_exchange(TAKEN, OPEN, Relaxed, Relaxed);
    }
}

/// How long an ejection lasts (gRFC A50).
fn time(multiplier: u32, config: &OutlierDetection) -> Duration {
    let longest = config.max_ejection_time.max(config.base_ejection_time);
    config.base_ejection_time.saturating_mul(multiplier).min(longest)
}

/// No call gets through.
const CLOSED: u8 = 0;
/// The next call gets through.
const OPEN: u8 = 1;
/// A call got through and has not ended.
const TAKEN: u8 = 2;
