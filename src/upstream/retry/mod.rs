//! Whether a call whose attempt failed is tried again, and when (gRFC A6).
//!
//! What no backend has run is always tried again, within bounds; what one may have run, by the policy of the method:
//!
//! | the attempt | without a policy | with one that lists its code |
//! |---|---|---|
//! | found no endpoint | fails | tried again (UNAVAILABLE) |
//! | was never sent | at once, then after 10 ms, 20, 40, 80 | the same |
//! | was refused unprocessed | once, at once | once, then by the policy (UNAVAILABLE) |
//! | got a status and no message | fails | tried again |
//! | was broken off, or answered in another language | fails | tried again if the method is idempotent |
//! | was lost, or had no message in time | fails | tried again if the method is idempotent |
//! | got a message | fails | fails: its answer is with the client |
//!
//! gRPC itself leaves it to whoever writes the policy that a call may run twice. Behind a gateway that is too much to
//! leave to a wildcard: a connection that is lost says nothing of what was done before. So the status that a backend
//! answered is taken at its word, and a call of which there is no word is sent again only where the method's author
//! (`idempotency_level`) or the operator (`idempotent: true`) says that no harm is done.
//!
//! The order of the checks is that of grpc-go's `shouldRetry`, since it decides what the throttle counts.

mod pushback;

pub(super) use pushback::Pushback;

use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use super::{
    brakes::Throttle,
    failure::{Class, Failed},
};
use crate::{
    call::Context,
    config::{Address, Again, AttemptPolicy, RetryPolicy},
    telemetry::metrics::{Again as Taken, RetryCause},
};

/// The failed attempts of a call. Empty it holds no memory of its own: nearly all calls have none.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Endpoints that are to be passed over where others can be had.
    pub(super) tried: Vec<Address>,
    /// Attempts, the current one included.
    pub(super) attempts: u32,
    /// Attempts that went out because the policy says so.
    retries: u32,
    /// Those of them whose delay grew.
    since_pushback: u32,
    never_sent: u32,
    refused: bool,
    /// What was sent beside the first attempt, for the metrics.
    pub(super) taken: Taken,
}

/// What is to be known of a failed attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure {
    pub(super) class: Class,
    pub(super) pushback: Pushback,
    /// The time that the call has left; `None` without end.
    pub(super) left: Option<Duration>,
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Next {
    /// No backend has run the call, so that nothing is lost by sending it again.
    Transparent(Duration),
    /// The policy wants it.
    Retry(Duration, RetryCause),
    Stop(Stop),
}

/// Why a failure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Nothing says that it be tried again.
    Unwanted,
    /// The backend does not want it.
    Pushback,
    /// Too much has failed of late.
    Throttled,
    /// It was tried as often as it may be.
    Exhausted,
    /// A backend may have run the call, and running it twice may do harm.
    MayHaveRun,
    /// The deadline would pass first.
    TooLate,
}

impl Failure {
    pub(super) fn of(failed: &Failed, context: &Context) -> Self {
        let left = context.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        Self { class: failed.class(), pushback: failed.pushback(), left }
    }
}

impl History {
    /// Of a call that passes over some endpoints from the start.
    pub(super) fn passing_over(endpoints: Vec<Address>) -> Self {
        Self { tried: endpoints, ..Self::default() }
    }

    /// What comes after a failure. `random` is uniform in 0..1.
    pub(super) fn next(
        &mut self,
        failure: Failure,
        policy: &AttemptPolicy,
        throttle: &Throttle,
        random: f64,
    ) -> Next {
        if failure.class == Class::Final {
            return Next::Stop(Stop::Unwanted);
        }
        if let Some(next) = self.transparent(failure) {
            return next;
        }
        if failure.pushback == Pushback::Never {
            throttle.failed();
            return Next::Stop(Stop::Pushback);
        }
        let Some(Again::Retry(retry)) = &policy.again else { return Next::Stop(Stop::Unwanted) };
        let Some(cause) = cause(failure.class, retry) else { return Next::Stop(Stop::Unwanted) };
        if !throttle.failed() {
            return Next::Stop(Stop::Throttled);
        }
        if self.retries + 1 >= retry.max_attempts {
            return Next::Stop(Stop::Exhausted);
        }
        if may_have_run(failure.class) && !policy.idempotent {
            return Next::Stop(Stop::MayHaveRun);
        }
        let delay = match failure.pushback {
            Pushback::After(delay) => {
                self.since_pushback = 0;
                delay
            }
            _ => {
                let delay = backoff(retry, self.since_pushback, random);
                self.since_pushback += 1;
                delay
            }
        };
        if failure.left.is_some_and(|left| left <= delay) {
            return Next::Stop(Stop::TooLate);
        }
        self.retries += 1;
        Next::Retry(delay, cause)
    }

    /// What comes after a failure of which no backend has run anything, within bounds; `None` for any other.
    pub(super) fn transparent(&mut self, failure: Failure) -> Option<Next> {
        let rest = match failure.class {
            Class::NeverSent if self.never_sent < MOST_NEVER_SENT => {
                let rest = match self.never_sent {
                    0 => Duration::ZERO,
                    times => NEVER_SENT_REST * 2u32.pow(times - 1),
                };
                self.never_sent += 1;
                rest
            }
            Class::Unprocessed if !std::mem::replace(&mut self.refused, true) => Duration::ZERO,
            _ => return None,
        };
        let late = failure.left.is_some_and(|left| left <= rest);
        Some(if late { Next::Stop(Stop::TooLate) } else { Next::Transparent(rest) })
    }

    /// Attempts that went out by the policy before the current one: what `grpc-previous-rpc-attempts` says.
    pub(super) fn retries(&self) -> u32 {
        self.retries
    }

    /// How long the current attempt may take to its first message; without bound where nothing could follow it.
    pub(super) fn patience(&self, policy: &AttemptPolicy, throttle: &Throttle) -> Option<Duration> {
        let Some(Again::Retry(retry)) = &policy.again else { return None };
        let limit = retry.per_attempt_recv_timeout?;
        let last = self.retries + 1 >= retry.max_attempts;
        (!last && policy.idempotent && throttle.is_open()).then_some(limit)
    }
}

/// Why a policy wants the next attempt, if it does.
fn cause(class: Class, policy: &RetryPolicy) -> Option<RetryCause> {
    let (code, cause) = match class {
        Class::NotPicked | Class::NeverSent => (Code::Unavailable, RetryCause::NotSent),
        Class::Unprocessed => (Code::Unavailable, RetryCause::Refused),
        Class::Status(code) => (code, RetryCause::Status),
        Class::Broken(code) => (code, RetryCause::Broken),
        Class::Lost => (Code::Unavailable, RetryCause::Lost),
        // gRPC's own core asks for no code here: the attempt has none.
        Class::Late => return Some(RetryCause::Late),
        Class::Final => return None,
    };
    policy.retryable.contains(code).then_some(cause)
}

/// Whether a backend may have run the call without saying how it ended.
fn may_have_run(class: Class) -> bool {
    match class {
        Class::Broken(_) | Class::Lost | Class::Late | Class::Final => true,
        Class::NotPicked | Class::NeverSent | Class::Unprocessed | Class::Status(_) => false,
    }
}

/// `min(initialBackoff * backoffMultiplier^(n-1), maxBackoff) * random(0.8, 1.2)` before retry `n`.
fn backoff(policy: &RetryPolicy, grown: u32, random: f64) -> Duration {
    let growth = policy.backoff_multiplier.powi(grown.try_into().unwrap_or(i32::MAX));
    let exact = (policy.initial_backoff.as_secs_f64() * growth).min(policy.max_backoff.as_secs_f64());
    Duration::try_from_secs_f64(exact * (0.8 + 0.4 * random)).unwrap_or(policy.max_backoff)
}

/// Further attempts of a call that found only connections that had just died.
const MOST_NEVER_SENT: u32 = 5;

/// Before the second of them, doubled for each further one.
const NEVER_SENT_REST: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests;
