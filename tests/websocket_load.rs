//! Two thousand WebSockets at once: they cost little while they rest, and leave nothing behind.

#[path = "support/gateway.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod gateway;
#[path = "support/http.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod http;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;
#[path = "support/websocket.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod websocket;

use std::{process::Command, time::Duration};

use edgeway::demo::proto::ecommerce::v1::{ChatRequest, ChatResponse};
use futures_util::{StreamExt, stream};
use tokio::net::TcpStream;

use crate::{
    gateway::{Gateway, eventually},
    program::Program,
    websocket::{FRAMES, Socket, open},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_sockets_leave_nothing_behind() {
    raise_open_files();
    // Streams for all, and some to spare: a hundred from each worker to each backend.
    let backends = [(); 6].map(|()| Program::start(&["demo-backend", "--listen", "127.0.0.1:0"]));
    let addresses = backends.iter().map(|backend| backend.address.as_str()).collect::<Vec<_>>().join(",");
    let descriptors = "{ reflection: never, protosets: [PROTOSET] }";
    // A cluster takes 1024 calls unless it is told otherwise, and a WebSocket is a call for as long as it is open.
    let breakers = "{ max_requests: 4096 }";
    let cluster = format!(
        "demo: {{ target: 'ipv4:{addresses}', descriptors: {descriptors}, circuit_breakers: {breakers} }}"
    );
    let gateway = Gateway::start(
        &cluster,
        "runtime: { worker_threads: 4 }\ntelemetry: { logs: { access: { enabled: false } } }",
    );
    gateway.connected(24).await;

    // Once before, so that what the first ones allocate for all is not counted.
    let warm = sockets(&gateway, 200).await;
    drop(warm);
    settled(&gateway).await;
    let before = gateway.resident();
    let mut sockets = sockets(&gateway, COUNT).await;
    let during = gateway.resident();
    let metrics = gateway.metrics().await;
    let open = metrics.sum("edgeway_streams_active", &[("protocol", "websocket")]);
    assert_eq!(open, COUNT as f64);
    let each = during.saturating_sub(before) / COUNT as u64;
    println!("{COUNT} WebSockets with a call at rest: {each} bytes of the gateway's memory each");
    assert!(each < 64 << 10, "a WebSocket at rest takes {each} bytes");

    // A third says goodbye, a third ends its call, a third vanishes.
    let last = sockets.split_off(COUNT * 2 / 3);
    let ending = sockets.split_off(COUNT / 3);
    let closed = sockets.into_iter().map(|mut socket| async move {
        socket.stream.close(None).await.expect("the close frame is sent");
        socket.closed().await
    });
    let codes: Vec<_> = stream::iter(closed).buffer_unordered(AT_ONCE).collect().await;
    assert!(codes.iter().all(|code| *code == Some(1005)), "{codes:?}");
    let ended = ending.into_iter().map(|mut socket| async move {
        socket.binary([1]).await;
        assert_eq!(socket.headers().await.get("grpc-status").map(|value| value.as_bytes()), Some(&b"0"[..]));
        socket.closed().await
    });
    let codes: Vec<_> = stream::iter(ended).buffer_unordered(AT_ONCE).collect().await;
    assert!(codes.iter().all(|code| *code == Some(1000)), "{codes:?}");
    drop(last);
    settled(&gateway).await;
    let after = gateway.resident();
    println!("before {before} bytes, during {during}, after {after}");
}

/// Opens WebSockets, each with a call that has been answered once.
async fn sockets(gateway: &Gateway, count: usize) -> Vec<Socket<TcpStream>> {
    let opening = (0..count).map(|_| async {
        let mut socket = open(gateway.address(), "/ecommerce.v1.DiagnosticsService/Chat", FRAMES).await;
        socket.binary(b"").await;
        socket.message(&ChatRequest { text: "hello".into(), ..ChatRequest::default() }).await;
        let head = socket.headers().await;
        assert!(!head.contains_key("grpc-status"), "{head:?}");
        assert_eq!(socket.answer::<ChatResponse>().await.text, "hello");
        socket
    });
    stream::iter(opening).buffer_unordered(AT_ONCE).collect().await
}

/// Nothing is left of what has ended.
async fn settled(gateway: &Gateway) {
    eventually("no stream is left", Duration::from_secs(20), async || {
        let metrics = gateway.metrics().await;
        let open = ["edgeway_streams_active", "edgeway_downstream_connections", "edgeway_endpoint_in_flight"];
        let open = open.map(|name| metrics.sum(name, &[]));
        if open == [0.0; 3] { Ok(()) } else { Err(format!("{open:?}")) }
    })
    .await;
}

/// For this process and those that it starts.
fn raise_open_files() {
    let pid = std::process::id().to_string();
    let raised = Command::new("prlimit").args(["--nofile=8192", "--pid", &pid]).status();
    assert!(raised.expect("prlimit of util-linux").success(), "8192 open files are not allowed");
}

const COUNT: usize = 2000;

/// Sockets that are opened or closed at the same time.
const AT_ONCE: usize = 64;
