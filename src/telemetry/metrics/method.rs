//! What is counted of one method, at the front and towards the backend.

use std::sync::Arc;
use std::time::Duration;

use super::cluster::ClusterMetrics;
use super::code::{CODES, UNKNOWN};
use super::target::{TargetMetrics, Targets};
use super::value::{Counter, Histogram};

/// All values of one method; resolve it once, when the method becomes known, and keep it beside the method.
///
/// Every value exists from the start with a zero: a series that first appears with its first error has no
/// rate (go-grpc-prometheus' `InitializeMetrics`).
#[derive(Debug)]
pub struct MethodMetrics {
    /// `unary`, `client_stream`, `server_stream` or `bidi_stream`.
    pub(super) kind: &'static str,
    pub(super) service: Box<str>,
    pub(super) method: Box<str>,
    /// Calls that came in, by whatever protocol: to dashboards the gateway is the server.
    pub server: CallMetrics,
    /// Messages that went to backends and came from them.
    pub client: MessageMetrics,
    /// Calls whose backend ended with OK when the caller had left already.
    pub orphaned: Counter,
    pub(super) targets: Targets,
}

impl MethodMetrics {
    pub(super) fn new(kind: &'static str, service: &str, method: &str) -> Self {
        let bounds = if times_handling(kind) { HANDLING_BOUNDS } else { STREAM_BOUNDS };
        Self {
            kind,
            service: service.into(),
            method: method.into(),
            server: CallMetrics::new(bounds),
            client: MessageMetrics::default(),
            orphaned: Counter::default(),
            targets: Targets::default(),
        }
    }

    /// Where attempts and calls at `cluster` are counted.
    pub fn at(&self, cluster: &Arc<ClusterMetrics>) -> &TargetMetrics {
        self.targets.at(cluster)
    }

    /// `grpc_method` of gRFC A66.
    pub(super) fn full_name(&self) -> String {
        if &*self.service == super::UNKNOWN {
            "other".to_owned()
        } else {
            format!("{}/{}", self.service, self.method)
        }
    }

    pub(super) fn labels(&self) -> [(&'static str, &str); 3] {
        [("grpc_type", self.kind), ("grpc_service", &self.service), ("grpc_method", &self.method)]
    }

    /// Whether the duration of a call stands in `*_handling_seconds`, and not in
    /// `edgeway_stream_duration_seconds`.
    pub(super) fn times_handling(&self) -> bool {
        times_handling(self.kind)
    }
}

/// What is counted of a method on the side of its callers. Each call of these costs an atomic addition or two.
#[derive(Debug)]
pub struct CallMetrics {
    pub(super) started: Counter,
    pub(super) handled: [Counter; CODES],
    pub(super) elapsed: Histogram,
    messages: MessageMetrics,
}

/// The messages of a method on one side.
#[derive(Debug, Default)]
pub struct MessageMetrics {
    pub(super) received: Counter,
    pub(super) sent: Counter,
}

impl CallMetrics {
    fn new(bounds: &'static [f64]) -> Self {
        Self {
            started: Counter::default(),
            handled: std::array::from_fn(|_| Counter::default()),
            elapsed: Histogram::new(bounds),
            messages: MessageMetrics::default(),
        }
    }

    /// A call has begun.
    pub fn started(&self) {
        self.started.inc();
    }

    /// A call has ended with this status code, `elapsed` after it began.
    ///
    /// A number that gRPC does not have counts as `Unknown`.
    pub fn handled(&self, code: usize, elapsed: Duration) {
        if let Some(counter) = self.handled.get(code).or_else(|| self.handled.get(UNKNOWN)) {
            counter.inc();
        }
        self.elapsed.observe(elapsed);
    }

    /// The messages of its calls.
    pub fn messages(&self) -> &MessageMetrics {
        &self.messages
    }

    /// `n` messages came from the caller.
    pub fn received(&self, n: u64) {
        self.messages.received(n);
    }

    /// `n` messages went to the caller.
    pub fn sent(&self, n: u64) {
        self.messages.sent(n);
    }
}

impl MessageMetrics {
    /// `n` messages came from the peer of this side.
    pub fn received(&self, n: u64) {
        self.received.add(n);
    }

    /// `n` messages went to the peer of this side.
    pub fn sent(&self, n: u64) {
        self.sent.add(n);
    }
}

/// Only calls with one answer have a handling time. A server stream lives as long as its reader wants: in the
/// same histogram one open live feed holds the usual latency alert firing for ever.
fn times_handling(kind: &str) -> bool {
    matches!(kind, "unary" | "client_stream")
}

/// `prometheus.DefBuckets` of the Go client, which go-grpc-prometheus uses.
pub(super) const HANDLING_BOUNDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Up to `max_stream_duration`, one hour by default.
const STREAM_BOUNDS: &[f64] = &[0.1, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0];
