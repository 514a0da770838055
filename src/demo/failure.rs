//! Failures on demand: a status as a request describes it.

use std::collections::HashMap;
use std::time::Duration;

use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::metadata::metadata;
use super::proto::ecommerce::v1::{FailDetail, FailRequest};
use super::proto::google::rpc;
use super::violations::Violations;

/// The status that `request` asks for. `prefix` stands before its fields in `violations`: empty, or a path that
/// ends in a dot. A status that cannot be made is noted there.
pub(super) fn status(prefix: &str, request: &FailRequest, violations: &mut Violations) -> Status {
    if request.code == 0 {
        violations.add(format!("{prefix}code"), "expected a code other than OK, found OK");
    }
    let trailers = metadata(&format!("{prefix}trailers"), &request.trailers, violations);
    let mut details = Vec::new();
    for (index, &value) in request.details.iter().enumerate() {
        match FailDetail::try_from(value).ok().and_then(ready_made) {
            Some(detail) => details.extend(encoded(detail).details),
            None => {
                violations
                    .add(format!("{prefix}details[{index}]"), format!("expected 1 to 8, found {value}"));
            }
        }
    }
    details.extend(request.raw_details.iter().cloned());
    if details.is_empty() {
        return Status::with_metadata(Code::from_i32(request.code), &request.message, trailers);
    }
    // The code as it was asked for, also one that `Code` has no name for.
    let status = rpc::Status { code: request.code, message: request.message.clone(), details };
    let details = status.encode_to_vec().into();
    Status::with_details_and_metadata(Code::from_i32(request.code), &request.message, details, trailers)
}

/// A status as a message, for answers that carry it in their body.
pub(super) fn message(status: &Status) -> rpc::Status {
    rpc::Status {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: rpc::Status::decode(status.details()).unwrap_or_default().details,
    }
}

fn ready_made(detail: FailDetail) -> Option<ErrorDetails> {
    let mut details = ErrorDetails::new();
    match detail {
        FailDetail::Unspecified => return None,
        FailDetail::BadRequest => details
            .add_bad_request_violation("order_id", "expected an id, found none")
            .add_bad_request_violation("items[0].quantity", "expected 1 to 1000, found 0"),
        FailDetail::RetryInfo => details.set_retry_info(Some(Duration::from_millis(1500))),
        FailDetail::ErrorInfo => details.set_error_info(
            "DEMO",
            "ecommerce.example",
            HashMap::from([("service".to_owned(), "diagnostics".to_owned())]),
        ),
        FailDetail::ResourceInfo => {
            details.set_resource_info("ecommerce.v1.Order", "order-0", "alice", "there is no such order")
        }
        FailDetail::PreconditionFailure => {
            details.add_precondition_failure_violation("STATUS", "order-4", "the order is delivered")
        }
        FailDetail::QuotaFailure => details.add_quota_failure_violation("user:alice", "one order a day"),
        FailDetail::LocalizedMessage => details.set_localized_message("de-DE", "Das ging schief."),
        FailDetail::Help => details.add_help_link("what to do", "https://ecommerce.example/help"),
    };
    Some(details)
}

fn encoded(details: ErrorDetails) -> rpc::Status {
    message(&Status::with_error_details_and_metadata(Code::Unknown, "", details, MetadataMap::new()))
}
