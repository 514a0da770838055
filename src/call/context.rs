//! What travels beside a call through the waist, in `http::Extensions`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::{Journal, Kind, Signal};
use crate::{
    config::{Address, AttemptPolicy, Policy},
    telemetry::metrics::MethodMetrics,
};

/// What the way out and the policies must know of a call. Written by the door, completed by `policy::Deadline`.
#[derive(Clone, Debug)]
pub struct Context {
    /// Who sends how many messages.
    pub kind: Kind,
    /// The door it came in by.
    pub inbound: Inbound,
    /// Where the call and its attempts are counted.
    pub metrics: Arc<MethodMetrics>,
    /// The limits of its method, in time and in bytes.
    pub policy: Arc<Policy>,
    /// How attempts are made.
    pub attempts: Arc<AttemptPolicy>,
    /// What `ring_hash` goes by, where a route says it.
    pub hash: Option<u64>,
    /// What the access log will say, when there is one.
    pub journal: Option<Arc<Journal>>,
    /// When its door took it up; time is counted from here.
    pub started: Instant,
    /// The client's own timeout, already parsed, before any clamp.
    pub client_timeout: Option<Duration>,
    /// When the call must have ended; nothing goes upstream after it.
    pub deadline: Option<Instant>,
    /// Where [`Context::deadline`] comes from.
    pub deadline_source: DeadlineSource,
    /// When a stream is ended even if it is busy.
    pub expires: Option<Instant>,
    /// How long a stream may pass without a byte moving either way.
    pub idle_timeout: Option<Duration>,
}

impl Context {
    /// A call with no limits in time but those that a policy adds.
    pub fn new(kind: Kind, inbound: Inbound, metrics: Arc<MethodMetrics>) -> Self {
        Self::under(Arc::default(), Arc::default(), kind, inbound, metrics)
    }

    /// A call whose method has these limits and attempts.
    pub fn under(
        policy: Arc<Policy>,
        attempts: Arc<AttemptPolicy>,
        kind: Kind,
        inbound: Inbound,
        metrics: Arc<MethodMetrics>,
    ) -> Self {
        Self {
            kind,
            inbound,
            metrics,
            policy,
            attempts,
            hash: None,
            journal: None,
            started: Instant::now(),
            client_timeout: None,
            deadline: None,
            deadline_source: DeadlineSource::None,
            expires: None,
            idle_timeout: None,
        }
    }
}

/// Who is at the other end of a client's connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The client's address as the socket has it.
    pub address: SocketAddr,
    /// The listener that it came in by.
    pub listener: Arc<str>,
    /// What goes on after HTTP has ended on the connection.
    pub sessions: Sessions,
}

/// WebSockets of a connection, which is not over before they are.
#[derive(Clone, Debug)]
pub struct Sessions {
    /// Their tasks.
    pub tasks: TaskTracker,
    /// Fires when no further call may begin.
    pub drain: Signal,
}

/// Who set the deadline of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadlineSource {
    /// Nobody: `timeout: none`, or a stream.
    None,
    /// The client, by its protocol's header.
    Client,
    /// The `timeout` or the `max_timeout` of a policy.
    Policy,
    /// `methodConfig.timeout` of the service config.
    ServiceConfig,
}

impl DeadlineSource {
    /// The word of the access log.
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Client => "client",
            Self::Policy => "policy",
            Self::ServiceConfig => "service_config",
        }
    }
}

/// The doors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Inbound {
    /// JSON over HTTP.
    Rest,
    /// gRPC-Web, binary.
    GrpcWeb,
    /// gRPC-Web, base64.
    GrpcWebText,
    /// gRPC over HTTP/2.
    Grpc,
    /// Connect.
    Connect,
    /// Either subprotocol of WebSocket.
    WebSocket,
    /// Edgeway itself: reflection, health.
    Control,
}

impl Inbound {
    /// The word of logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::GrpcWeb => "grpc-web",
            Self::GrpcWebText => "grpc-web-text",
            Self::Grpc => "grpc",
            Self::Connect => "connect",
            Self::WebSocket => "websocket",
            Self::Control => "control",
        }
    }
}

/// Which way a call went, as its [`Journal`] has it.
#[derive(Clone, Debug)]
pub struct Via {
    /// The cluster's name in the configuration.
    pub cluster: Arc<str>,
    /// The endpoint that answered.
    pub endpoint: Address,
    /// Tries, the one that was answered included.
    pub attempts: u32,
}
