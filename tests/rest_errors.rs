//! What a failed call looks like over REST, and what an operator can change of it.

#[path = "support/client.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod client;
#[path = "support/edge.rs"]
mod edge;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::time::Instant;

use client::{Answer, Http};
use edge::Edge;
use program::Program;

/// A gateway before a demo backend, with `rest` as the rest of its configuration.
struct Demo {
    gateway: Edge,
}

impl Demo {
    fn start(rest: &str) -> Self {
        Self { gateway: Edge::before_demo(rest) }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, Full::default()).await
    }

    /// Lets the backend fail with this `FailRequest`.
    async fn fail(&self, failure: &Value) -> Answer {
        self.send("POST", "/v1/diagnostics/fail", Full::from(failure.to_string())).await
    }

    async fn send(&self, method: &str, path: &str, body: Full<Bytes>) -> Answer {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        client::send(self.gateway.address(), Http::One, request.body(body).expect("a request"), || {}).await
    }
}

/// An answer as HTTP status, content type and body.
#[track_caller]
fn check(answer: &Answer, http: u16, content_type: &str, body: &Value) {
    assert_eq!(answer.http, http, "{}", answer.text());
    assert_eq!(answer.header("content-type"), content_type);
    assert_eq!(&answer.json(), body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_has_the_members_of_rfc_9457() {
    let demo = Demo::start("rest: { error_format: problem_json }");
    let problem = "application/problem+json";
    let expected = json!({"type": "about:blank", "title": "Conflict", "status": 409, "detail": "moved",
                          "code": 10, "details": []});
    check(&demo.fail(&json!({"code": 10, "message": "moved"})).await, 409, problem, &expected);
    // 499 is no status of a registry, and a problem wants a title all the same.
    let answer = demo.fail(&json!({"code": 1, "message": "gone"})).await;
    assert_eq!((answer.http, &answer.json()["title"]), (499, &json!("Client Closed Request")));
    // Of Edgeway's own making, with and without a method.
    for (path, http, title) in
        [("/nowhere", 404, "Not Found"), ("/v1/orders/o:watch?x=1", 400, "Bad Request")]
    {
        let answer = demo.get(path).await;
        assert_eq!((answer.http, answer.header("content-type")), (http, problem), "{path}");
        let body = answer.json();
        assert_eq!((&body["title"], &body["status"]), (&json!(title), &json!(http)), "{path}");
        assert!(!body["detail"].as_str().expect("a text").is_empty(), "{path}");
        assert!(body["details"].is_array(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shape_of_aip_193_stands_below_error() {
    let demo = Demo::start(
        "rest: { error_format: problem_json }\npolicies:\n  - selector: ecommerce.v1.DiagnosticsService.Fail\n    \
         rest: { error_format: aip193 }",
    );
    let failure = json!({"code": 9, "message": "not now", "details": [2]});
    let answer = demo.fail(&failure).await;
    let expected = json!({"error": {"code": 400, "message": "not now", "status": "FAILED_PRECONDITION",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s"}]}});
    check(&answer, 400, "application/json", &expected);
    // The other methods have what `rest` says.
    assert_eq!(demo.get("/v1/orders/none").await.header("content-type"), "application/problem+json");
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_get_the_status_that_an_operator_gave_them() {
    let demo = Demo::start("rest: { http_status: { FAILED_PRECONDITION: 412, UNKNOWN: 520 } }");
    for (code, http) in [(9, 412), (2, 520), (3, 400), (5, 404)] {
        let answer = demo.fail(&json!({"code": code, "message": "so be it"})).await;
        check(
            &answer,
            http,
            "application/json",
            &json!({"code": code, "message": "so be it", "details": []}),
        );
    }
}

/// `Retry-After` counts whole seconds: 1.5 s are two.
#[tokio::test(flavor = "multi_thread")]
async fn retry_info_becomes_retry_after() {
    let demo = Demo::start("");
    let answer = demo.fail(&json!({"code": 14, "message": "busy", "details": [2]})).await;
    assert_eq!((answer.http, answer.header("retry-after")), (503, "2"));
    let answer = demo.fail(&json!({"code": 14, "message": "busy"})).await;
    assert!(!answer.headers.contains_key("retry-after"));
    // A delay that lies in the past says nothing.
    let past = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "-3s"});
    let answer = demo.fail(&json!({"code": 14, "message": "busy", "rawDetails": [past]})).await;
    assert!(!answer.headers.contains_key("retry-after"));
}

/// What is one too many is refused at once, and told when to come again.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_too_many_is_asked_to_come_again_in_a_second() {
    let arguments = ["demo-backend", "--listen", "127.0.0.1:0", "--name", "b1"];
    let backend = tokio::task::block_in_place(|| Program::start(&arguments));
    let cluster = format!(
        "{{target: \"ipv4:{}\", circuit_breakers: {{max_requests: 1}}, \
         descriptors: {{reflection: never, protosets: [demo.binpb]}}}}",
        backend.address
    );
    let gateway = Edge::start_with(&cluster, "");
    let address = gateway.address().to_owned();
    let get = async |path: &str| {
        let request = Request::get(path).body(Full::<Bytes>::default()).expect("a request");
        client::send(&address, Http::One, request, || {}).await
    };
    // The one place is with whichever call comes first.
    let held = async { while get("/v1/diagnostics/sleep?duration=60s").await.http == 503 {} };
    let refused = async {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let answer = get("/v1/diagnostics/whoami").await;
            if answer.http == 503 || Instant::now() > until {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let answer = tokio::select! {
        () = held => panic!("the backend sleeps"),
        answer = refused => answer,
    };
    assert_eq!((answer.http, answer.header("retry-after")), (503, "1"), "{}", answer.text());
    let body = answer.json();
    assert_eq!(body["message"], "demo: 1 calls are at its backends already (circuit_breakers.max_requests)");
    let details = body["details"].as_array().expect("details");
    let info = details.iter().find(|detail| detail["reason"] == "OVERLOADED").expect("an ErrorInfo");
    assert_eq!((&info["domain"], &info["metadata"]["cluster"]), (&json!("edgeway"), &json!("demo")));
}

/// The message of a status may hold anything, and stands in the JSON alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_never_becomes_a_header() {
    let demo = Demo::start("");
    let message = "token\r\nset-cookie: a=b\u{1}";
    let answer = demo.fail(&json!({"code": 16, "message": message})).await;
    check(&answer, 401, "application/json", &json!({"code": 16, "message": message, "details": []}));
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    assert!(!answer.headers.contains_key("set-cookie"));
}

/// Line and column for JSON that is none, the path of the field for a value that does not fit.
#[tokio::test(flavor = "multi_thread")]
async fn a_bad_body_says_where() {
    let demo = Demo::start("");
    let send = |body: &'static str| demo.send("POST", "/v1/orders", Full::from(body));
    let answer = send("{\n  \"userId\": 'x'\n}").await;
    assert_eq!(answer.http, 400);
    let said = answer.json()["message"].as_str().expect("a text").to_owned();
    assert!(said.contains("line 2") && said.contains("column 13"), "{said}");

    let answer = send("{\"items\": [{\"quantity\": 1}, {\"quantity\": \"many\"}]}").await;
    let violation = &answer.json()["details"][0]["fieldViolations"][0];
    assert_eq!(violation["field"], "items[1].quantity", "{violation}");
}
