//! The Connect door as bytes on the wire: <https://connectrpc.com/docs/protocol>.

#[path = "support/client.rs"]
mod client;
#[path = "support/edge.rs"]
mod edge;
#[path = "support/exchange.rs"]
mod exchange;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::{Buf, Bytes, BytesMut};
use edgeway::{
    demo::proto::ecommerce::v1::{
        CollectRequest, CollectResponse, EchoRequest, EchoResponse, GetOrderRequest, Order,
    },
    grpc::{frame, gzip},
};
use http::{Request, request::Builder};
use http_body_util::Full;
use prost::Message;
use serde_json::{Value, json};

use client::{Answer, Http};
use edge::Edge;
use exchange::Download;

/// A gateway before a demo backend.
struct Demo {
    gateway: Edge,
}

impl Demo {
    fn start(more: &str) -> Self {
        Self { gateway: Edge::before_demo(more) }
    }

    async fn send(&self, request: Builder, body: impl Into<Bytes>) -> Answer {
        let request = request.body(Full::new(body.into())).expect("a request");
        let answer = client::send(self.gateway.address(), Http::One, request, || {}).await;
        assert!(answer.trailers.is_empty());
        answer
    }

    async fn get(&self, path_and_query: &str) -> Answer {
        self.send(Request::get(path_and_query), "").await
    }

    async fn json(&self, path: &str, body: &Value) -> Answer {
        self.send(unary(path, "json"), body.to_string()).await
    }
}

fn unary(path: &str, format: &str) -> Builder {
    Request::post(path)
        .header("content-type", format!("application/{format}"))
        .header("connect-protocol-version", "1")
}

fn stream(path: &str, format: &str) -> Builder {
    Request::post(path).header("content-type", format!("application/connect+{format}"))
}

fn gzipped(bytes: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    gzip::deflate(bytes, &mut out);
    out.freeze()
}

fn inflated(bytes: &[u8]) -> Bytes {
    gzip::inflate(bytes, 1 << 24).expect("it is gzip")
}

/// An envelope.
fn envelope(flags: u8, content: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    let written: Result<(), ()> = frame::put_flagged(&mut out, flags, |out| {
        out.extend_from_slice(content);
        Ok(())
    });
    written.expect("it was written");
    out.freeze()
}

/// The envelopes of a reply: its messages with their flags, and its end.
fn read(answer: &Answer, format: &str) -> (Vec<(u8, Bytes)>, Value) {
    assert_eq!((answer.http, answer.broken), (200, false));
    assert_eq!(answer.header("content-type"), format!("application/connect+{format}"));
    let (mut body, mut messages) = (answer.body.clone(), Vec::new());
    while !body.is_empty() {
        let flags = body.get_u8();
        let length = body.get_u32() as usize;
        messages.push((flags, body.split_to(length)));
    }
    let (flags, end) = messages.pop().expect("the last envelope");
    assert_eq!(flags, 2);
    assert!(messages.iter().all(|(flags, _)| flags & 2 == 0), "two ends");
    (messages, serde_json::from_slice(&end).expect("the end is JSON"))
}

fn check_error(answer: &Answer, http: u16, code: &str, says: &str) {
    assert_eq!((answer.http, answer.header("content-type")), (http, "application/json"), "{answer:?}");
    let error = answer.json();
    let text = |key| error.get(key).and_then(Value::as_str).unwrap_or_default();
    assert_eq!(text("code"), code, "{error}");
    assert!(text("message").contains(says), "{error}");
}

const ECHO: &str = "/ecommerce.v1.DiagnosticsService/Echo";
const FAIL: &str = "/ecommerce.v1.DiagnosticsService/Fail";
const FAIL_AFTER: &str = "/ecommerce.v1.DiagnosticsService/FailAfter";
const STREAM: &str = "/ecommerce.v1.DiagnosticsService/Stream";
const COLLECT: &str = "/ecommerce.v1.DiagnosticsService/Collect";
const CHAT: &str = "/ecommerce.v1.DiagnosticsService/Chat";
const GET_ORDER: &str = "/ecommerce.v1.OrderService/GetOrder";
const CREATE_ORDER: &str = "/ecommerce.v1.OrderService/CreateOrder";

#[tokio::test(flavor = "multi_thread")]
async fn one_message_each_way_in_either_format() {
    let demo = Demo::start("");
    let answer = demo.json(GET_ORDER, &json!({"orderId": "order-1"})).await;
    assert_eq!((answer.http, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.json()["orderId"], "order-1");

    let message = GetOrderRequest { order_id: "order-1".into() }.encode_to_vec();
    let answer = demo.send(unary(GET_ORDER, "proto"), message).await;
    assert_eq!((answer.http, answer.header("content-type")), (200, "application/proto"));
    assert_eq!(Order::decode(answer.body).expect("an order").order_id, "order-1");

    // No byte at all is the empty message of protobuf, and no JSON.
    let answer = demo.send(unary(ECHO, "proto").header("content-encoding", "gzip"), "").await;
    assert_eq!(EchoResponse::decode(answer.body).expect("an answer").backend, "b1");
    check_error(&demo.send(unary(ECHO, "json"), " ").await, 400, "invalid_argument", "found nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_crosses_but_for_words_of_the_protocol() {
    let demo = Demo::start("");
    let headers = [("x-answer", "yes"), ("connect-content-encoding", "br"), ("cache-control", "private")];
    let headers = headers.map(|(key, value)| json!({"key": key, "value": value}));
    let request = unary(ECHO, "json")
        .header("connect-timeout-ms", "5000")
        .header("connect-accept-encoding", "gzip")
        .header("grpc-timeout", "nonsense")
        .header("x-tenant", "t1")
        .header("authorization", "Bearer a");
    let answer = demo.send(request, json!({"responseHeaders": headers}).to_string()).await;
    assert_eq!((answer.header("x-answer"), answer.header("cache-control")), ("yes", "private"));
    let own = ["grpc-", "connect-"];
    assert!(!answer.headers.keys().any(|name| own.iter().any(|own| name.as_str().starts_with(own))));
    let answer = answer.json();
    let seen = |key: &str| {
        let entries = answer["metadata"].as_array().expect("entries");
        entries.iter().find(|entry| entry["key"] == key).map(|entry| entry["value"].clone())
    };
    assert_eq!((seen("x-tenant"), seen("authorization")), (Some("t1".into()), Some("Bearer a".into())));
    for gone in ["connect-protocol-version", "connect-timeout-ms", "connect-accept-encoding"] {
        assert_eq!(seen(gone), None, "{gone}");
    }
    // The backend is told what is left of the client's time.
    assert!(seen("grpc-timeout").is_some());

    let failure =
        json!({"code": "NOT_FOUND", "message": "no", "trailers": [{"key": "x-why", "value": "so"}]});
    let answer = demo.json(FAIL, &failure).await;
    check_error(&answer, 404, "not_found", "no");
    assert_eq!(answer.header("trailer-x-why"), "so");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_has_its_details_as_bytes_and_for_people() {
    let demo = Demo::start("");
    let details = ["FAIL_DETAIL_ERROR_INFO"];
    let answer = demo.json(FAIL, &json!({"code": "ABORTED", "message": "m", "details": details})).await;
    check_error(&answer, 409, "aborted", "m");
    assert_eq!(answer.header("cache-control"), "no-store");
    let details = answer.json()["details"].clone();
    assert_eq!(details[0]["type"], "google.rpc.ErrorInfo");
    assert_eq!(details[0]["debug"]["reason"], "DEMO");
    assert!(details[0]["value"].as_str().is_some_and(|value| !value.is_empty() && !value.ends_with('=')));

    // What the client wrote wrong, by field; what this schema does not know is dropped.
    let answer = demo.json(CREATE_ORDER, &json!({"userId": 7})).await;
    check_error(&answer, 400, "invalid_argument", "userId");
    assert_eq!(answer.json()["details"][0]["debug"]["fieldViolations"][0]["field"], "userId");
    let answer = demo.json(GET_ORDER, &json!({"orderId": "order-1", "newer": [1]})).await;
    assert_eq!(answer.http, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_get_is_a_call_that_caches_may_keep() {
    let demo = Demo::start("");
    let query = "connect=v1&encoding=json&message=%7B%22orderId%22:%22order-1%22%7D";
    let answer = demo.get(&format!("{GET_ORDER}?{query}")).await;
    assert_eq!((answer.http, answer.header("vary")), (200, "accept-encoding"), "{answer:?}");
    assert_eq!(answer.json()["orderId"], "order-1");
    assert_eq!(answer.header("cache-control"), "");

    let cached = json!({"responseHeaders": [{"key": "cache-control", "value": "max-age=60"}]}).to_string();
    let message = URL_SAFE_NO_PAD.encode(gzipped(cached.as_bytes()));
    let query = format!("{ECHO}?message={message}&compression=gzip&base64=1&encoding=json&connect=v1");
    let answer = demo.get(&query).await;
    assert_eq!((answer.http, answer.header("cache-control")), (200, "max-age=60"), "{answer:?}");

    let message = EchoRequest { message: "hi".into(), ..EchoRequest::default() }.encode_to_vec();
    let message = URL_SAFE_NO_PAD.encode(message);
    let answer = demo.get(&format!("{ECHO}?connect=v1&encoding=proto&base64=1&message={message}")).await;
    assert_eq!(EchoResponse::decode(answer.body).expect("an answer").message, "hi");

    let missing = demo.get(&format!("{ECHO}?connect=v1&encoding=json")).await;
    check_error(&missing, 400, "invalid_argument", "message");
    let coded = demo.get(&format!("{ECHO}?connect=v1&encoding=json&message=&compression=br")).await;
    check_error(&coded, 501, "unimplemented", "br");
    // Over REST the same path is another: with a query of its own.
    let rest = demo.get("/v1/diagnostics/echo?message=hi").await;
    assert_eq!(rest.json()["message"], "hi");
}

/// No error of Connect, since clients make one of the HTTP status.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_call_is_told_by_the_http_status() {
    let demo = Demo::start("");
    let query = "connect=v1&encoding=json&message=%7B%7D";
    for (request, http, header, value) in [
        (Request::get(format!("{CREATE_ORDER}?{query}")), 405, "allow", "POST"),
        (Request::get(format!("{STREAM}?{query}")), 405, "allow", "POST"),
        (Request::head(format!("{ECHO}?{query}")), 405, "allow", "GET, POST"),
        (Request::delete(ECHO).header("connect-protocol-version", "1"), 405, "allow", "GET, POST"),
        (stream(STREAM, "proto").method("PUT"), 405, "allow", "POST"),
        (unary(ECHO, "xml"), 415, "accept-post", "application/json, application/proto"),
        (unary(ECHO, "json; charset=utf-16"), 415, "accept-post", "application/json, application/proto"),
        (
            Request::get(format!("{ECHO}?connect=v1&encoding=xml&message=")),
            415,
            "accept-post",
            "application/json, application/proto",
        ),
        (unary(STREAM, "json"), 415, "accept-post", "application/connect+json, application/connect+proto"),
        (stream(STREAM, "xml"), 415, "accept-post", "application/connect+json, application/connect+proto"),
        (stream(ECHO, "proto"), 415, "accept-post", "application/json, application/proto"),
    ] {
        let answer = demo.send(request, "").await;
        assert_eq!((answer.http, answer.header(header)), (http, value), "{answer:?}");
        assert!(!answer.header("content-type").contains("json"), "{answer:?}");
    }
    check_error(&demo.json("/ecommerce.v1.Nothing/At", &json!({})).await, 404, "unimplemented", "Nothing");
    let (messages, end) = read(&demo.send(stream("/ecommerce.v1.Nothing/At", "json"), "").await, "json");
    assert_eq!((messages.len(), &end["error"]["code"]), (0, &"unimplemented".into()));
    let version = Request::post(ECHO).header("connect-protocol-version", "2");
    let answer = demo.send(version.header("content-type", "application/json"), "{}").await;
    check_error(&answer, 400, "invalid_argument", "connect-protocol-version");
}

#[tokio::test(flavor = "multi_thread")]
async fn time_is_in_milliseconds() {
    let demo = Demo::start("");
    let sleep = "/ecommerce.v1.DiagnosticsService/Sleep";
    let request = unary(sleep, "json").header("connect-timeout-ms", "150");
    let answer = demo.send(request, r#"{"duration": "9s"}"#).await;
    check_error(&answer, 504, "deadline_exceeded", "deadline");
    for bad in ["12345678901", "1s", ""] {
        let request = unary(sleep, "json").header("connect-timeout-ms", bad);
        check_error(&demo.send(request, "{}").await, 400, "invalid_argument", "connect-timeout-ms");
    }
    let request = stream(STREAM, "json").header("connect-timeout-ms", "150");
    let body = envelope(0, br#"{"count": 2, "interval": "9s"}"#);
    let (messages, end) = read(&demo.send(request, body).await, "json");
    assert_eq!((messages.len(), &end["error"]["code"]), (1, &"deadline_exceeded".into()), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_comes_and_goes_as_the_client_says() {
    let demo = Demo::start("");
    let text = "so it goes ".repeat(500);
    let body = json!({"message": text}).to_string();
    for (accept, goes) in [("", false), ("gzip", true), ("br, gzip;q=0", false), ("br, GZIP;q=0.3", true)] {
        let request =
            unary(ECHO, "json").header("content-encoding", "gzip").header("accept-encoding", accept);
        let answer = demo.send(request, gzipped(body.as_bytes())).await;
        assert_eq!(answer.header("content-encoding"), if goes { "gzip" } else { "" }, "{accept}");
        let reply = if goes { inflated(&answer.body) } else { answer.body };
        let reply: Value = serde_json::from_slice(&reply).expect("JSON");
        assert_eq!(reply["message"], text);
    }
    // Too short to gain by it.
    let answer = demo.send(unary(ECHO, "json").header("accept-encoding", "gzip"), "{}").await;
    assert_eq!(answer.header("content-encoding"), "");

    let foo = unary(ECHO, "json").header("content-encoding", "foo");
    check_error(&demo.send(foo, "{}").await, 501, "unimplemented", "foo");
    let none = unary(ECHO, "json").header("content-encoding", "gzip");
    check_error(&demo.send(none, "{}").await, 400, "invalid_argument", "gzip");

    for format in ["json", "proto"] {
        let request = stream(STREAM, format)
            .header("connect-content-encoding", "gzip")
            .header("connect-accept-encoding", "gzip");
        let message = match format {
            "json" => Bytes::from_static(br#"{"count": 2, "size": 5000}"#),
            _ => Bytes::from_static(b"\x08\x02\x10\x88\x27"),
        };
        // Each envelope says for itself whether it is compressed.
        for sent in [envelope(1, &gzipped(&message)), envelope(0, &message)] {
            let answer = demo.send(request_like(&request, format), sent).await;
            assert_eq!(answer.header("connect-content-encoding"), "gzip");
            let (messages, end) = read(&answer, format);
            assert_eq!((messages.len(), end), (2, json!({})));
            for (flags, message) in messages {
                assert_eq!(flags, 1);
                assert!(inflated(&message).len() > 5000);
            }
        }
    }
    let foo = stream(STREAM, "json").header("connect-content-encoding", "foo");
    let (_, end) = read(&demo.send(foo, "").await, "json");
    assert_eq!(end["error"]["code"], "unimplemented");
}

/// A builder is used up by its request.
fn request_like(request: &Builder, format: &str) -> Builder {
    let headers = request.headers_ref().expect("a good request").clone();
    let mut copy = stream(STREAM, format);
    *copy.headers_mut().expect("a good request") = headers;
    copy
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_on_what_a_message_is() {
    let demo = Demo::start("policies: [{selector: '*', max_request_bytes: 100000}]");
    let message = |length: usize| {
        // A tag and a length of three bytes before the text.
        let message =
            EchoRequest { message: "a".repeat(length - 4), ..EchoRequest::default() }.encode_to_vec();
        assert_eq!(message.len(), length);
        message
    };
    for (length, fits) in [(99_999, true), (100_000, true), (100_001, false), (2_000_000, false)] {
        let plain = message(length);
        let gzip = unary(ECHO, "proto").header("content-encoding", "gzip");
        for answer in [demo.send(gzip, gzipped(&plain)).await, demo.send(unary(ECHO, "proto"), plain).await] {
            if fits {
                assert_eq!(answer.http, 200, "{length}");
            } else {
                check_error(&answer, 429, "resource_exhausted", "100000");
            }
        }
    }
    let upload = |length: usize| {
        CollectRequest { payload: vec![0; length].into(), ..CollectRequest::default() }.encode_to_vec()
    };
    for (length, code) in
        [(99_996, None), (100_001, Some("resource_exhausted")), (2_000_000, Some("resource_exhausted"))]
    {
        let request = stream(COLLECT, "proto").header("connect-content-encoding", "gzip");
        let body = envelope(1, &gzipped(&upload(length)));
        let (_, end) = read(&demo.send(request, body).await, "proto");
        assert_eq!(end["error"]["code"].as_str(), code, "{length}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_in_crumbs_is_the_same_stream() {
    let demo = Demo::start("");
    let messages: Vec<_> = (0..20)
        .map(|n| CollectRequest { payload: vec![7; n * 37].into(), ..CollectRequest::default() })
        .collect();
    let bytes: u64 = messages.iter().map(|message| message.payload.len() as u64).sum();
    for is_gzip in [false, true] {
        let body: Vec<u8> = messages
            .iter()
            .map(|message| message.encode_to_vec())
            .flat_map(|message| if is_gzip { envelope(1, &gzipped(&message)) } else { envelope(0, &message) })
            .collect();
        for size in [1, 3, 1000] {
            let pieces = body.chunks(size).map(Bytes::copy_from_slice).collect();
            let mut request = stream(COLLECT, "proto");
            if is_gzip {
                request = request.header("connect-content-encoding", "gzip");
            }
            let answer = exchange::send(demo.gateway.address(), Http::Two, request, pieces).await;
            let (replies, end) = read(&answer, "proto");
            let [(0, reply)] = replies.as_slice() else { panic!("not one message, {end}") };
            let reply = CollectResponse::decode(reply.clone()).expect("an answer");
            assert_eq!((reply.messages, reply.bytes, end), (20, bytes, json!({})));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn envelopes_that_break_the_rules_end_the_stream_once() {
    let demo = Demo::start("");
    for (body, code) in [
        // Compressed, and no compression was named.
        (envelope(1, b""), "internal"),
        // The end of a stream is for replies.
        (envelope(2, b"{}"), "internal"),
        (envelope(0, b"")[..3].to_vec().into(), "internal"),
        (Bytes::new(), "unimplemented"),
        ([envelope(0, b"{}"), envelope(0, b"{}")].concat().into(), "unimplemented"),
    ] {
        for format in ["json", "proto"] {
            let answer = demo.send(stream(STREAM, format), body.clone()).await;
            let (messages, end) = read(&answer, format);
            assert_eq!((messages.len(), end["error"]["code"].as_str()), (0, Some(code)), "{body:?} {format}");
        }
    }
    let (_, end) = read(&demo.send(stream(COLLECT, "json"), envelope(0, b"[]")).await, "json");
    assert_eq!(end["error"]["code"], "invalid_argument");
    let whole = stream(COLLECT, "json").header("content-encoding", "gzip");
    let (_, end) = read(&demo.send(whole, "").await, "json");
    assert_eq!(end["error"]["code"], "unimplemented");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_after_messages_stands_in_the_last_envelope() {
    let demo = Demo::start("");
    let trailers = json!([{"key": "x-why", "value": "so"}, {"key": "x-why", "value": "and so"}]);
    let failure = json!({"code": "DATA_LOSS", "message": "torn", "trailers": trailers});
    let body = json!({"stream": {"count": 3}, "failure": failure}).to_string();
    let (messages, end) =
        read(&demo.send(stream(FAIL_AFTER, "json"), envelope(0, body.as_bytes())).await, "json");
    assert_eq!(messages.len(), 3);
    assert_eq!(end["error"], json!({"code": "data_loss", "message": "torn"}));
    assert_eq!(end["metadata"]["x-why"], json!(["so", "and so"]));
}

fn metrics() -> Request<Full<Bytes>> {
    Request::get("/metrics").body(Full::default()).expect("a request")
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_of_a_stream_talk_at_once() {
    let demo = Demo::start("");
    let (upload, request) = exchange::streamed(stream(CHAT, "json"));
    let address = demo.gateway.address().to_owned();
    let head = tokio::spawn(async move { client::open(&address, Http::Two, request).await });
    upload.send(envelope(0, br#"{"text":"a"}"#)).await;
    let response = head.await.expect("a head");
    assert_eq!(response.headers().get("content-type").expect("one"), "application/connect+json");
    let mut download = Download::new(response.into_body());
    let first = "\0\0\0\0\x0c{\"text\":\"a\"}";
    download.until(first).await;
    let metrics = client::send(&demo.gateway.program.admin, Http::One, metrics(), || {}).await;
    let open =
        metrics.text().lines().find(|line| line.starts_with("edgeway_streams_active{protocol=\"connect\"}"));
    assert!(open.is_some_and(|line| line.ends_with(" 1")), "{open:?}");
    upload.send(envelope(0, br#"{"text":"b"}"#)).await;
    let second = format!("{first}\0\0\0\0\x16{{\"index\":1,\"text\":\"b\"}}");
    download.until(&second).await;
    drop(upload);
    assert_eq!(download.end().await, (format!("{second}\x02\0\0\0\x02{{}}"), true));
}
