//! What browsers are told of replies to pages of other origins, at every door and of every kind.

#[path = "support/client.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod client;
#[path = "support/edge.rs"]
mod edge;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::json;

use client::{Answer, Http};
use edge::Edge;

const SHOP: &str = "https://shop.example.com";
const CORS: &str = "cors: { allow_origins: [https://shop.example.com, \"http://localhost:*\"], \
                    allow_credentials: true, expose_headers: [x-shop-trace] }\n";

/// A gateway whose one backend is not there.
fn lonely(more: &str) -> Edge {
    Edge::start("ipv4:127.0.0.1:1", more)
}

/// A request, and the HTTP status that it gets.
struct Asked {
    status: u16,
    http: Http,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

fn asked(status: u16, method: &'static str, path: &str) -> Asked {
    Asked { status, http: Http::One, method, path: path.into(), headers: Vec::new(), body: Bytes::new() }
}

impl Asked {
    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self.with("content-type", content_type)
    }

    fn over_http2(mut self) -> Self {
        self.http = Http::Two;
        self
    }
}

async fn send(address: &str, asked: &Asked, origin: Option<&str>) -> Answer {
    let mut request = Request::builder().method(asked.method).uri(&asked.path);
    for (name, value) in &asked.headers {
        request = request.header(*name, value);
    }
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    let request = request.body(Full::new(asked.body.clone())).expect("a request");
    let answer = client::send(address, asked.http, request, || {}).await;
    assert_eq!(answer.http, asked.status, "{} {}: {}", asked.method, asked.path, answer.text());
    answer
}

/// A preflight, and the HTTP status that it gets.
fn preflight(status: u16, path: &str, method: &str) -> Asked {
    asked(status, "OPTIONS", path).with("access-control-request-method", method)
}

fn rpc(method: &str) -> String {
    format!("/ecommerce.v1.DiagnosticsService/{method}")
}

/// Replies of each door, of the gate before them, and of each that goes wrong.
fn requests() -> Vec<Asked> {
    let fail = |code: &str| json!({"code": code, "message": "no"}).to_string();
    let many =
        (0..65).fold(asked(431, "GET", "/v1/orders/order-1").over_http2(), |asked, _| asked.with("x", "y"));
    let empty = &b"\0\0\0\0\0"[..];
    let web = "application/grpc-web+proto";
    let json = "application/json";
    let stream = &b"\0\0\0\0\x15{\"orderId\":\"order-4\"}"[..];
    let connect =
        |status, method, path: &str| asked(status, method, path).with("connect-protocol-version", "1");
    vec![
        // REST, as it goes well.
        asked(200, "GET", "/v1/orders/order-1"),
        asked(200, "HEAD", "/v1/orders/order-1"),
        asked(200, "GET", "/v1/orders/order-1").over_http2(),
        asked(200, "GET", "/v1/users/alice/orders"),
        asked(200, "GET", "/v1/users/alice/orders").with("accept", "text/event-stream"),
        asked(200, "POST", &rpc("WhoAmI")).body(json, "{}"),
        asked(204, "OPTIONS", "/v1/orders/order-1"),
        // REST, as it goes wrong: at the door, in the gateway, in the backend.
        asked(404, "GET", "/nowhere"),
        asked(404, "OPTIONS", "/nowhere"),
        asked(405, "PUT", &rpc("WhoAmI")),
        asked(400, "GET", "/v1/orders/%zz"),
        asked(400, "GET", "/v1/orders/order-1?nonsense=1"),
        asked(415, "POST", &rpc("WhoAmI")).body("text/plain", "{}"),
        asked(400, "POST", "/v1/orders").body(json, r#"{"userId":"","items":[]}"#),
        asked(404, "GET", "/v1/orders/none"),
        asked(401, "POST", "/v1/diagnostics/fail").body(json, fail("UNAUTHENTICATED")),
        asked(429, "POST", "/v1/diagnostics/fail").body(json, fail("RESOURCE_EXHAUSTED")),
        asked(503, "POST", "/v1/diagnostics/fail").body(json, fail("UNAVAILABLE")),
        asked(504, "GET", "/v1/diagnostics/sleep?duration=60s").with("x-request-timeout", "50ms"),
        // What no door lets in.
        asked(405, "PROPFIND", "/v1/orders/order-1"),
        asked(414, "GET", &format!("/{}", "a".repeat(8192))),
        asked(400, "GET", "/v1/orders/order-1").with("host", "user@gateway"),
        many,
        // gRPC-Web.
        asked(200, "POST", &rpc("WhoAmI")).body(web, empty),
        asked(200, "POST", &rpc("WhoAmI")).body(web, empty).over_http2(),
        asked(200, "POST", &rpc("WhoAmI")).body("application/grpc-web-text", "AAAAAAA="),
        asked(200, "POST", &rpc("NoSuchMethod")).body(web, empty),
        asked(200, "POST", "/ecommerce.v1.OrderService/GetOrder").body(web, empty),
        asked(200, "POST", &rpc("WhoAmI")).body(web, &b"\x80\0"[..]),
        asked(405, "GET", &rpc("WhoAmI")).with("content-type", web),
        // Connect.
        connect(200, "POST", &rpc("WhoAmI")).body(json, "{}"),
        connect(200, "POST", &rpc("WhoAmI")).body("application/proto", ""),
        connect(404, "POST", &rpc("NoSuchMethod")).body(json, "{}"),
        connect(404, "POST", "/ecommerce.v1.OrderService/GetOrder").body(json, r#"{"orderId":"none"}"#),
        connect(400, "POST", &rpc("WhoAmI")).body(json, "{"),
        connect(405, "PUT", &rpc("WhoAmI")).body(json, "{}"),
        asked(200, "GET", &format!("{}?connect=v1&encoding=json&message=%7B%7D", rpc("WhoAmI"))),
        asked(200, "POST", "/ecommerce.v1.OrderService/WatchOrder").body("application/connect+json", stream),
        asked(415, "POST", &rpc("WhoAmI")).body("application/connect+json", stream),
        // gRPC.
        asked(200, "POST", &rpc("WhoAmI"))
            .body("application/grpc", empty)
            .with("te", "trailers")
            .over_http2(),
        asked(200, "POST", &rpc("NoSuchMethod")).body("application/grpc", empty).over_http2(),
        asked(505, "POST", &rpc("WhoAmI")).body("application/grpc", empty),
        // The gateway's own answers to a browser.
        preflight(204, "/v1/orders/order-1", "DELETE"),
    ]
}

#[track_caller]
fn readable(asked: &Asked, answer: &Answer, origin: &str) {
    let what = format!("{} {}: {:?}", asked.method, asked.path, answer.headers);
    assert_eq!(answer.header("access-control-allow-origin"), origin, "{what}");
    assert_eq!(answer.header("access-control-allow-credentials"), "true", "{what}");
    let exposed: Vec<_> = answer.header("access-control-expose-headers").split(", ").collect();
    for name in ["grpc-status", "grpc-message", "grpc-status-details-bin", "x-shop-trace"] {
        assert!(exposed.contains(&name), "{name} in {what}");
    }
    // What hyper adds itself, and what browsers let read without asking.
    let known = [
        "date",
        "connection",
        "transfer-encoding",
        "content-length",
        "content-type",
        "cache-control",
        "vary",
    ];
    for name in answer.headers.keys().map(http::HeaderName::as_str) {
        let known = name.starts_with("access-control-") || known.contains(&name);
        assert!(known || exposed.contains(&name), "{name} in {what}");
    }
    varies(asked, answer);
}

#[track_caller]
fn varies(asked: &Asked, answer: &Answer) {
    let expect = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
    let found = answer.header("vary");
    assert!(found.ends_with(expect), "{} {}: {found}", asked.method, asked.path);
}

fn names(answer: &Answer) -> Vec<&str> {
    let names = answer.headers.keys().map(http::HeaderName::as_str);
    names.filter(|name| name.starts_with("access-control-")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_reads_every_reply() {
    let demo = Edge::before_demo(CORS);
    for asked in requests() {
        for origin in [SHOP, "http://localhost:5173"] {
            let answer = send(demo.address(), &asked, Some(origin)).await;
            readable(&asked, &answer, origin);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_elsewhere_reads_none() {
    let demo = Edge::before_demo(CORS);
    for asked in requests() {
        let is_preflight = asked.headers.iter().any(|(name, _)| *name == "access-control-request-method");
        for origin in
            [Some("https://evil.test"), Some("null"), Some("https://shop.example.com.evil.test"), None]
        {
            let asked = match (is_preflight, origin) {
                (true, Some(_)) => preflight(403, &asked.path, "DELETE"),
                _ => Asked {
                    headers: asked.headers.clone(),
                    path: asked.path.clone(),
                    body: asked.body.clone(),
                    ..asked
                },
            };
            let answer = send(demo.address(), &asked, origin).await;
            assert_eq!(names(&answer), [""; 0], "{} {} from {origin:?}", asked.method, asked.path);
            varies(&asked, &answer);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_block_nothing_is_said() {
    let demo = Edge::before_demo("");
    for asked in requests() {
        let answer = send(demo.address(), &asked, Some(SHOP)).await;
        assert_eq!(names(&answer), [""; 0], "{} {}", asked.method, asked.path);
        assert!(!answer.header("vary").contains("Origin"), "{:?}", answer.headers);
    }
    let answer = send(demo.address(), &preflight(204, "/v1/orders/order-1", "GET"), Some(SHOP)).await;
    assert!(answer.header("allow").contains("GET"), "{:?}", answer.headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_needs_no_backend() {
    let gateway = lonely(CORS);
    for (path, method, methods) in [
        ("/v1/diagnostics/files/a", "PUT", "POST, GET, OPTIONS, HEAD, PUT"),
        ("/ecommerce.v1.OrderService/GetOrder", "POST", "POST, GET, OPTIONS"),
        ("/nowhere", "PUT", "POST, GET, OPTIONS, PUT"),
    ] {
        let asked =
            preflight(204, path, method).with("access-control-request-headers", "content-type,x-tenant");
        let answer = send(gateway.address(), &asked, Some(SHOP)).await;
        assert_eq!(answer.header("access-control-allow-methods"), methods, "{path}");
        let headers: Vec<_> = answer.header("access-control-allow-headers").split(", ").collect();
        for name in ["content-type", "authorization", "x-grpc-web", "grpc-timeout", "x-tenant"] {
            assert!(headers.contains(&name), "{name} in {headers:?}");
        }
        assert_eq!(answer.header("access-control-max-age"), "7200");
        assert_eq!((answer.header("allow"), answer.body.len()), ("", 0));
        readable(&asked, &answer, SHOP);
    }
    // What the page then sends is answered, and the page reads why it failed.
    let asked = asked(503, "GET", "/v1/orders/order-1");
    let answer = send(gateway.address(), &asked, Some(SHOP)).await;
    readable(&asked, &answer, SHOP);
    assert_eq!(answer.json()["code"], 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_a_schema_tells_the_page_so() {
    let cluster = "{target: \"ipv4:127.0.0.1:1\"}";
    let gateway = tokio::task::block_in_place(|| Edge::start_with(cluster, CORS));
    let allowed = send(gateway.address(), &preflight(204, "/v1/orders/7", "PATCH"), Some(SHOP)).await;
    assert!(allowed.header("access-control-allow-methods").ends_with("PATCH"));
    let asked = asked(503, "PATCH", "/v1/orders/7");
    readable(&asked, &send(gateway.address(), &asked, Some(SHOP)).await, SHOP);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_is_exposed_and_a_backend_grants_nothing() {
    let demo = Edge::before_demo(CORS);
    let echo = json!({
        "message": "hi",
        "responseHeaders": [
            {"key": "x-answer", "value": "42"},
            {"key": "vary", "value": "accept-language"},
            {"key": "access-control-allow-origin", "value": "*"},
            {"key": "access-control-allow-methods", "value": "*"},
        ],
    });
    let asked = asked(200, "POST", "/v1/diagnostics/echo").body("application/json", echo.to_string());
    let answer = send(demo.address(), &asked, Some(SHOP)).await;
    assert_eq!(answer.header("access-control-allow-origin"), SHOP);
    assert_eq!(answer.header("access-control-allow-methods"), "");
    assert!(answer.header("access-control-expose-headers").split(", ").any(|name| name == "x-answer"));
    assert!(answer.header("vary").starts_with("accept-language, Origin, "), "{}", answer.header("vary"));

    let answer = send(demo.address(), &asked, Some("https://evil.test")).await;
    assert_eq!((answer.header("x-answer"), names(&answer)), ("42", vec![]));
}

/// Connect makes headers of them, and each has a name of its own.
#[tokio::test(flavor = "multi_thread")]
async fn trailers_of_connect_are_exposed() {
    let demo = Edge::before_demo(CORS);
    let fail = json!({ "code": "NOT_FOUND", "trailers": [{"key": "x-took", "value": "1"}] });
    let asked = asked(404, "POST", &rpc("Fail")).body("application/json", fail.to_string());
    let asked = asked.with("connect-protocol-version", "1");
    let answer = send(demo.address(), &asked, Some(SHOP)).await;
    assert_eq!(answer.header("trailer-x-took"), "1", "{:?}", answer.headers);
    readable(&asked, &answer, SHOP);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_star_is_for_every_origin_but_null() {
    let gateway = lonely("cors: { allow_origins: [\"*\"], allow_headers: [x-tenant], max_age: 10m }\n");
    for (origin, expect) in [("https://any.test", "*"), ("null", "")] {
        let answer = send(gateway.address(), &asked(404, "GET", "/nowhere"), Some(origin)).await;
        assert_eq!(answer.header("access-control-allow-origin"), expect, "{origin}");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    let asked = preflight(204, "/nowhere", "GET").with("access-control-request-headers", "x-tenant,x-other");
    let answer = send(gateway.address(), &asked, Some("https://any.test")).await;
    let headers: Vec<_> = answer.header("access-control-allow-headers").split(", ").collect();
    assert!(headers.contains(&"x-tenant") && !headers.contains(&"x-other"), "{headers:?}");
    assert_eq!(answer.header("access-control-max-age"), "600");
}
