//! What the operator wrote, checked and turned into plain values.
//!
//! ```text
//! file ── substitute ── document ──┐                       masks ${..}, parses, expands: a tree with places
//!                                  check ── draft ── Config      by the table of keys; every problem at once
//! EDGEWAY_* ── flags ── overrides ─┘
//! ```
//!
//! Defaults < file < environment < flags. `docs/configuration.md` is the reference of the keys and is held
//! to [`keys`] by a test. Nothing here looks up a name or opens a file other than the configuration.

use std::net::SocketAddr;
use std::time::Duration;

mod balancing;
mod call_route;
mod check;
mod cluster;
mod cors;
mod document;
mod draft;
mod environment;
mod flags;
mod header_match;
mod http;
mod keys;
mod listed;
mod load;
mod overrides;
mod policy;
mod problems;
mod report;
mod resilience;
mod rest;
mod selector;
mod service_config;
mod substitute;
mod suggest;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod value;

pub use balancing::{LoadBalancing, Locality, RingHash, SessionAffinity, SlowStart, WeightedRoundRobin};
pub use call_route::{CallRoute, Mirror, WeightedCluster};
pub use cluster::{Cluster, ConnectionSettings, Descriptors, Expose, Protos, Reflection};
pub use cors::{Cors, HostPattern, OriginPattern, PortPattern};
pub use environment::process_environment;
pub use flags::Flags;
pub use header_match::{HeaderMatch, HeaderTest, Pattern};
pub use http::{Http, HttpBinding, HttpRule};
pub use listed::Listed;
pub use load::{Loaded, load};
pub use policy::{Policies, Policy, PolicyRule, Retry};
pub use report::{Diagnostic, Origin, Report, Severity};
pub use resilience::{
    AdaptiveConcurrency, CircuitBreakers, FailurePercentageEjection, HealthCheck, HealthMode,
    OutlierDetection, SuccessRateEjection,
};
pub use rest::{
    ErrorFormat, ParameterName, Rest, RestPolicy, RestRule, StreamFormat, TrailingSlash, UrlUnescape,
};
pub use selector::Selector;
pub use service_config::{
    Again, AttemptPolicy, Codes, HedgingPolicy, MethodConfig, MethodName, RetryPolicy, RetryThrottling,
    ServiceConfig,
};
pub use target::{Address, Target};
pub use tls::{ClientTls, Identity};
pub use value::Invalid;

/// A whole configuration, valid in itself: names are unique, defaults are filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// At least one; names and addresses are unique.
    pub listeners: Vec<Listener>,
    /// The operator's port.
    pub admin: Admin,
    /// At least one, in the order of the file; names are unique.
    pub clusters: Vec<Cluster>,
    /// Where calls go that are not to go to the cluster that lists their service, in the order of the file.
    pub routes: Vec<CallRoute>,
    /// Deadlines and limits by selector.
    pub policies: Policies,
    /// HTTP rules that stand for those of the proto files.
    pub http: Http,
    /// How JSON requests are understood and answered.
    pub rest: Rest,
    /// Which pages of other origins may call; `None` for none.
    pub cors: Option<Cors>,
    /// Which gRPC services the gateway has of its own.
    pub own_services: OwnServices,
    /// The process.
    pub runtime: Runtime,
    /// How the process ends.
    pub shutdown: Shutdown,
    /// What the process tells about itself.
    pub telemetry: Telemetry,
}

/// An address that calls come in by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The name in logs and metrics.
    pub name: String,
    /// Port 0 lets the system choose.
    pub address: SocketAddr,
}

/// The operator's port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Port 0 lets the system choose.
    pub address: SocketAddr,
}

/// Which gRPC services the gateway has of its own; a cluster that exposes one of the name comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnServices {
    /// `grpc.reflection.v1` and `v1alpha`.
    pub reflection: bool,
    /// `grpc.health.v1`.
    pub health: bool,
}

impl Default for OwnServices {
    fn default() -> Self {
        Self { reflection: true, health: true }
    }
}

/// The process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runtime {
    /// As written, 0 for one per CPU. See [`Runtime::workers`].
    pub worker_threads: usize,
}

/// How the process ends after SIGTERM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// How long readiness is off while calls are still taken.
    pub drain_delay: Duration,
    /// Then: how long calls in flight may take to finish.
    pub grace: Duration,
}

/// What the process tells about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// The log.
    pub logs: Logs,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logs {
    /// The least important messages that are written.
    pub level: LogLevel,
    /// `None` means text on a terminal and JSON elsewhere.
    pub format: Option<LogFormat>,
    /// The access log.
    pub access: AccessLog,
}

/// The least important messages that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// None at all.
    Off,
    /// What needs a person.
    Error,
    /// What may need one.
    Warn,
    /// What changes.
    Info,
    /// What explains.
    Debug,
    /// Everything.
    Trace,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// The access log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Whether each call is one line of the log.
    pub enabled: bool,
}

impl Config {
    /// What holds for `method` of the service with the full name `service`.
    pub fn policy_for(&self, service: &str, method: &str) -> Policy {
        self.policies.resolve(service, method)
    }

    /// How JSON requests of `method` of the service with the full name `service` are understood and answered.
    pub fn rest_for(&self, service: &str, method: &str) -> RestPolicy {
        let mut policy = self.rest_default();
        self.policies.resolve_rest(service, method, &mut policy);
        policy
    }

    /// How JSON requests are answered whose method is not known.
    pub fn rest_default(&self) -> RestPolicy {
        let mut policy = RestPolicy::default();
        self.rest.methods.apply(&mut policy);
        policy
    }
}

impl Runtime {
    /// How many worker threads to start: as written, or one per CPU that this process may use, which
    /// counts a cgroup's quota.
    pub fn workers(&self) -> usize {
        match self.worker_threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}

impl Shutdown {
    /// When the process ends whatever is in flight, from the signal on: two seconds past the grace, for
    /// closing what did not finish in it.
    pub fn hard_cap(&self) -> Duration {
        self.drain_delay + self.grace + Duration::from_secs(2)
    }
}

impl LogLevel {
    /// As the operator writes it, which is how `tracing` does.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { drain_delay: Duration::from_secs(5), grace: Duration::from_secs(20) }
    }
}

impl Default for Logs {
    fn default() -> Self {
        Self { level: LogLevel::Info, format: None, access: AccessLog { enabled: true } }
    }
}
