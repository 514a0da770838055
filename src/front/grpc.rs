//! Native gRPC over HTTP/2: bytes pass through, frames and trailers as they are.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use axum::{
    body::Body as HttpBody,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header, request::Parts};
use http_body::Frame;

use super::{body, open, open::Opening, own};
use crate::{
    call::{Body, CallError, Inbound},
    grpc::{self, metadata, status},
};

/// Serves one call. HTTP 200 and exactly one status, whatever happens.
pub(super) async fn serve(opening: &Opening, mut head: Parts, body: HttpBody) -> Response {
    if head.version != Version::HTTP_2 {
        let text = "gRPC needs HTTP/2; over HTTP/1.1 send application/grpc-web or JSON\n";
        return (StatusCode::HTTP_VERSION_NOT_SUPPORTED, text).into_response();
    }
    if head.method != Method::POST {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")]).into_response();
    }
    // What a client wrote it can read: `+proto` stays `+proto`.
    let content_type = head.headers.get(header::CONTENT_TYPE).cloned().unwrap_or(grpc::CONTENT_TYPE);
    let answer = match call(opening, head.uri, &mut head.headers, &content_type, body).await {
        Ok(answer) => answer,
        Err(error) => return refusal(&error, content_type),
    };
    let (mut head, body) = answer.into_parts();
    head.headers.insert(header::CONTENT_TYPE, content_type);
    head.version = Version::HTTP_2;
    Response::from_parts(head, HttpBody::new(Reply(body)))
}

async fn call(
    opening: &Opening,
    uri: http::Uri,
    headers: &mut HeaderMap,
    content_type: &HeaderValue,
    body: HttpBody,
) -> Result<crate::call::Response, CallError> {
    let plan = &opening.plan;
    let method = match plan.method(uri.path()) {
        Ok(method) => method,
        Err(_) if opening.own().has(uri.path()) => {
            return own::answer(opening, uri.path(), Inbound::Grpc, headers, body::stream(body)).await;
        }
        Err(error) => return Err(opening.refused(None, error)),
    };
    let mut context = opening.context(method, Inbound::Grpc);
    if let Err(error) = open::grpc_timeout(headers, &mut context) {
        return Err(opening.refused(Some(method), error));
    }
    metadata::from_client(headers);
    if !is_proto(content_type) {
        headers.insert(header::CONTENT_TYPE, content_type.clone());
    }
    let body = if context.kind.client_streaming() {
        body::stream(body)
    } else {
        match body::gather(body, open::body_time(method, &context)).await {
            Ok(body) => body,
            Err(error) => return Err(opening.refused(Some(method), error)),
        }
    };
    opening.call(method, context, std::mem::take(headers), body).await
}

/// Whether messages are protobuf: `application/grpc` or `+proto`, with any parameters.
fn is_proto(content_type: &HeaderValue) -> bool {
    let value = content_type.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    value.eq_ignore_ascii_case(b"application/grpc") || value.eq_ignore_ascii_case(b"application/grpc+proto")
}

/// A call that ended without an answer, as trailers-only.
fn refusal(error: &CallError, content_type: HeaderValue) -> Response {
    let mut response = Response::new(HttpBody::empty());
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    status::write(&error.rpc_status(), response.headers_mut());
    response
}

/// The body of an answer; an error in its midst becomes the trailers that end it.
struct Reply(Body);

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(cx).map(|frame| {
            frame.map(|frame| {
                Ok(frame.unwrap_or_else(|error| {
                    let mut trailers = HeaderMap::new();
                    status::write(&error.rpc_status(), &mut trailers);
                    Frame::trailers(trailers)
                }))
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}
