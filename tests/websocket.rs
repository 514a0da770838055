//! Calls over WebSockets, by both subprotocols, as a client of the wire sees them.

#![expect(clippy::indexing_slicing, reason = "a test that fails here says enough")]

#[path = "support/gateway.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod gateway;
#[path = "support/holding.rs"]
mod holding;
#[path = "support/http.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod http;
#[path = "support/program.rs"]
mod program;
#[path = "support/websocket.rs"]
mod websocket;

use std::time::Duration;

use bytes::Bytes;
use edgeway::demo::proto::ecommerce::v1::{
    CallStats, ChatRequest, ChatResponse, CollectRequest, CollectResponse, EchoRequest, EchoResponse,
    StatsRequest, StatsResponse, StreamMessage, StreamRequest,
};
use futures_util::SinkExt;
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::Instant,
};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::{
    gateway::{Gateway, eventually},
    holding::Holding,
    program::Program,
    websocket::{FRAMES, JSON, Socket, open, open_over_http2, open_with},
};

/// All kinds of calls in frames, over both versions of HTTP.
#[tokio::test(flavor = "multi_thread")]
async fn frames_of_all_kinds_of_calls() {
    let (_backend, gateway) = start("");
    let address = gateway.address();
    unary_frames(open(address, ECHO, FRAMES).await).await;
    unary_frames(open_over_http2(address, ECHO, FRAMES).await).await;
    server_stream_frames(open(address, STREAM, FRAMES).await).await;
    server_stream_frames(open_over_http2(address, STREAM, FRAMES).await).await;
    client_stream_frames(open(address, COLLECT, FRAMES).await).await;
    client_stream_frames(open_over_http2(address, COLLECT, FRAMES).await).await;
    bidi_frames(open(address, CHAT, FRAMES).await).await;
    bidi_frames(open_over_http2(address, CHAT, FRAMES).await).await;
}

async fn unary_frames<S: AsyncRead + AsyncWrite + Unpin>(mut socket: Socket<S>) {
    socket.binary(b"content-type: application/grpc-web+proto\r\nx-peer: one\r\nx-grpc-web: 1\r\n").await;
    socket.message(&EchoRequest { message: "hello".into(), ..EchoRequest::default() }).await;
    socket.binary([1]).await;
    socket.headers().await;
    let answer: EchoResponse = socket.answer().await;
    assert_eq!(answer.message, "hello");
    let seen: Vec<_> =
        answer.metadata.iter().map(|entry| (entry.key.as_str(), entry.value.as_str())).collect();
    assert!(seen.contains(&("x-peer", "one")), "{seen:?}");
    let noise =
        |name: &str| name.starts_with("sec-") || ["upgrade", "connection", "x-grpc-web"].contains(&name);
    assert!(!seen.iter().any(|(name, _)| noise(name)), "{seen:?}");
    assert_eq!(socket.headers().await["grpc-status"], "0");
    assert_eq!(socket.closed().await, Some(1000));
}

async fn server_stream_frames<S: AsyncRead + AsyncWrite + Unpin>(mut socket: Socket<S>) {
    socket.binary(b"").await;
    socket.message(&StreamRequest { count: 50, size: 1000, ..StreamRequest::default() }).await;
    socket.binary([1]).await;
    socket.headers().await;
    for index in 0..50 {
        let message: StreamMessage = socket.answer().await;
        assert_eq!((message.index, message.payload.len()), (index, 1000));
    }
    assert_eq!(socket.headers().await["grpc-status"], "0");
    assert_eq!(socket.closed().await, Some(1000));
}

async fn client_stream_frames<S: AsyncRead + AsyncWrite + Unpin>(mut socket: Socket<S>) {
    socket.binary(b"").await;
    for _ in 0..20 {
        socket.message(&CollectRequest { payload: vec![7; 500].into(), ..CollectRequest::default() }).await;
    }
    // Frames may be cut anywhere, and a message of the socket may bring none.
    socket.binary([0]).await;
    socket.binary([0, 0, 0, 0]).await;
    socket.binary([0, 0, 0]).await;
    socket.binary([1]).await;
    socket.headers().await;
    let answer: CollectResponse = socket.answer().await;
    assert_eq!((answer.messages, answer.bytes), (21, 10_000));
    assert_eq!(socket.headers().await["grpc-status"], "0");
    assert_eq!(socket.closed().await, Some(1000));
}

async fn bidi_frames<S: AsyncRead + AsyncWrite + Unpin>(mut socket: Socket<S>) {
    socket.binary(b"").await;
    for index in 0..10 {
        socket.message(&ChatRequest { text: format!("line {index}"), ..ChatRequest::default() }).await;
        if index == 0 {
            socket.headers().await;
        }
        let answer: ChatResponse = socket.answer().await;
        assert_eq!((answer.index, answer.text), (index, format!("line {index}")));
    }
    socket.binary([1]).await;
    assert_eq!(socket.headers().await["grpc-status"], "0");
    assert_eq!(socket.closed().await, Some(1000));
}

#[tokio::test(flavor = "multi_thread")]
async fn json_of_all_kinds_of_calls() {
    let (_backend, gateway) = start("");
    let address = gateway.address();

    let mut socket = open(address, ECHO, JSON).await;
    socket.text(r#"{"headers":{"x-peer":["one","two"]},"timeoutMs":5000}"#).await;
    socket.text(r#"{"message":"hello","responseHeaders":[{"key":"x-answer","value":"yes"}]}"#).await;
    socket.text("").await;
    let answer = socket.json().await;
    assert_eq!(answer["message"], "hello");
    let values: Vec<_> = answer["metadata"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|entry| entry["key"] == "x-peer")
        .map(|entry| entry["value"].as_str().expect("text"))
        .collect();
    assert_eq!(values, ["one", "two"]);
    let last = socket.json().await;
    assert_eq!(last["status"], json!({"code": 0, "message": "", "details": []}));
    assert_eq!(last["headers"]["x-answer"], "yes");
    assert_eq!(socket.closed().await, Some(1000));

    let mut socket = open(address, STREAM, JSON).await;
    socket.text("{}").await;
    socket.text(r#"{"count":3,"size":1}"#).await;
    socket.text("").await;
    for index in 0..3 {
        assert_eq!(socket.json().await.get("index").map_or(json!(0), Clone::clone), index);
    }
    assert_eq!(socket.json().await["status"]["code"], 0);

    let mut socket = open(address, COLLECT, JSON).await;
    for text in ["{}", r#"{"payload":"AAAA"}"#, "{}", ""] {
        socket.text(text).await;
    }
    assert_eq!(socket.json().await, json!({"messages": "2", "bytes": "3"}));
    assert_eq!(socket.json().await["status"]["code"], 0);

    let mut socket = open_over_http2(address, CHAT, JSON).await;
    socket.text("{}").await;
    for index in 0..5 {
        socket.text(json!({"text": format!("line {index}")}).to_string()).await;
        assert_eq!(socket.json().await["text"], format!("line {index}"));
    }
    socket.text("").await;
    assert_eq!(socket.json().await["status"]["code"], 0);
    assert_eq!(socket.closed().await, Some(1000));
}

/// An error comes with its details and metadata, before a head and after messages.
#[tokio::test(flavor = "multi_thread")]
async fn errors_are_statuses() {
    let (_backend, gateway) = start("");
    let address = gateway.address();

    let mut socket = open(address, FAIL, JSON).await;
    socket.text("{}").await;
    let trailers = r#"[{"key":"x-why","value":"because"}]"#;
    let details = r#"["FAIL_DETAIL_BAD_REQUEST"]"#;
    socket
        .text(format!(r#"{{"code":"NOT_FOUND","message":"ż","details":{details},"trailers":{trailers}}}"#))
        .await;
    socket.text("").await;
    let last = socket.json().await;
    assert_eq!((&last["status"]["code"], &last["status"]["message"]), (&json!(5), &json!("ż")));
    assert_eq!(last["status"]["details"][0]["@type"], "type.googleapis.com/google.rpc.BadRequest");
    assert_eq!(last["trailers"]["x-why"], "because");
    assert_eq!(socket.closed().await, Some(1000));

    let mut socket = open(address, "/ecommerce.v1.DiagnosticsService/FailAfter", JSON).await;
    socket.text("{}").await;
    socket.text(r#"{"stream":{"count":2},"failure":{"code":"DATA_LOSS","message":"torn"}}"#).await;
    socket.text("").await;
    socket.json().await;
    socket.json().await;
    assert_eq!(socket.json().await["status"]["message"], "torn");

    // One frame and no other: clients read the status of a trailers-only answer where its headers stand.
    for path in [FAIL, "/ecommerce.v1.DiagnosticsService/Nothing"] {
        let mut socket = open(address, path, FRAMES).await;
        socket.binary(b"").await;
        socket.binary(b"\0\0\0\0\0\x02\x08\x0c").await;
        socket.binary([1]).await;
        assert_eq!(socket.headers().await["grpc-status"], "12", "{path}");
        assert_eq!(socket.closed().await, Some(1000), "{path}");
    }
}

/// What a client does wrong ends its call with a status, and the socket with a code that says what kind of wrong.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_does_wrong() {
    let (_backend, gateway) = start("policies: [{ selector: '*', max_request_bytes: 20KiB }]");
    let address = gateway.address();
    let binary = |bytes: &[u8]| Message::binary(bytes.to_vec());
    let large = "x".repeat(30 << 10);
    let large_json = format!(r#"{{"text":"{large}"}}"#);
    let large_frame = [&[0, 0, 0, 0, 0x70, 0][..], large.as_bytes()].concat();
    for (subprotocol, messages, status, says, code) in [
        (JSON, vec![Message::text("[]")], 3, "first message", 1002),
        (JSON, vec![binary(b"{}")], 3, "expected text messages", 1003),
        (JSON, vec![Message::text("{}"), Message::text("{"), Message::text("{}")], 3, "[0]", 1000),
        (JSON, vec![Message::text("{}"), Message::text(r#"{"nope":1}"#)], 3, "nope", 1000),
        (JSON, vec![Message::text("{}"), Message::text(large_json)], 8, "max_request_bytes", 1009),
        (JSON, vec![Message::text(r#"{"headers":{"grpc-timeout":"x"}}"#)], 3, "grpc-timeout", 1000),
        (JSON, vec![Message::text(r#"{"timeoutMs":200}"#)], 4, "", 1000),
        (FRAMES, vec![Message::text("{}")], 3, "expected binary messages", 1003),
        (FRAMES, vec![binary(b"x")], 3, "line 1", 1002),
        (FRAMES, vec![binary(b""), binary(b"\x02")], 3, "0x02", 1002),
        (FRAMES, vec![binary(b""), binary(b"\0\x07\0\0\0\0")], 13, "frame flags", 1000),
        (FRAMES, vec![binary(b""), binary(b"\0\0\0\0\0\x05x"), binary(b"\x01")], 13, "4 bytes short", 1000),
        (FRAMES, vec![binary(b""), binary(&large_frame)], 8, "max_request_bytes", 1009),
        (FRAMES, vec![binary(b""), binary(b"\0\0\0\0\x70\0")], 8, "max_request_bytes", 1000),
    ] {
        let shown = format!("{subprotocol} {:?}", messages.iter().map(Message::len).collect::<Vec<_>>());
        println!("{shown}");
        let mut socket = open(address, CHAT, subprotocol).await;
        for message in messages {
            // The gateway may have closed before the last.
            let _ = socket.stream.send(message).await;
        }
        let (found, message) = if subprotocol == JSON {
            let last = socket.json().await;
            (last["status"]["code"].as_i64().expect("a code"), last["status"]["message"].to_string())
        } else {
            let mut last = socket.headers().await;
            if !last.contains_key("grpc-status") {
                last = socket.headers().await;
            }
            let text =
                |name| last.get(name).map_or("", |value: &::http::HeaderValue| value.to_str().expect("text"));
            (text("grpc-status").parse().expect("a number"), text("grpc-message").to_owned())
        };
        assert_eq!(found, status, "{shown}: {message}");
        assert!(message.contains(says), "{shown}: {message}");
        assert_eq!(socket.closed().await, Some(code), "{shown}: {message}");
    }
    settled(&gateway).await;
}

/// A handshake that fails says why.
#[tokio::test(flavor = "multi_thread")]
async fn refused_handshakes() {
    let (_backend, gateway) = start("");
    let address = gateway.address();
    for (path, subprotocol, headers, status, says) in [
        (CHAT, "graphql-ws", vec![], 400, "grpc-websockets or edgeway.json.v1"),
        ("/v1/orders/1", JSON, vec![], 404, "/package.Service/Method"),
        (CHAT, JSON, vec![("origin", "https://evil.test")], 403, "origin"),
        (CHAT, JSON, vec![("sec-websocket-version", "8")], 426, "13"),
        (CHAT, JSON, vec![("connection", "close")], 426, "proxy"),
    ] {
        match open_with(address, path, subprotocol, &headers).await {
            Err(Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                let body = String::from_utf8_lossy(&body).into_owned();
                assert_eq!(response.status(), status, "{body}");
                assert!(body.contains(says), "{body}");
            }
            Ok(_) => panic!("the handshake succeeded: {path} {subprotocol} {headers:?}"),
            Err(error) => panic!("{error}: {path} {subprotocol} {headers:?}"),
        }
    }
    let origin = format!("http://{address}");
    let own = open_with(address, CHAT, JSON, &[("origin", &origin)]).await;
    assert!(own.is_ok(), "a page of the gateway's own host may");
    let plain = http::get(address, "/v1/diagnostics/whoami").await;
    assert_eq!(plain.status, 200);
}

/// A client that closes, and one that vanishes, are gone for their backend within 100 ms.
#[tokio::test(flavor = "multi_thread")]
async fn leaving_cancels_the_backend() {
    let mut backend = Holding::start().await;
    let gateway = Gateway::start(&cluster(&backend.address.to_string()), "");
    for closes in [true, false] {
        let mut socket = open(gateway.address(), CHAT, FRAMES).await;
        socket.binary(b"").await;
        backend.came().await;
        let left = Instant::now();
        if closes {
            socket.stream.close(None).await.expect("the close frame is sent");
            assert_eq!(socket.closed().await, Some(1005));
        } else {
            drop(socket);
        }
        let went = backend.went().await;
        let took = went.saturating_duration_since(left);
        assert!(took < Duration::from_millis(100), "{took:?} after the client left (closing: {closes})");
    }
    let mut socket = open_over_http2(gateway.address(), CHAT, JSON).await;
    socket.text("{}").await;
    backend.came().await;
    let left = Instant::now();
    drop(socket);
    let took = backend.went().await.saturating_duration_since(left);
    assert!(took < Duration::from_millis(100), "{took:?} after the client of HTTP/2 left");
    settled(&gateway).await;
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("edgeway_cancelled_total", &[("by", "client")]), 3.0);
}

/// A client that reads nothing stops its backend, and a backend that reads nothing stops its client.
#[tokio::test(flavor = "multi_thread")]
async fn the_slow_hold_up_the_fast() {
    let (backend, gateway) = start("");
    let mut reader = open(gateway.address(), STREAM, FRAMES).await;
    reader.binary(b"").await;
    reader.message(&StreamRequest { count: 10_000, size: 65_536, ..StreamRequest::default() }).await;
    reader.binary([1]).await;
    reader.headers().await;
    let sent = || async { stats(&backend).await.bytes_sent };
    let ahead = steady(sent).await;
    assert!(ahead < 32 << 20, "the backend ran {ahead} bytes ahead of a client that reads nothing");
    drop(reader);

    let pause = prost_types::Duration { seconds: 3600, nanos: 0 };
    let mut writer = open(gateway.address(), COLLECT, FRAMES).await;
    writer.binary(b"").await;
    writer.message(&CollectRequest { pause: Some(pause), ..CollectRequest::default() }).await;
    let payload: Bytes = vec![0; 60_000].into();
    let message = CollectRequest { payload, ..CollectRequest::default() };
    let mut taken = 0;
    while tokio::time::timeout(Duration::from_secs(1), writer.message(&message)).await.is_ok() {
        taken += 60_000;
        assert!(taken < 64 << 20, "{taken} bytes were taken for a backend that reads nothing");
    }
    drop(writer);
    settled(&gateway).await;
}

/// Waits until a figure stands still for half a second.
async fn steady<F: Future<Output = u64>>(figure: impl Fn() -> F) -> u64 {
    let mut last = figure().await;
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = figure().await;
        if now == last && now > 0 {
            return now;
        }
        last = now;
    }
    panic!("it never stood still, at last at {last}")
}

/// At a shutdown calls finish; those that outlast the grace are told so, and sockets without a call are closed.
#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_sockets_with_a_word() {
    let (_backend, mut gateway) = start("shutdown: { drain_delay: 0s, grace: 1s }");
    let mut idle = open(gateway.address(), CHAT, JSON).await;
    let mut finishing = open(gateway.address(), CHAT, JSON).await;
    let mut lasting = open(gateway.address(), CHAT, FRAMES).await;
    let mut over_http2 = open_over_http2(gateway.address(), CHAT, JSON).await;
    for socket in [&mut finishing] {
        socket.text("{}").await;
        socket.text("{}").await;
        socket.json().await;
    }
    over_http2.text("{}").await;
    over_http2.text("{}").await;
    over_http2.json().await;
    lasting.binary(b"").await;
    lasting.message(&ChatRequest::default()).await;
    lasting.headers().await;
    lasting.answer::<ChatResponse>().await;

    gateway.program.signal("TERM");
    assert_eq!(idle.closed().await, Some(1001));
    finishing.text(r#"{"text":"still"}"#).await;
    assert_eq!(finishing.json().await["text"], "still");
    finishing.text("").await;
    assert_eq!(finishing.json().await["status"]["code"], 0);
    assert_eq!(finishing.closed().await, Some(1000));
    assert_eq!(lasting.headers().await["grpc-status"], "14");
    assert_eq!(lasting.closed().await, Some(1001));
    let last = over_http2.json().await;
    assert_eq!(last["status"]["details"][0]["reason"], "SHUTTING_DOWN", "{last}");
    assert_eq!(over_http2.closed().await, Some(1001));
    drop((idle, finishing, lasting, over_http2));
    assert_eq!(gateway.program.wait(Duration::from_secs(10)), Some(true));
}

/// Bytes that are no WebSocket end the call with a status and 1002.
#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_websocket() {
    let (_backend, gateway) = start("");
    let mut socket = open(gateway.address(), CHAT, FRAMES).await;
    socket.binary(b"").await;
    socket.message(&ChatRequest::default()).await;
    socket.headers().await;
    socket.answer::<ChatResponse>().await;
    // A frame with a reserved opcode.
    socket.stream.get_mut().write_all(&[0x8b, 0x80, 0, 0, 0, 0]).await.expect("it is sent");
    assert_eq!(socket.headers().await["grpc-status"], "13");
    assert_eq!(socket.closed().await, Some(1002));
    settled(&gateway).await;
}

/// The line of the log tells of the call, not of the handshake.
#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_has_a_line_for_a_call() {
    let (_backend, gateway) = start("");
    let mut socket = open(gateway.address(), CHAT, JSON).await;
    for text in ["{}", r#"{"text":"a"}"#, ""] {
        socket.text(text).await;
    }
    while socket.next().await.is_ok() {}
    drop(socket);
    let line = eventually("the line is written", Duration::from_secs(5), async || {
        let printed = gateway.program.printed();
        let mut lines = printed.iter().filter_map(|line| serde_json::from_str(line).ok());
        lines.find(|line: &serde_json::Value| line["msg"] == "rpc").ok_or_else(|| printed.join("\n"))
    })
    .await;
    for (name, value) in [
        ("protocol", json!("websocket")),
        ("http_status", json!(101)),
        ("grpc_method", json!("Chat")),
        ("grpc_code", json!("OK")),
        ("messages_in", json!(1)),
        ("messages_out", json!(1)),
    ] {
        assert_eq!(line[name], value, "{name} of {line}");
    }
}

/// Nothing is left of what has ended.
async fn settled(gateway: &Gateway) {
    eventually("no stream is left", Duration::from_secs(10), async || {
        let metrics = gateway.metrics().await;
        let open = ["edgeway_streams_active", "edgeway_downstream_connections", "edgeway_endpoint_in_flight"];
        let open = open.map(|name| metrics.sum(name, &[]));
        if open == [0.0; 3] { Ok(()) } else { Err(format!("{open:?}")) }
    })
    .await;
}

fn start(more: &str) -> (Program, Gateway) {
    let backend = Program::start(&["demo-backend", "--listen", "127.0.0.1:0"]);
    let gateway = Gateway::start(&cluster(&backend.address), more);
    (backend, gateway)
}

fn cluster(addresses: &str) -> String {
    format!(
        "demo: {{ target: 'ipv4:{addresses}', descriptors: {{ reflection: never, protosets: [PROTOSET] }} }}"
    )
}

async fn stats(backend: &Program) -> CallStats {
    let client = http::Client::open(&backend.address, http::Version::Two).await;
    let path = "/ecommerce.v1.DiagnosticsService/Stats";
    let reply = client.call(http::grpc(path, &StatsRequest {})).await.expect("stats");
    reply.message::<StatsResponse>().total.unwrap_or_default()
}

const ECHO: &str = "/ecommerce.v1.DiagnosticsService/Echo";
const FAIL: &str = "/ecommerce.v1.DiagnosticsService/Fail";
const STREAM: &str = "/ecommerce.v1.DiagnosticsService/Stream";
const COLLECT: &str = "/ecommerce.v1.DiagnosticsService/Collect";
const CHAT: &str = "/ecommerce.v1.DiagnosticsService/Chat";
