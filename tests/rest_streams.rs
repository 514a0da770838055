//! Streams over REST, both ways.

#[path = "support/client.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod client;
#[path = "support/edge.rs"]
mod edge;
#[path = "support/exchange.rs"]
mod exchange;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;
#[path = "support/proto.rs"]
mod proto;
#[path = "support/scripted.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod scripted;

use std::time::Duration;

use bytes::Bytes;
use edgeway::demo::proto::ecommerce::v1::OrderUpdate;
use http::{Request, request::Builder};
use http_body_util::Full;
use prost::Message as _;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use client::{Answer, Http};
use edge::Edge;
use exchange::{Download, streamed};
use proto::descriptors;
use scripted::{Scripted, Step, grpc, message, status};

/// A gateway before a demo backend, with `more` configuration.
struct Demo {
    gateway: Edge,
}

impl Demo {
    fn start(more: &str) -> Self {
        Self { gateway: Edge::before_demo(more) }
    }

    async fn get(&self, path: &str, accept: &str) -> Answer {
        let request = Request::get(path).header("accept", accept).body(Full::default()).expect("a request");
        client::send(self.gateway.address(), Http::One, request, || {}).await
    }

    /// Sends a body in pieces to `Collect`.
    async fn collect(&self, content_type: &str, pieces: &[&str]) -> Answer {
        let request = post("/v1/diagnostics/collect", content_type);
        let pieces = pieces.iter().map(|piece| Bytes::copy_from_slice(piece.as_bytes())).collect();
        exchange::send(self.gateway.address(), Http::One, request, pieces).await
    }
}

fn post(path: &str, content_type: &str) -> Builder {
    let request = Request::post(path);
    if content_type.is_empty() { request } else { request.header("content-type", content_type) }
}

#[track_caller]
fn check_error(answer: &Answer, http: u16, code: i64, field: &str) {
    let what = format!("{} {}", answer.http, answer.text());
    assert_eq!(answer.http, http, "{what}");
    let error = answer.json();
    assert_eq!(error.pointer("/code"), Some(&json!(code)), "{what}");
    if !field.is_empty() {
        let found = error.pointer("/details/0/fieldViolations/0/field");
        assert_eq!(found, Some(&json!(field)), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_events() {
    let demo = Demo::start("rest: { print_options: { add_whitespace: true } }");
    let answer = demo.get("/v1/diagnostics/stream?count=3&size=3", "text/event-stream").await;
    assert_eq!((answer.http, answer.header("content-type")), (200, "text/event-stream"));
    assert_eq!((answer.header("cache-control"), answer.header("x-accel-buffering")), ("no-cache", "no"));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let events = "id: 1\ndata: {\"payload\":\"ZWVl\"}\n\nid: 2\ndata: {\"index\":1,\"payload\":\"ZWVl\"}\n\n\
        id: 3\ndata: {\"index\":2,\"payload\":\"ZWVl\"}\n\n";
    assert_eq!((answer.text(), answer.broken), (events, false));

    let answer = demo.get("/v1/diagnostics/stream?count=0", "text/event-stream").await;
    assert_eq!((answer.http, answer.text(), answer.broken), (200, "", false));
    assert_eq!(answer.header("content-type"), "text/event-stream");

    // What fails at once has its own HTTP status; what fails later says so.
    let path = "/v1/diagnostics/fail-after?failure.code=ABORTED&failure.message=so%20be%20it&stream.count=";
    let answer = demo.get(&format!("{path}0"), "text/event-stream").await;
    check_error(&answer, 409, 10, "");
    let answer = demo.get(&format!("{path}1"), "text/event-stream").await;
    let error = "event: error\ndata: {\"code\":10,\"message\":\"so be it\",\"details\":[]}\n\n";
    assert_eq!((answer.text(), answer.broken), (&*format!("id: 1\ndata: {{}}\n\n{error}"), false));
}

/// A stream without messages, and what white space and wrapping become, in each format.
#[tokio::test(flavor = "multi_thread")]
async fn the_operator_shapes_streams() {
    let demo = Demo::start(
        "rest: { print_options: { add_whitespace: true }, streaming: { default: ndjson, wrap_messages: true } }\n\
         policies: [{ selector: ecommerce.v1.DiagnosticsService.FailAfter, \
         rest: { streaming: { offer: [json_array], default: json_array } } }]",
    );
    let path = "/v1/diagnostics/stream?count=";
    for (accept, none, two) in [
        ("*/*", "", "{\"result\":{}}\n{\"result\":{\"index\":1}}\n"),
        ("application/json", "[]", "[{},{\"index\":1}]"),
        ("application/x-ndjson", "", "{\"result\":{}}\n{\"result\":{\"index\":1}}\n"),
        ("text/event-stream", "", "id: 1\ndata: {}\n\nid: 2\ndata: {\"index\":1}\n\n"),
        ("application/json;q=0.1, text/*;q=0.2", "", "id: 1\ndata: {}\n\nid: 2\ndata: {\"index\":1}\n\n"),
    ] {
        assert_eq!(demo.get(&format!("{path}0"), accept).await.text(), none, "{accept}");
        assert_eq!(demo.get(&format!("{path}2"), accept).await.text(), two, "{accept}");
    }
    let path = "/v1/diagnostics/fail-after?stream.count=1&failure.code=ABORTED";
    let answer = demo.get(path, "application/x-ndjson").await;
    assert_eq!(answer.header("content-type"), "application/json", "it is not offered");
    assert!(answer.broken);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_kept_alive_once_there_are_some() {
    let update = |sequence| message(&OrderUpdate { sequence, ..OrderUpdate::default() });
    let backend = Scripted::start(move |call| match &*call.id {
        "silent" => vec![Step::Request, Step::Hold, grpc(), update(1), status(0)],
        _ => vec![Step::Request, grpc(), update(1), Step::Hold, update(2), status(0)],
    })
    .await;
    let gateway = Edge::start(&backend.target(), "rest: { streaming: { sse_keep_alive: 20ms } }");
    for http in [Http::One, Http::Two] {
        let id = format!("{http:?}");
        let request = |id: &str| {
            let request = Request::get("/v1/orders/order-1:watch").header("accept", "text/event-stream");
            request.header("x-call", id).body(Full::<Bytes>::default()).expect("a request")
        };
        let response = client::open(gateway.address(), http, request(&id)).await;
        let mut download = Download::new(response.into_body());
        let first = "id: 1\ndata: {\"sequence\":1}\n\n";
        download.until(first).await;
        download.until(&format!("{first}: keep-alive\n\n: keep-alive\n\n")).await;
        backend.release(&id);
        let (text, whole) = download.end().await;
        assert!(whole && text.ends_with("\n\nid: 2\ndata: {\"sequence\":2}\n\n"), "{text:?}");
    }
    // Before the first message there is no head, and so nothing to keep alive.
    let request = Request::get("/v1/orders/order-1:watch").header("accept", "text/event-stream");
    let request = request.header("x-call", "silent").body(Full::<Bytes>::default()).expect("a request");
    let address = gateway.address().to_owned();
    let mut opened = tokio::spawn(async move { client::open(&address, Http::One, request).await });
    backend.called("silent").await;
    let early = tokio::time::timeout(Duration::from_millis(200), &mut opened).await;
    assert!(early.is_err(), "a head came before the first message");
    backend.release("silent");
    let (text, whole) = Download::new(opened.await.expect("a head").into_body()).end().await;
    assert_eq!((&*text, whole), ("id: 1\ndata: {\"sequence\":1}\n\n", true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_streams_an_array_or_lines() {
    let demo = Demo::start("");
    let json = "application/json";
    for (content_type, body, messages) in [
        (json, "[{},{},{}]", 3),
        (json, " [ {\"payload\":\"AA==\"} ,\n{} ] ", 2),
        (json, "{}", 1),
        (json, "{}\n{}\n\n{}{}", 4),
        (json, "[]", 0),
        (json, "", 0),
        (json, "\n", 0),
        ("", "[{}]", 1),
        ("application/vnd.acme+json; charset=utf-8", "[{}]", 1),
        ("application/x-ndjson", "{}\n{}\n", 2),
        ("application/ndjson", "{\"payload\":\n\"\"}\r\n{}", 2),
        ("application/jsonl", "{}", 1),
        ("application/x-ndjson", "", 0),
    ] {
        let answer = demo.collect(content_type, &[body]).await;
        assert_eq!((answer.http, answer.header("content-type")), (200, json), "{body}: {}", answer.text());
        let found = answer.json()["messages"].as_str().map_or(0, |text| text.parse().expect("a number"));
        assert_eq!(found, messages, "{content_type} {body:?}");
    }
    // Wherever the transport cuts it.
    let body = "[{\"payload\":\"AAEC\\u0055Q==\"}, {\"payload\":\"AA==\"},{}]";
    for cut in 0..=body.len() {
        let (start, end) = body.split_at(cut);
        let answer = demo.collect(json, &[start, end]).await;
        assert_eq!(answer.json(), json!({"messages": "3", "bytes": "5"}), "cut at {cut}");
    }
    // One message is one message.
    let request = post("/v1/diagnostics/echo", "application/x-ndjson");
    let answer = exchange::send(demo.gateway.address(), Http::One, request, vec!["{}".into()]).await;
    check_error(&answer, 415, 3, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_stream_is_refused() {
    let demo =
        Demo::start("policies: [{ selector: '*', max_request_bytes: 1000, rest: { max_json_depth: 5 } }]");
    let json = "application/json";
    for (body, field) in [
        ("[{},", "[1]"),
        ("[{}", "[1]"),
        ("[{}] x", "[1]"),
        ("[{},]", "[1]"),
        ("[{} {}]", "[1]"),
        ("{} ]", "[1]"),
        ("[{\"a\"", "[0]"),
        ("hello", "[0]"),
        ("[[]]", "[0]"),
        ("[null]", "[0]"),
        ("[{\"nope\":1}]", "[0].nope"),
        ("[{},{},{\"failure\":{\"code\":\"NOPE\"}}]", "[2].failure.code"),
        ("{}\n{\"payload\":1}", "[1].payload"),
        ("[{}, {\"failure\":{\"rawDetails\":[{\"a\":[[1]]}]}}]", "[1]"),
    ] {
        for http in [Http::One, Http::Two] {
            let request = post("/v1/diagnostics/collect", json);
            let answer = exchange::send(demo.gateway.address(), http, request, vec![body.into()]).await;
            check_error(&answer, 400, 3, field);
        }
    }
    for content_type in ["text/plain", "multipart/form-data; boundary=x", "application/jsonx"] {
        check_error(&demo.collect(content_type, &["[]"]).await, 415, 3, "");
    }
    let coded = post("/v1/diagnostics/collect", json).header("content-encoding", "gzip");
    let answer = exchange::send(demo.gateway.address(), Http::One, coded, vec!["[]".into()]).await;
    check_error(&answer, 415, 3, "");
    // A message at its limit, and one byte above, whether or not it ever ends. The stream may be longer.
    let sized = |length: usize| format!("{{\"payload\":\"{}\"}}", "A".repeat(length - 14));
    let many = format!("[{0},{0},{0}]", sized(998));
    assert_eq!(demo.collect(json, &[&many]).await.json()["messages"], "3");
    check_error(&demo.collect(json, &[&format!("[{}", sized(1002))]).await, 413, 8, "");
    check_error(&demo.collect(json, &[&"9".repeat(1001)]).await, 413, 8, "");
}

/// What an operator may ask of bodies beyond their being read.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_by_the_operators_rules() {
    let demo = Demo::start("rest: { require_content_type: true, reject_unexpected_body: true }");
    let send = async |request: Builder, pieces: &[&'static str]| {
        let pieces = pieces.iter().map(|piece| Bytes::from_static(piece.as_bytes())).collect();
        exchange::send(demo.gateway.address(), Http::One, request, pieces).await
    };
    let get = || Request::get("/v1/orders/order-1").header("transfer-encoding", "chunked");
    assert_eq!(send(get(), &[]).await.http, 200, "a chunked body of no chunk is none");
    check_error(&send(get(), &["{}"]).await, 400, 3, "");
    let json = |path| post(path, "application/json");
    assert_eq!(send(json("/v1/diagnostics/echo"), &["{}"]).await.http, 200);
    check_error(&send(post("/v1/diagnostics/echo", ""), &["{}"]).await, 415, 3, "");
    check_error(&send(post("/v1/diagnostics/collect", ""), &["[]"]).await, 415, 3, "");
    check_error(&send(post("/v1/diagnostics/relay", ""), &["x"]).await, 415, 3, "");
    // No body at all needs no type.
    let empty = post("/v1/diagnostics/echo", "").body(Full::<Bytes>::default()).expect("a request");
    assert_eq!(client::send(demo.gateway.address(), Http::One, empty, || {}).await.http, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_clients_stream_ends_the_call() {
    let backend = Scripted::start(|_| vec![Step::FirstBytes, Step::Cancelled]).await;
    let gateway = Edge::start(&backend.target(), "");
    for http in [Http::One, Http::Two] {
        let id = format!("{http:?}");
        let request = post("/v1/orders:process", "application/json").header("x-call", &id);
        let (upload, request) = streamed(request);
        let address = gateway.address().to_owned();
        let opened =
            tokio::spawn(
                async move { client::collect(client::open(&address, http, request).await, || {}).await },
            );
        upload.send("[{\"orderId\":\"a\"},").await;
        backend.called(&id).await;
        upload.send("nope").await;
        upload.send(" ").await;
        check_error(&opened.await.expect("an answer"), 400, 3, "[1]");
        backend.cancelled(&id).await;
    }
    // The client leaves.
    let mut socket = TcpStream::connect(gateway.address()).await.expect("the gateway accepts");
    let head =
        "POST /v1/orders:process HTTP/1.1\r\nhost: a\r\nx-call: left\r\ntransfer-encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).await.expect("it reads");
    socket.write_all(b"3\r\n[{}\r\n").await.expect("it reads");
    backend.called("left").await;
    drop(socket);
    backend.cancelled("left").await;
}

/// A backend that has heard enough is not waited for until its client has said all.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_may_come_before_the_client_has_ended() {
    let demo = Demo::start("");
    for http in [Http::One, Http::Two] {
        for path in ["/v1/diagnostics/collect", "/v1/diagnostics/chat"] {
            let (upload, request) = streamed(post(path, "application/json"));
            let address = demo.gateway.address().to_owned();
            let opened = tokio::spawn(async move {
                client::collect(client::open(&address, http, request).await, || {}).await
            });
            upload.send("[{\"failure\":{\"code\":\"ABORTED\"}}").await;
            let answer = tokio::time::timeout(Duration::from_secs(10), opened).await;
            check_error(&answer.expect("in time").expect("an answer"), 409, 10, "");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_talk_at_once() {
    let demo = Demo::start("");
    let answer = |index: u32, text: &str| match index {
        0 => format!("{{\"text\":\"{text}\"}}\n"),
        _ => format!("{{\"index\":{index},\"text\":\"{text}\"}}\n"),
    };
    for http in [Http::One, Http::Two] {
        for broken in [false, true] {
            let request =
                post("/v1/diagnostics/chat", "application/json").header("accept", "application/x-ndjson");
            let (upload, request) = streamed(request);
            let address = demo.gateway.address().to_owned();
            let opened = tokio::spawn(async move { client::open(&address, http, request).await });
            // Each message goes up with its last byte, and is answered before the next is begun.
            upload.send("[{\"text\":").await;
            upload.send("\"a\"}").await;
            let response = opened.await.expect("a head");
            assert_eq!(response.status(), 200);
            let mut download = Download::new(response.into_body());
            let mut expect = answer(0, "a");
            download.until(&expect).await;
            upload.send(",{\"text\":\"b\"}").await;
            expect += &answer(1, "b");
            download.until(&expect).await;
            upload.send(if broken { "}" } else { "]" }).await;
            drop(upload);
            let (text, whole) = download.end().await;
            assert!(whole);
            let rest = text.strip_prefix(&expect).expect("what came before");
            if broken {
                let error: Value = serde_json::from_str(rest).expect("a line");
                assert_eq!(error["error"]["code"], 3, "{error}");
            } else {
                assert_eq!(rest, "");
            }
        }
    }
}

/// Nothing takes more from a client than its backend wants.
#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_does_not_read_stops_its_client() {
    let backend = Scripted::start(|_| vec![Step::Hold, Step::Request, Step::Only(200, Vec::new())]).await;
    let gateway = Edge::start(&backend.target(), "");
    let request = post("/v1/orders:process", "application/x-ndjson").header("x-call", "slow");
    let (upload, request) = streamed(request);
    let address = gateway.address().to_owned();
    let _opened = tokio::spawn(async move { client::open(&address, Http::Two, request).await });
    let line = format!("{{\"orderId\":\"{}\"}}\n", "x".repeat(1 << 10));
    let mut sent = 0;
    while upload.try_send(line.clone(), Duration::from_millis(500)).await {
        sent += line.len();
        assert!(sent < 1 << 20, "the gateway reads on");
    }
    // It goes on where it stopped.
    backend.called("slow").await;
    backend.release("slow");
    for _ in 0..1000 {
        upload.send(line.clone()).await;
    }
}

const FILES: &str = r#"
    syntax = "proto3";
    package files.v1;
    import "google/api/annotations.proto";
    message Part { string folder = 1; int32 number = 2; string text = 3; }
    service Files {
      rpc Send(stream Part) returns (Part) {
        option (google.api.http) = { post: "/v1/{folder}:send" body: "*" };
      }
      rpc Number(stream Part) returns (Part) {
        option (google.api.http) = { post: "/v1/{folder}:number" body: "number" };
      }
      rpc Every(stream Part) returns (Part) {
        option (google.api.http) = { post: "/v1/{folder}:every" body: "number" };
      }
      rpc None(stream Part) returns (Part) {
        option (google.api.http) = { post: "/v1/{folder}:none" };
      }
    }"#;

#[derive(Clone, PartialEq, prost::Message)]
struct Part {
    #[prost(string, tag = "1")]
    folder: String,
    #[prost(int32, tag = "2")]
    number: i32,
    #[prost(string, tag = "3")]
    text: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn path_and_query_bind_the_first_message() {
    let backend =
        Scripted::start(|_| vec![Step::Request, grpc(), message(&Part::default()), status(0)]).await;
    let cluster = format!(
        "{{target: \"{}\", descriptors: {{reflection: never, protosets: [demo.binpb]}}}}",
        backend.target()
    );
    let policy = "policies: [{ selector: files.v1.Files.Every, rest: { bind_every_message: true } }]";
    let gateway = Edge::start_over(&descriptors(FILES), &cluster, policy);
    let send = async |path: &str, body: &'static str| {
        let request = post(path, "application/json").header("x-call", path);
        let answer = exchange::send(gateway.address(), Http::One, request, vec![body.into()]).await;
        let parts = backend.received(path);
        let parts: Vec<_> = parts.into_iter().map(|bytes| Part::decode(bytes).expect("a message")).collect();
        (answer, parts)
    };
    let part = |folder: &str, number, text: &str| Part { folder: folder.into(), number, text: text.into() };
    let (answer, parts) = send("/v1/a%2Fb:send", "[{\"number\":1},{\"number\":2},{\"folder\":\"c\"}]").await;
    assert_eq!((answer.http, answer.text()), (200, "{}"));
    assert_eq!(parts, [part("a/b", 1, ""), part("", 2, ""), part("c", 0, "")]);
    // Elements are whatever the field takes.
    let (_, parts) = send("/v1/a:number?text=t", "[7, \"8\" ,9]").await;
    assert_eq!(parts, [part("a", 7, "t"), part("", 8, ""), part("", 9, "")]);
    let (_, parts) = send("/v1/b:number", "7\n8").await;
    assert_eq!(parts, [part("b", 7, ""), part("", 8, "")]);
    let (_, parts) = send("/v1/a:every?text=t", "[7,8]").await;
    assert_eq!(parts, [part("a", 7, "t"), part("a", 8, "t")]);
    // A rule without a body makes one message.
    let (_, parts) = send("/v1/a:none?number=3", "ignored").await;
    assert_eq!(parts, [part("a", 3, "")]);
    // A stream without messages binds nothing.
    let (answer, parts) = send("/v1/e:send", "[]").await;
    assert_eq!((answer.http, parts.len()), (200, 0));

    for (path, body, field) in [
        ("/v1/x:send", "[{\"folder\":\"y\"}]", "folder"),
        ("/v1/x:send?number=1", "[{}]", "number"),
        ("/v1/x:number?number=1", "[1]", "number"),
    ] {
        let (answer, _) = send(path, body).await;
        check_error(&answer, 400, 3, field);
    }
}
