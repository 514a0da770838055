//! One message each way, as a POST or a GET.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::{body::Body as HttpBody, response::Response};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tonic::Code;

use super::{
    Format, bad_request, bare, end, enter, error::Failure, format, get, is_gzip, message, not_allowed,
    takes_gzip, unsupported,
};
use crate::{
    call::{self, Body, CallError, Inbound, Kind},
    front::{body, open, open::Opening},
    grpc::{
        frame::{self, HEADER_LEN},
        gzip, status,
    },
    plan::MethodPlan,
    schema::Idempotency,
};

/// Serves one call: HTTP 200 and the message, or the HTTP status of an error and its JSON.
pub(super) async fn serve(opening: &Opening, head: Parts, body: HttpBody) -> Response {
    let plan = &opening.plan;
    let method = match plan.method(head.uri.path()) {
        Ok(method) => method,
        Err(error) => {
            let failure = Failure::of(None, &opening.refused(None, error));
            return match plan.not_loaded() {
                None => failure.with_http(StatusCode::NOT_FOUND).into_response(plan),
                Some(_) => failure.into_response(plan),
            };
        }
    };
    let may_be_get = method.kind == Kind::Unary && method.method.idempotency == Idempotency::NoSideEffects;
    match head.method {
        Method::POST => {}
        Method::GET if may_be_get => {}
        _ if may_be_get => return not_allowed("GET, POST"),
        _ => return not_allowed("POST"),
    }
    if method.kind != Kind::Unary {
        return unsupported(opening, Some(method), method.kind);
    }
    match call(opening, method, head, body).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(plan),
    }
}

async fn call(
    opening: &Opening,
    method: &Arc<MethodPlan>,
    mut head: Parts,
    body: HttpBody,
) -> Result<Response, Failure> {
    let mut context = opening.context(method, Inbound::Connect);
    let is_get = head.method == Method::GET;
    let refused = |error| Failure::of(Some(method), &opening.refused(Some(method), error));
    let query = head.uri.query().unwrap_or_default();
    let asked = if is_get { Some(get::read(query).map_err(refused)?) } else { None };
    let format = match &asked {
        Some(asked) => asked.format,
        None => format(&head.headers, b"application/"),
    };
    let Some(format) = format else {
        return Ok(unsupported(opening, Some(method), method.kind));
    };
    let coding = head.headers.remove(header::CONTENT_ENCODING);
    let deflates = takes_gzip(&head.headers, &header::ACCEPT_ENCODING);
    enter(&mut head.headers, &mut context).map_err(refused)?;

    let limit = method.policy.max_request_bytes;
    let (bytes, is_gzip) = match asked {
        Some(asked) => (bytes(asked.message), asked.gzip),
        None => {
            let is_gzip = is_gzip(coding.as_ref()).map_err(refused)?;
            let time = open::body_time(method, &context);
            (collect(body, limit, is_gzip, time).await.map_err(refused)?, is_gzip)
        }
    };
    let frame = frame(method, format, bytes, is_gzip).map_err(refused)?;
    let answer = opening.call(method, context, head.headers, Body::full(frame)).await;
    let answer = answer.map_err(|error| Failure::of(Some(method), &error))?;
    reply(method, format, answer, deflates, is_get).await
}

fn bytes(message: Cow<'_, [u8]>) -> Bytes {
    message.into_owned().into()
}

/// Reads a body that is one message.
async fn collect(body: HttpBody, limit: usize, is_gzip: bool, time: Duration) -> Result<Bytes, CallError> {
    let most = if is_gzip { gzip::longest(limit) } else { limit };
    match tokio::time::timeout(time, Limited::new(body, most).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(message::too_large(limit, "")),
        Ok(Err(_)) => Err(CallError::client_gone()),
        Err(_) => Err(body::late(time)),
    }
}

/// Makes a frame of the client's message.
fn frame(method: &MethodPlan, format: Format, bytes: Bytes, is_gzip: bool) -> Result<Bytes, CallError> {
    let limit = method.policy.max_request_bytes;
    // No byte at all is no gzip, and the empty message of protobuf.
    let bytes = if is_gzip && !bytes.is_empty() { message::inflate(&bytes, limit)? } else { bytes };
    if format == Format::Json && bytes.trim_ascii().is_empty() {
        return Err(bad_request("expected a message as JSON, found nothing"));
    }
    let mut out = BytesMut::with_capacity(HEADER_LEN + bytes.len());
    message::read(method, format, &bytes, &mut out)?;
    Ok(out.freeze())
}

/// Waits for the whole answer: a reply whose status is not known yet has no HTTP status.
async fn reply(
    method: &Arc<MethodPlan>,
    format: Format,
    answer: call::Response,
    deflates: bool,
    is_get: bool,
) -> Result<Response, Failure> {
    let (head, body) = answer.into_parts();
    let mut headers = head.headers;
    // Trailers-only: what stands there are trailers.
    if let Some(status) = status::read(&headers) {
        return Err(Failure::backend(method, status, HeaderMap::new(), headers));
    }
    let failed = |error| Failure::of(Some(method), &error);
    let collected = body.collect().await.map_err(failed)?;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let status = status::read(&trailers);
    let status = status.ok_or_else(|| failed(CallError::reply_lost("the answer ended without a status")))?;
    if status.code() != Code::Ok {
        return Err(Failure::backend(method, status, headers, trailers));
    }
    let body = body_of(method, format, collected.to_bytes()).map_err(failed)?;
    bare(&mut headers);
    end::prefixed(trailers, &mut headers);
    let content_type = match format {
        Format::Proto => "application/proto",
        Format::Json => "application/json",
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_get {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    let deflated = if deflates { message::deflate(&body) } else { None };
    let body = match deflated {
        None => body,
        Some(deflated) => {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(gzip::NAME));
            deflated.freeze()
        }
    };
    let mut response = Response::new(HttpBody::from(body));
    *response.headers_mut() = headers;
    Ok(response)
}

/// The one message of an answer in the client's format.
fn body_of(method: &MethodPlan, format: Format, mut frames: Bytes) -> Result<Bytes, CallError> {
    let message = frame::take(&mut frames, method.policy.max_response_bytes);
    let message = message.map_err(CallError::response_frame)?;
    let message = message.ok_or_else(|| CallError::reply_lost("the answer has no message"))?;
    let message = message::plain(message)?;
    if format == Format::Proto {
        return Ok(message);
    }
    let mut out = BytesMut::new();
    message::write(method, format, message, &mut out)?;
    Ok(out.freeze())
}
