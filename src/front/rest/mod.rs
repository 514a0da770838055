//! JSON over HTTP, by the `google.api.http` rules of the methods.
//!
//! | step | file |
//! |---|---|
//! | which route, which media type, which body | here |
//! | path, query and body to one message | [`bind`] |
//! | one message to a reply | [`unary`] |
//! | many messages to a reply | [`stream`] |
//! | whatever went wrong to a reply | [`refuse`] |

pub mod bind;
mod explain;
mod refuse;
mod stream;
mod timeout;
mod unary;

use std::{sync::Arc, time::Duration};

use axum::{body::Body as HttpBody, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tonic::Code;

pub use self::explain::{Account, Considered, Outcome, Standing, explain};

use self::refuse::Refusal;
use super::{
    body,
    classify::{foreign_charset, media_type},
    open,
    open::Opening,
};
use crate::{
    call::{Body, CallError, Inbound, Kind, reason},
    grpc::{GRPC_ACCEPT_ENCODING, GRPC_ENCODING, frame, metadata},
    plan::{BodyBinding, MethodPlan, Plan},
};

/// Serves one request.
pub(super) async fn serve(opening: Opening, head: Parts, body: HttpBody) -> Response {
    let plan = Arc::clone(&opening.plan);
    let head_only = head.method == Method::HEAD;
    let response = match answer(opening, head, body, &plan).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(&plan),
    };
    if head_only { without_body(response) } else { response }
}

async fn answer(opening: Opening, mut head: Parts, body: HttpBody, plan: &Plan) -> Result<Response, Refusal> {
    let found = match plan.routes.lookup(head.method.as_str(), head.uri.path()) {
        Ok(found) => found,
        Err(miss) => return refuse::miss(&opening, &head, miss),
    };
    let binding = found.value;
    let method = &binding.method;
    if let Some(journal) = &opening.journal {
        journal.matched(found.template.as_str());
    }
    let mut context = opening.context(method, Inbound::Rest);
    let refused = |error| Refusal::of(method, &opening.refused(Some(method), error));
    open::grpc_timeout(&mut head.headers, &mut context).map_err(refused)?;
    timeout::read(&mut head.headers, &mut context).map_err(refused)?;
    one_message(method).map_err(refused)?;
    let json = match &binding.body {
        // A body that no rule asks for means nothing; hyper drops what is left of it.
        BodyBinding::None => Bytes::new(),
        BodyBinding::All | BodyBinding::Field { .. } => {
            let time = open::body_time(method, &context);
            let read = json_body(&head.headers, body, method.policy.max_request_bytes, time).await;
            read.map_err(|(http, error)| refused(error).with_http(http))?
        }
    };
    let frame = frame::encode_with(json.len().max(SMALL), |out| {
        bind::message(binding, &found.captures, head.uri.query(), &json, out)
    });
    let frames = Body::full(frame.map_err(|fault| refused(fault.into_error()))?);

    let format = stream::Format::of(&head.headers);
    metadata::unprefix(&mut head.headers);
    metadata::from_client(&mut head.headers);
    // Edgeway reads the replies itself, and reads them uncompressed.
    head.headers.remove(GRPC_ENCODING);
    head.headers.remove(GRPC_ACCEPT_ENCODING);
    let called = opening.call(method, context, head.headers, frames).await;
    let answer = called.map_err(|error| Refusal::of(method, &error))?;
    if method.kind == Kind::ServerStream {
        stream::reply(binding, answer, format).await
    } else {
        unary::reply(binding, answer).await
    }
}

/// The answer to a HEAD: that of the GET with its length, if it has one, and nothing else.
fn without_body(mut response: Response) -> Response {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response.map(|_| HttpBody::empty())
}

/// A call by one message is what a JSON body can make.
fn one_message(method: &MethodPlan) -> Result<(), CallError> {
    if !method.kind.client_streaming() {
        return Ok(());
    }
    let message = format!("{} takes a stream of messages: call it with gRPC", method.method.selector());
    Err(CallError::refused(Code::Unimplemented, reason::BAD_REQUEST, message))
}

/// Whether a body may be JSON by its media type.
///
/// A type that a browser sends without asking first (`text/plain`, a form, none at all beside an `Origin`) is refused:
/// any page could send it in a user's name.
fn may_be_json(headers: &HeaderMap) -> Result<(), (StatusCode, CallError)> {
    let media_type = media_type(headers, &header::CONTENT_TYPE);
    let is_json = media_type.eq_ignore_ascii_case(b"application/json")
        || (media_type.len() > b"+json".len()
            && media_type
                .get(media_type.len() - b"+json".len()..)
                .is_some_and(|end| end.eq_ignore_ascii_case(b"+json")));
    let unnamed = media_type.is_empty() && !headers.contains_key(header::ORIGIN);
    if let Some(charset) = foreign_charset(headers) {
        let found = charset.escape_ascii();
        let message = format!("expected JSON in charset=utf-8, found charset={found}");
        let error = CallError::refused(Code::InvalidArgument, reason::BAD_REQUEST, message);
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
    }
    if !is_json && !unnamed {
        let found = if media_type.is_empty() { "none".into() } else { String::from_utf8_lossy(media_type) };
        let message = format!("expected content-type application/json, found {}", found.escape_debug());
        let error = CallError::refused(Code::InvalidArgument, reason::BAD_REQUEST, message);
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
    }
    Ok(())
}

/// The request body, if it may be JSON.
async fn json_body(
    headers: &HeaderMap,
    body: HttpBody,
    limit: usize,
    time: Duration,
) -> Result<Bytes, (StatusCode, CallError)> {
    may_be_json(headers)?;
    let read = tokio::time::timeout(time, Limited::new(body, limit).collect()).await;
    match read {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, CallError::client_gone())),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, body::late(time))),
    }
}

fn too_large(limit: usize) -> (StatusCode, CallError) {
    let message = format!("request body is over the limit of {limit} bytes (max_request_bytes)");
    let error = CallError::refused(Code::ResourceExhausted, reason::MESSAGE_TOO_LARGE, message);
    (StatusCode::PAYLOAD_TOO_LARGE, error)
}

/// Makes the metadata of an answer the headers of a JSON reply.
fn dress(headers: &mut HeaderMap, content_type: &'static str) {
    let internal: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("grpc-")).cloned().collect();
    for name in internal {
        headers.remove(name);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Room for a message that comes from path and query.
const SMALL: usize = 256;
