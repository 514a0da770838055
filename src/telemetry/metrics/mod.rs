//! Every metric of the program in one place.
//!
//! Owners ask [`Metrics`] for a handle when a method, cluster, endpoint or listener appears and keep it; on
//! the path of a call there is no look-up, no lock and no allocation. A scrape walks the owners and writes
//! their values as the families of `families.rs`, which is the one list of names and help texts.
//!
//! Names and labels of `grpc_server_*` and `grpc_client_*` are those of go-grpc-middleware's Prometheus
//! provider, so that dashboards and rules made for it work unchanged. `grpc_client_attempt_*`, `grpc_client_call_*`,
//! `grpc_subchannel_*` and `grpc_lb_*` are what gRPC's own libraries say of a client (gRFC A66, A78, A91, A94, A96), in
//! the spelling of OpenTelemetry's Prometheus exporter. Our own begin with `edgeway_`.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;

mod cluster;
pub mod code;
mod families;
mod label;
mod method;
mod mirror;
mod process;
mod resilience;
mod target;
mod value;

pub use cluster::{ClusterMetrics, EndpointMetrics, WeightMetrics};
pub use label::{
    CancelledBy, ConnectResult, ConnectionState, DeadlineIn, DiscoveryResult, EndpointState, HedgeResult,
    Label, MirrorResult, ReloadResult, RetryCause, RetryReason,
};
pub use method::{CallMetrics, MessageMetrics, MethodMetrics};
pub use mirror::MirrorMetrics;
pub use resilience::{Breaker, DetectionMethod, DisconnectError, HealthResult, Shed, UnenforcedReason};
pub use target::{Again, Sizes, TargetMetrics};
pub use value::{Amounts, Counter, Entered, Gauge, Histogram};

use label::By;

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of one gateway. Cloning is cheap and every clone is the same one.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Owners>);

/// Everything that has values, by its name. The locks are taken to set up a handle and to scrape.
#[derive(Debug)]
pub(in crate::telemetry) struct Owners {
    methods: Mutex<BTreeMap<MethodKey, Arc<MethodMetrics>>>,
    clusters: Mutex<BTreeMap<Box<str>, Arc<ClusterMetrics>>>,
    streams: Mutex<BTreeMap<&'static str, Arc<Gauge>>>,
    connections: Mutex<BTreeMap<Box<str>, Arc<Gauge>>>,
    mirrors: Mutex<BTreeMap<Box<str>, Arc<MirrorMetrics>>>,
    workers: Mutex<BTreeMap<usize, Handle>>,
    cancelled: By<CancelledBy, Counter>,
    accept_errors: Counter,
    log_dropped: Arc<Counter>,
}

/// Service, method, kind: a reload that makes a unary method a stream starts series of its own.
type MethodKey = (Box<str>, Box<str>, &'static str);

impl Metrics {
    /// Metrics with the values that need no owner, and the bucket of unknown methods, at zero.
    pub fn new() -> Self {
        let metrics = Self(Arc::new(Owners {
            methods: Mutex::default(),
            clusters: Mutex::default(),
            streams: Mutex::default(),
            connections: Mutex::default(),
            mirrors: Mutex::default(),
            workers: Mutex::default(),
            cancelled: By::default(),
            accept_errors: Counter::default(),
            log_dropped: Arc::default(),
        }));
        metrics.unknown_method();
        metrics
    }

    /// The exposition in OpenMetrics text, to be sent as [`CONTENT_TYPE`]. Reads `/proc`.
    pub fn encode(&self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(families::Families(Arc::clone(&self.0))));
        let mut out = String::new();
        text::encode(&mut out, &registry).expect("a String takes all that is written to it");
        out
    }

    /// The value of a series, by its name and labels as the exposition has them.
    #[cfg(test)]
    pub(crate) fn shown(&self, series: &str) -> Option<f64> {
        let page = self.encode();
        let mut values = page.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        values.next().and_then(|value| value.parse().ok())
    }

    /// The values of a method: `kind` is its `grpc_type` (`unary`, `client_stream`, `server_stream`,
    /// `bidi_stream`), `service` the full name without slashes. Asked again, the same values are handed out.
    ///
    /// Only for methods that a schema lists; all others are [`Metrics::unknown_method`].
    pub fn method(&self, kind: &'static str, service: &str, method: &str) -> Arc<MethodMetrics> {
        let mut methods = self.0.methods.lock();
        let values = methods
            .entry((service.into(), method.into(), kind))
            .or_insert_with(|| Arc::new(MethodMetrics::new(kind, service, method)));
        Arc::clone(values)
    }

    /// The one bucket for calls of methods that no schema lists.
    ///
    /// Its type is `unary`: such calls are answered at once, whatever the caller meant them to be.
    pub fn unknown_method(&self) -> Arc<MethodMetrics> {
        self.method("unary", UNKNOWN, UNKNOWN)
    }

    /// The values of a cluster, by its name in the configuration; `target` and whether its connections are `secure` are
    /// labels. Asked again, the same values are handed out unless a label differs.
    pub fn cluster(&self, name: &str, target: &str, secure: bool) -> Arc<ClusterMetrics> {
        let mut clusters = self.0.clusters.lock();
        if let Some(known) =
            clusters.get(name).filter(|known| &*known.target == target && known.secure == secure)
        {
            return Arc::clone(known);
        }
        let values = Arc::new(ClusterMetrics::new(name, target, secure));
        clusters.insert(name.into(), Arc::clone(&values));
        values
    }

    /// Takes the series of a cluster out that the configuration does not name any longer.
    pub fn remove_cluster(&self, name: &str) {
        self.0.clusters.lock().remove(name);
    }

    /// The values of the copies that a route makes, by its name in the configuration.
    pub fn mirror(&self, route: &str) -> Arc<MirrorMetrics> {
        let mut mirrors = self.0.mirrors.lock();
        Arc::clone(mirrors.entry(route.into()).or_insert_with(|| Arc::new(MirrorMetrics::new(route))))
    }

    /// Streams open at the front, by the protocol of the door; [`Gauge::enter`] counts one while it is open.
    pub fn streams_active(&self, protocol: &'static str) -> Arc<Gauge> {
        Arc::clone(self.0.streams.lock().entry(protocol).or_default())
    }

    /// Connections of clients, by the listener's name; [`Gauge::enter`] counts one while it is open.
    pub fn downstream_connections(&self, listener: &str) -> Arc<Gauge> {
        Arc::clone(self.0.connections.lock().entry(listener.into()).or_default())
    }

    /// Shows the tasks of a worker, by its index; `runtime` is the one that it runs them on.
    pub fn worker(&self, index: usize, runtime: Handle) {
        self.0.workers.lock().insert(index, runtime);
    }

    /// A call was ended from this side of the backend.
    pub fn cancelled(&self, by: CancelledBy) {
        self.0.cancelled.at(by).inc();
    }

    /// `accept` on a listener failed; the loop goes on.
    pub fn accept_error(&self) {
        self.0.accept_errors.inc();
    }

    /// Lines of either log that could not be queued or written.
    pub fn log_dropped(&self) -> Arc<Counter> {
        Arc::clone(&self.0.log_dropped)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The service and method label of what no schema lists.
const UNKNOWN: &str = "unknown";

#[cfg(test)]
mod tests;
