//! Streams that rest for two minutes: kept alive at every door, cheap, and gone without a trace when they end.
//!
//! `EDGEWAY_IDLE_SECONDS` says how long they rest; `scripts/test` lets them rest for the two minutes, beside the other
//! tests.

#![expect(clippy::indexing_slicing, reason = "a test that fails here says enough")]
#![expect(clippy::print_stdout, reason = "what is measured is shown with `--nocapture`")]

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

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use ::http::Request;
use edgeway::demo::proto::ecommerce::v1::{ChatRequest, ChatResponse, StreamRequest};
use futures_util::{StreamExt, future::join_all};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::{net::TcpStream, time::Instant};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    gateway::{Gateway, eventually},
    http::{
        Body, Client,
        Version::{One, Two},
    },
    program::Program,
    websocket::{FRAMES, Socket, open},
};

/// Two hundred of each kind at once: server streams over gRPC, gRPC-Web and SSE, and a call over a WebSocket.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_streams_leave_nothing_behind() {
    let rest = std::env::var("EDGEWAY_IDLE_SECONDS").map_or(SHORT, |text| {
        Duration::from_secs(text.parse().expect("EDGEWAY_IDLE_SECONDS is a number of seconds"))
    });
    // Streams for all, and some to spare: a hundred from each worker to each backend.
    let backends = [(); 5].map(|()| Program::start(&["demo-backend", "--listen", "127.0.0.1:0"]));
    let addresses = backends.iter().map(|backend| backend.address.as_str()).collect::<Vec<_>>().join(",");
    let descriptors = "{ reflection: never, protosets: [PROTOSET] }";
    let cluster = format!("demo: {{ target: 'ipv4:{addresses}', descriptors: {descriptors} }}");
    let gateway = Gateway::start(
        &cluster,
        "runtime: { worker_threads: 2 }\ntelemetry: { logs: { access: { enabled: false } } }",
    );
    gateway.connected(10).await;
    let tasks = gateway.metrics().await.sum("edgeway_worker_tasks", &[]);

    // Once before, so that what the first ones allocate for all is not counted.
    drop(All::open(&gateway, WARM).await);
    settled(&gateway, tasks).await;
    let all = All::open(&gateway, COUNT).await;
    alive(&gateway).await;
    let began = Instant::now();
    let still = all.rest_until(began + rest).await;
    alive(&gateway).await;
    let rested = began.elapsed();
    drop(still);
    settled(&gateway, tasks).await;
    println!("{} streams rested for {rested:?}, and left {} bytes", 4 * COUNT, gateway.resident());
}

/// Streams that have brought their first message and will bring no other.
struct All {
    grpc: Vec<Resting>,
    web: Vec<Resting>,
    events: Vec<Resting>,
    sockets: Vec<Socket<TcpStream>>,
}

/// The body of an answer that has begun.
struct Resting {
    body: Incoming,
    /// Closes the connection when the last of its streams is dropped.
    _client: Arc<Client>,
}

impl All {
    async fn open(gateway: &Gateway, count: usize) -> Self {
        let stream = StreamRequest {
            count: 2,
            interval: Some(prost_types::Duration { seconds: 1000, nanos: 0 }),
            ..StreamRequest::default()
        };
        // Each takes a hundred streams.
        let two = [Client::open(gateway.address(), Two).await, Client::open(gateway.address(), Two).await];
        let two = two.map(Arc::new);
        let turn = AtomicUsize::new(0);
        let one = async || Arc::new(Client::open(gateway.address(), One).await);
        let events = || {
            let path = "/v1/diagnostics/stream?count=2&interval=1000s";
            http::with(http::rest(path), "accept", "text/event-stream")
        };
        Self {
            grpc: measured(gateway, count, "gRPC", async || {
                let client = &two[turn.fetch_add(1, Relaxed) % two.len()];
                begin(client, http::grpc(STREAM, &stream)).await
            })
            .await,
            web: measured(gateway, count, "gRPC-Web, a connection each", async || {
                begin(&one().await, http::web(STREAM, &stream)).await
            })
            .await,
            events: measured(gateway, count, "SSE, a connection each", async || {
                begin(&one().await, events()).await
            })
            .await,
            sockets: measured(gateway, count, "WebSocket", async || chat(gateway).await).await,
        }
    }

    /// Reads all of them; checks that what comes is what keeps them alive, and nothing else.
    async fn rest_until(self, until: Instant) -> Self {
        let rest = until.saturating_duration_since(Instant::now());
        // One less than there may be: the last may be due at the very end.
        let at_least = |pace: u64| (rest.as_secs() / pace).saturating_sub(1);
        let quiet = async |mut resting: Resting| {
            let read = tokio::time::timeout_at(until, resting.body.frame()).await;
            assert!(read.is_err(), "a stream at rest brought {read:?}");
            resting
        };
        let events = async |mut resting: Resting| {
            let mut comments = 0;
            while let Ok(read) = tokio::time::timeout_at(until, resting.body.frame()).await {
                let data = read.expect("it goes on").expect("it goes on").into_data().expect("bytes");
                assert_eq!(data, &b": keep-alive\n\n"[..]);
                comments += 1;
            }
            assert!(comments >= at_least(15), "{comments} comments in {rest:?}");
            resting
        };
        let sockets = async |mut socket: Socket<TcpStream>| {
            let mut pings = 0;
            // What reads a ping answers it.
            while let Ok(read) = tokio::time::timeout_at(until, socket.stream.next()).await {
                match read {
                    Some(Ok(Message::Ping(_))) => pings += 1,
                    other => panic!("a WebSocket at rest brought {other:?}"),
                }
            }
            assert!(pings >= at_least(20), "{pings} pings in {rest:?}");
            socket
        };
        let Self { grpc, web, events: of_events, sockets: of_sockets } = self;
        let (grpc, web, events, sockets) = tokio::join!(
            join_all(grpc.into_iter().map(quiet)),
            join_all(web.into_iter().map(quiet)),
            join_all(of_events.into_iter().map(events)),
            join_all(of_sockets.into_iter().map(sockets)),
        );
        Self { grpc, web, events, sockets }
    }
}

/// Opens `count` one after the other; of [`COUNT`] it shows what each costs the gateway.
async fn measured<T, F: Future<Output = T>>(
    gateway: &Gateway,
    count: usize,
    name: &str,
    open: impl Fn() -> F,
) -> Vec<T> {
    let before = gateway.resident();
    let mut opened = Vec::new();
    for _ in 0..count {
        opened.push(open().await);
    }
    let each = gateway.resident().saturating_sub(before) / count as u64;
    if count < COUNT {
        return opened;
    }
    println!("{count} idle streams over {name}: {each} bytes of the gateway's memory each");
    assert!(each < 64 << 10, "an idle stream over {name} takes {each} bytes");
    opened
}

/// A stream whose first message has come.
async fn begin(client: &Arc<Client>, request: Request<Body>) -> Resting {
    let mut body = client.send(request).await.expect("an answer").into_body();
    let first = body.frame().await.expect("a first message").expect("a first message");
    assert!(first.is_data(), "{first:?}");
    Resting { body, _client: Arc::clone(client) }
}

/// A call over a WebSocket that has been answered once.
async fn chat(gateway: &Gateway) -> Socket<TcpStream> {
    let mut socket = open(gateway.address(), CHAT, FRAMES).await;
    socket.binary(b"").await;
    socket.message(&ChatRequest { text: "hello".into(), ..ChatRequest::default() }).await;
    socket.headers().await;
    assert_eq!(socket.answer::<ChatResponse>().await.text, "hello");
    socket
}

/// All streams are open.
async fn alive(gateway: &Gateway) {
    let metrics = gateway.metrics().await;
    for protocol in ["grpc", "grpc-web", "rest", "websocket"] {
        let active = metrics.sum("edgeway_streams_active", &[("protocol", protocol)]);
        assert_eq!(active, COUNT as f64, "{protocol}");
    }
    assert_eq!(metrics.sum("edgeway_endpoint_in_flight", &[]), 4.0 * COUNT as f64);
}

/// Nothing is left of what has ended: no stream, no permit, no connection and no task.
async fn settled(gateway: &Gateway, tasks: f64) {
    eventually("no stream is left", Duration::from_secs(20), async || {
        let metrics = gateway.metrics().await;
        let open = ["edgeway_streams_active", "edgeway_endpoint_in_flight", "edgeway_downstream_connections"];
        let open = open.map(|name| metrics.sum(name, &[]));
        let running = metrics.sum("edgeway_worker_tasks", &[]);
        let settled = open == [0.0; 3] && running <= tasks;
        if settled { Ok(()) } else { Err(format!("{open:?}, {running} tasks and {tasks} before")) }
    })
    .await;
}

/// Long enough for a keep-alive of 15 s and a ping of 20 s.
const SHORT: Duration = Duration::from_secs(42);

/// Streams of each kind.
const COUNT: usize = 200;

/// Streams of each kind that are opened before any is measured.
const WARM: usize = 10;

const STREAM: &str = "/ecommerce.v1.DiagnosticsService/Stream";
const CHAT: &str = "/ecommerce.v1.DiagnosticsService/Chat";
