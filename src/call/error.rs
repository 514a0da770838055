//! A call that Edgeway itself ended.

use std::{collections::HashMap, fmt, time::Duration};

use http::StatusCode;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    grpc::{self, frame::FrameError},
    telemetry::metrics::{CancelledBy, DeadlineIn},
};

/// The words of `google.rpc.ErrorInfo.reason`, domain `edgeway`: what a client may do next.
pub mod reason {
    /// No backend has seen the call: it is safe to try again.
    pub const NOT_EXECUTED: &str = "NOT_EXECUTED";
    /// No backend has seen the call, since as many are under way as may be: it is safe to try again, a little later.
    pub const OVERLOADED: &str = "OVERLOADED";
    /// A backend may have run the call; only an idempotent one is safe to try again.
    pub const OUTCOME_UNKNOWN: &str = "OUTCOME_UNKNOWN";
    /// A backend ran the call and its answer could not be delivered.
    pub const EXECUTED_REPLY_LOST: &str = "EXECUTED_REPLY_LOST";
    /// The cluster has no schema yet.
    pub const SCHEMA_NOT_LOADED: &str = "SCHEMA_NOT_LOADED";
    /// The path names no method or route of the schema.
    pub const ROUTE_NOT_FOUND: &str = "ROUTE_NOT_FOUND";
    /// The request does not fit its method or protocol.
    pub const BAD_REQUEST: &str = "BAD_REQUEST";
    /// A message is larger than its limit.
    pub const MESSAGE_TOO_LARGE: &str = "MESSAGE_TOO_LARGE";
    /// The gateway is shutting down.
    pub const SHUTTING_DOWN: &str = "SHUTTING_DOWN";
}

/// Why a call ended without a backend's own status.
///
/// One word wide, so that `Result`s of the hot path stay small. Public text never holds an address: the cluster's name
/// and the cause are for the client, addresses are for the log.
pub struct CallError(Box<Inner>);

struct Inner {
    status: Status,
    reason: Option<&'static str>,
    cancelled: Option<CancelledBy>,
    deadline: Option<DeadlineIn>,
    flag: &'static str,
}

impl CallError {
    /// A call that Edgeway refuses, with a reason out of [`reason`].
    pub fn refused(code: Code, reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, message.into(), Some((reason, None)))
    }

    /// No backend has seen the call (14, `NOT_EXECUTED`).
    pub fn not_executed(cluster: &str, why: impl fmt::Display) -> Self {
        let message = format!("{cluster}: {why}");
        let info = Some((reason::NOT_EXECUTED, Some(cluster)));
        Self::new(Code::Unavailable, message, info).flagged("UpstreamConnectionFailure")
    }

    /// No backend has seen the call, since as many are under way as may be (14, `OVERLOADED`).
    ///
    /// Asks for a second of patience, by a `RetryInfo`: what is too much now is too much in a moment.
    pub fn overloaded(cluster: &str, why: impl fmt::Display) -> Self {
        let metadata = HashMap::from([("cluster".to_owned(), cluster.to_owned())]);
        let mut details = ErrorDetails::with_error_info(reason::OVERLOADED, DOMAIN, metadata);
        details.set_retry_info(Some(OVERLOAD_REST));
        let status = Status::with_error_details(Code::Unavailable, format!("{cluster}: {why}"), details);
        let reason = Some(reason::OVERLOADED);
        let inner = Inner { status, reason, cancelled: None, deadline: None, flag: "UpstreamOverflow" };
        Self(Box::new(inner))
    }

    /// The call was sent, and no message of an answer came in the time that one attempt has (14, `OUTCOME_UNKNOWN`).
    pub fn attempt_late(cluster: &str, limit: Duration) -> Self {
        let message = format!("{cluster}: no answer within {limit:?} (perAttemptRecvTimeout)");
        let info = Some((reason::OUTCOME_UNKNOWN, Some(cluster)));
        Self::new(Code::Unavailable, message, info).flagged("UpstreamRequestTimeout")
    }

    /// The cluster has no schema yet (14, `SCHEMA_NOT_LOADED`).
    pub fn schema_not_loaded(cluster: &str, why: impl fmt::Display) -> Self {
        let message = format!("{cluster}: no schema yet: {why}");
        Self::new(Code::Unavailable, message, Some((reason::SCHEMA_NOT_LOADED, Some(cluster))))
    }

    /// The call was sent and then its connection was lost (14, `OUTCOME_UNKNOWN`).
    pub fn outcome_unknown(cluster: &str, why: impl fmt::Display) -> Self {
        let message = format!("{cluster}: connection lost after the call was sent: {why}");
        let info = Some((reason::OUTCOME_UNKNOWN, Some(cluster)));
        Self::new(Code::Unavailable, message, info).flagged("UpstreamConnectionTermination")
    }

    /// A backend answered in a way that is not gRPC, or reset the stream.
    pub fn backend(code: Code, cluster: &str, what: impl fmt::Display) -> Self {
        Self::new(code, format!("{cluster}: {what}"), None).flagged("UpstreamProtocolError")
    }

    /// A backend answered HTTP instead of gRPC.
    pub fn not_grpc(cluster: &str, status: StatusCode, content_type: &str) -> Self {
        let code = if status == StatusCode::OK { Code::Unknown } else { grpc::code::from_http(status) };
        let content_type = if content_type.is_empty() { "no content-type" } else { content_type };
        Self::backend(
            code,
            cluster,
            format_args!(
                "expected a gRPC answer, the backend sent HTTP {} with {content_type}",
                status.as_u16()
            ),
        )
    }

    /// The deadline passed; `sent` says whether a backend may have run the call.
    pub fn deadline_exceeded(sent: bool) -> Self {
        let reason = if sent { reason::OUTCOME_UNKNOWN } else { reason::NOT_EXECUTED };
        let message = "deadline exceeded".into();
        Self::new(Code::DeadlineExceeded, message, Some((reason, None)))
            .by(CancelledBy::Deadline)
            .flagged("UpstreamRequestTimeout")
            .waiting_in(if sent { DeadlineIn::Upstream } else { DeadlineIn::Queue })
    }

    /// A stream passed without a byte for too long, or lasted too long.
    pub fn stream_ended(flag: &'static str, why: impl fmt::Display) -> Self {
        let info = Some((reason::OUTCOME_UNKNOWN, None));
        Self::new(Code::Unavailable, why.to_string(), info).flagged(flag)
    }

    /// A stream that lasted too long.
    pub fn stream_expired() -> Self {
        let why = "the stream reached its longest duration (max_stream_duration)";
        Self::stream_ended("UpstreamMaxStreamDurationReached", why)
    }

    /// A stream that rested for too long.
    pub fn stream_idle() -> Self {
        Self::stream_ended("StreamIdleTimeout", "no byte moved for too long (stream_idle_timeout)")
    }

    /// A stream that outlasted the grace of a shutdown.
    pub fn shutting_down() -> Self {
        let message = "the gateway is shutting down".into();
        let info = Some((reason::SHUTTING_DOWN, None));
        Self::new(Code::Unavailable, message, info).by(CancelledBy::Shutdown).flagged("LocalReset")
    }

    /// The client went away; nobody reads this but records.
    pub fn client_gone() -> Self {
        let message = "the client went away".into();
        Self::new(Code::Cancelled, message, None).by(CancelledBy::Client).flagged("DownstreamRemoteReset")
    }

    /// A request body that is not a sequence of frames within the limit.
    pub fn request_frame(error: FrameError) -> Self {
        match error {
            FrameError::TooLarge { .. } => Self::refused(
                Code::ResourceExhausted,
                reason::MESSAGE_TOO_LARGE,
                format!("request {error} (max_request_bytes)"),
            ),
            FrameError::Flags(_) | FrameError::Truncated { .. } => {
                Self::refused(Code::Internal, reason::BAD_REQUEST, format!("request body: {error}"))
            }
        }
    }

    /// A response body that is not a sequence of frames within the limit.
    pub fn response_frame(error: FrameError) -> Self {
        let (code, message) = match error {
            FrameError::TooLarge { .. } => {
                (Code::ResourceExhausted, format!("response {error} (max_response_bytes)"))
            }
            FrameError::Flags(_) | FrameError::Truncated { .. } => {
                (Code::Internal, format!("response body: {error}"))
            }
        };
        Self::new(code, message, Some((reason::EXECUTED_REPLY_LOST, None)))
    }

    /// A reply that cannot be brought into the client's format.
    pub fn reply_lost(why: impl fmt::Display) -> Self {
        let message = format!("the reply cannot be delivered: {why}");
        Self::new(Code::Internal, message, Some((reason::EXECUTED_REPLY_LOST, None)))
    }

    /// A reply that is over the limit in the client's format only.
    pub fn reply_too_large(why: impl fmt::Display) -> Self {
        let message = format!("the reply cannot be delivered: {why} (max_response_bytes)");
        let info = Some((reason::EXECUTED_REPLY_LOST, None));
        Self::new(Code::ResourceExhausted, message, info)
    }

    /// A status that was built with all its details, for what the client did wrong.
    pub fn client(status: Status) -> Self {
        Self(Box::new(Inner { status, reason: None, cancelled: None, deadline: None, flag: "" }))
    }

    fn new(code: Code, message: String, info: Option<(&'static str, Option<&str>)>) -> Self {
        let status = match info {
            None => Status::new(code, message),
            Some((reason, cluster)) => {
                let metadata: HashMap<_, _> =
                    cluster.map(|cluster| ("cluster".to_owned(), cluster.to_owned())).into_iter().collect();
                Status::with_error_details(
                    code,
                    message,
                    ErrorDetails::with_error_info(reason, DOMAIN, metadata),
                )
            }
        };
        let reason = info.map(|(reason, _)| reason);
        Self(Box::new(Inner { status, reason, cancelled: None, deadline: None, flag: "" }))
    }

    fn by(mut self, cancelled: CancelledBy) -> Self {
        self.0.cancelled = Some(cancelled);
        self
    }

    fn flagged(mut self, flag: &'static str) -> Self {
        self.0.flag = flag;
        self
    }

    /// The word that its ErrorInfo has, out of [`reason`].
    pub fn reason(&self) -> Option<&'static str> {
        self.0.reason
    }

    /// What went wrong on the way, in Envoy's long names of response flags; empty where none fits.
    pub fn flag(&self) -> &'static str {
        self.0.flag
    }

    /// The status that the client is to see.
    pub fn status(&self) -> &Status {
        &self.0.status
    }

    /// The status as the RPC doors tell it: without details where the code alone says what a client may do.
    ///
    /// Clients that others wrote compare what a proxy says of their mistakes, or of their deadline, with what a server
    /// says, and a server's has no details (connectconformance does so).
    pub fn rpc_status(&self) -> Status {
        let told = match self.0.reason {
            Some(reason::BAD_REQUEST | reason::ROUTE_NOT_FOUND | reason::MESSAGE_TOO_LARGE) => true,
            Some(_) => self.0.status.code() == Code::DeadlineExceeded,
            None => false,
        };
        let status = &self.0.status;
        if told { Status::new(status.code(), status.message()) } else { status.clone() }
    }

    /// Says better what the call waited for when its deadline passed.
    pub fn waiting_in(mut self, place: DeadlineIn) -> Self {
        self.0.deadline = Some(place);
        self
    }

    /// What the call waited for when its deadline passed, if that is what ended it.
    pub fn deadline_in(&self) -> Option<DeadlineIn> {
        self.0.deadline
    }

    /// Who ended the call, where it was not the backend.
    pub fn cancelled_by(&self) -> Option<CancelledBy> {
        self.0.cancelled
    }
}

impl fmt::Debug for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallError({:?}: {})", self.0.status.code(), self.0.status.message())
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.status.message())
    }
}

impl std::error::Error for CallError {}

/// How long a client is asked to wait before it comes again to a cluster that is full.
const OVERLOAD_REST: Duration = Duration::from_secs(1);

/// The `domain` of every ErrorInfo that Edgeway makes.
const DOMAIN: &str = "edgeway";
