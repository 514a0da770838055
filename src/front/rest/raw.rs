//! Replies that are a `google.api.HttpBody`: its data as it is, under the content type that it names.
//!
//! The backend's content type is passed on as a user of Envoy expects, and that makes whatever someone once uploaded a
//! page of this origin. So a type that is not known to be inert is sandboxed: a browser shows it, and runs no script of
//! it. A backend that means its pages to be live sends a `content-security-policy` of its own in its metadata.

use axum::{body::Body as HttpBody, response::Response};
use http::{HeaderMap, HeaderValue, header};

use super::{bare, unary};
use crate::{call::CallError, codec::RawBody, grpc::frame::Message, plan::Binding};

/// The reply that is one body.
pub(super) fn reply(
    binding: &Binding,
    message: Message,
    mut headers: HeaderMap,
) -> Result<Response, CallError> {
    let body = read(binding, message)?;
    // Nothing at all has no type either.
    let named = !body.content_type.is_empty() || !body.data.is_empty();
    dress(&mut headers, named.then_some(&*body.content_type));
    let mut response = Response::new(HttpBody::from(body.data));
    *response.headers_mut() = headers;
    Ok(response)
}

/// Reads the body that a message of the answer is, or holds.
pub(super) fn read(binding: &Binding, message: Message) -> Result<RawBody, CallError> {
    let field = binding.response_body.as_ref().map(prost_reflect::FieldDescriptor::number);
    RawBody::read(unary::plain(message)?, field).map_err(CallError::reply_lost)
}

/// Makes the metadata of an answer the headers of a reply of this content type, or of none.
pub(super) fn dress(headers: &mut HeaderMap, content_type: Option<&str>) {
    bare(headers);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let Some(content_type) = content_type else { return };
    let media_type = media_type(content_type);
    let value = HeaderValue::from_str(content_type).ok().filter(|_| media_type.is_some());
    if !media_type.is_some_and(is_inert) && value.is_some() {
        headers
            .entry(header::CONTENT_SECURITY_POLICY)
            .or_insert(const { HeaderValue::from_static("sandbox") });
    }
    let unknown = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, value.unwrap_or(unknown));
}

/// The `type/subtype` of a content type, if it has one (RFC 9110 section 8.3.1).
fn media_type(content_type: &str) -> Option<(&str, &str)> {
    let name = content_type.split(';').next().unwrap_or_default().trim_ascii();
    let (kind, subtype) = name.split_once('/')?;
    let is_token = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        !text.is_empty() && text.bytes().all(plain)
    };
    (is_token(kind) && is_token(subtype)).then_some((kind, subtype))
}

/// Whether browsers are known to run no script in documents of a type.
fn is_inert((kind, subtype): (&str, &str)) -> bool {
    let subtype = subtype.to_ascii_lowercase();
    match &*kind.to_ascii_lowercase() {
        // SVG is a document with scripts.
        "image" => !subtype.ends_with("+xml"),
        "audio" | "video" | "font" => true,
        "text" => matches!(&*subtype, "plain" | "csv" | "markdown" | "calendar" | "event-stream"),
        "application" => matches!(
            &*subtype,
            "octet-stream"
                | "json"
                | "x-ndjson"
                | "pdf"
                | "zip"
                | "gzip"
                | "x-tar"
                | "protobuf"
                | "x-protobuf"
                | "vnd.apache.parquet"
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: &str, sent: &str, sandboxed: bool) {
        let mut headers = HeaderMap::new();
        dress(&mut headers, Some(content_type));
        assert_eq!(headers.get("content-type").unwrap(), sent, "{content_type:?}");
        assert_eq!(headers.get("x-content-type-options").unwrap(), "nosniff");
        assert_eq!(headers.contains_key("content-security-policy"), sandboxed, "{content_type:?}");
    }

    #[test]
    fn content_types() {
        for inert in [
            "text/plain; charset=utf-8",
            "text/csv",
            "image/png",
            "Video/MP4",
            "application/pdf",
            "application/json",
            "APPLICATION/octet-stream",
        ] {
            check(inert, inert, false);
        }
        for live in [
            "text/html",
            "TEXT/HTML; charset=utf-8",
            "application/xhtml+xml",
            "image/svg+xml",
            "text/xml",
            "application/xml",
            "text/javascript",
            "multipart/x-mixed-replace; boundary=x",
            "application/x-unheard-of",
        ] {
            check(live, live, true);
        }
        for none in
            ["", "html", "text/", "/html", "text/html\r\nset-cookie: a=b", "text/h tml", "text/plain\u{e9}\n"]
        {
            check(none, "application/octet-stream", false);
        }
    }

    #[test]
    fn a_backend_says_itself_what_its_pages_may() {
        let mut headers = HeaderMap::new();
        headers.insert("content-security-policy", HeaderValue::from_static("default-src 'self'"));
        headers.insert("grpc-encoding", HeaderValue::from_static("identity"));
        dress(&mut headers, Some("text/html"));
        assert_eq!(headers.get("content-security-policy").unwrap(), "default-src 'self'");
        assert!(!headers.contains_key("grpc-encoding"));
    }

    #[test]
    fn nothing_has_no_type() {
        let mut headers = HeaderMap::new();
        dress(&mut headers, None);
        assert!(!headers.contains_key("content-type"));
    }
}
