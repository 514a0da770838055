//! What an HTTP/2 error says about the call it ended.
//!
//! | observation | means | class |
//! |---|---|---|
//! | the stream could not be opened | nothing was sent | [`Class::NeverSent`] |
//! | GOAWAY from the peer, stream above its last id | not processed (RFC 9113 section 6.8) | [`Class::Unprocessed`] |
//! | RST_STREAM REFUSED_STREAM from the peer | not processed (RFC 9113 section 8.7) | [`Class::Unprocessed`] |
//! | RST_STREAM with another code | the backend's answer | [`Class::Answered`] by the table of grpc `doc/PROTOCOL-HTTP2.md` |
//! | the transport ended, or `h2` ended it | nobody knows | [`Class::Lost`] |

use std::time::Duration;

use h2::Reason;
use tokio::time::Instant;
use tonic::Code;

use crate::call::CallError;

/// What is known about a call that an error ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    NeverSent,
    Unprocessed,
    Answered(Code),
    Lost,
}

pub(super) fn classify(error: &h2::Error) -> Class {
    if error.is_remote() {
        if error.is_go_away() {
            return Class::Unprocessed;
        }
        match error.reason() {
            Some(Reason::REFUSED_STREAM) => return Class::Unprocessed,
            Some(reason) if error.is_reset() => return Class::Answered(code(reason)),
            _ => {}
        }
    }
    if error.is_reset() && error.is_library() { Class::Answered(Code::Internal) } else { Class::Lost }
}

/// The error of a call that is not tried again.
///
/// A reset with CANCEL at the deadline is how a server of grpc-go says that the deadline has passed.
pub(super) fn call_error(cluster: &str, error: &h2::Error, deadline: Option<Instant>) -> CallError {
    match classify(error) {
        Class::Answered(Code::Cancelled) if is_due(deadline) => CallError::deadline_exceeded(true),
        Class::NeverSent | Class::Unprocessed => {
            CallError::not_executed(cluster, format_args!("the backend refused the call ({error})"))
        }
        Class::Answered(code) => {
            CallError::backend(code, cluster, format_args!("the backend reset the call ({error})"))
        }
        Class::Lost => CallError::outcome_unknown(cluster, error),
    }
}

/// The error of a call whose answer had begun.
///
/// A backend that has answered has run the call, whatever it says of it then.
pub(super) fn broken_off(cluster: &str, error: &h2::Error, deadline: Option<Instant>) -> CallError {
    match classify(error) {
        Class::NeverSent | Class::Unprocessed => CallError::outcome_unknown(cluster, error),
        Class::Answered(_) | Class::Lost => call_error(cluster, error, deadline),
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
