//! What no door lets in: requests that are legal to hyper and mean nothing good.
//!
//! | refused | with | because |
//! |---|---|---|
//! | methods other than the seven of REST, unless a route is for them | 405 | a scanner asks for them, and nobody else |
//! | TRACE, and CONNECT but to a WebSocket | 405 | they are a proxy's: one tunnels, the other gives headers back |
//! | no authority, several, or two that differ | 400 | whoever routes or authorizes by name could be told another one |
//! | an authority with user information or other than `host[:port]` | 400 | the same |
//! | a target over 8 KiB | 414 | |
//! | over 64 headers, or a value over 8 KiB | 431 | HTTP/2 bounds their sum only |

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, Method, StatusCode, Version, header, request::Parts};

use super::websocket;

/// A request that is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    status: StatusCode,
    message: &'static str,
}

/// Looks at a request before any door does. `routed` says whether some route is for a method by its name.
pub(super) fn check(head: &Parts, routed: impl Fn(&str) -> bool) -> Result<(), Refused> {
    let refuse = |status, message| Err(Refused { status, message });
    let proxied = [Method::CONNECT, Method::TRACE].contains(&head.method);
    let served = !proxied && (METHODS.contains(&head.method) || routed(head.method.as_str()));
    if !served && !websocket::connects(head) {
        return refuse(StatusCode::METHOD_NOT_ALLOWED, "this method is not served");
    }
    if head.uri.path_and_query().is_some_and(|target| target.as_str().len() > LONGEST_TARGET) {
        return refuse(StatusCode::URI_TOO_LONG, "expected a request target of at most 8192 bytes");
    }
    // `len` counts values, so that a name repeated a thousand times is a thousand headers.
    if head.headers.len() > MOST_HEADERS {
        return refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "expected at most 64 headers");
    }
    if head.headers.values().any(|value| value.len() > LONGEST_VALUE) {
        return refuse(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "expected header values of at most 8192 bytes",
        );
    }
    authority(head).map_err(|message| Refused { status: StatusCode::BAD_REQUEST, message })
}

/// One name for the server: `Host`, `:authority`, or both and the same (RFC 9112 section 3.2, RFC 9113 section 8.3.1).
fn authority(head: &Parts) -> Result<(), &'static str> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err("expected one Host header, found several");
    }
    let target = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    let name = match (host.map(HeaderValue::as_bytes), target) {
        (Some(host), Some(target)) if !host.eq_ignore_ascii_case(target) => {
            return Err("expected Host to name the authority of the request target");
        }
        (Some(name), _) | (None, Some(name)) => name,
        // HTTP/1.0 knows no Host.
        (None, None) if head.version < Version::HTTP_11 => return Ok(()),
        (None, None) => return Err("expected a Host header"),
    };
    let plain =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if name.is_empty() || !name.iter().all(plain) {
        Err("expected an authority as host or host:port")
    } else {
        Ok(())
    }
}

impl Refused {
    /// The HTTP status and why.
    pub(super) fn told(&self) -> (StatusCode, &'static str) {
        (self.status, self.message)
    }
}

impl IntoResponse for Refused {
    /// The client has no protocol yet that it could be told in: the words of REST, which are plain to all.
    fn into_response(self) -> Response {
        let Self { status, message } = self;
        let code = if status == StatusCode::METHOD_NOT_ALLOWED { 12 } else { 3 };
        let body = format!(r#"{{"code":{code},"message":"{message}","details":[]}}"#);
        let mut response =
            (status, [(header::CONTENT_TYPE, "application/json")], Body::from(body)).into_response();
        if status == StatusCode::METHOD_NOT_ALLOWED {
            let allow = HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS");
            response.headers_mut().insert(header::ALLOW, allow);
        }
        response
    }
}

const METHODS: [Method; 7] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD, Method::OPTIONS];
const LONGEST_TARGET: usize = 8 << 10;
const MOST_HEADERS: usize = 64;
const LONGEST_VALUE: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn check_status(request: http::request::Builder, expect: Option<u16>) {
        let (head, ()) = request.body(()).unwrap().into_parts();
        let found = check(&head, |method| method == "PURGE" || method == "TRACE")
            .err()
            .map(|refused| refused.status.as_u16());
        assert_eq!(found, expect, "{head:?}");
    }

    fn get(uri: &str) -> http::request::Builder {
        Request::builder().uri(uri)
    }

    #[test]
    fn methods() {
        for method in ["GET", "HEAD", "OPTIONS", "PATCH", "DELETE", "PUT", "POST", "PURGE"] {
            check_status(get("/").method(method).header("host", "a"), None);
        }
        for method in ["TRACE", "CONNECT", "get", "FOO~BAR", "PROPFIND"] {
            check_status(get("/").method(method).header("host", "a"), Some(405));
        }
    }

    #[test]
    fn one_authority() {
        for (uri, hosts, expect) in [
            ("/", vec!["a.test:8080"], None),
            ("/", vec!["[::1]:80"], None),
            ("http://a.test/", vec![], None),
            ("http://a.test/", vec!["A.test"], None),
            ("http://a.test/", vec!["b.test"], Some(400)),
            ("/", vec![], Some(400)),
            ("/", vec![""], Some(400)),
            ("/", vec!["a", "a"], Some(400)),
            ("/", vec!["a.test/../?#@b"], Some(400)),
            ("http://user@a.test/", vec![], Some(400)),
        ] {
            let request = hosts.iter().fold(get(uri), |request, host| request.header("host", *host));
            check_status(request, expect);
        }
    }

    #[test]
    fn sizes() {
        let path = |length: usize| format!("/{}", "a".repeat(length - 1));
        check_status(get(&path(8192)).header("host", "a"), None);
        check_status(get(&path(8193)).header("host", "a"), Some(414));
        check_status(get("/").header("host", "a").header("x", "v".repeat(8192)), None);
        check_status(get("/").header("host", "a").header("x", "v".repeat(8193)), Some(431));
        let many =
            |count| (1..count).fold(get("/").header("host", "a"), |request, _| request.header("x", "v"));
        check_status(many(64), None);
        check_status(many(65), Some(431));
    }
}
