//! The circuit breakers of a cluster: how much of it may be under way.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::{
    config::CircuitBreakers,
    telemetry::metrics::{Breaker as Gauged, Shed},
};

/// Counts over all workers; what is one too many is refused at once.
#[derive(Debug)]
pub(in crate::upstream) struct Breaker {
    limits: CircuitBreakers,
    requests: AtomicUsize,
    pending: AtomicUsize,
    retries: AtomicUsize,
}

/// A limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Overflow {
    Requests(usize),
    Pending(usize),
    Concurrency(usize),
}

/// A call that waits for a place, until dropped.
#[derive(Debug)]
pub(in crate::upstream) struct Pending<'a>(&'a Breaker);

/// A retry or a hedge that is under way, until dropped.
#[derive(Debug)]
pub(in crate::upstream) struct RetryPlace(Arc<Breaker>);

impl Breaker {
    pub(in crate::upstream) fn new(limits: CircuitBreakers) -> Self {
        let [requests, pending, retries] = [0; 3].map(AtomicUsize::new);
        Self { limits, requests, pending, retries }
    }

    /// A call goes to a backend; it counts until [`Breaker::request_ended`]. `exempt` ones are never refused: health
    /// checks have to get through when nothing else does.
    ///
    /// No guard, since it is held by one: the permit of the stream that the call is on.
    pub(in crate::upstream) fn request(&self, exempt: bool) -> Result<(), Overflow> {
        enter(&self.requests, if exempt { usize::MAX } else { self.limits.max_requests })
            .map_err(Overflow::Requests)
    }

    /// What [`Breaker::request`] counted has ended.
    pub(in crate::upstream) fn request_ended(&self) {
        self.requests.fetch_sub(1, Relaxed);
    }

    /// A call waits for a place.
    pub(in crate::upstream) fn wait(&self, exempt: bool) -> Result<Pending<'_>, Overflow> {
        enter(&self.pending, if exempt { usize::MAX } else { self.limits.max_pending_requests })
            .map(|()| Pending(self))
            .map_err(Overflow::Pending)
    }

    /// What is under way, and how much may be, by breaker.
    pub(in crate::upstream) fn usage(&self) -> [(Gauged, usize, usize); 3] {
        let [requests, pending, retries] =
            [&self.requests, &self.pending, &self.retries].map(|count| count.load(Relaxed));
        [
            (Gauged::Requests, requests, self.limits.max_requests),
            (Gauged::Pending, pending, self.limits.max_pending_requests),
            (Gauged::Retries, retries, self.most_retries()),
        ]
    }

    /// The larger of a number and a share (Envoy's `max_retries` and `retry_budget`): the number lets a quiet cluster
    /// retry at all, the share keeps a busy one from retrying itself to death.
    fn most_retries(&self) -> usize {
        let calls = self.requests.load(Relaxed).saturating_add(self.pending.load(Relaxed));
        let share = calls.saturating_mul(usize::from(self.limits.retry_budget_percent)) / 100;
        share.max(self.limits.max_retries)
    }

    /// A call is to be tried again; `None` when enough of them are.
    pub(in crate::upstream) fn retry(self: &Arc<Self>) -> Option<RetryPlace> {
        enter(&self.retries, self.most_retries()).ok()?;
        Some(RetryPlace(Arc::clone(self)))
    }
}

impl Overflow {
    /// As metrics say it.
    pub(in crate::upstream) fn label(self) -> Shed {
        match self {
            Self::Requests(_) => Shed::Requests,
            Self::Pending(_) => Shed::Pending,
            Self::Concurrency(_) => Shed::Concurrency,
        }
    }
}

impl std::fmt::Display for Overflow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Requests(most) => {
                write!(f, "{most} calls are at its backends already (circuit_breakers.max_requests)")
            }
            Self::Pending(most) => {
                write!(f, "{most} calls wait for it already (circuit_breakers.max_pending_requests)")
            }
            Self::Concurrency(most) => {
                write!(f, "its latency allows for {most} calls at a time (adaptive_concurrency)")
            }
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Relaxed);
    }
}

impl Drop for RetryPlace {
    fn drop(&mut self) {
        self.0.retries.fetch_sub(1, Relaxed);
    }
}

/// Counts one more, or says what the most is that are there already.
///
/// An addition that may have to be taken back, and no compare-exchange loop, which workers would repeat for each other.
fn enter(count: &AtomicUsize, most: usize) -> Result<(), usize> {
    if count.fetch_add(1, Relaxed) < most {
        return Ok(());
    }
    count.fetch_sub(1, Relaxed);
    Err(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Arc<Breaker> {
        let limits = CircuitBreakers {
            max_requests: 3,
            max_pending_requests: 1,
            max_retries: 1,
            retry_budget_percent: 50,
            ..CircuitBreakers::default()
        };
        Arc::new(Breaker::new(limits))
    }

    #[test]
    fn each_limit_holds_at_its_number() {
        let breaker = breaker();
        for _ in 0..3 {
            assert_eq!(breaker.request(false), Ok(()));
        }
        assert_eq!(breaker.request(false), Err(Overflow::Requests(3)));
        assert_eq!(breaker.request(true), Ok(()), "health checks get through");
        breaker.request_ended();
        assert_eq!(breaker.request(false), Err(Overflow::Requests(3)));
        breaker.request_ended();
        assert_eq!(breaker.request(false), Ok(()));

        let waiting = breaker.wait(false).unwrap();
        assert_eq!(breaker.wait(false).unwrap_err(), Overflow::Pending(1));
        drop(waiting);
        drop(breaker.wait(false).unwrap());
    }

    #[test]
    fn retries_are_a_number_or_a_share_of_the_calls() {
        let breaker = breaker();
        let first = breaker.retry().unwrap();
        assert!(breaker.retry().is_none(), "one without any call");
        for _ in 0..3 {
            breaker.request(false).unwrap();
        }
        assert!(breaker.retry().is_none(), "half of three is one");
        let _waiting = breaker.wait(false).unwrap();
        let second = breaker.retry().unwrap();
        assert!(breaker.retry().is_none(), "half of four is two");
        drop((first, second));
        assert!(breaker.retry().is_some());
    }
}
