//! gRPC-Web, binary and text (grpc `doc/PROTOCOL-WEB.md`).
//!
//! ```text
//! body    = *frame trailers                   ; text: base64 of that, in segments of whole groups of four
//! trailers = 0x80 length:u32be *( name ":" value CRLF )
//! ```
//!
//! Browsers cannot read trailers, so the status comes as a last frame. It always comes: a browser client takes an end
//! without one for success. Message bytes are never decoded, only their frame headers are followed.

mod reply;
mod text;
mod trailers;

use std::time::Duration;

use axum::{
    body::Body as HttpBody,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};

use super::{body, open, open::Opening};
use crate::{
    call::{Body, CallError, Chunks, Context, Inbound, Whole, reason},
    grpc::{GRPC_ACCEPT_ENCODING, GRPC_ENCODING, GRPC_STATUS, metadata, status},
};

pub(super) use self::trailers::frame as header_frame;

/// How a client writes and wants to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// Of the request.
    pub(super) request: Encoding,
    /// Of the answer.
    pub(super) response: Encoding,
    /// Whether messages are protobuf.
    pub(super) proto: bool,
}

/// Frames as they are, or as base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Binary,
    Text,
}

/// Serves one call. HTTP 200 and exactly one status for everything that is a call.
pub(super) async fn serve(opening: Opening, mut head: Parts, body: HttpBody, format: Format) -> Response {
    if head.method != Method::POST {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")]).into_response();
    }
    if !format.proto {
        let text =
            "expected application/grpc-web, +proto or -text; other message formats are not supported\n";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
    }
    match call(opening, head.uri, &mut head.headers, body, format).await {
        Ok(answer) => reply(answer, format.response),
        Err(error) => refusal(&error, format.response),
    }
}

async fn call(
    opening: Opening,
    uri: http::Uri,
    headers: &mut HeaderMap,
    body: HttpBody,
    format: Format,
) -> Result<crate::call::Response, CallError> {
    let plan = opening.plan.clone();
    let method = match plan.method(uri.path()) {
        Ok(method) => method,
        Err(error) => return Err(opening.refused(None, error)),
    };
    let inbound = if format.response == Encoding::Text { Inbound::GrpcWebText } else { Inbound::GrpcWeb };
    let mut context = opening.context(method, inbound);
    if let Err(error) = open::grpc_timeout(headers, &mut context) {
        return Err(opening.refused(Some(method), error));
    }
    metadata::from_client(headers);
    let time = open::body_time(method, &context);
    let body = match read(body, format.request, &context, time).await {
        Ok(body) => body,
        Err(error) => return Err(opening.refused(Some(method), error)),
    };
    opening.call(method, context, std::mem::take(headers), body).await
}

async fn read(
    body: HttpBody,
    encoding: Encoding,
    context: &Context,
    time: Duration,
) -> Result<Body, CallError> {
    let body =
        if context.kind.client_streaming() { body::stream(body) } else { body::gather(body, time).await? };
    if encoding == Encoding::Binary {
        return Ok(body);
    }
    match body.into_whole() {
        Ok(whole) => {
            let mut decoder = text::Decoder::default();
            let frames =
                decoder.decode(&whole.chunks.join()).and_then(|frames| decoder.finish().map(|()| frames));
            let frames = frames.map_err(bad_text)?;
            Ok(Body::whole(Whole { chunks: Chunks::One(frames), trailers: None }))
        }
        Err(body) => Ok(Body::stream(text::Decoded::new(body))),
    }
}

fn bad_text(error: text::TextError) -> CallError {
    CallError::refused(tonic::Code::InvalidArgument, reason::BAD_REQUEST, error.to_string())
}

fn reply(answer: crate::call::Response, encoding: Encoding) -> Response {
    let (mut head, body) = answer.into_parts();
    dress(&mut head.headers, encoding);
    // Trailers-only stays in the head: a trailer frame beside it would hide the error from some clients.
    if head.headers.contains_key(GRPC_STATUS) {
        return Response::from_parts(head, HttpBody::empty());
    }
    Response::from_parts(head, reply::body(body, encoding))
}

/// A call that ended without an answer, as trailers-only.
fn refusal(error: &CallError, encoding: Encoding) -> Response {
    let mut response = Response::new(HttpBody::empty());
    dress(response.headers_mut(), encoding);
    status::write(&error.rpc_status(), response.headers_mut());
    response
}

/// Content types are written without parameters: protobuf-ts compares them to the letter.
fn dress(headers: &mut HeaderMap, encoding: Encoding) {
    let content_type = match encoding {
        Encoding::Binary => "application/grpc-web+proto",
        Encoding::Text => "application/grpc-web-text+proto",
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.remove(GRPC_ACCEPT_ENCODING);
    if headers.get(GRPC_ENCODING).is_some_and(|encoding| encoding == "identity") {
        headers.remove(GRPC_ENCODING);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    // nginx in front would otherwise hold a stream back until its buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}

/// Frames as the client wants them.
fn encode(encoding: Encoding, frames: Bytes) -> Bytes {
    match encoding {
        Encoding::Binary => frames,
        Encoding::Text => text::encode(&frames),
    }
}
