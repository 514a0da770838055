//! The JSON of an error, and the reply of a unary call that failed.
//!
//! ```text
//! {"code": "not_found", "message": "...", "details": [ *detail ]}
//! detail = {"type": "google.rpc.ErrorInfo", "value": base64, "debug": {...}}
//! ```

use std::sync::Arc;

use axum::{body::Body as HttpBody, response::Response};
use base64::Engine;
use bytes::BytesMut;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use prost::Message as _;
use prost_reflect::DescriptorPool;
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::pb;

use super::{bare, end};
use crate::{
    call::CallError,
    codec::{self, WriteOptions},
    grpc::{code, status::BASE64},
    plan::{MethodPlan, Plan},
};

/// A unary call that gets an error for an answer. One word wide: it is the error of every step.
#[derive(Debug)]
pub(super) struct Failure(Box<Inner>);

#[derive(Debug)]
struct Inner {
    status: Status,
    /// The HTTP status, where HTTP has a better one than the code's.
    http: Option<StatusCode>,
    /// The metadata that a backend sent with it.
    headers: HeaderMap,
    trailers: HeaderMap,
    /// Resolves the types of its details.
    method: Option<Arc<MethodPlan>>,
}

impl Failure {
    /// A call that Edgeway ended.
    pub(super) fn of(method: Option<&Arc<MethodPlan>>, error: &CallError) -> Self {
        Self::new(method, error.rpc_status(), HeaderMap::new(), HeaderMap::new())
    }

    /// A call that its backend ended with an error.
    pub(super) fn backend(
        method: &Arc<MethodPlan>,
        status: Status,
        headers: HeaderMap,
        trailers: HeaderMap,
    ) -> Self {
        Self::new(Some(method), status, headers, trailers)
    }

    pub(super) fn with_http(mut self, http: StatusCode) -> Self {
        self.0.http = Some(http);
        self
    }

    fn new(
        method: Option<&Arc<MethodPlan>>,
        status: Status,
        headers: HeaderMap,
        trailers: HeaderMap,
    ) -> Self {
        Self(Box::new(Inner { status, http: None, headers, trailers, method: method.cloned() }))
    }

    pub(super) fn into_response(self, plan: &Plan) -> Response {
        let Inner { status, http, headers, trailers, method } = *self.0;
        let pool = method.as_ref().map_or(&plan.builtin, |method| &method.pool);
        let mut json = BytesMut::new();
        write(pool, &status, &mut json);
        let mut response = Response::new(HttpBody::from(json.freeze()));
        *response.status_mut() = http.unwrap_or_else(|| code::to_http(status.code()));
        *response.headers_mut() = headers;
        let headers = response.headers_mut();
        bare(headers);
        end::prefixed(trailers, headers);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // Caches keep some errors of a GET by themselves, a 404 for one (RFC 9111 section 4.2.2).
        if !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        response
    }
}

/// Appends the JSON of an error.
///
/// Nothing here fails, since an error about an error would hide the first one: what does not decode is left out, and
/// so is what would go beyond 1 MiB. `debug` is for people, and is there where the schema knows the type.
pub(super) fn write(pool: &DescriptorPool, status: &Status, out: &mut BytesMut) {
    let details = pb::Status::decode(status.details()).ok();
    let details =
        details.filter(|details| !status.details().is_empty() && details.code == status.code() as i32);
    let told = details.as_ref().map(|details| details.message.as_str()).filter(|message| !message.is_empty());
    let message: String = told.unwrap_or(status.message()).chars().take(LONGEST_MESSAGE).collect();

    out.extend_from_slice(b"{\"code\":\"");
    out.extend_from_slice(name(status.code()).as_bytes());
    out.extend_from_slice(b"\"");
    if !message.is_empty() {
        out.extend_from_slice(b",\"message\":");
        out.extend_from_slice(Value::from(message).to_string().as_bytes());
    }
    let mut items = BytesMut::new();
    for detail in details.iter().flat_map(|details| &details.details) {
        let item = item(pool, detail);
        if items.len() + item.len() > LONGEST_DETAILS {
            continue;
        }
        if !items.is_empty() {
            items.extend_from_slice(b",");
        }
        items.extend_from_slice(&item);
    }
    if !items.is_empty() {
        out.extend_from_slice(b",\"details\":[");
        out.extend_from_slice(&items);
        out.extend_from_slice(b"]");
    }
    out.extend_from_slice(b"}");
}

fn item(pool: &DescriptorPool, detail: &prost_types::Any) -> BytesMut {
    // `type.googleapis.com/package.Message`: clients know messages by their names alone.
    let name = detail.type_url.rsplit('/').next().unwrap_or_default();
    let value = BASE64.encode(&detail.value);
    let mut item = BytesMut::new();
    item.extend_from_slice(format!("{{\"type\":{},\"value\":\"{value}\"", Value::from(name)).as_bytes());
    if let Some(message) = pool.get_message_by_name(name) {
        let plain = item.len();
        item.extend_from_slice(b",\"debug\":");
        let options = WriteOptions { max_bytes: LONGEST_DEBUG, ..WriteOptions::default() };
        if codec::wire_to_json(&message, detail.value.as_slice(), &options, &mut item).is_err() {
            item.truncate(plain);
        }
    }
    item.extend_from_slice(b"}");
    item
}

/// The name of a code in Connect's spelling.
fn name(code: Code) -> &'static str {
    match code {
        // No error has it; a status that says so and is none has no other name.
        Code::Ok | Code::Unknown => "unknown",
        Code::Cancelled => "canceled",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}

/// Characters of a message that are worth sending: what fits into headers anyway.
const LONGEST_MESSAGE: usize = 8 << 10;

/// Bytes of JSON for all details.
const LONGEST_DETAILS: usize = 1 << 20;

/// Bytes of JSON for one detail's `debug`.
const LONGEST_DEBUG: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tonic_types::{ErrorDetails, StatusExt};

    use super::*;

    fn check(status: &Status, expect: &str) {
        let mut out = BytesMut::new();
        write(&crate::schema::builtin(), status, &mut out);
        assert_eq!(out, expect);
    }

    #[test]
    fn what_is_empty_stays_out() {
        check(&Status::not_found(""), r#"{"code":"not_found"}"#);
        check(&Status::cancelled("a \"b\"\n"), r#"{"code":"canceled","message":"a \"b\"\n"}"#);
        let junk = Status::with_details(Code::Aborted, "m", Bytes::from_static(b"\xff\xff"));
        check(&junk, r#"{"code":"aborted","message":"m"}"#);
    }

    #[test]
    fn details_are_told_by_bytes_and_to_people() {
        let details = ErrorDetails::with_bad_request_violation("a", "b");
        let status = Status::with_error_details(Code::InvalidArgument, "m", details);
        let debug = r#"{"fieldViolations":[{"field":"a","description":"b"}]}"#;
        check(
            &status,
            &format!(
                r#"{{"code":"invalid_argument","message":"m","details":[{{"type":"google.rpc.BadRequest","value":"CgYKAWESAWI","debug":{debug}}}]}}"#
            ),
        );
        let unknown = prost_types::Any { type_url: "x.test/a.B".into(), value: vec![1] };
        let details = pb::Status { code: 5, message: String::new(), details: vec![unknown] };
        let status = Status::with_details(Code::NotFound, "m", details.encode_to_vec().into());
        check(&status, r#"{"code":"not_found","message":"m","details":[{"type":"a.B","value":"AQ"}]}"#);
    }

    #[test]
    fn every_code_has_the_name_that_grpc_has_in_small_letters() {
        for value in 1..=16 {
            let code = Code::from_i32(value);
            let grpc = code::name(code).to_lowercase();
            assert_eq!(name(code), if code == Code::Cancelled { "canceled" } else { &grpc });
        }
    }
}
