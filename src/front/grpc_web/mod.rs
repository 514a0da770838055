//! gRPC-Web, binary and text (grpc `doc/PROTOCOL-WEB.md`).
//!
//! ```text
//! body    = *frame trailers                   ; text: base64 of that, in segments of whole groups of four
//! trailers = 0x80 length:u32be *( name ":" value CRLF )
//! ```
//!
//! Browsers cannot read trailers, so the status comes as a last frame. It always comes: a browser client takes an end
//! without one for success. Message bytes are never decoded, only their frame headers are followed.

mod messages;
mod reply;
mod text;
mod trailers;

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body as HttpBody,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use http_body::Body as _;

use self::messages::Change;
use super::{X_ACCEL_BUFFERING, body, open, open::Opening, own};
use crate::{
    call::{Body, CallError, Chunks, Context, Inbound, Whole, reason},
    grpc::{
        GRPC_ACCEPT_ENCODING, GRPC_ENCODING, GRPC_STATUS,
        coding::{self, Coding},
        metadata, status,
        text::{Decoder, TextError, encode as encode_text},
    },
    plan::MethodPlan,
};

pub(super) use self::trailers::frame as header_frame;

/// How a client writes and wants to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// Of the request.
    pub(super) request: Encoding,
    /// Of the answer.
    pub(super) response: Encoding,
    /// Of the messages, both ways.
    pub(super) codec: Codec,
}

/// What messages are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Proto,
    Json,
    /// Something else, which is not served.
    Other,
}

/// Frames as they are, or as base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Binary,
    Text,
}

/// Serves one call. HTTP 200 and exactly one status for everything that is a call.
pub(super) async fn serve(opening: &Opening, mut head: Parts, body: HttpBody, format: Format) -> Response {
    if head.method != Method::POST {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")]).into_response();
    }
    if format.codec == Codec::Other {
        let text =
            "expected application/grpc-web or application/grpc-web-text, with +proto, +json or neither\n";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
    }
    match call(opening, head.uri, &mut head.headers, body, format).await {
        Ok(answer) => reply(answer, format),
        Err(error) => refusal(&error, format),
    }
}

async fn call(
    opening: &Opening,
    uri: http::Uri,
    headers: &mut HeaderMap,
    body: HttpBody,
    format: Format,
) -> Result<crate::call::Response, CallError> {
    let plan = &opening.plan;
    let inbound = if format.response == Encoding::Text { Inbound::GrpcWebText } else { Inbound::GrpcWeb };
    let method = match plan.method(uri.path()) {
        Ok(method) => method,
        Err(_) if format.codec == Codec::Proto && opening.own().has(uri.path()) => {
            let body = decoded(body::stream(body), format.request)?;
            return own::answer(opening, uri.path(), inbound, headers, body).await;
        }
        Err(error) => return Err(opening.refused(None, error)),
    };
    let mut context = opening.context(method, inbound);
    if let Err(error) = open::grpc_timeout(headers, &mut context) {
        return Err(opening.refused(Some(method), error));
    }
    metadata::from_client(headers);
    let coding = Coding::of(headers);
    let accepted = coding::values(headers, &GRPC_ACCEPT_ENCODING);
    if format.codec == Codec::Json {
        // Edgeway writes the requests itself and reads the answers itself.
        headers.remove(GRPC_ENCODING);
        headers.remove(GRPC_ACCEPT_ENCODING);
    }
    let time = open::body_time(method, &context);
    let body = read(body, format.request, &context, time).await.and_then(|body| match format.codec {
        Codec::Json => Change::from_json(method, coding).apply(body),
        Codec::Proto | Codec::Other => Ok(body),
    });
    let body = match body {
        Ok(body) => body,
        Err(error) => return Err(opening.refused(Some(method), error)),
    };
    let answer = opening.call(method, context, std::mem::take(headers), body).await?;
    readable(answer, method, format, &accepted)
}

/// An answer whose messages its client can read.
fn readable(
    answer: crate::call::Response,
    method: &Arc<MethodPlan>,
    format: Format,
    accepted: &[Bytes],
) -> Result<crate::call::Response, CallError> {
    let (mut head, body) = answer.into_parts();
    let coding = Coding::of(&head.headers);
    let body = match format.codec {
        Codec::Json => Change::to_json(method, coding).apply(body)?,
        _ if coding == Coding::Identity || coding::lists(accepted, &head.headers) => {
            return Ok(crate::call::Response::from_parts(head, body));
        }
        // grpc-go's servers compress unasked when they are told to, and so did Envoy in front of them.
        _ => Change::inflate(method, coding).apply(body)?,
    };
    head.headers.remove(GRPC_ENCODING);
    Ok(crate::call::Response::from_parts(head, body))
}

async fn read(
    body: HttpBody,
    encoding: Encoding,
    context: &Context,
    time: Duration,
) -> Result<Body, CallError> {
    let body =
        if context.kind.client_streaming() { body::stream(body) } else { body::gather(body, time).await? };
    decoded(body, encoding)
}

/// The frames of a request.
fn decoded(body: Body, encoding: Encoding) -> Result<Body, CallError> {
    if encoding == Encoding::Binary {
        return Ok(body);
    }
    match body.into_whole() {
        Ok(whole) => {
            let mut decoder = Decoder::default();
            let frames =
                decoder.decode(&whole.chunks.join()).and_then(|frames| decoder.finish().map(|()| frames));
            let frames = frames.map_err(bad_text)?;
            Ok(Body::whole(Whole { chunks: Chunks::One(frames), trailers: None }))
        }
        Err(body) => Ok(Body::stream(text::Decoded::new(body))),
    }
}

fn bad_text(error: TextError) -> CallError {
    CallError::refused(tonic::Code::InvalidArgument, reason::BAD_REQUEST, error.to_string())
}

fn reply(answer: crate::call::Response, format: Format) -> Response {
    let (mut head, body) = answer.into_parts();
    let compresses = dress(&mut head.headers, format);
    // Trailers-only stays in the head: a trailer frame beside it would hide the error from some clients.
    if body.is_end_stream() && head.headers.contains_key(GRPC_STATUS) {
        return Response::from_parts(head, HttpBody::empty());
    }
    let body = reply::body(body, format.response, compresses);
    if body.size_hint().exact().is_none() {
        head.headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    }
    Response::from_parts(head, body)
}

/// A call that ended without an answer, as trailers-only.
fn refusal(error: &CallError, format: Format) -> Response {
    let mut response = Response::new(HttpBody::empty());
    dress(response.headers_mut(), format);
    status::write(&error.rpc_status(), response.headers_mut());
    response
}

/// Makes the head of an answer the client's; whether it names a compression.
///
/// Content types are written without parameters: protobuf-ts compares them to the letter.
fn dress(headers: &mut HeaderMap, format: Format) -> bool {
    let content_type = match (format.response, format.codec) {
        (Encoding::Binary, Codec::Json) => "application/grpc-web+json",
        (Encoding::Binary, _) => "application/grpc-web+proto",
        (Encoding::Text, Codec::Json) => "application/grpc-web-text+json",
        (Encoding::Text, _) => "application/grpc-web-text+proto",
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.remove(GRPC_ACCEPT_ENCODING);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let Some(encoding) = headers.get(GRPC_ENCODING) else { return false };
    if encoding == "identity" {
        headers.remove(GRPC_ENCODING);
    }
    true
}

/// Frames as the client wants them.
fn encode(encoding: Encoding, frames: Bytes) -> Bytes {
    match encoding {
        Encoding::Binary => frames,
        Encoding::Text => encode_text(&frames),
    }
}
