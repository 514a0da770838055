//! The HTTP half of opening a WebSocket.
//!
//! | refused | with |
//! |---|---|
//! | a method other than GET, or CONNECT over HTTP/2 | 405 |
//! | no `Upgrade: websocket` beside the other headers: a proxy on the way took it | 426 |
//! | another version than 13 | 426 |
//! | no key | 400 |
//! | no subprotocol that Edgeway speaks | 400 |
//! | a path that is none of a method | 404 |
//! | a page of another origin | 403 |
//!
//! A script learns nothing of this but that it failed; the text is for whoever looks at the network. So a method that
//! no schema lists is no refusal: that call ends with its status, as at every other door.

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header, request::Parts,
};
use hyper::ext::Protocol;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{
    intake::Subprotocol,
    origin::{Page, page},
};
use crate::{front::cors::Cors, grpc};

/// Whether a request wants to become a WebSocket.
///
/// One by GET that says so does, whatever else it lacks: it is told what that is. `Upgrade` beside another method, or
/// to another protocol, is passed over, as RFC 9110 section 7.8 lets a server do.
pub(in crate::front) fn asked(request: &Request) -> bool {
    if request.version() >= Version::HTTP_2 {
        return is_connect(request.method(), request.extensions());
    }
    let headers = request.headers();
    headers.contains_key(header::SEC_WEBSOCKET_KEY)
        || request.method() == Method::GET && names(headers, &header::UPGRADE, b"websocket")
}

/// Whether a CONNECT is the one of RFC 8441, which tunnels to nowhere but the gateway itself.
pub(in crate::front) fn connects(head: &Parts) -> bool {
    is_connect(&head.method, &head.extensions)
}

fn is_connect(method: &Method, extensions: &Extensions) -> bool {
    let protocol = || extensions.get::<Protocol>();
    method == Method::CONNECT && protocol().is_some_and(|protocol| protocol.as_str() == "websocket")
}

/// A request that does not become one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    status: StatusCode,
    text: &'static str,
    header: Option<(HeaderName, HeaderValue)>,
}

/// Looks at a request that asked; which page it comes from, and what it speaks.
pub(super) fn check(head: &Parts, cors: Option<&Cors>) -> Result<(Page, Subprotocol), Refused> {
    let refuse = |status, text, header| Err(Refused { status, text, header });
    let headers = &head.headers;
    let over_http2 = connects(head);
    if !over_http2 && head.method != Method::GET {
        let allow = (header::ALLOW, HeaderValue::from_static("GET"));
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "a WebSocket is opened with GET", Some(allow));
    }
    let upgrades =
        names(headers, &header::UPGRADE, b"websocket") && names(headers, &header::CONNECTION, b"upgrade");
    if !over_http2 && !upgrades {
        let text =
            "expected Upgrade: websocket and Connection: Upgrade; a proxy on the way may have removed them";
        let upgrade = (header::UPGRADE, HeaderValue::from_static("websocket"));
        return refuse(StatusCode::UPGRADE_REQUIRED, text, Some(upgrade));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let version = (header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return refuse(StatusCode::UPGRADE_REQUIRED, "expected Sec-WebSocket-Version: 13", Some(version));
    }
    if !over_http2 && !headers.get(header::SEC_WEBSOCKET_KEY).is_some_and(is_key) {
        return refuse(StatusCode::BAD_REQUEST, "expected Sec-WebSocket-Key as 16 bytes in base64", None);
    }
    let Some(subprotocol) = subprotocol(headers) else {
        let text = "expected Sec-WebSocket-Protocol with grpc-websockets or edgeway.json.v1";
        return refuse(StatusCode::BAD_REQUEST, text, None);
    };
    if grpc::split_path(head.uri.path()).is_none() {
        let text = "expected the path of a method, /package.Service/Method; REST routes have no WebSocket";
        return refuse(StatusCode::NOT_FOUND, text, None);
    }
    match page(head, cors) {
        Page::Refused => {
            let text = "a page of this origin may not open a WebSocket here (cors.allow_origins)";
            refuse(StatusCode::FORBIDDEN, text, None)
        }
        page => Ok((page, subprotocol)),
    }
}

/// The answer behind which the WebSocket begins (RFC 6455 section 4.2.2, RFC 8441 section 5).
pub(super) fn accept(head: &Parts, subprotocol: Subprotocol) -> Response {
    let mut response = StatusCode::OK.into_response();
    response.headers_mut().clear();
    if head.version < Version::HTTP_2 {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        let key = head.headers.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
        let accept = HeaderValue::try_from(derive_accept_key(key)).expect("base64 is a valid header value");
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    let name = HeaderValue::from_static(subprotocol.name());
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, name);
    response
}

/// The first subprotocol of the client's list that is known.
fn subprotocol(headers: &HeaderMap) -> Option<Subprotocol> {
    list(headers, &header::SEC_WEBSOCKET_PROTOCOL).find_map(Subprotocol::named)
}

fn is_key(key: &HeaderValue) -> bool {
    STANDARD.decode(key.as_bytes()).is_ok_and(|key| key.len() == 16)
}

fn names(headers: &HeaderMap, name: &HeaderName, token: &[u8]) -> bool {
    list(headers, name).any(|found| found.eq_ignore_ascii_case(token))
}

fn list<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    let values = headers.get_all(name).into_iter();
    values.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        let mut response = (self.status, [content_type], format!("{}\n", self.text)).into_response();
        response.headers_mut().extend(self.header);
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    /// A handshake with some headers changed, and those that are empty left out: its status, or that it is let in.
    fn check_with(
        method: &str,
        path: &str,
        changes: &[(&'static str, &str)],
        expect: Result<Subprotocol, u16>,
    ) {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "a.test"),
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "grpc-websockets"),
        ]
        .iter()
        .chain(changes)
        {
            headers.insert(*name, value.parse().unwrap());
        }
        let mut request = http::Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let sent = headers.iter().filter(|(_, value)| !value.is_empty());
        request.headers_mut().extend(sent.map(|(name, value)| (name.clone(), value.clone())));
        let found = if asked(&request) {
            let checked = check(&request.into_parts().0, None);
            checked.map(|(_, subprotocol)| subprotocol).map_err(|refused| refused.status.as_u16())
        } else {
            Err(0)
        };
        assert_eq!(found, expect, "{method} {path} {changes:?}");
    }

    #[test]
    fn handshakes() {
        let (path, frames, json) = ("/a.B/C", Ok(Subprotocol::Frames), Ok(Subprotocol::Json));
        check_with("GET", path, &[], frames);
        check_with(
            "GET",
            path,
            &[("upgrade", "h2c, WebSocket"), ("connection", "keep-alive, upgrade")],
            frames,
        );
        check_with(
            "GET",
            path,
            &[("sec-websocket-protocol", "other,edgeway.json.v1 , grpc-websockets")],
            json,
        );
        check_with("GET", path, &[("origin", "http://a.test")], frames);
        check_with("POST", path, &[], Err(405));
        check_with("GET", path, &[("upgrade", "")], Err(426));
        check_with("GET", path, &[("connection", "keep-alive")], Err(426));
        check_with("GET", path, &[("sec-websocket-version", "8")], Err(426));
        check_with("GET", path, &[("sec-websocket-version", "")], Err(426));
        check_with("GET", path, &[("sec-websocket-key", "")], Err(400));
        check_with("GET", path, &[("sec-websocket-key", "dGhlIHNhbXBsZQ==")], Err(400));
        check_with("GET", path, &[("sec-websocket-protocol", "")], Err(400));
        check_with("GET", path, &[("sec-websocket-protocol", "graphql-ws")], Err(400));
        check_with("GET", "/chat", &[], Err(404));
        check_with("GET", path, &[("origin", "http://b.test")], Err(403));
    }

    #[test]
    fn what_asks_for_no_websocket_is_a_request() {
        let none = ("sec-websocket-key", "");
        check_with("GET", "/", &[none, ("upgrade", "h2c")], Err(0));
        check_with("GET", "/", &[none, ("upgrade", "")], Err(0));
        check_with("POST", "/", &[none], Err(0));
    }

    #[test]
    fn the_key_is_answered_as_the_rfc_has_it() {
        let request = http::Request::builder().header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let response = accept(&head, Subprotocol::Json);
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(response.headers()["sec-websocket-protocol"], "edgeway.json.v1");
    }
}
