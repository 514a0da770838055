//! What is known of a call whose attempt failed.
//!
//! | observation | means | class |
//! |---|---|---|
//! | no endpoint can be reached | nothing was sent | [`Class::NotPicked`] |
//! | the stream could not be opened | nothing was sent | [`Class::NeverSent`] |
//! | GOAWAY from the peer, stream above its last id | not processed (RFC 9113 section 6.8) | [`Class::Unprocessed`] |
//! | RST_STREAM REFUSED_STREAM from the peer | not processed (RFC 9113 section 8.7) | [`Class::Unprocessed`] |
//! | a `grpc-status` before any message | the backend's answer | [`Class::Status`] |
//! | RST_STREAM with another code | the backend broke off | [`Class::Broken`] by the table of grpc `doc/PROTOCOL-HTTP2.md` |
//! | HTTP without gRPC, or no status at all | something answered | [`Class::Broken`] |
//! | the transport ended, or `h2` ended it | nobody knows | [`Class::Lost`] |
//! | no message within `perAttemptRecvTimeout` | nobody knows | [`Class::Late`] |
//! | a message came, the client is to blame, the time is over | the call's outcome | [`Class::Final`] |

use std::time::Duration;

use h2::Reason;
use tokio::time::Instant;
use tonic::Code;

use super::retry::Pushback;
use crate::call::{CallError, Response};

/// What is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    NotPicked,
    NeverSent,
    Unprocessed,
    Status(Code),
    Broken(Code),
    Lost,
    Late,
    Final,
}

/// An attempt that failed.
///
/// Boxed, so that an attempt that succeeds does not carry the room for it.
#[derive(Debug)]
pub(super) struct Failed(Box<Inner>);

#[derive(Debug)]
struct Inner {
    class: Class,
    goaway: bool,
    pushback: Pushback,
    end: Result<Response, CallError>,
}

impl Failed {
    /// An attempt that an error ended.
    pub(super) fn new(class: Class, error: CallError) -> Self {
        Self(Box::new(Inner { class, goaway: false, pushback: Pushback::None, end: Err(error) }))
    }

    /// An attempt that HTTP/2 ended before there was an answer.
    pub(super) fn before_answer(cluster: &str, error: &h2::Error, deadline: Option<Instant>) -> Self {
        let mut failed = Self::new(classify(error), call_error(cluster, error, deadline));
        failed.0.goaway = error.is_go_away();
        failed
    }

    /// An answer that holds a status and nothing else.
    pub(super) fn status(code: Code, pushback: Pushback, answer: Response) -> Self {
        Self(Box::new(Inner { class: Class::Status(code), goaway: false, pushback, end: Ok(answer) }))
    }

    pub(super) fn class(&self) -> Class {
        self.0.class
    }

    /// What its backend said of trying again.
    pub(super) fn pushback(&self) -> Pushback {
        self.0.pushback
    }

    /// Whether a connection that takes no further calls is the reason.
    pub(super) fn is_goaway(&self) -> bool {
        self.0.goaway
    }

    /// Whether the time of the call is over.
    pub(super) fn is_late(&self) -> bool {
        self.0.class == Class::Final && self.code() == Code::DeadlineExceeded
    }

    /// The code that the call ends with when no further attempt is made.
    pub(super) fn code(&self) -> Code {
        match (&self.0.end, self.0.class) {
            (Err(error), _) => error.status().code(),
            (Ok(_), Class::Status(code)) => code,
            (Ok(_), _) => Code::Unknown,
        }
    }

    /// What becomes of the call when no further attempt is made.
    pub(super) fn into_end(self) -> Result<Response, CallError> {
        self.0.end
    }
}

pub(super) fn classify(error: &h2::Error) -> Class {
    if error.is_remote() {
        if error.is_go_away() {
            return Class::Unprocessed;
        }
        match error.reason() {
            Some(Reason::REFUSED_STREAM) => return Class::Unprocessed,
            Some(reason) if error.is_reset() => return Class::Broken(code(reason)),
            _ => {}
        }
    }
    if error.is_reset() && error.is_library() { Class::Broken(Code::Internal) } else { Class::Lost }
}

/// The error of a call that is not tried again.
///
/// A reset with CANCEL at the deadline is how a server of grpc-go says that the deadline has passed.
fn call_error(cluster: &str, error: &h2::Error, deadline: Option<Instant>) -> CallError {
    match classify(error) {
        Class::Broken(Code::Cancelled) if is_due(deadline) => CallError::deadline_exceeded(true),
        Class::Broken(code) => {
            CallError::backend(code, cluster, format_args!("the backend reset the call ({error})"))
        }
        Class::Unprocessed => {
            CallError::not_executed(cluster, format_args!("the backend refused the call ({error})"))
        }
        _ => CallError::outcome_unknown(cluster, error),
    }
}

/// The error of a call whose answer had begun.
///
/// A backend that has answered has run the call, whatever it says of it then.
pub(super) fn broken_off(cluster: &str, error: &h2::Error, deadline: Option<Instant>) -> CallError {
    match classify(error) {
        Class::Unprocessed => CallError::outcome_unknown(cluster, error),
        _ => call_error(cluster, error, deadline),
    }
}

/// Whether a deadline has passed or is about to: upstream clocks run late by the way there, and timers ring a moment
/// early or late.
pub(super) fn is_due(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now() + EARLY)
}

fn code(reason: Reason) -> Code {
    match reason {
        Reason::CANCEL => Code::Cancelled,
        Reason::REFUSED_STREAM => Code::Unavailable,
        Reason::ENHANCE_YOUR_CALM => Code::ResourceExhausted,
        Reason::INADEQUATE_SECURITY => Code::PermissionDenied,
        _ => Code::Internal,
    }
}

/// How long before the deadline a cancellation by the backend already means it.
const EARLY: Duration = Duration::from_millis(10);
