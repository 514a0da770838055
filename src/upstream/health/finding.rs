//! What an endpoint says of itself.

use std::fmt;

use tonic::{Code, Status};
use tonic_health::pb::health_check_response::ServingStatus;

use crate::telemetry::metrics::HealthResult;

/// What one question has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    Serving,
    /// It answered and does not serve.
    NotServing(&'static str),
    /// It has no health service.
    Unimplemented,
    /// Another status, or none.
    Failed(String),
    /// No answer in time.
    TimedOut,
    /// It was not asked: every stream is taken by calls.
    Busy,
}

impl Finding {
    /// That of an answer.
    pub(super) fn of(status: ServingStatus) -> Self {
        match status {
            ServingStatus::Serving => Self::Serving,
            ServingStatus::Unknown | ServingStatus::NotServing | ServingStatus::ServiceUnknown => {
                Self::NotServing(status.as_str_name())
            }
        }
    }

    /// That of a `Check` that ended with `status`.
    pub(super) fn of_check(status: &Status) -> Self {
        match status.code() {
            Code::NotFound => Self::NotServing("NOT_FOUND"),
            _ => Self::of_watch(status),
        }
    }

    /// That of a `Watch` that ended with `status`.
    pub(super) fn of_watch(status: &Status) -> Self {
        match status.code() {
            Code::Unimplemented => Self::Unimplemented,
            // Its message may hold anything; it is the log's and not the caller's.
            code => Self::Failed(format!("{code:?}")),
        }
    }

    /// As metrics say it; `None` where nobody was asked.
    pub(super) fn label(&self) -> Option<HealthResult> {
        match self {
            Self::Serving => Some(HealthResult::Serving),
            Self::NotServing(_) => Some(HealthResult::NotServing),
            Self::Unimplemented => Some(HealthResult::Unimplemented),
            Self::Failed(_) => Some(HealthResult::Failed),
            Self::TimedOut => Some(HealthResult::Timeout),
            Self::Busy => None,
        }
    }
}

/// Why an endpoint is unhealthy, in a few words without an address.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serving | Self::Unimplemented => f.write_str("serves"),
            Self::NotServing(word) => write!(f, "its health check says {word}"),
            Self::Failed(code) => write!(f, "its health check fails ({code})"),
            Self::TimedOut => f.write_str("its health check gets no answer in time"),
            Self::Busy => f.write_str("no stream is free for its health check"),
        }
    }
}
