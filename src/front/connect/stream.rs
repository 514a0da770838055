//! A stream of messages each way, or of one of them.

use std::sync::Arc;

use axum::{body::Body as HttpBody, response::Response};
use http::{HeaderMap, HeaderValue, Method, header, request::Parts};

use super::{
    ACCEPT_ENCODING, CONTENT_ENCODING, Format, bare, end, enter, format, is_gzip, not_allowed, reply,
    takes_gzip, unsupported, upload::Envelopes,
};
use crate::{
    call::{self, Body, CallError, Inbound, Kind},
    front::X_ACCEL_BUFFERING,
    front::{body, open, open::Opening},
    grpc::{GRPC_STATUS, gzip, status},
    plan::{MethodPlan, Plan},
};

/// Serves one call: HTTP 200 and exactly one end, whatever happens.
pub(super) async fn serve(opening: &Opening, mut head: Parts, body: HttpBody) -> Response {
    if head.method != Method::POST {
        return not_allowed("POST");
    }
    let format = format(&head.headers, b"application/connect+");
    let Some(format) = format else {
        let method = opening.plan.method(head.uri.path()).ok().map(AsRef::as_ref);
        return unsupported(opening, method, method.map_or(Kind::Bidi, |method| method.kind));
    };
    let plan = &opening.plan;
    let method = match plan.method(head.uri.path()) {
        Ok(method) => method,
        Err(error) => return refusal(plan, None, format, &opening.refused(None, error)),
    };
    if method.kind == Kind::Unary {
        return unsupported(opening, Some(method), method.kind);
    }
    let deflates = takes_gzip(&head.headers, &ACCEPT_ENCODING);
    match call(opening, method, &mut head.headers, body, format).await {
        Ok(answer) => respond(method, format, answer, deflates),
        Err(error) => refusal(plan, Some(method), format, &error),
    }
}

async fn call(
    opening: &Opening,
    method: &Arc<MethodPlan>,
    headers: &mut HeaderMap,
    body: HttpBody,
    format: Format,
) -> Result<call::Response, CallError> {
    let mut context = opening.context(method, Inbound::Connect);
    let refused = |error| opening.refused(Some(method), error);
    // Gzip around the envelopes would have to be inflated for as long as the stream lasts.
    if is_gzip(headers.get(header::CONTENT_ENCODING)).map_err(refused)? {
        let message =
            "expected connect-content-encoding of the envelopes, found content-encoding of the stream";
        let error = CallError::refused(tonic::Code::Unimplemented, call::reason::BAD_REQUEST, message);
        return Err(refused(error));
    }
    let is_gzip = is_gzip(headers.get(CONTENT_ENCODING)).map_err(refused)?;
    enter(headers, &mut context).map_err(refused)?;
    let envelopes = Envelopes::new(method, format, is_gzip);
    let body = if context.kind.client_streaming() {
        Body::stream(envelopes.over(body::stream(body)))
    } else {
        let body = body::gather(body, open::body_time(method, &context)).await.map_err(refused)?;
        match body.into_whole() {
            Ok(whole) => Body::full(envelopes.all(whole.chunks.join()).map_err(refused)?),
            Err(body) => Body::stream(envelopes.over(body)),
        }
    };
    opening.call(method, context, std::mem::take(headers), body).await
}

fn respond(method: &Arc<MethodPlan>, format: Format, answer: call::Response, deflates: bool) -> Response {
    let (head, body) = answer.into_parts();
    let mut headers = head.headers;
    // Trailers-only: what stands there are trailers.
    let body = if headers.contains_key(GRPC_STATUS) {
        let trailers = std::mem::take(&mut headers);
        HttpBody::from(end::envelope(&method.pool, &status::read_or_unknown(&trailers), &trailers))
    } else {
        HttpBody::new(reply::Reply::new(method, format, body, deflates))
    };
    bare(&mut headers);
    dress(&mut headers, format);
    if deflates {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(gzip::NAME));
    }
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    response
}

/// A call that ended without an answer.
fn refusal(plan: &Plan, method: Option<&Arc<MethodPlan>>, format: Format, error: &CallError) -> Response {
    let pool = method.map_or(&plan.builtin, |method| &method.pool);
    let envelope = end::envelope(pool, &error.rpc_status(), &HeaderMap::new());
    let mut response = Response::new(HttpBody::from(envelope));
    dress(response.headers_mut(), format);
    response
}

fn dress(headers: &mut HeaderMap, format: Format) {
    let content_type = match format {
        Format::Proto => "application/connect+proto",
        Format::Json => "application/connect+json",
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(gzip::NAME));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
}
