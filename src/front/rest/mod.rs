//! JSON over HTTP, by the `google.api.http` rules of the methods.
//!
//! | step | file |
//! |---|---|
//! | which route | here |
//! | the body to frames | [`request`], [`messages`] and [`pieces`] of a stream |
//! | path, query and body to one message | [`bind`] |
//! | one message to a reply | [`unary`] |
//! | many messages to a reply | [`stream`], in the [`format`] of the client's choice |
//! | `google.api.HttpBody` to a reply | [`raw`] |
//! | whatever went wrong to a reply | [`refuse`] |

pub mod bind;
mod explain;
mod format;
mod keep_alive;
mod messages;
mod pieces;
mod raw;
mod refuse;
mod request;
mod stream;
mod timeout;
mod unary;

use std::sync::OnceLock;

use axum::{body::Body as HttpBody, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use http_body::Body as _;

pub use self::explain::{Account, Considered, Outcome, Sent, Standing, explain};

use self::refuse::Refusal;
use super::{open, open::Opening};
use crate::{
    call::Inbound,
    grpc::{GRPC_ACCEPT_ENCODING, GRPC_ENCODING, metadata},
    plan::Plan,
};

/// Serves one request.
pub(super) async fn serve(opening: &Opening, head: Parts, body: HttpBody) -> Response {
    let plan = &opening.plan;
    let head_only = head.method == Method::HEAD;
    let response = match answer(opening, head, body, plan).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(plan),
    };
    if head_only { without_body(response) } else { response }
}

async fn answer(
    opening: &Opening,
    mut head: Parts,
    body: HttpBody,
    plan: &Plan,
) -> Result<Response, Refusal> {
    let found = match plan.routes.lookup(head.method.as_str(), head.uri.path()) {
        Ok(found) => found,
        Err(miss) => return refuse::miss(opening, &head, miss),
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
    let time = open::body_time(method, &context);
    let frames = request::frames(binding, &found, &head, body, time).await;
    let frames = frames.map_err(|unfit| {
        let foreign = unfit.http == Some(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let refusal = refused(unfit.error).with_better(unfit.http);
        if foreign && found.template.as_str() == method.method.path {
            refusal.in_plain_text()
        } else {
            refusal
        }
    })?;

    let format = format::choose(&head.headers, &method.rest);
    metadata::unprefix(&mut head.headers);
    metadata::from_client(&mut head.headers);
    // Edgeway reads the replies itself, and reads them uncompressed.
    head.headers.remove(GRPC_ENCODING);
    head.headers.remove(GRPC_ACCEPT_ENCODING);
    let called = opening.call(method, context, head.headers, frames.body).await;
    let reply = match called {
        Err(error) => Err(Refusal::of(method, &error)),
        Ok(answer) if method.kind.server_streaming() => stream::reply(binding, answer, format).await,
        Ok(answer) => unary::reply(binding, answer).await,
    };
    reply.map_err(|refusal| match frames.later.as_deref().and_then(OnceLock::get) {
        Some((code, http)) if *code == refusal.code() => refusal.with_better(Some(*http)),
        _ => refusal,
    })
}

/// The answer to a HEAD: that of the GET with its length, if it has one, and nothing else.
fn without_body(mut response: Response) -> Response {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response.map(|_| HttpBody::empty())
}

/// Makes the metadata of an answer the headers of a JSON reply.
fn dress(headers: &mut HeaderMap, content_type: &'static str) {
    bare(headers);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Removes what belongs to gRPC.
fn bare(headers: &mut HeaderMap) {
    let internal: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("grpc-")).cloned().collect();
    for name in internal {
        headers.remove(name);
    }
}
