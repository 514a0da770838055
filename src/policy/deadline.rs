//! No call without an end.
//!
//! | call | deadline | beside it |
//! |---|---|---|
//! | unary, the client named a timeout | that, at most `max_timeout` | |
//! | unary, it named none | `timeout`, unless that is `none` | |
//! | stream, the client named a timeout | that, at most `max_stream_duration` | idle and expiry |
//! | stream, it named none | none | idle and expiry |
//! | any, `methodConfig.timeout` in the service config | that at most, and that where there is none | |
//!
//! `max_stream_duration` is jittered by 10 %, or all streams that one deploy started would end in the same second.
//! This layer decides and enforces up to the head of the answer. From there on the way out does: a client that does not
//! read its stream does not poll it either, and only the task that receives it can end it on time.

use std::{
    future::Future,
    pin::Pin,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};
use tower::Service;

use crate::call::{CallError, Context, DeadlineSource, Kind, Request, Response};

/// Sets the call's deadline and ends it when that passes.
#[derive(Clone, Debug)]
pub struct Deadline<S> {
    inner: S,
}

impl<S> Deadline<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S> Service<Request> for Deadline<S>
where
    S: Service<Request, Response = Response, Error = CallError>,
{
    type Response = Response;
    type Error = CallError;
    type Future = Timed<S::Future>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), CallError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let until = request.extensions_mut().get_mut::<Context>().and_then(|context| {
            set(context, fastrand::f64());
            first(context.deadline, context.expires)
        });
        let (until, end) = until.map_or((None, End::Deadline), |(at, end)| (Some(at), end));
        Timed { timer: until.map(tokio::time::sleep_until), end, answer: self.inner.call(request) }
    }
}

/// What a call runs into when its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Deadline,
    LongestDuration,
}

/// Whichever comes first.
fn first(deadline: Option<Instant>, expires: Option<Instant>) -> Option<(Instant, End)> {
    let deadline = deadline.map(|at| (at, End::Deadline));
    let expires = expires.map(|at| (at, End::LongestDuration));
    [deadline, expires].into_iter().flatten().min_by_key(|(at, _)| *at)
}

/// Fills in the times of a call; `random` is uniform in 0..1.
fn set(context: &mut Context, random: f64) {
    let (policy, started) = (&context.policy, context.started);
    let client = context.client_timeout.map(|timeout| (timeout, DeadlineSource::Client));
    let chosen = if context.kind == Kind::Unary {
        let default = policy.timeout.map(|timeout| (timeout, DeadlineSource::Policy));
        client.or(default).map(|chosen| clamp(chosen, policy.max_timeout))
    } else {
        let longest = policy.max_stream_duration;
        context.expires =
            longest.and_then(|longest| started.checked_add(longest.mul_f64(0.9 + 0.2 * random)));
        context.idle_timeout = policy.stream_idle_timeout;
        client.map(|chosen| longest.map_or(chosen, |longest| clamp(chosen, longest)))
    };
    let service = context.attempts.timeout.map(|timeout| (timeout, DeadlineSource::ServiceConfig));
    let chosen = match (chosen, service) {
        (Some(chosen), Some(service)) => Some(if service.0 < chosen.0 { service } else { chosen }),
        (chosen, service) => chosen.or(service),
    };
    if let Some((timeout, source)) = chosen {
        context.deadline = started.checked_add(timeout);
        context.deadline_source = source;
        if let Some(journal) = &context.journal {
            journal.due(timeout, source);
        }
    }
}

fn clamp((timeout, source): (Duration, DeadlineSource), most: Duration) -> (Duration, DeadlineSource) {
    if timeout > most { (most, DeadlineSource::Policy) } else { (timeout, source) }
}

pin_project! {
    /// An answer that must come in time; when it does not, dropping it cancels the call upstream.
    pub struct Timed<F> {
        #[pin]
        timer: Option<Sleep>,
        end: End,
        #[pin]
        answer: F,
    }
}

impl<F: Future<Output = Result<Response, CallError>>> Future for Timed<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let this = self.project();
        if let Poll::Ready(answer) = this.answer.poll(cx) {
            return Poll::Ready(answer);
        }
        match this.timer.as_pin_mut().map(|timer| timer.poll(cx)) {
            Some(Poll::Ready(())) => Poll::Ready(Err(match this.end {
                End::Deadline => CallError::deadline_exceeded(true),
                End::LongestDuration => CallError::stream_expired(),
            })),
            Some(Poll::Pending) | None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        call::Inbound,
        config::{AttemptPolicy, Policy},
        telemetry::Metrics,
    };

    fn policy() -> Policy {
        Policy {
            timeout: Some(Duration::from_secs(15)),
            max_timeout: Duration::from_secs(300),
            max_request_bytes: 1,
            max_response_bytes: 1,
            stream_idle_timeout: Some(Duration::from_secs(60)),
            max_stream_duration: Some(Duration::from_secs(3600)),
            ..Policy::default()
        }
    }

    fn check(kind: Kind, policy: &Policy, client: Option<u64>, expect: Option<(u64, DeadlineSource)>) {
        check_service(kind, policy, None, client, expect);
    }

    fn check_service(
        kind: Kind,
        policy: &Policy,
        service: Option<u64>,
        client: Option<u64>,
        expect: Option<(u64, DeadlineSource)>,
    ) {
        let mut context = Context::new(kind, Inbound::Grpc, Metrics::new().unknown_method());
        context.client_timeout = client.map(Duration::from_secs);
        context.policy = Arc::new(policy.clone());
        context.attempts =
            Arc::new(AttemptPolicy { timeout: service.map(Duration::from_secs), ..AttemptPolicy::default() });
        set(&mut context, 0.5);
        let found = context
            .deadline
            .map(|deadline| ((deadline - context.started).as_secs(), context.deadline_source));
        assert_eq!(found, expect, "{kind:?} {client:?}");
        assert_eq!(context.expires.is_some(), kind != Kind::Unary);
    }

    #[tokio::test]
    async fn the_table() {
        use DeadlineSource::Client;
        check(Kind::Unary, &policy(), None, Some((15, DeadlineSource::Policy)));
        check(Kind::Unary, &policy(), Some(20), Some((20, Client)));
        check(Kind::Unary, &policy(), Some(301), Some((300, DeadlineSource::Policy)));
        check(Kind::Unary, &Policy { timeout: None, ..policy() }, None, None);
        check(Kind::ServerStream, &policy(), None, None);
        check(Kind::Bidi, &policy(), Some(301), Some((301, Client)));
        check(Kind::Bidi, &policy(), Some(u64::MAX), Some((3600, DeadlineSource::Policy)));
    }

    #[tokio::test]
    async fn a_timeout_of_the_service_config_is_the_most() {
        use DeadlineSource::{Client, ServiceConfig};
        let none = Policy { timeout: None, ..policy() };
        for kind in [Kind::Unary, Kind::ServerStream] {
            check_service(kind, &policy(), Some(5), None, Some((5, ServiceConfig)));
            check_service(kind, &policy(), Some(5), Some(4), Some((4, Client)));
            check_service(kind, &policy(), Some(5), Some(6), Some((5, ServiceConfig)));
            check_service(kind, &none, Some(5), None, Some((5, ServiceConfig)));
        }
        check_service(Kind::Unary, &policy(), Some(20), None, Some((15, DeadlineSource::Policy)));
    }
}
