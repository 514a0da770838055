//! Routes of the configuration on the wire: canaries by header and host, shares, and mirrored calls.

#[path = "support/gateway.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod gateway;
#[path = "support/http.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod http;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;
#[path = "support/scripted.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod scripted;
#[path = "support/websocket.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod websocket;

use std::time::Duration;

use ::http::Request;
use edgeway::demo::proto::ecommerce::v1::{EchoRequest, WhoAmIRequest, WhoAmIResponse};
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use crate::{
    gateway::{Gateway, Metrics, eventually},
    http::{
        Body, Client,
        Version::{One, Two},
    },
    program::Program,
    scripted::{Call, Scripted, Step},
    websocket::{FRAMES, Part, open},
};

/// One header sends a call to the canary, whatever door it comes by.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_door_goes_by_the_routes() {
    let fleet = Fleet::start(
        "
  - name: canary
    match: { selector: ecommerce.v1.DiagnosticsService.*, headers: { x-version: v2 } }
    cluster: canary",
    )
    .await;
    for (version, expect) in [(None, "stable"), (Some("v1"), "stable"), (Some("v2"), "canary")] {
        let dressed = |request: Request<Body>| match version {
            Some(version) => http::with(request, "x-version", version),
            None => request,
        };
        let message = WhoAmIRequest {};
        let (one, two) = (Client::open(fleet.address(), One).await, Client::open(fleet.address(), Two).await);
        let connect = http::with(http::json(WHO_AM_I, "{}"), "connect-protocol-version", "1");
        for (door, client, request) in [
            ("gRPC", &two, http::grpc(WHO_AM_I, &message)),
            ("gRPC-Web", &one, http::web(WHO_AM_I, &message)),
            ("gRPC-Web text", &one, http::web_text(WHO_AM_I, &message)),
        ] {
            let reply = client.call(dressed(request)).await.expect("an answer");
            assert_eq!(reply.message::<WhoAmIResponse>().name, expect, "{door}, {version:?}");
        }
        for (door, request) in
            [("REST", http::rest(REST)), ("automatic REST", http::json(WHO_AM_I, "{}")), ("Connect", connect)]
        {
            let reply = one.call(dressed(request)).await.expect("an answer");
            assert_eq!(reply.json()["name"], expect, "{door}, {version:?}: {}", reply.text());
        }
        let mut socket = open(fleet.address(), WHO_AM_I, FRAMES).await;
        socket.binary(version.map(|version| format!("x-version: {version}\r\n")).unwrap_or_default()).await;
        socket.message(&message).await;
        socket.binary([1]).await;
        let mut name = None;
        while name.is_none() {
            match socket.part().await {
                Part::Block(_) => {}
                Part::Message(bytes) => name = Some(prost_name(&bytes)),
            }
        }
        assert_eq!(name.as_deref(), Some(expect), "WebSocket, {version:?}");
    }
    // By the name that grpc-gateway gives metadata of REST.
    let one = Client::open(fleet.address(), One).await;
    let reply = one.call(http::with(http::rest(REST), "grpc-metadata-x-version", "v2")).await;
    assert_eq!(reply.expect("an answer").json()["name"], "canary");
}

fn prost_name(bytes: &[u8]) -> String {
    WhoAmIResponse::decode(bytes).expect("the message of the method").name
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_of_its_own_for_the_canary() {
    let fleet = Fleet::start(
        "
  - { name: by-host, match: { hosts: ['v2.shop.test', '*.v2.shop.test'] }, cluster: canary }",
    )
    .await;
    for (host, expect) in [
        ("v2.shop.test", "canary"),
        ("V2.Shop.test:8080", "canary"),
        ("eu.v2.shop.test", "canary"),
        ("shop.test", "stable"),
        ("xv2.shop.test", "stable"),
    ] {
        let mut socket = TcpStream::connect(fleet.address()).await.expect("the gateway accepts");
        let request = format!("GET {REST} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.expect("the gateway reads");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("an answer to its end");
        assert!(answer.contains(&format!("\"name\":\"{expect}\"")), "{host}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_are_dealt_and_callers_stick() {
    let fleet = Fleet::start(
        "
  - name: shares
    weighted_clusters: [{ name: stable, weight: 1 }, { name: canary, weight: 1 }]
    sticky_header: user-id",
    )
    .await;
    let client = Client::open(fleet.address(), Two).await;
    let name = async |user: Option<&str>| {
        let request = http::grpc(WHO_AM_I, &WhoAmIRequest {});
        let request = match user {
            Some(user) => http::with(request, "user-id", user),
            None => request,
        };
        client.call(request).await.expect("an answer").message::<WhoAmIResponse>().name
    };
    let mut canary = 0;
    for _ in 0..200 {
        canary += usize::from(name(None).await == "canary");
    }
    // Seven standard deviations of 100 of 200.
    assert!((50..=150).contains(&canary), "{canary} of 200");
    let mut both = std::collections::BTreeSet::new();
    for user in ["ann", "ben", "cem", "dee", "eve", "fay", "gus", "hal"] {
        let first = name(Some(user)).await;
        for _ in 0..10 {
            assert_eq!(name(Some(user)).await, first, "{user}");
        }
        both.insert(first);
    }
    assert_eq!(both.len(), 2, "eight users of whom all are on one side");
}

/// What the mirror gets, and that nothing of it is counted as the call's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_are_marked_and_counted_apart() {
    // An answer that would be tried again, were it not a copy's.
    let shadow = Scripted::start(|_: &Call| {
        vec![Step::Request, Step::Only(200, vec![content_type(), ("grpc-status", "14".into())])]
    })
    .await;
    let fleet = Fleet::start_with(
        "
  - { name: shadow, cluster: stable, mirror: { cluster: shadow } }",
        &format!("shadow: {{ target: '{}', required: false, descriptors: DESCRIPTORS }}", shadow.target()),
    )
    .await;
    shadow.connected().await;
    let client = Client::open(fleet.address(), Two).await;
    let echo = EchoRequest { message: "tea".into(), ..EchoRequest::default() };
    for index in 0..20 {
        let request = http::with(http::grpc(ECHO, &echo), "x-call", "copied");
        let request = http::with(request, "x-edgeway-mirror", "a client's own word");
        let request = if index == 0 { http::with(request, "grpc-timeout", "5S") } else { request };
        let reply = client.call(request).await.expect("an answer");
        assert_eq!(reply.grpc_code(), 0);
        let sent = reply.message::<edgeway::demo::proto::ecommerce::v1::EchoResponse>();
        assert_eq!((sent.message.as_str(), sent.backend.as_str()), ("tea", "stable"));
        let mark = sent.metadata.iter().find(|entry| entry.key == "x-edgeway-mirror");
        assert!(mark.is_none(), "the call itself is marked: {mark:?}");
    }
    let metrics = eventually("all copies have ended", Duration::from_secs(10), async || {
        let metrics = fleet.gateway.metrics().await;
        if mirrored(&metrics, "failed") == 20.0 { Ok(metrics) } else { Err(metrics.text().to_owned()) }
    })
    .await;
    let copies = shadow.calls("copied");
    assert_eq!(copies.len(), 20, "each once");
    for copy in &copies {
        assert_eq!(copy.path, ECHO);
        let header = |name: &str| copy.headers.get(name).and_then(|value| value.to_str().ok());
        assert_eq!(header("x-edgeway-mirror"), Some("shadow"));
        assert!(header("grpc-timeout").is_some(), "{:?}", copy.headers);
    }
    let received = shadow.received("copied");
    assert!(received.len() == 20 && received.iter().all(|bytes| *bytes == echo.encode_to_vec()));
    let labels = [("grpc_method", "Echo")];
    for family in ["grpc_server_started_total", "grpc_server_handled_total", "grpc_client_started_total"] {
        assert_eq!(metrics.sum(family, &labels), 20.0, "{family}");
    }
    assert_eq!(metrics.sum("grpc_client_handled_total", &[labels[0], ("grpc_code", "OK")]), 20.0);
    assert_eq!(metrics.sum("edgeway_mirrored_in_flight", &[]), 0.0);

    // What was not kept whole cannot be copied; the call goes on.
    let large = EchoRequest { payload: vec![7; 100 << 10].into(), ..EchoRequest::default() };
    let reply = client.call(http::with(http::grpc(ECHO, &large), "x-call", "large")).await;
    assert_eq!(reply.expect("an answer").grpc_code(), 0);
    assert_eq!(mirrored(&fleet.gateway.metrics().await, "too_large"), 1.0);
    assert!(shadow.calls("large").is_empty());
}

/// A mirror that answers nothing, and one that is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_mirror_costs_no_call() {
    let silent = Scripted::start(|_: &Call| vec![Step::Request, Step::Hold]).await;
    for (name, target) in [("silent", silent.target()), ("dead", "ipv4:127.0.0.1:1".to_owned())] {
        let fleet = Fleet::start_with(
            "
  - name: shadow
    match: { headers: { x-shadow: 'yes' } }
    cluster: stable
    mirror: { cluster: shadow }

policies: [{ selector: '*', timeout: 3s }]",
            &format!("shadow: {{ target: '{target}', required: false, descriptors: DESCRIPTORS }}"),
        )
        .await;
        if name == "silent" {
            silent.connected().await;
        }
        let client = Client::open(fleet.address(), Two).await;
        for shadow in ["no", "yes"] {
            let started = Instant::now();
            for _ in 0..300 {
                let request = http::with(http::grpc(WHO_AM_I, &WhoAmIRequest {}), "x-shadow", shadow);
                assert_eq!(client.call(request).await.expect("an answer").grpc_code(), 0, "{name}");
            }
            println!("{name} mirror, used: {shadow}, {:?} each", started.elapsed() / 300);
        }
        let metrics = fleet.gateway.metrics().await;
        let each = ["failed", "dropped", "ok"].map(|result| mirrored(&metrics, result));
        let waiting = metrics.sum("edgeway_mirrored_in_flight", &[]);
        println!("{name} mirror: {each:?} failed, dropped and ok, {waiting} on their way");
        assert_eq!(each.iter().sum::<f64>() + waiting, 300.0);
        assert!(waiting <= 100.0 && each[2] == 0.0);
        assert_eq!(metrics.sum("grpc_server_handled_total", &[("grpc_code", "OK")]), 600.0);
        // Nobody else ends them.
        eventually("the copies end by their own deadline", Duration::from_secs(10), async || {
            let metrics = fleet.gateway.metrics().await;
            let waiting = metrics.sum("edgeway_mirrored_in_flight", &[]);
            if waiting == 0.0 { Ok(()) } else { Err(format!("{waiting} on their way")) }
        })
        .await;
    }
}

fn mirrored(metrics: &Metrics, result: &str) -> f64 {
    metrics.sum("edgeway_mirrored_calls_total", &[("route", "shadow"), ("result", result)])
}

/// A gateway before two versions of a backend.
struct Fleet {
    gateway: Gateway,
    _backends: [Program; 2],
}

impl Fleet {
    async fn start(routes: &str) -> Self {
        Self::start_with(routes, "").await
    }

    /// `cluster` is one more, with `DESCRIPTORS` for those of the demo services.
    async fn start_with(routes: &str, cluster: &str) -> Self {
        let backends = ["stable", "canary"]
            .map(|name| Program::start(&["demo-backend", "--listen", "127.0.0.1:0", "--name", name]));
        let descriptors = "{ reflection: never, protosets: [PROTOSET] }";
        let [stable, canary] = backends.each_ref().map(|backend| &backend.address);
        let clusters = format!(
            "stable: {{ target: 'ipv4:{stable}', descriptors: {descriptors} }}\n  \
             canary: {{ target: 'ipv4:{canary}', descriptors: {descriptors} }}\n  {}",
            cluster.replace("DESCRIPTORS", descriptors)
        );
        let gateway = Gateway::start(&clusters, &format!("routes:{routes}\n"));
        gateway.ready().await;
        Self { gateway, _backends: backends }
    }

    fn address(&self) -> &str {
        self.gateway.address()
    }
}

fn content_type() -> (&'static str, String) {
    ("content-type", "application/grpc".into())
}

const WHO_AM_I: &str = "/ecommerce.v1.DiagnosticsService/WhoAmI";
const ECHO: &str = "/ecommerce.v1.DiagnosticsService/Echo";
const REST: &str = "/v1/diagnostics/whoami";
