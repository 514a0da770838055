//! Attempts that run side by side, until one of them decides the call.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::Instant;

use super::course::{Course, Outlook};
use crate::{
    call::Response,
    telemetry::metrics::HedgeResult,
    upstream::{Cluster, brakes::Throttle, endpoint::Endpoint, failure::Failed},
};

/// How one attempt ended.
#[derive(Debug)]
pub(super) struct End {
    /// Where it was made; `None` when it found no place.
    pub(super) endpoint: Option<Arc<Endpoint>>,
    /// Unless it was the first.
    pub(super) hedge: Option<Hedge>,
    pub(super) answer: Result<Response, Failed>,
}

/// An attempt beside another one; it has lost unless it is told that it won.
#[derive(Debug)]
pub(super) struct Hedge {
    cluster: Arc<Cluster>,
    result: HedgeResult,
}

/// What holds of a call while it runs.
pub(super) struct Rules<'a, W> {
    pub(super) throttle: &'a Throttle,
    pub(super) deadline: Option<Instant>,
    /// Whether the last attempt still waits for its place: no other is made beside it, for it would wait as well.
    pub(super) waits: W,
    /// Called when a failure is the reason that no further attempt is made.
    pub(super) throttled: &'a (dyn Fn() + Sync),
}

/// Runs the attempts that `make` makes, given how many there were before; it may refuse to make one.
///
/// Those that are still under way in the end are dropped, which cancels them.
pub(super) async fn run<F: Future<Output = End>>(
    mut course: Course<'_>,
    rules: Rules<'_, impl Fn() -> bool>,
    mut make: impl FnMut(u32) -> Option<F>,
) -> Option<End> {
    let mut running: FuturesUnordered<F> = make(0).into_iter().collect();
    let mut timer = pin!(tokio::time::sleep_until(Instant::now()));
    let mut failure: Option<End> = None;
    loop {
        let due = course.due();
        if running.is_empty() && due.is_none_or(|due| rules.deadline.is_some_and(|deadline| deadline <= due))
        {
            return failure;
        }
        if let Some(due) = due {
            timer.as_mut().reset(due);
        }
        let ended = poll_fn(|cx| {
            // The attempts first: only so is it known whether the last one has its place.
            if let Poll::Ready(Some(end)) = running.poll_next_unpin(cx) {
                return Poll::Ready(Some(end));
            }
            match due {
                Some(due) if !(rules.waits)() => {
                    let rang = due <= Instant::now() || timer.as_mut().poll(cx).is_ready();
                    if rang { Poll::Ready(None) } else { Poll::Pending }
                }
                _ => Poll::Pending,
            }
        });
        let Some(end) = ended.await else {
            match make(course.attempts()) {
                Some(attempt) => {
                    course.made(Instant::now());
                    running.push(attempt);
                }
                None => course.stop(),
            }
            continue;
        };
        let Err(failed) = &end.answer else { return Some(end) };
        if end.endpoint.is_none() {
            // What a backend said of the call is more than that there was no place to ask another one.
            course.stop();
            if failed.is_late() || failure.is_none() {
                failure = Some(end);
            }
            continue;
        }
        match course.failed(failed, rules.throttle, Instant::now()) {
            Outlook::Fatal => return Some(end),
            Outlook::Throttled => (rules.throttled)(),
            Outlook::Open => {}
        }
        failure = Some(end);
    }
}

impl Hedge {
    pub(super) fn new(cluster: &Arc<Cluster>) -> Self {
        Self { cluster: Arc::clone(cluster), result: HedgeResult::Lost }
    }

    /// Its answer is that of the call.
    pub(super) fn won(mut self) {
        self.result = HedgeResult::Won;
    }
}

impl Drop for Hedge {
    fn drop(&mut self) {
        self.cluster.metrics().hedged(self.result);
    }
}

#[cfg(test)]
mod tests;
