//! What the outcome of an attempt says about its endpoint.

use tonic::Code;

/// What the outcome of an attempt says about its endpoint.
///
/// gRPC's own detector counts every status but OK, so that one client with bad arguments ejects a pod. Here it is:
///
/// | outcome | verdict |
/// |---|---|
/// | OK, and every status that a working server gives: NOT_FOUND, INVALID_ARGUMENT, UNIMPLEMENTED, ... | success |
/// | UNAVAILABLE, INTERNAL, DATA_LOSS, UNKNOWN; no status, no trailers, not gRPC at all | failure |
/// | RST_STREAM other than CANCEL, REFUSED_STREAM too | failure |
/// | the connection was lost; once for each connection, however many calls it carried | failure |
/// | the deadline passed before the answer began, a second or more after the attempt did | failure |
/// | RESOURCE_EXHAUSTED | soft: counts in ratios, not in a row |
/// | never sent, or not processed because of GOAWAY | ignored |
/// | the client left, sent nonsense or set too short a deadline; a stream was ended for its age | ignored |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Verdict {
    Success,
    Failure,
    Soft,
    Ignored,
}

impl Verdict {
    /// That of a status, the backend's own or made of an answer that has none.
    pub(in crate::upstream) fn of(code: Code) -> Self {
        match code {
            Code::Unavailable | Code::Internal | Code::DataLoss | Code::Unknown => Self::Failure,
            Code::ResourceExhausted => Self::Soft,
            Code::Ok
            | Code::Cancelled
            | Code::InvalidArgument
            | Code::DeadlineExceeded
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Unauthenticated => Self::Success,
        }
    }
}
