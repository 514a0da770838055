//! The REST door as curl shows it.

#[path = "support/client.rs"]
mod client;
#[path = "support/edge.rs"]
mod edge;
#[path = "support/port.rs"]
mod port;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;
#[path = "support/scripted.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod scripted;

use std::time::Duration;

use bytes::Bytes;
use edgeway::demo::proto::ecommerce::v1::{Order, OrderUpdate};
use http::Request;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::time::Instant;

use client::{Answer, Http};
use edge::Edge;
use program::Program;
use scripted::{Scripted, Step, grpc, message, status};

/// A gateway before a demo backend.
struct Demo {
    gateway: Edge,
}

impl Demo {
    fn start() -> Self {
        Self { gateway: Edge::before_demo("") }
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        send(self.gateway.address(), Http::One, request).await
    }

    async fn echo(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        self.send(request("POST", "/v1/diagnostics/echo", headers, body)).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(get(path)).await
    }
}

/// Sends a request; whatever the answer, it has to be a REST reply.
async fn send(address: &str, http: Http, request: Request<Full<Bytes>>) -> Answer {
    let answer = client::send(address, http, request, || {}).await;
    let heads = answer.headers.keys().chain(answer.trailers.keys());
    let grpc: Vec<_> = heads.filter(|name| name.as_str().starts_with("grpc-")).collect();
    assert!(grpc.is_empty(), "a REST reply carries {grpc:?}");
    answer
}

fn get(path: &str) -> Request<Full<Bytes>> {
    request("GET", path, &[], "")
}

fn post(path: &str, body: &Value) -> Request<Full<Bytes>> {
    request("POST", path, &[("content-type", "application/json")], &body.to_string())
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).expect("a request")
}

/// Asserts that an answer is an error in the one shape that errors have.
#[track_caller]
fn check_error(answer: &Answer, http: u16, code: i64, says: &str) {
    let what = format!("{} {}", answer.http, answer.text());
    assert_eq!(answer.http, http, "{what}");
    assert_eq!(answer.header("content-type"), "application/json", "{what}");
    let error = answer.json();
    let keys: Vec<_> = error.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys, ["code", "details", "message"], "{what}");
    assert_eq!(error.get("code"), Some(&json!(code)), "{what}");
    let message = error.get("message").and_then(Value::as_str).expect("a text");
    assert!(message.contains(says), "expected {says:?} in {what}");
    assert!(error.get("details").is_some_and(Value::is_array), "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_each_way() {
    let demo = Demo::start();
    for http in [Http::One, Http::Two] {
        let answer = send(demo.gateway.address(), http, get("/v1/orders/order-1")).await;
        assert_eq!((answer.http, answer.header("content-type")), (200, "application/json"));
        let order = answer.json();
        assert_eq!(order["orderId"], "order-1");
        assert_eq!(order["buyer"]["userId"], "alice");
        assert!(order["revision"].is_string(), "64-bit numbers are strings: {order}");

        let new = json!({"userId": "bob", "items": [{"productId": "tea", "quantity": 2, "unitPrice": 4.5}]});
        let answer = send(demo.gateway.address(), http, post("/v1/orders", &new)).await;
        assert_eq!(answer.http, 200, "{}", answer.text());
        let created = answer.json();
        assert_eq!((&created["total"], &created["status"]), (&json!(9), &json!("ORDER_STATUS_PENDING")));
        let path = format!("/v1/orders/{}", created["orderId"].as_str().expect("an id"));
        assert_eq!(send(demo.gateway.address(), http, get(&path)).await.json(), created);
    }
    // Any `+json` is JSON, parameters or not, and so is a body of no declared type.
    let body = json!({"message": "hi"}).to_string();
    for headers in [
        &[("content-type", "application/vnd.acme+json")][..],
        &[("content-type", "Application/JSON; charset=utf-8")],
        &[],
    ] {
        let answer = demo.send(request("POST", "/v1/diagnostics/echo", headers, &body)).await;
        assert_eq!(answer.json()["message"], "hi", "{headers:?}");
    }
    // Every method has a path of its own, annotated or not.
    let answer = demo.send(post("/ecommerce.v1.OrderService/GetOrder", &json!({"orderId": "order-2"}))).await;
    assert_eq!(answer.json()["orderId"], "order-2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_an_array_or_lines() {
    let demo = Demo::start();
    let path = "/v1/users/alice/orders?page_size=2";
    let array = demo.get(path).await;
    assert_eq!((array.http, array.header("content-type")), (200, "application/json"));
    let orders = array.json();
    assert_eq!(orders.as_array().map(Vec::len), Some(2), "{orders}");

    for accept in ["application/x-ndjson", "text/html, application/x-ndjson;q=0.9"] {
        let lines = demo.send(request("GET", path, &[("accept", accept)], "")).await;
        assert_eq!((lines.http, lines.header("content-type")), (200, "application/x-ndjson"));
        let parsed: Vec<Value> =
            lines.text().lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
        assert_eq!(Value::Array(parsed), orders);
    }
    assert_eq!(demo.get("/v1/diagnostics/stream?count=0").await.text(), "[]");
    // A stream that fails before its first message has the HTTP status of its failure.
    check_error(&demo.get("/v1/users//orders").await, 400, 3, "//");
    check_error(&demo.get("/v1/orders/nope:watch").await, 404, 5, "nope");
}

/// The backend sends its second message only after the client has said that it holds the first.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_there_before_the_next_is_made() {
    let update = |sequence| message(&OrderUpdate { sequence, ..OrderUpdate::default() });
    let backend =
        Scripted::start(move |_| vec![Step::Request, grpc(), update(1), Step::Hold, update(2), status(0)])
            .await;
    let gateway = Edge::start(&backend.target(), "");
    for http in [Http::One, Http::Two] {
        for (accept, first, rest) in [
            ("application/x-ndjson", "{\"sequence\":1}\n", "{\"sequence\":2}\n"),
            ("application/json", "[{\"sequence\":1}", ",{\"sequence\":2}]"),
            ("text/event-stream", "id: 1\ndata: {\"sequence\":1}\n\n", "id: 2\ndata: {\"sequence\":2}\n\n"),
        ] {
            let id = format!("{http:?} {accept}");
            let headers = [("accept", accept), ("x-call", &id)];
            let request = request("GET", "/v1/orders/order-1:watch", &headers, "");
            let exchange = async {
                let response = client::open(gateway.address(), http, request).await;
                assert_eq!(response.status(), 200);
                let mut body = response.into_body();
                let (mut got, mut released) = (String::new(), false);
                while let Some(frame) = body.frame().await {
                    let data = frame.expect("an unbroken stream").into_data().unwrap_or_default();
                    got.push_str(std::str::from_utf8(&data).expect("JSON is UTF-8"));
                    if got == first {
                        backend.release(&id);
                        released = true;
                    }
                    assert!(released || first.starts_with(&got), "{got}");
                }
                got
            };
            let got = tokio::time::timeout(PATIENCE, exchange).await;
            assert_eq!(got.expect("the first message comes alone"), format!("{first}{rest}"), "{id}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_a_status_with_its_details() {
    let demo = Demo::start();
    let answer = demo.send(post("/v1/orders", &json!({"userId": "", "items": [{"quantity": 0}]}))).await;
    check_error(&answer, 400, 3, "");
    let details = &answer.json()["details"];
    assert_eq!(details[0]["@type"], "type.googleapis.com/google.rpc.BadRequest", "{details}");
    let violations = details[0]["fieldViolations"].as_array().expect("violations");
    let fields: Vec<_> = violations.iter().filter_map(|violation| violation["field"].as_str()).collect();
    assert!(fields.contains(&"user_id"), "{fields:?}");

    let answer = demo.get("/v1/orders/order-99").await;
    check_error(&answer, 404, 5, "order-99");
    assert_eq!(answer.json()["details"][0]["resourceName"], "order-99");

    // Every code with the HTTP status of google/rpc/code.proto.
    let https = [499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];
    for (code, http) in (1..).zip(https) {
        let answer = demo.get(&format!("/v1/diagnostics/fail/{code}?message=so%20be%20it")).await;
        check_error(&answer, http, code, "so be it");
    }
    // All well-known details are decoded, one that nobody knows keeps its bytes.
    let details: Vec<_> = (1..=8).collect();
    let raw = json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": "said"});
    let failure = json!({"code": 9, "message": "all", "details": details, "rawDetails": [raw]});
    let answer = demo.send(post("/v1/diagnostics/fail", &failure)).await;
    check_error(&answer, 400, 9, "all");
    let answer = answer.json();
    let types: Vec<_> =
        answer["details"].as_array().expect("a list").iter().map(|detail| &detail["@type"]).collect();
    let names = [
        "rpc.BadRequest",
        "rpc.RetryInfo",
        "rpc.ErrorInfo",
        "rpc.ResourceInfo",
        "rpc.PreconditionFailure",
        "rpc.QuotaFailure",
        "rpc.LocalizedMessage",
        "rpc.Help",
        "protobuf.StringValue",
    ];
    let expect: Vec<_> =
        names.iter().map(|name| json!(format!("type.googleapis.com/google.{name}"))).collect();
    assert_eq!(types, expect.iter().collect::<Vec<_>>());
    assert_eq!(answer["details"][1]["retryDelay"], "1.500s");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_route_is_told_what_has() {
    let demo = Demo::start();
    let answer = demo.get("/v1/order/order-1").await;
    check_error(&answer, 404, 5, "did you mean /v1/orders/");
    check_error(&demo.get("/v1/orders/").await, 404, 5, "no route");
    check_error(&demo.get("/").await, 404, 5, "no route");

    let answer = demo.send(request("DELETE", "/v1/orders/order-1", &[], "")).await;
    check_error(&answer, 405, 12, "DELETE");
    assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
    let answer = demo.send(request("PUT", "/v1/diagnostics/echo", &[], "")).await;
    check_error(&answer, 405, 12, "PUT");
    assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS, POST");

    let answer = demo.send(request("OPTIONS", "/v1/orders", &[], "")).await;
    assert_eq!((answer.http, answer.header("allow"), answer.body.len()), (204, "OPTIONS, POST", 0));

    let full = demo.get("/v1/orders/order-1").await;
    let head = demo.send(request("HEAD", "/v1/orders/order-1", &[], "")).await;
    assert_eq!((head.http, head.body.len()), (200, 0));
    for name in ["content-type", "content-length"] {
        assert_eq!(head.header(name), full.header(name), "{name}");
    }
    let head = demo.send(request("HEAD", "/v1/orders/order-99", &[], "")).await;
    assert_eq!((head.http, head.body.len()), (404, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_no_json_is_refused() {
    let demo = Demo::start();
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
    ] {
        let answer = demo.echo(&[("content-type", content_type)], "{}").await;
        check_error(&answer, 415, 3, "application/json");
    }
    // What a browser sends without asking first.
    check_error(&demo.echo(&[("origin", "https://evil.example")], "{}").await, 415, 3, "application/json");

    let json = &[("content-type", "application/json")];
    for (body, says) in [
        ("{", ""),
        ("[]", ""),
        ("{\"message\":1}", "message"),
        ("{\"nope\":1}", "nope"),
        ("{\"message\":\"a\",\"message\":\"b\"}", "message"),
        ("{} x", ""),
    ] {
        check_error(&demo.echo(json, body).await, 400, 3, says);
    }
    let large = json!({"message": "x".repeat(5 << 20)}).to_string();
    for http in [Http::One, Http::Two] {
        let answer =
            send(demo.gateway.address(), http, request("POST", "/v1/diagnostics/echo", json, &large)).await;
        check_error(&answer, 413, 8, "max_request_bytes");
    }
    assert_eq!(demo.get("/v1/orders/order-1").await.http, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_is_bound_once() {
    let demo = Demo::start();
    for (path, field) in [
        ("/v1/orders/order-1?nope=1", "nope"),
        ("/v1/orders/order-1?orderId=order-2", "orderId"),
        ("/v1/orders/order-1?order_id=order-1", "order_id"),
        ("/v1/users/alice/orders?page_size=1&page_size=2", "page_size"),
        ("/v1/users/alice/orders?page_size=1&pageSize=2", "pageSize"),
        ("/v1/users/alice/orders?page_size=many", "page_size"),
        ("/v1/users/alice/orders?filter.min_total=1&filter.min_total=2", "filter.min_total"),
        ("/v1/users/alice/orders?filter.status=NOPE", "filter.status"),
        ("/v1/users/alice/orders?filter=x", "filter"),
        ("/v1/users/alice/orders?page_size=%zz", ""),
    ] {
        let answer = demo.get(path).await;
        check_error(&answer, 400, 3, "");
        let details = &answer.json()["details"][0];
        assert_eq!(details["@type"], "type.googleapis.com/google.rpc.BadRequest", "{path}: {details}");
        assert!(
            details["fieldViolations"][0]["field"].as_str().unwrap_or_default().starts_with(field),
            "{path}: {details}"
        );
    }
    check_error(&demo.send(post("/v1/orders?user_id=alice", &json!({}))).await, 400, 3, "user_id");
    // Repeated fields and fields of fields, under both of their names.
    let path =
        "/v1/users/alice/orders?filter.status=1&filter.status=ORDER_STATUS_DELIVERED&filter.minTotal=0.5";
    let orders = demo.get(path).await.json();
    let all = orders.as_array().expect("an array").iter().all(|order| {
        matches!(order["status"].as_str(), Some("ORDER_STATUS_PENDING" | "ORDER_STATUS_DELIVERED"))
    });
    assert!(all, "{orders}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_decoded_once() {
    let backend = Scripted::start(|_| {
        vec![
            Step::Request,
            grpc(),
            message(&Order { note: Some("seen".into()), ..Order::default() }),
            status(0),
        ]
    })
    .await;
    let demo = Demo::start();
    // The demo says which order it does not know.
    for (path, decoded) in [
        ("/v1/orders/a%2Fb", "a/b"),
        ("/v1/orders/a%252Fb", "a%2Fb"),
        ("/v1/orders/a%20b", "a b"),
        ("/v1/orders/a+b", "a+b"),
        ("/v1/orders/a;b=c", "a;b=c"),
        ("/v1/orders/z%C3%BCri", "züri"),
        ("/v1/orders/a:b", "a:b"),
    ] {
        let answer = demo.get(path).await;
        check_error(&answer, 404, 5, decoded);
        assert_eq!(answer.json()["details"][0]["resourceName"], decoded);
    }
    let gateway = Edge::start(&backend.target(), "");
    for path in [
        "/v1/orders/..",
        "/v1/orders/.",
        "/v1/orders/%2e%2e",
        "/v1/orders/%2E.",
        "/v1/orders/..%2f..",
        "/v1/users/../orders/order-1",
        "/v1//orders/order-1",
        "/v1/orders/a%00",
        "/v1/orders/a%5Cb",
        "/v1/orders/a%FF",
        "/v1/orders/a%2",
        "/v1/orders/%zz",
    ] {
        for http in [Http::One, Http::Two] {
            let answer =
                send(gateway.address(), http, request("GET", path, &[("x-call", "refused")], "")).await;
            check_error(&answer, 400, 3, "");
        }
    }
    assert!(backend.calls("refused").is_empty(), "none of them went through");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_editions_are_served() {
    // What is delimited, open and closed on the wire: 6 between two tags, 10: 99, 11: 9.
    let reply = edgeway::grpc::frame::encode(b"\x33\x08\x01\x34\x50\x63\x58\x09");
    let backend =
        Scripted::start(move |_| vec![Step::Request, grpc(), Step::Data(reply.clone()), status(0)]).await;
    let set = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/editions/editions.binpb");
    let descriptors = format!("{{reflection: never, protosets: [\"{set}\"]}}");
    let target = backend.target();
    let gateway = Edge::start_with(&format!("{{target: \"{target}\", descriptors: {descriptors}}}"), "");
    let call = async |request| send(gateway.address(), Http::One, request).await;
    let expect = json!({"delimited": {"number": 1}, "open": 99});

    let answer = call(get("/v1/editions/a?explicit=0&fixed=FIXED_ZERO")).await;
    assert_eq!((answer.http, answer.json()), (200, expect.clone()));
    let answer = call(request("PUT", "/v1/editions/7", &[], r#"{"required":0}"#)).await;
    assert_eq!((answer.http, answer.json()), (200, expect));

    let answer = call(request("PUT", "/v1/editions/7", &[], r#"{"closeds":[1]}"#)).await;
    check_error(&answer, 400, 3, "required: expected a value, since the field is required, found none");
    let answer = call(request("PUT", "/v1/editions/7", &[], r#"{"required":0,"closed":9}"#)).await;
    check_error(&answer, 400, 3, "closed: expected a value of enum codec.test.editions.Closed");
    let answer = call(get("/v1/editions/a?fixed=1")).await;
    check_error(&answer, 400, 3, "fixed: expected a value of enum codec.test.editions.Fixed");
}

/// A reader who does not look at the transport must still see that something is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_stream_never_passes_for_a_whole_one() {
    let backend = Scripted::start(|call| {
        let mut steps = vec![Step::Request, grpc()];
        let messages = if call.id == "many" { 1000 } else { 3 };
        steps.extend(
            (0..messages).map(|sequence| message(&OrderUpdate { sequence, ..OrderUpdate::default() })),
        );
        steps.push(match call.id.as_str() {
            "reset" => Step::Reset(2),
            "no-trailers" => Step::End,
            "cut" => Step::Data(Bytes::from_static(b"\0\0\0\0\x0a\x0a")),
            "not-a-message" => Step::Data(Bytes::from_static(b"\0\0\0\0\x01\xff")),
            _ => status(13),
        });
        if matches!(call.id.as_str(), "cut" | "not-a-message") {
            steps.push(status(0));
        }
        steps
    })
    .await;
    let gateway = Edge::start(&backend.target(), "");
    for http in [Http::One, Http::Two] {
        for (id, messages) in [
            ("reset", 3),
            ("no-trailers", 3),
            ("cut", 3),
            ("not-a-message", 3),
            ("status", 3),
            ("many", 1000),
        ] {
            let request = request("GET", "/v1/orders/order-1:watch", &[("x-call", id)], "");
            let answer = send(gateway.address(), http, request).await;
            let what = format!("{id} over {http:?}: {}", answer.text());
            assert_eq!(answer.http, 200, "{what}");
            assert!(answer.broken, "the transport ends as if all were well, {what}");
            assert!(serde_json::from_slice::<Value>(&answer.body).is_err(), "{what}");
            // What broke it is its last element.
            let elements: Value = serde_json::from_str(&format!("{}]", answer.text())).expect(&what);
            let elements = elements.as_array().expect("an array");
            assert_eq!(elements.len(), messages + 1, "{what}");
            assert_eq!(elements[messages]["error"]["code"], 13, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_become_metadata_but_for_those_that_must_not() {
    let demo = Demo::start();
    let sent = [
        ("authorization", "Bearer x"),
        ("cookie", "a=b"),
        ("x-tenant", "acme"),
        ("x-trace-bin", "AAEC"),
        ("x-request-id", "r-1"),
        ("grpc-metadata-x-prefixed", "p"),
        ("grpc-metadata-host", "evil"),
        ("user-agent", "tests"),
        ("host", "public.example"),
        ("connection", "x-hop"),
        ("x-hop", "h"),
        ("te", "trailers"),
        ("origin", "https://shop.example"),
        ("referer", "https://shop.example/cart"),
        ("accept", "application/json"),
        ("accept-language", "de"),
        ("sec-fetch-mode", "cors"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-forwarded-host", "evil"),
        ("forwarded", "for=1.2.3.4"),
        ("x-real-ip", "1.2.3.4"),
        ("grpc-status", "0"),
        ("grpc-previous-rpc-attempts", "3"),
        ("grpc-encoding", "gzip"),
        ("content-type", "application/json"),
    ];
    let echo = json!({
        "message": "hi",
        "responseHeaders": [
            {"key": "x-answer", "value": "42"},
            {"key": "set-cookie", "value": "a=b"},
            {"key": "access-control-allow-origin", "value": "*"},
        ],
    });
    let answer = demo.send(request("POST", "/v1/diagnostics/echo", &sent, &echo.to_string())).await;
    assert_eq!(answer.http, 200, "{}", answer.text());
    assert_eq!(answer.header("x-answer"), "42");
    assert_eq!((answer.header("set-cookie"), answer.header("access-control-allow-origin")), ("", ""));

    let answer = answer.json();
    let metadata = answer["metadata"].as_array().expect("metadata");
    let mut crossed: Vec<_> = metadata
        .iter()
        .map(|entry| {
            let value = entry["value"].as_str().filter(|value| !value.is_empty());
            (
                entry["key"].as_str().expect("a key"),
                value.or(entry["binaryValue"].as_str()).unwrap_or_default(),
            )
        })
        .filter(|(key, _)| !matches!(*key, "te" | "content-type" | "grpc-timeout"))
        .collect();
    crossed.sort_unstable();
    let expect = [
        ("authorization", "Bearer x"),
        ("cookie", "a=b"),
        ("user-agent", "tests"),
        ("x-prefixed", "p"),
        ("x-request-id", "r-1"),
        ("x-tenant", "acme"),
        ("x-trace-bin", "AAEC"),
    ];
    assert_eq!(crossed, expect);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_say_how_long_it_waits() {
    let demo = Demo::start();
    let sleep = |timeout: &'static str, duration: &str| {
        let path = format!("/v1/diagnostics/sleep?duration={duration}");
        demo.send(request("GET", &path, &[("x-request-timeout", timeout)], ""))
    };
    let started = Instant::now();
    let answer = sleep("100ms", "60s").await;
    let took = started.elapsed();
    check_error(&answer, 504, 4, "deadline");
    // On time is measured elsewhere; here only that it was the client's time and not the default of 15 s.
    assert!((Duration::from_millis(100)..Duration::from_secs(5)).contains(&took), "{took:?}");
    assert_eq!(sleep("5s", "0.01s").await.http, 200);
    for bad in ["5", "-1s", "1h", "", "9999999999s"] {
        check_error(&sleep(bad, "0s").await, 400, 3, "x-request-timeout");
    }
}

/// A backend that is down when the gateway starts is no error, and its schema is there when it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_backend_is_served_when_it_appears() {
    let place = port::listen().await;
    let address = place.local_addr().expect("an address").to_string();
    drop(place);
    let gateway = Edge::start_with(&format!("{{target: \"ipv4:{address}\"}}"), "");
    let answer = send(gateway.address(), Http::One, get("/v1/orders/order-1")).await;
    check_error(&answer, 503, 14, "demo");
    let reasons = answer.json();
    assert_eq!(reasons["details"][0]["reason"], "SCHEMA_NOT_LOADED", "{reasons}");
    let ready = client::send(&gateway.program.admin, Http::One, get("/readyz"), || {}).await;
    assert_eq!(ready.http, 503);
    let ready = ready.json();
    assert!(ready["clusters"][0]["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{ready}");

    let arguments = ["demo-backend", "--listen", &address, "--name", "late"];
    let _backend = tokio::task::block_in_place(|| Program::start(&arguments));
    let appear = async {
        while send(gateway.address(), Http::One, get("/v1/orders/order-1")).await.http != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // The longest rest of a backend that was refused is 12 s.
    tokio::time::timeout(Duration::from_secs(30), appear).await.expect("it is served without a restart");
    let ready = client::send(&gateway.program.admin, Http::One, get("/readyz"), || {}).await;
    assert_eq!(ready.http, 200, "{}", ready.text());
}

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);
