//! Path, query and body as the REST door takes them, with its switches in the configuration.

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
use http_body_util::{BodyExt, Full, StreamBody};
use serde_json::{Value, json};

use client::{Answer, Http};
use edge::Edge;

/// A gateway before a demo backend.
struct Demo {
    gateway: Edge,
}

impl Demo {
    fn start(more: &str) -> Self {
        Self { gateway: Edge::before_demo(more) }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None, "").await
    }

    async fn echo(&self, content_type: Option<&str>, body: &str) -> Answer {
        self.send("POST", "/v1/diagnostics/echo", content_type, body).await
    }

    async fn send(&self, method: &str, path: &str, content_type: Option<&str>, body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
        let request = request.body(body).expect("a request");
        client::send(self.gateway.address(), Http::One, request, || {}).await
    }
}

/// An answer with a BadRequest that has one violation, of this field.
#[track_caller]
fn check_violation(answer: &Answer, field: &str, says: &str) {
    assert_eq!(answer.http, 400, "{}", answer.text());
    let error = answer.json();
    let text = |path: &str| error.pointer(path).and_then(Value::as_str).unwrap_or_default();
    assert_eq!(error.get("code"), Some(&json!(3)), "{error}");
    assert_eq!(text("/details/0/@type"), "type.googleapis.com/google.rpc.BadRequest", "{error}");
    let violations = error.pointer("/details/0/fieldViolations").and_then(Value::as_array);
    assert_eq!(violations.map(Vec::len), Some(1), "{error}");
    assert_eq!(text("/details/0/fieldViolations/0/field"), field, "{error}");
    let description = text("/details/0/fieldViolations/0/description");
    assert!(description.contains(says), "expected {says:?} in {description:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_with_its_field_and_place() {
    let demo = Demo::start("");
    let json = Some("application/json");
    for (body, field, says) in [
        ("{\n  \"message\": \"a\",\n}", "", "(line 3, column 1)"),
        ("{\"message\": \"a\"", "", "(line 1, column 16)"),
        ("{\"message\":\n 5}", "message", "(line 2, column 2)"),
        ("{\"responseHeaders\":[{},{\"key\":1}]}", "responseHeaders[1].key", "expected a string"),
        ("{\"nope\":1}", "nope", "no such field"),
        ("null", "", "found null"),
    ] {
        check_violation(&demo.echo(json, body).await, field, says);
    }
    for (path, field, says) in [
        ("/v1/users/alice/orders?page_size=many", "page_size", "whole number"),
        ("/v1/users/alice/orders?user_id=bob", "user_id", "the path or the body binds"),
        ("/v1/users/alice/orders?utm_source=x", "utm_source", "unknown query parameter"),
        ("/v1/users/alice/orders?$alt=json", "$alt", "reserved"),
        ("/v1/users/alice/orders?page_size=1&page_size=1", "page_size", "given twice"),
        ("/v1/users/alice/orders?filter=1", "filter", "plain text"),
        ("/v1/diagnostics/echo?response_headers.key=x", "response_headers.key", "repeated field"),
        ("/v1/diagnostics/echo?payload=-%2F", "payload", "base64"),
    ] {
        check_violation(&demo.get(path).await, field, says);
    }
    check_violation(
        &demo.send("POST", "/v1/diagnostics/echo?message=a", json, "{}").await,
        "message",
        "whole message",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_read_in_utf8_only() {
    let demo = Demo::start("");
    for content_type in [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;Charset=\"UTF-8\"",
        "application/vnd.acme+json; charset=utf-8; v=1",
    ] {
        let answer = demo.echo(Some(content_type), "{\"message\":\"é\"}").await;
        assert_eq!((answer.http, &answer.json()["message"]), (200, &json!("é")), "{content_type}");
    }
    for content_type in ["application/json; charset=iso-8859-1", "application/json;charset=\"utf-16\""] {
        let answer = demo.echo(Some(content_type), "{}").await;
        assert_eq!(answer.http, 415, "{}", answer.text());
        assert!(answer.text().contains("charset=utf-8"), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_body_is_an_empty_message() {
    let demo = Demo::start("");
    for body in ["", " \r\n\t", "{}"] {
        for content_type in [None, Some("application/json")] {
            let answer = demo.echo(content_type, body).await;
            assert_eq!(answer.http, 200, "{body:?} {}", answer.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_no_rule_asks_for_is_not_waited_for() {
    let demo = Demo::start("");
    let answer = demo.send("GET", "/v1/diagnostics/echo?message=a", Some("text/plain"), "no JSON").await;
    assert_eq!((answer.http, &answer.json()["message"]), (200, &json!("a")));
    // A body without an end.
    let body =
        StreamBody::new(tokio_stream::pending::<Result<http_body::Frame<Bytes>, std::convert::Infallible>>());
    let request =
        Request::get("/v1/diagnostics/echo?message=a").body(body.boxed_unsync()).expect("a request");
    let response = client::open(demo.gateway.address(), Http::Two, request);
    let response = tokio::time::timeout(std::time::Duration::from_secs(10), response).await;
    assert_eq!(response.expect("an answer before the body ends").status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn switches_hold_for_all_methods_or_for_some() {
    let demo = Demo::start(
        "rest:\n  ignored_query_parameters: [\"utm_*\", api_key]\n  query_param_unescape_plus: false\n\
         policies:\n- selector: ecommerce.v1.OrderService.ListOrders\n  rest:\n    \
         ignore_unknown_query_parameters: true\n    reject_binding_collisions: false\n    \
         reject_duplicate_query_parameters: false\n",
    );
    let answer = demo.get("/v1/diagnostics/echo?message=a+b&utm_source=x&api_key=1").await;
    assert_eq!((answer.http, &answer.json()["message"]), (200, &json!("a+b")));
    check_violation(&demo.get("/v1/diagnostics/echo?nope=1").await, "nope", "unknown query parameter");
    check_violation(&demo.get("/v1/diagnostics/echo?message=a&message=b").await, "message", "given twice");

    let path = "/v1/users/alice/orders?nope=1&user_id=bob&page_size=7&page_size=1000";
    let answer = demo.get(path).await;
    assert_eq!(answer.http, 200, "{}", answer.text());
    let orders = answer.json();
    let buyers = orders.as_array().expect("an array").iter().map(|order| order["buyer"]["userId"].as_str());
    assert!(buyers.into_iter().all(|buyer| buyer == Some("alice")), "{orders}");
    assert!(orders.as_array().is_some_and(|orders| !orders.is_empty()), "{orders:?}");
    assert!(demo.get("/v1/users/alice/orders?page_size=x").await.json()["message"] != Value::Null);
}
