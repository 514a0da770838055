//! The request body to the frames of a call.
//!
//! | the rule's `body` | a method of one message | a method that takes a stream |
//! |---|---|---|
//! | none | path and query | one message of path and query |
//! | JSON | the message, or its field | an element each, of an array or NDJSON ([`messages`](super::messages)) |
//! | `google.api.HttpBody` | all of it | a piece each, as they come ([`pieces`](super::pieces)) |

use std::time::Duration;

use axum::body::Body as HttpBody;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header, request::Parts};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tonic::Code;

use super::{
    bind,
    messages::{Later, Messages},
    pieces::Pieces,
};
use crate::{
    call::{Body, CallError, reason},
    codec::{Layout, RawBody},
    front::{
        body,
        classify::{foreign_charset, media_type},
    },
    grpc::frame,
    plan::{Binding, BodyBinding},
    route::Match,
};

/// What is wrong with a request body, and the HTTP status that says it better than the code does.
#[derive(Debug)]
pub(super) struct Unfit {
    pub(super) error: CallError,
    pub(super) http: Option<StatusCode>,
}

impl From<CallError> for Unfit {
    fn from(error: CallError) -> Self {
        Self { error, http: None }
    }
}

/// What goes up, and where to look for the HTTP status of an error that is found on the way.
pub(super) struct Frames {
    pub(super) body: Body,
    pub(super) later: Option<Later>,
}

/// Makes frames of a request. Waits for the body where it is one message, for `time` at most.
pub(super) async fn frames(
    binding: &Binding,
    found: &Match<'_, '_, Binding>,
    head: &Parts,
    body: HttpBody,
    time: Duration,
) -> Result<Frames, Unfit> {
    let (method, rest) = (&binding.method, &binding.method.rest);
    let query = head.uri.query().unwrap_or_default();
    let limit = method.policy.max_request_bytes;
    let bound = |json: &[u8]| {
        let room = json.len().max(SMALL);
        let frame =
            frame::encode_with(room, |out| bind::message(binding, &found.captures, Some(query), json, out));
        frame.map_err(bind::Fault::into_error)
    };
    if let BodyBinding::None = &binding.body {
        if rest.reject_unexpected_body {
            refuse_any(body, time).await?;
        }
        // Else a body means nothing; hyper drops what is left of it.
        return Ok(Frames { body: Body::full(bound(b"")?), later: None });
    }
    check_encoding(&head.headers)?;
    let require = rest.require_content_type && !body.is_end_stream();
    if binding.raw_request {
        let content_type = content_type(&head.headers)?;
        if require && content_type.is_empty() {
            return Err(unsupported("of any type", b""));
        }
        let mut fields = BytesMut::new();
        bind::message(binding, &found.captures, Some(query), b"", &mut fields)
            .map_err(bind::Fault::into_error)?;
        let raw = Raw::new(field(binding), fields.freeze(), limit);
        if method.kind.client_streaming() {
            let pieces = Pieces::new(raw, content_type, rest.bind_every_message, body);
            return Ok(Frames { body: Body::stream(pieces), later: None });
        }
        let data = collect(body, limit, time).await?;
        let frame = raw.frame(&RawBody { content_type, data });
        if frame.len() > limit + frame::HEADER_LEN {
            return Err(too_large(limit));
        }
        return Ok(Frames { body: Body::full(frame), later: None });
    }
    let layout = json_layout(&head.headers, require)?;
    if method.kind.client_streaming() {
        let (messages, later) = Messages::new(binding, found, query, layout, body);
        return Ok(Frames { body: Body::stream(messages), later: Some(later) });
    }
    if layout == Layout::Sequence {
        return Err(unsupported(
            "application/json for one message",
            media_type(&head.headers, &header::CONTENT_TYPE),
        ));
    }
    let json = collect(body, limit, time).await?;
    Ok(Frames { body: Body::full(bound(&json)?), later: None })
}

/// What the messages of a raw request have in common.
#[derive(Debug)]
pub(super) struct Raw {
    /// The field that holds the body; `None` where the message is the body.
    field: Option<u32>,
    /// What path and query bind, as wire bytes.
    pub(super) fields: Bytes,
    /// The most bytes of a message.
    pub(super) limit: usize,
}

impl Raw {
    pub(super) fn new(field: Option<u32>, fields: Bytes, limit: usize) -> Self {
        Self { field, fields, limit }
    }

    /// One message with what path and query bind.
    ///
    /// They stand behind the body: of a field that comes twice the last one holds, and the path holds before the body.
    pub(super) fn frame(&self, body: &RawBody) -> Bytes {
        let room = body.data.len() + body.content_type.len() + self.fields.len() + SMALL;
        let mut out = BytesMut::with_capacity(room);
        self.put(body, true, &mut out);
        out.freeze()
    }

    /// Appends one message, with or without what path and query bind.
    pub(super) fn put(&self, body: &RawBody, bound: bool, out: &mut BytesMut) {
        let written: Result<(), std::convert::Infallible> = frame::put_with(out, |out| {
            body.write(self.field, out);
            if bound {
                out.extend_from_slice(&self.fields);
            }
            Ok(())
        });
        written.unwrap_or_else(|never| match never {});
    }
}

fn field(binding: &Binding) -> Option<u32> {
    match &binding.body {
        BodyBinding::Field { field, .. } => Some(field.number()),
        BodyBinding::All | BodyBinding::None => None,
    }
}

/// Reads a body that is one message.
async fn collect(body: HttpBody, limit: usize, time: Duration) -> Result<Bytes, Unfit> {
    let read = tokio::time::timeout(time, Limited::new(body, limit).collect()).await;
    match read {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Ok(Err(_)) => Err(Unfit { error: CallError::client_gone(), http: Some(StatusCode::BAD_REQUEST) }),
        Err(_) => Err(Unfit { error: body::late(time), http: Some(StatusCode::REQUEST_TIMEOUT) }),
    }
}

fn too_large(limit: usize) -> Unfit {
    let message = format!("request body is over the limit of {limit} bytes (max_request_bytes)");
    let error = CallError::refused(Code::ResourceExhausted, reason::MESSAGE_TOO_LARGE, message);
    Unfit { error, http: Some(StatusCode::PAYLOAD_TOO_LARGE) }
}

/// Refuses a body where none belongs. One that is declared and turns out to have no byte is none.
async fn refuse_any(body: HttpBody, time: Duration) -> Result<(), Unfit> {
    match collect(body, 0, time).await {
        Ok(_) => Ok(()),
        Err(Unfit { http: Some(StatusCode::PAYLOAD_TOO_LARGE), .. }) => {
            let message = "expected no request body: the route takes path and query only";
            Err(CallError::refused(Code::InvalidArgument, reason::BAD_REQUEST, message).into())
        }
        Err(unfit) => Err(unfit),
    }
}

/// A body is read as it is written: no coding is taken off, and none may go up unsaid.
fn check_encoding(headers: &HeaderMap) -> Result<(), Unfit> {
    let codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let mut codings =
        codings.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    match codings.find(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")) {
        None => Ok(()),
        Some(coding) => {
            let found = coding.escape_ascii();
            let message = format!("expected a request body without content-encoding, found {found}");
            let error = CallError::refused(Code::InvalidArgument, reason::BAD_REQUEST, message);
            Err(Unfit { error, http: Some(StatusCode::UNSUPPORTED_MEDIA_TYPE) })
        }
    }
}

/// The content type of a raw body, as the client wrote it.
fn content_type(headers: &HeaderMap) -> Result<String, Unfit> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(String::new()) };
    let text = value.to_str().map_err(|_| {
        let found = value.as_bytes().escape_ascii();
        let message = format!("expected content-type as visible ASCII, found {found}");
        CallError::refused(Code::InvalidArgument, reason::BAD_REQUEST, message)
    })?;
    Ok(text.to_owned())
}

/// How a body may be laid out, if it may be JSON.
///
/// A type that a browser sends without asking first (`text/plain`, a form, none at all beside an `Origin`) is refused:
/// any page could send it in a user's name.
fn json_layout(headers: &HeaderMap, require: bool) -> Result<Layout, Unfit> {
    if let Some(charset) = foreign_charset(headers) {
        return Err(unfit_type("JSON in charset=utf-8", &format!("charset={}", charset.escape_ascii())));
    }
    let media_type = media_type(headers, &header::CONTENT_TYPE);
    let is = |name: &str| media_type.eq_ignore_ascii_case(name.as_bytes());
    let suffix = media_type.len().checked_sub(b"+json".len()).filter(|start| *start > 0);
    let suffix = suffix.and_then(|start| media_type.get(start..));
    if is("application/json") || suffix.is_some_and(|end| end.eq_ignore_ascii_case(b"+json")) {
        return Ok(Layout::ArrayOrSequence);
    }
    if ["application/x-ndjson", "application/ndjson", "application/jsonl"].into_iter().any(is) {
        return Ok(Layout::Sequence);
    }
    if media_type.is_empty() && !headers.contains_key(header::ORIGIN) && !require {
        return Ok(Layout::ArrayOrSequence);
    }
    Err(unsupported("application/json", media_type))
}

fn unsupported(expected: &str, media_type: &[u8]) -> Unfit {
    let found = if media_type.is_empty() { "none".into() } else { String::from_utf8_lossy(media_type) };
    unfit_type(&format!("content-type {expected}"), &found.escape_debug().to_string())
}

fn unfit_type(expected: &str, found: &str) -> Unfit {
    let message = format!("expected {expected}, found {found}");
    let error = CallError::refused(Code::InvalidArgument, reason::BAD_REQUEST, message);
    Unfit { error, http: Some(StatusCode::UNSUPPORTED_MEDIA_TYPE) }
}

/// Room for a message that comes from path and query.
const SMALL: usize = 256;
