//! What holds the calls of a cluster back before they do harm, counted over all workers.
//!
//! | brake | holds back | what happens then |
//! |---|---|---|
//! | [`Breaker`] | calls at backends, calls that wait, retries | the call ends at once, never to be retried here |
//! | [`Adaptive`] | unary calls at backends, while latency grows | the same |
//! | [`Throttle`] | retries and hedges, while too many attempts fail | the failure stands |
//! | [`Budget`] | bytes kept to send a request again | the request is sent, and not again |
//!
//! All are relaxed atomics: what they bound is how much, and nothing is ordered by them.

mod adaptive;
mod breaker;
mod replay;
mod throttle;

pub(super) use adaptive::{Adaptive, Admitted};
pub(super) use breaker::{Breaker, Overflow, RetryPlace};
pub(super) use replay::{Budget, Kept};
pub(super) use throttle::Throttle;

use std::sync::Arc;

use crate::config;

/// The brakes of one cluster.
#[derive(Debug)]
pub(super) struct Brakes {
    pub(super) breaker: Arc<Breaker>,
    pub(super) throttle: Throttle,
    /// Where it is wanted.
    pub(super) adaptive: Option<Arc<Adaptive>>,
    /// Of all clusters together.
    pub(super) replay: Arc<Budget>,
}

impl Brakes {
    pub(super) fn new(config: &config::Cluster, replay: Arc<Budget>) -> Self {
        let throttling = config.service_config.retry_throttling.unwrap_or_default();
        Self {
            breaker: Arc::new(Breaker::new(config.circuit_breakers.clone())),
            throttle: Throttle::new(throttling),
            adaptive: config.adaptive_concurrency.as_ref().map(|config| Arc::new(Adaptive::new(config))),
            replay,
        }
    }
}
