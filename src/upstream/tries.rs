//! A call's attempts, one after the other; [`hedge`] makes them side by side.

use std::{sync::Arc, time::Duration};

use tonic::Code;

use super::{
    Cluster, attempt,
    attempt::Outgoing,
    brakes::RetryPlace,
    endpoint::Endpoint,
    failure::{Class, Failed},
    hedge,
    lane::Lane,
    permit::Permit,
    retry::{Failure, History, Next, Stop},
    steer::Steer,
};
use crate::{
    call::{CallError, Context, Inbound, Response, Via},
    config::Again,
    telemetry::metrics::{Again as Taken, RetryReason, Shed},
};

/// Sends a call, and sends it again while that is wanted, possible and of use.
pub(super) async fn run(
    lane: &Arc<Lane>,
    steer: &Steer,
    outgoing: &mut Outgoing,
) -> Result<Response, CallError> {
    let cluster = lane.cluster();
    if let Some(Again::Hedge(policy)) = &outgoing.context().attempts.again
        && outgoing.is_whole()
    {
        // Boxed, or every call would have room for attempts side by side.
        return Box::pin(hedge::run(lane, steer, outgoing, policy)).await;
    }
    let mut history = History::passing_over(cluster.lacking().of(outgoing.path()));
    let (mut place, mut before) = (None, None);
    loop {
        let (endpoint, failed) = match once(lane, steer, outgoing, &mut history, place.take()).await {
            (endpoint, Ok(response)) => {
                took(cluster, outgoing.context(), &history.taken);
                return Ok(came(lane, steer, outgoing, response, endpoint, history.attempts));
            }
            (endpoint, Err(failed)) => (endpoint, failed),
        };
        let elsewhere = is_lacking(lane, steer, outgoing, &mut history, endpoint.as_ref(), &failed);
        let rest = if elsewhere && outgoing.rewind() {
            cluster.metrics().retried(RetryReason::Unimplemented);
            history.taken.transparent_retries += 1;
            Some(Duration::ZERO)
        } else {
            again(cluster, outgoing, &mut history, &mut place, &failed)
        };
        let Some(rest) = rest else {
            took(cluster, outgoing.context(), &history.taken);
            // What a backend said of the call is more than that none could be asked again.
            let (endpoint, failed) = match before {
                Some(before) if endpoint.is_none() && !failed.is_late() => before,
                _ => (endpoint, failed),
            };
            let came = |response| came(lane, steer, outgoing, response, endpoint, history.attempts);
            return failed.into_end().map(came);
        };
        if !rest.is_zero() {
            tokio::time::sleep(rest).await;
        }
        let tried = endpoint.as_ref().map(|endpoint| endpoint.address());
        history.tried.extend(tried.filter(|tried| !history.tried.contains(tried)).cloned());
        if endpoint.is_some() && failed.class() != Class::NeverSent {
            before = Some((endpoint, failed));
        }
    }
}

/// One try, and the endpoint that it was made on.
async fn once(
    lane: &Arc<Lane>,
    steer: &Steer,
    outgoing: &mut Outgoing,
    history: &mut History,
    place: Option<RetryPlace>,
) -> (Option<Arc<Endpoint>>, Result<Response, Failed>) {
    let permit = match self::place(lane, steer, outgoing, history).await {
        Ok(permit) => permit,
        Err(failed) => return (None, Err(failed)),
    };
    let endpoint = Arc::clone(permit.endpoint());
    (Some(endpoint), send(permit, outgoing, history, place).await)
}

/// A place for the next try.
pub(super) async fn place(
    lane: &Arc<Lane>,
    steer: &Steer,
    outgoing: &Outgoing,
    history: &History,
) -> Result<Permit, Failed> {
    lane.acquire(steer.wish(&history.tried), outgoing.context(), history.attempts > 0).await
}

/// One try on the place that it has.
pub(super) async fn send(
    mut permit: Permit,
    outgoing: &mut Outgoing,
    history: &mut History,
    place: Option<RetryPlace>,
) -> Result<Response, Failed> {
    permit.counts_as_retry(place);
    history.attempts += 1;
    if let Some(journal) = &outgoing.context().journal {
        journal.tried();
    }
    let cluster = permit.lane().cluster();
    let Some(limit) = history.patience(&outgoing.context().attempts, &cluster.brakes().throttle) else {
        return attempt::run(permit, outgoing).await;
    };
    let late = CallError::attempt_late(cluster.name(), limit);
    // Boxed, for nearly no call has such a limit and all would be as large.
    let answer = Box::pin(tokio::time::timeout(limit, attempt::run(permit, outgoing))).await;
    answer.unwrap_or_else(|_| Err(Failed::new(Class::Late, late)))
}

/// Whether the endpoint lacks the method of the call and another one may have it.
pub(super) fn is_lacking(
    lane: &Lane,
    steer: &Steer,
    outgoing: &Outgoing,
    history: &mut History,
    endpoint: Option<&Arc<Endpoint>>,
    failed: &Failed,
) -> bool {
    // To Edgeway's own questions it is an answer: reflection has two versions, health checks may be unknown.
    let own = outgoing.context().inbound == Inbound::Control;
    let (Class::Status(Code::Unimplemented), Some(endpoint), false) = (failed.class(), endpoint, own) else {
        return false;
    };
    lane.cluster().lacking().learn(outgoing.path(), endpoint.address());
    history.tried.push(endpoint.address().clone());
    history.attempts < MOST_FAILOVERS && lane.has_other(steer.wish(&history.tried))
}

/// Whether a failed call is tried again, and after what time.
fn again(
    cluster: &Arc<Cluster>,
    outgoing: &mut Outgoing,
    history: &mut History,
    place: &mut Option<RetryPlace>,
    failed: &Failed,
) -> Option<Duration> {
    let (brakes, metrics) = (cluster.brakes(), cluster.metrics());
    let context = outgoing.context();
    let failure = Failure::of(failed, context);
    let next = history.next(failure, &context.attempts, &brakes.throttle, fastrand::f64());
    tracing::debug!(cluster = cluster.name(), class = ?failed.class(), ?next, "an attempt failed");
    match next {
        Next::Stop(stop) => {
            match stop {
                Stop::Throttled => throttled(cluster, context),
                Stop::Exhausted => note(context, "UpstreamRetryLimitExceeded"),
                _ => {}
            }
            None
        }
        _ if !outgoing.rewind() => None,
        Next::Transparent(rest) => {
            metrics.retried(why_transparent(failed));
            history.taken.transparent_retries += 1;
            Some(rest)
        }
        Next::Retry(rest, cause) => {
            *place = brakes.breaker.retry();
            if place.is_none() {
                over_budget(cluster, outgoing.context());
                return None;
            }
            metrics.retried_by_policy(cause);
            history.taken.retries += 1;
            history.taken.delay += rest;
            outgoing.set_previous(history.retries());
            Some(rest)
        }
    }
}

/// The call has ended and took this beside its first attempt.
pub(super) fn took(cluster: &Cluster, context: &Context, taken: &Taken) {
    if *taken != Taken::default() {
        context.metrics.at(cluster.metrics()).took(*taken);
    }
}

/// No further attempt, since too many fail of late.
pub(super) fn throttled(cluster: &Cluster, context: &Context) {
    cluster.metrics().throttled();
    note(context, "RetryThrottled");
}

/// No further attempt, since as many as may be are under way.
pub(super) fn over_budget(cluster: &Cluster, context: &Context) {
    cluster.metrics().shed(Shed::Retries);
    note(context, "RetryBudgetExhausted");
}

/// A flag of the access log's line.
pub(super) fn note(context: &Context, flag: &'static str) {
    if let Some(journal) = &context.journal {
        journal.flagged(flag);
    }
}

/// Why a failed attempt is made again without being asked for.
pub(super) fn why_transparent(failed: &Failed) -> RetryReason {
    match failed.class() {
        Class::Unprocessed if failed.is_goaway() => RetryReason::Goaway,
        Class::Unprocessed => RetryReason::RefusedStream,
        _ => RetryReason::NotSent,
    }
}

/// An answer that came from an endpoint, after so many attempts.
pub(super) fn came(
    lane: &Lane,
    steer: &Steer,
    outgoing: &Outgoing,
    mut response: Response,
    endpoint: Option<Arc<Endpoint>>,
    attempts: u32,
) -> Response {
    if let Some(endpoint) = endpoint {
        steer.settle(lane.cluster(), &endpoint, &mut response);
        if let Some(journal) = &outgoing.context().journal {
            let (cluster, endpoint) = (lane.cluster().shared_name(), endpoint.address().clone());
            journal.went(Via { cluster, endpoint, attempts });
        }
    }
    response
}

/// Attempts at endpoints that lack a method; the next call knows of them.
const MOST_FAILOVERS: u32 = 16;
