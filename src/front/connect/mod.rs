//! Connect (<https://connectrpc.com/docs/protocol>).
//!
//! ```text
//! unary request, reply  = message                         ; the body, or a parameter of the query of a GET
//! stream                = *envelope [ end-of-stream ]     ; the last one of the reply only
//! envelope              = flags:u8 length:u32be message   ; 0x00 plain / 0x01 compressed: frames of gRPC
//! end-of-stream         = 0x02 length:u32be json          ; {"error": ..., "metadata": ...}
//! ```
//!
//! | step | file |
//! |---|---|
//! | one message each way | [`unary`], its query [`get`] |
//! | streams | [`stream`], the messages that come [`upload`], the reply [`reply`] and its end [`end`] |
//! | a message of one format to the other | [`message`] |
//! | whatever went wrong to a reply | [`error`] |
//!
//! Messages that are protobuf and not compressed are never decoded. Compression ends at this door: no backend is asked
//! whether it knows gzip, and limits hold for what a message really is.

mod end;
mod error;
mod get;
mod message;
mod reply;
mod stream;
mod timeout;
mod unary;
mod upload;

use axum::{
    body::Body as HttpBody,
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use tonic::Code;

use super::{
    classify::{foreign_charset, media_type, strip_prefix},
    open::Opening,
};
use crate::{
    call::{CallError, Context, Kind, reason},
    grpc::{GRPC_ACCEPT_ENCODING, GRPC_ENCODING, GRPC_TIMEOUT, gzip, metadata},
    plan::MethodPlan,
};

/// The two forms of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Bare messages.
    Unary,
    /// Envelopes.
    Stream,
}

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Proto,
    Json,
}

impl Format {
    fn of(name: &[u8]) -> Option<Self> {
        match name {
            _ if name.eq_ignore_ascii_case(b"proto") => Some(Self::Proto),
            _ if name.eq_ignore_ascii_case(b"json") => Some(Self::Json),
            _ => None,
        }
    }
}

/// Whether a request whose content type does not tell says that it is a unary call.
pub(super) fn is_unary(request: &Request) -> bool {
    // The preflight of a GET has the query of the GET, and is no call.
    request.method() != Method::OPTIONS
        && (request.headers().contains_key(&VERSION)
            || request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "connect=v1")))
}

/// Serves one call.
pub(super) async fn serve(opening: &Opening, head: Parts, body: HttpBody, shape: Shape) -> Response {
    match shape {
        Shape::Unary => unary::serve(opening, head, body).await,
        Shape::Stream => stream::serve(opening, head, body).await,
    }
}

/// The format that the content type names behind `prefix`.
fn format(headers: &HeaderMap, prefix: &[u8]) -> Option<Format> {
    let format = strip_prefix(media_type(headers, &header::CONTENT_TYPE), prefix).and_then(Format::of)?;
    let readable = format == Format::Proto || foreign_charset(headers).is_none();
    readable.then_some(format)
}

/// Checks what a client says of the protocol, and leaves the metadata of the call in `headers`.
fn enter(headers: &mut HeaderMap, context: &mut Context) -> Result<(), CallError> {
    if let Some(version) = headers.get(&VERSION)
        && version != "1"
    {
        let found = version.as_bytes().escape_ascii();
        return Err(bad_request(format!("expected connect-protocol-version 1, found {found}")));
    }
    timeout::read(headers, context)?;
    metadata::from_client(headers);
    // Edgeway reads the messages of both sides itself, and time has another header here.
    for name in [GRPC_ENCODING, GRPC_ACCEPT_ENCODING, GRPC_TIMEOUT] {
        headers.remove(name);
    }
    remove_own(headers);
    Ok(())
}

/// What a reply may not carry: another protocol's words, and words of this one that a backend would say in
/// Edgeway's name.
fn bare(headers: &mut HeaderMap) {
    let internal: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("grpc-")).cloned().collect();
    for name in internal {
        headers.remove(name);
    }
    remove_own(headers);
}

fn remove_own(headers: &mut HeaderMap) {
    for name in [VERSION, CONTENT_ENCODING, ACCEPT_ENCODING] {
        headers.remove(name);
    }
}

/// Whether what came is compressed with gzip, by the header that says so.
fn is_gzip(coding: Option<&HeaderValue>) -> Result<bool, CallError> {
    let coding = coding.map(|coding| coding.as_bytes().trim_ascii()).unwrap_or_default();
    if coding.is_empty() || coding.eq_ignore_ascii_case(b"identity") {
        return Ok(false);
    }
    if coding.eq_ignore_ascii_case(gzip::NAME.as_bytes()) {
        return Ok(true);
    }
    let found = coding.iter().take(64).copied().collect::<Vec<u8>>();
    let message = format!("expected the compression gzip or identity, found {}", found.escape_ascii());
    Err(CallError::refused(Code::Unimplemented, reason::BAD_REQUEST, message))
}

/// Whether a client takes gzip, by the header that lists what it takes.
fn takes_gzip(headers: &HeaderMap, name: &HeaderName) -> bool {
    gzip::is_accepted(headers.get_all(name).iter().map(HeaderValue::as_bytes))
}

fn bad_request(message: impl Into<String>) -> CallError {
    CallError::refused(Code::InvalidArgument, reason::BAD_REQUEST, message)
}

/// The wrong verb for a method. No error of Connect: clients make one of the HTTP status.
fn not_allowed(allow: &'static str) -> Response {
    let text = format!("this method takes {allow} only\n");
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, allow)], text).into_response()
}

/// A content type that a method of this kind does not have. No error of Connect, as [`not_allowed`].
fn unsupported(opening: &Opening, method: Option<&MethodPlan>, kind: Kind) -> Response {
    let accept = match kind {
        Kind::Unary => "application/json, application/proto",
        Kind::ClientStream | Kind::ServerStream | Kind::Bidi => {
            "application/connect+json, application/connect+proto"
        }
    };
    let error = opening.refused(method, bad_request(format!("expected one of the content types {accept}")));
    let text = format!("{}\n", error.status().message());
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, [(HeaderName::from_static("accept-post"), accept)], text)
        .into_response()
}

/// The version of the protocol, `1`.
const VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");

/// How the envelopes of a stream are compressed.
const CONTENT_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");

/// What compression of envelopes the sender reads.
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("connect-accept-encoding");
