//! What is told of a message that does not go into JSON, or out of it.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    call::CallError,
    codec::{ReadError, Unprintable, WriteError},
};

/// A client's JSON that does not fit its message: INVALID_ARGUMENT with the field as a `google.rpc.BadRequest`.
pub(super) fn unfit(error: &ReadError) -> CallError {
    let details = ErrorDetails::with_bad_request_violation(error.field_path(), error.description());
    CallError::client(Status::with_error_details(Code::InvalidArgument, error.to_string(), details))
}

/// A backend's message that JSON cannot say, or that becomes too long.
pub(super) fn unprintable(error: WriteError) -> CallError {
    match error.reason() {
        Unprintable::TooLarge { .. } | Unprintable::TooManyValues { .. } => CallError::reply_too_large(error),
        _ => CallError::reply_lost(error),
    }
}
