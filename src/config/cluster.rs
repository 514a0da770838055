//! A set of endpoints that serve the same methods.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::balancing::{LoadBalancing, Locality, SessionAffinity, SlowStart};
use super::resilience::{AdaptiveConcurrency, CircuitBreakers, HealthCheck, OutlierDetection};
use super::selector::Selector;
use super::service_config::ServiceConfig;
use super::target::Target;
use super::tls::ClientTls;

/// A set of endpoints that serve the same methods.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// Where the endpoints are.
    pub target: Target,
    /// How often a DNS target is looked up; above zero.
    pub dns_refresh_rate: Duration,
    /// Whether an answer's TTL, within 1 s to 30 s, stands for `dns_refresh_rate`.
    pub respect_dns_ttl: bool,
    /// How long calls on an endpoint that discovery no longer lists may go on.
    pub drain_timeout: Duration,
    /// The connection to each endpoint.
    pub connection: ConnectionSettings,
    /// How the connections are secured; `None` for plain HTTP/2.
    pub tls: Option<ClientTls>,
    /// Whether readiness waits for it.
    pub required: bool,
    /// What callers can reach; `None` means everything but `grpc.*`. See [`Cluster::exposes`].
    pub expose: Option<Vec<Expose>>,
    /// Where the schema comes from.
    pub descriptors: Descriptors,
    /// Which endpoint a call goes to.
    pub load_balancing: LoadBalancing,
    /// How a new endpoint comes to its full share; `None` for at once.
    pub slow_start: Option<SlowStart>,
    /// Which endpoints come first; `None` for all alike.
    pub locality: Option<Locality>,
    /// Of how many of the endpoints one gateway uses (gRFC A68); `None` for all.
    pub subset_size: Option<usize>,
    /// Below what percentage of endpoints that are not ejected ejection is ignored; 0 for never.
    pub panic_threshold: u8,
    /// How a client's calls stay on one endpoint; `None` for not.
    pub session_affinity: Option<SessionAffinity>,
    /// How endpoints are asked whether they serve; `None` for not.
    pub health_check: Option<HealthCheck>,
    /// When endpoints are left out because calls on them fail; `None` for never.
    pub outlier_detection: Option<OutlierDetection>,
    /// How much may be under way.
    pub circuit_breakers: CircuitBreakers,
    /// How a limit of calls in flight is found by latency; `None` for none.
    pub adaptive_concurrency: Option<AdaptiveConcurrency>,
    /// gRPC's own service config.
    pub service_config: ServiceConfig,
}

/// The connections to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// How long a connection may take to open, TLS included; above zero.
    pub connect_timeout: Duration,
    /// The most connections per endpoint and worker: a further one is opened when all are full (gRFC A105).
    pub connections_per_endpoint: usize,
    /// After how long a connection takes no further call, +-10 %; `None` for never.
    pub max_connection_age: Option<Duration>,
    /// After how long without a byte from a peer that owes an answer it is asked for a sign of life.
    pub keepalive_time: Duration,
    /// How long that sign may take.
    pub keepalive_timeout: Duration,
}

/// One element of `expose`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expose {
    /// The methods of a selector.
    Methods(Selector),
    /// `pkg.Name`: one method, or every method of the service of that full name.
    Name(String),
}

/// Where the schema of a cluster comes from. At least one source is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// Whether the backend is asked.
    pub reflection: Reflection,
    /// How often the backend is asked again; above zero.
    pub refresh_interval: Duration,
    /// Files of a `FileDescriptorSet`, relative paths resolved against the configuration file's folder.
    pub protosets: Vec<PathBuf>,
    /// Proto files to be compiled.
    pub protos: Protos,
}

/// Proto files to be compiled in process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protos {
    /// As `import` statements would name them, or paths below an import path.
    pub files: Vec<PathBuf>,
    /// The folders that `import` statements are looked up in, in this order; relative paths resolved against the
    /// configuration file's folder. At least one where there are files.
    pub import_paths: Vec<PathBuf>,
}

/// Whether a backend is asked for its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reflection {
    /// Asked; its absence is no failure where protosets serve.
    Auto,
    /// Asked; a failure keeps the cluster from being ready.
    Always,
    /// Not asked; protosets are given.
    Never,
}

impl Cluster {
    /// With the defaults for everything but name and target.
    pub fn new(name: impl Into<String>, target: Target) -> Self {
        Self {
            name: name.into(),
            target,
            dns_refresh_rate: Duration::from_secs(5),
            respect_dns_ttl: false,
            drain_timeout: Duration::from_secs(30),
            connection: ConnectionSettings::default(),
            tls: None,
            required: true,
            expose: None,
            descriptors: Descriptors::default(),
            load_balancing: LoadBalancing::default(),
            slow_start: None,
            locality: None,
            subset_size: None,
            panic_threshold: 50,
            session_affinity: None,
            health_check: None,
            outlier_detection: Some(OutlierDetection::default()),
            circuit_breakers: CircuitBreakers::default(),
            adaptive_concurrency: None,
            service_config: ServiceConfig::default(),
        }
    }

    /// Whether callers can reach any method of the service with the full name `service`.
    pub fn exposes_service(&self, service: &str) -> bool {
        match &self.expose {
            None => self.exposes(service, ""),
            // Which methods it has is not known yet; `exposes` decides on each.
            Some(_) => true,
        }
    }

    /// Whether callers can reach `method` of the service with the full name `service`.
    pub fn exposes(&self, service: &str, method: &str) -> bool {
        match &self.expose {
            None => service != "grpc" && !service.starts_with("grpc."),
            Some(exposed) => exposed.iter().any(|exposed| exposed.matches(service, method)),
        }
    }
}

impl Expose {
    /// Whether `method` of the service with the full name `service` is meant.
    pub fn matches(&self, service: &str, method: &str) -> bool {
        match self {
            Self::Methods(selector) => selector.matches(service, method),
            Self::Name(name) => {
                let rest = name.strip_prefix(service);
                rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('.') == Some(method))
            }
        }
    }
}

/// As written.
impl fmt::Display for Expose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Methods(selector) => selector.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Descriptors {
    /// Whether files alone make a schema.
    pub fn has_files(&self) -> bool {
        !self.protosets.is_empty() || !self.protos.files.is_empty()
    }
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            connections_per_endpoint: 4,
            max_connection_age: None,
            keepalive_time: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(5),
        }
    }
}

impl Default for Descriptors {
    fn default() -> Self {
        Self {
            reflection: Reflection::Auto,
            refresh_interval: Duration::from_secs(30),
            protosets: Vec::new(),
            protos: Protos::default(),
        }
    }
}
