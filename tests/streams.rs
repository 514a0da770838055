//! Streams under pressure: who reads slowly, not at all, or sends as fast as it can, harms nobody else.

#![expect(clippy::indexing_slicing, reason = "a test that fails here says enough")]
#![expect(clippy::print_stdout, reason = "what is measured is shown with `--nocapture`")]

#[path = "support/gateway.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod gateway;
#[path = "support/holding.rs"]
mod holding;
#[path = "support/http.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod http;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;

use std::time::Duration;

use ::http::Request;
use bytes::Bytes;
use edgeway::demo::proto::ecommerce::v1::{
    CallStats, ChatRequest, CollectRequest, CollectResponse, EchoRequest, StatsRequest, StatsResponse,
    StreamRequest, WhoAmIRequest,
};
use edgeway::grpc::{
    frame::{FrameError, Scanner},
    text,
};
use h2::{RecvStream, client::SendRequest};
use http_body_util::BodyExt;
use prost::Message;
use tokio::{net::TcpStream, time::Instant};

use crate::{
    gateway::{Gateway, eventually},
    holding::Holding,
    http::{
        Body, Client, Reply,
        Version::{One, Two},
    },
    program::Program,
};

/// A million messages to a browser's client, in text and in binary, and then nothing that is still held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_messages_leave_nothing_behind() {
    const COUNT: u32 = 1_000_000;
    let (_backend, gateway) = start("");
    let stream = StreamRequest { count: COUNT, ..StreamRequest::default() };
    let read = async |request: Request<Body>, is_text: bool| {
        let client = Client::open(gateway.address(), One).await;
        let mut body = client.send(request).await.expect("an answer").into_body();
        let (mut decoder, mut scanner) = (text::Decoder::default(), Scanner::new(1 << 10));
        let mut last = Bytes::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.expect("the body is whole").into_data() else { break };
            let data = if is_text { decoder.decode(&data).expect("base64") } else { data };
            match scanner.feed(&data) {
                Ok(()) => {}
                // The trailer frame, which is no message.
                Err(error) => {
                    assert_eq!(error, FrameError::Flags(0x80));
                    last = data;
                }
            }
        }
        decoder.finish().expect("whole groups");
        assert!(last.ends_with(b"grpc-status:0\r\n"), "{}", last.escape_ascii());
        scanner.messages()
    };
    let started = Instant::now();
    let both = async {
        tokio::join!(
            read(http::web(STREAM, &stream), false),
            read(http::web_text(STREAM, &StreamRequest { count: COUNT / 10, ..stream }), true)
        )
    };
    let found = tokio::time::timeout(Duration::from_secs(120), both).await.expect("a million in time");
    println!("{found:?} messages in {:?}", started.elapsed());
    assert_eq!(found, (u64::from(COUNT), u64::from(COUNT / 10)));
    eventually("nothing is held", Duration::from_secs(5), async || {
        let metrics = gateway.metrics().await;
        let held = ["edgeway_streams_active", "edgeway_endpoint_in_flight", "edgeway_downstream_connections"]
            .map(|name| metrics.sum(name, &[]));
        if held == [0.0; 3] { Ok(()) } else { Err(format!("{held:?}")) }
    })
    .await;
}

/// A backend that offers 1 GB runs little ahead of a client that reads 1 MB/s, and so does the gateway's memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_client_slows_its_backend() {
    let gigabyte = StreamRequest { count: 16384, size: 65536, ..StreamRequest::default() };
    tokio::join!(
        check_ahead("gRPC", Two, http::grpc(STREAM, &gigabyte)),
        check_ahead("gRPC-Web over HTTP/1.1", One, http::web(STREAM, &gigabyte)),
    );
}

async fn check_ahead(name: &str, version: http::Version, request: Request<Body>) {
    let (backend, gateway) = start("");
    let client = Client::open(gateway.address(), version).await;
    // One small call first, so that what every connection costs is not counted.
    client.call(http::with(http::rest("/v1/diagnostics/whoami"), "accept", "*/*")).await.expect("an answer");
    let before = gateway.resident();
    let mut most = before;
    let mut answer = client.send(request).await.expect("an answer");
    let started = Instant::now();
    let mut read = 0;
    let mut ahead = 0;
    while started.elapsed() < Duration::from_secs(15) {
        let frame = answer.frame().await.expect("the stream goes on").expect("the stream goes on");
        read += frame.data_ref().map_or(0, Bytes::len);
        // 1 MB/s is what is tested, not a wait for anything.
        tokio::time::sleep_until(started + Duration::from_secs_f64(read as f64 / 1e6)).await;
        if read / 1_000_000 != (read - frame.data_ref().map_or(0, Bytes::len)) / 1_000_000 {
            most = most.max(gateway.resident());
            let sent = stats(&backend).await.bytes_sent;
            ahead = ahead.max(sent.saturating_sub(read as u64));
        }
    }
    let left = Instant::now();
    drop(answer);
    drop(client);
    let sent = eventually("the backend's call is cancelled", Duration::from_secs(5), async || {
        let stats = stats(&backend).await;
        if stats.cancelled == 1 { Ok(stats.bytes_sent) } else { Err(format!("{stats:?}")) }
    })
    .await;
    let noticed = left.elapsed();
    ahead = ahead.max(sent.saturating_sub(read as u64));
    println!(
        "{name}: {read} bytes read, at most {} KiB ahead, memory {} KiB at first and at most {:+} KiB, cancelled in {noticed:?}",
        ahead >> 10,
        before >> 10,
        (most - before) >> 10
    );
    assert!(read > 12_000_000, "{name}: only {read} bytes came in 15 s");
    assert!(ahead <= 8 << 20, "{name}: {ahead} bytes ahead");
    assert!(most - before < 16 << 20, "{name}: memory went from {before} to {most}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_readers_of_20_byte_messages_harm_nobody() {
    check_stalled(100, 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_readers_of_the_smallest_messages_harm_nobody() {
    check_stalled(20, 0).await;
}

/// Streams of messages of `size` bytes that nobody reads, on all workers, beside streams and calls that go on.
async fn check_stalled(count: usize, size: u32) {
    let (backend, gateway) = start("");
    gateway.connected(2).await;
    let endless = StreamRequest { count: u32::MAX, size, separate_frames: true, ..StreamRequest::default() };
    let mut stalled = Vec::new();
    for _ in 0..10 {
        let reader = Reader::open(&gateway, WINDOW, 10 * WINDOW).await;
        for _ in 0..count / 10 {
            stalled.push(reader.call(STREAM, &endless).await);
        }
    }
    assert_eq!(stalled.len(), count);
    let sent = eventually("the readers are stalled", Duration::from_secs(60), async || {
        let before = stats(&backend).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let after = stats(&backend).await;
        if after.started >= count as u64 && before.messages_sent == after.messages_sent {
            Ok(after.messages_sent)
        } else {
            Err(format!("{after:?}"))
        }
    })
    .await;

    // One connection for each worker, so that each shares the way out of half of the stalled streams.
    for _ in 0..2 {
        let client = Client::open(gateway.address(), Two).await;
        let interval = Some(prost_types::Duration { seconds: 0, nanos: 5_000_000 });
        let paced = StreamRequest { count: 600, size: 20, interval, separate_frames: true };
        let mut answer = client.send(http::grpc(STREAM, &paced)).await.expect("an answer");
        let (mut bytes, mut trailers) = (0, None);
        let mut last = Instant::now();
        let mut longest = Duration::ZERO;
        while let Some(frame) = answer.frame().await {
            let frame = frame.expect("the stream goes on");
            longest = longest.max(last.elapsed());
            last = Instant::now();
            bytes += frame.data_ref().map_or(0, Bytes::len);
            if let Ok(frame) = frame.into_trailers() {
                trailers = Some(frame);
            } else {
                let reply = client.call(http::grpc(WHO_AM_I, &WhoAmIRequest {})).await.expect("an answer");
                assert_eq!(reply.grpc_code(), 0);
            }
        }
        assert_eq!(trailers.expect("trailers")["grpc-status"], "0");
        assert!(bytes >= 600 * 27, "{bytes} bytes");
        println!("beside {count} stalled readers of {size}-byte payloads: longest gap {longest:?}");
        assert!(longest < Duration::from_secs(2), "a gap of {longest:?}");
    }
    let now = stats(&backend).await;
    assert_eq!(now.cancelled, 0, "no stalled stream was lost: {now:?}");
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("edgeway_upstream_connects_total", &[]), 2.0, "no connection was lost");
    println!("stalled streams hold {sent} messages, the gateway {} KiB", gateway.resident() >> 10);

    // Whoever reads on finds its stream whole.
    let mut stream = stalled.pop().expect("there are some");
    let mut bytes = 0;
    while bytes < 4 * WINDOW as usize {
        let data = stream.data().await.expect("the stream goes on").expect("the stream goes on");
        stream.flow_control().release_capacity(data.len()).expect("received bytes");
        bytes += data.len();
    }
}

/// 20-byte messages, each in a DATA frame of its own, as fast as they can be sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_of_tiny_messages_arrives() {
    const COUNT: u64 = 100_000;
    let (_backend, gateway) = start("");
    gateway.connected(2).await;
    let client = Client::open(gateway.address(), Two).await;
    let (sender, request) = http::grpc_stream(COLLECT);
    let message =
        http::frame(&CollectRequest { payload: vec![b'x'; 13].into(), ..CollectRequest::default() });
    assert_eq!(message.len(), 20);
    let upload = tokio::spawn(async move {
        for _ in 0..COUNT {
            if sender.send(message.clone()).await.is_err() {
                return;
            }
        }
    });
    let started = Instant::now();
    let reply = tokio::time::timeout(Duration::from_secs(60), client.call(request)).await;
    let reply = reply.expect("an answer in time").expect("an answer");
    upload.await.expect("the upload");
    assert_eq!(reply.grpc_code(), 0, "{reply:?}");
    assert_eq!(reply.message::<CollectResponse>().messages, COUNT);
    println!("{COUNT} messages of 20 bytes uploaded in {:?}", started.elapsed());
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("edgeway_upstream_connects_total", &[]), 2.0, "no connection was lost");
    let method = [("grpc_method", "Collect")];
    assert_eq!(metrics.sum("grpc_server_msg_received_total", &method), COUNT as f64);
}

/// Of two streams of one connection the one that is read goes on at full speed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_not_read_stops_only_itself() {
    let (backend, gateway) = start("runtime: { worker_threads: 1 }");
    gateway.connected(1).await;
    let reader = Reader::open(&gateway, WINDOW, 16 * WINDOW).await;
    let endless = StreamRequest { count: u32::MAX, size: 1024, ..StreamRequest::default() };
    let _stalled = reader.call(STREAM, &endless).await;
    let finite = StreamRequest { count: 20_000, size: 1024, ..StreamRequest::default() };
    let mut stream = reader.call(STREAM, &finite).await;
    let read = async {
        let mut bytes = 0;
        while let Some(data) = stream.data().await {
            let data = data.expect("the stream goes on");
            stream.flow_control().release_capacity(data.len()).expect("received bytes");
            bytes += data.len();
        }
        (bytes, stream.trailers().await.expect("trailers").expect("trailers"))
    };
    let (bytes, trailers) = tokio::time::timeout(Duration::from_secs(30), read).await.expect("it ends");
    assert!(bytes > 20_000 * 1024);
    assert_eq!(trailers["grpc-status"], "0");
    let stats = stats(&backend).await;
    let ahead = stats.bytes_sent - bytes as u64;
    assert!(ahead < 4 << 20, "the stalled stream was given {ahead} bytes");
}

/// A message of one byte less than the limit, the limit, and one byte more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_over_the_limit_are_refused() {
    const UP: usize = 2000;
    const DOWN: usize = 2998;
    let policy = format!(
        "policies: [{{ selector: '*', timeout: none, max_request_bytes: {UP}, max_response_bytes: {DOWN} }}]"
    );
    let (_backend, gateway) = start(&policy);
    gateway.connected(2).await;
    let two = Client::open(gateway.address(), Two).await;
    let one = Client::open(gateway.address(), One).await;

    for (size, code) in [(UP - 1, 0), (UP, 0), (UP + 1, 8)] {
        // The key and two bytes of length stand before the text; a short answer leaves the other limit alone.
        let echo = EchoRequest { message: "x".repeat(size - 3), ..EchoRequest::default() };
        assert_eq!(echo.encoded_len(), size);
        let chat = ChatRequest { text: "x".repeat(size - 3), ..ChatRequest::default() };
        let collect = CollectRequest { payload: vec![b'x'; size - 3].into(), ..CollectRequest::default() };
        for (name, client, request) in [
            ("gRPC unary", &two, http::grpc(ECHO, &echo)),
            ("gRPC client stream", &two, http::grpc(COLLECT, &collect)),
            ("gRPC bidi", &two, http::grpc(CHAT, &chat)),
            ("gRPC-Web", &one, http::web(ECHO, &echo)),
            ("gRPC-Web text", &one, http::web_text(ECHO, &echo)),
        ] {
            let reply = client.call(request).await.expect("an answer");
            assert_eq!(
                (reply.status, reply.grpc_code()),
                (200, code),
                "{name}, request of {size}: {reply:?}"
            );
        }
        let text = format!("{{\"message\":\"{}\"}}", "x".repeat(size - 14));
        assert_eq!(text.len(), size);
        let reply = one.call(http::json("/v1/diagnostics/echo", &text)).await.expect("an answer");
        let expect = if code == 0 { 200 } else { 413 };
        assert_eq!(reply.status, expect, "REST, request of {size}: {}", reply.text());
        if code != 0 {
            assert_eq!(reply.json()["code"], code, "{}", reply.text());
        }
    }

    for (size, code) in [(DOWN - 1, 0), (DOWN, 0), (DOWN + 1, 8)] {
        // The first message has no index, so only the payload's key and length count.
        let stream = StreamRequest { count: 1, size: size as u32 - 3, ..StreamRequest::default() };
        for (name, client, request) in [
            ("gRPC", &two, http::grpc(STREAM, &stream)),
            ("gRPC-Web", &one, http::web(STREAM, &stream)),
            ("gRPC-Web text", &one, http::web_text(STREAM, &stream)),
        ] {
            let reply = client.call(request).await.expect("an answer");
            assert_eq!((reply.status, reply.grpc_code()), (200, code), "{name}, response of {size}");
            assert_eq!(reply.message_sizes(), if code == 0 { vec![size] } else { vec![] }, "{name}");
        }
    }
    // JSON counts as JSON: three bytes of payload are four characters, between the fourteen of its key.
    for (bytes, status) in [(2235, 200), (2238, 200), (2241, 429)] {
        let path = format!("/v1/diagnostics/stream?count=1&size={bytes}");
        for accept in ["application/json", "application/x-ndjson"] {
            let reply = one.call(http::with(http::rest(&path), "accept", accept)).await.expect("an answer");
            assert_eq!(reply.status, status, "REST, payload of {bytes}: {}", reply.text());
            if status == 429 {
                assert_eq!(reply.json()["code"], 8, "{}", reply.text());
            }
        }
    }
    let path = "/v1/diagnostics/stream?count=1&size=3001";
    let reply = one.call(http::rest(path)).await.expect("an answer");
    assert_eq!((reply.status, &reply.json()["code"]), (429, &8.into()), "{}", reply.text());

    // A unary answer of exactly so many bytes: the metadata that Echo adds is measured first.
    let echo = |size: usize| EchoRequest { message: "x".repeat(size), ..EchoRequest::default() };
    let added = two.call(http::grpc(ECHO, &echo(1500))).await.expect("an answer").message_sizes()[0] - 1500;
    assert!(added < 500, "{added} bytes of metadata");
    let (_backend, gateway) = start(&policy.replace(&DOWN.to_string(), &(1500 + added).to_string()));
    gateway.connected(2).await;
    let two = Client::open(gateway.address(), Two).await;
    for (size, code) in [(1499, 0), (1500, 0), (1501, 8)] {
        let reply = two.call(http::grpc(ECHO, &echo(size))).await.expect("an answer");
        assert_eq!(reply.grpc_code(), code, "unary answer of {} bytes", size + added);
    }
    let text = format!("{{\"message\":\"{}\"}}", "x".repeat(1900));
    let reply =
        Client::open(gateway.address(), One).await.call(http::json("/v1/diagnostics/echo", &text)).await;
    let reply = reply.expect("an answer");
    assert_eq!((reply.status, &reply.json()["code"]), (429, &8.into()), "{}", reply.text());
}

/// A reader that stops, or a backend that does, for longer than `stream_idle_timeout`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_stream_is_ended() {
    let policy = "policies: [{ selector: '*', stream_idle_timeout: 500ms }]";
    let (backend, gateway) = start(policy);
    gateway.connected(2).await;
    let reader = Reader::open(&gateway, WINDOW, WINDOW).await;
    let endless = StreamRequest { count: u32::MAX, size: 1024, ..StreamRequest::default() };
    let mut stalled = reader.call(STREAM, &endless).await;
    cancelled(&backend, 1).await;
    // What had come can still be read, and then why there is no more.
    assert_eq!(last_status(&mut stalled).await, "14");
    // A client over HTTP/1.1 that reads nothing.
    let client = Client::open(gateway.address(), One).await;
    let answer = client.send(http::web(STREAM, &endless)).await.expect("an answer");
    cancelled(&backend, 2).await;
    drop(answer);

    let mut silent = Holding::start().await;
    let gateway = Gateway::start(&cluster(&silent.address.to_string()), policy);
    gateway.connected(2).await;
    let client = Client::open(gateway.address(), Two).await;
    for (name, path, open) in [
        ("server stream", STREAM, false),
        ("bidi stream", CHAT, true),
        ("client stream", COLLECT, true),
        ("client stream, all sent", COLLECT, false),
    ] {
        let (sender, request) = if open {
            http::grpc_stream(path)
        } else {
            (http::grpc_stream(path).0, http::grpc(path, &StreamRequest::default()))
        };
        let started = Instant::now();
        let reply = tokio::time::timeout(Duration::from_secs(5), client.call(request)).await;
        let reply = reply.unwrap_or_else(|_| panic!("{name}: not ended")).expect("an answer");
        assert_eq!(reply.grpc_code(), 14, "{name}: {reply:?}");
        assert!(
            started.elapsed() >= Duration::from_millis(490),
            "{name}: ended after {:?}",
            started.elapsed()
        );
        silent.came().await;
        silent.went().await;
        drop(sender);
    }
}

/// Messages in one direction are enough to keep a stream alive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_keeps_its_stream_alive() {
    let mut silent = Holding::start().await;
    let policy = "policies: [{ selector: '*', stream_idle_timeout: 400ms }]";
    let gateway = Gateway::start(&cluster(&silent.address.to_string()), policy);
    gateway.connected(2).await;
    for path in [CHAT, COLLECT] {
        let client = Client::open(gateway.address(), Two).await;
        let (sender, request) = http::grpc_stream(path);
        let started = Instant::now();
        let upload = tokio::spawn(async move {
            let message = http::frame(&ChatRequest { text: "on".into(), ..ChatRequest::default() });
            for _ in 0..15 {
                if sender.send(message.clone()).await.is_err() {
                    return sender;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            sender
        });
        let reply = client.call(request).await.expect("an answer");
        let lived = started.elapsed();
        assert_eq!(reply.grpc_code(), 14, "{path}: {reply:?}");
        assert!(lived >= Duration::from_millis(1800), "{path}: ended after {lived:?} while messages came");
        assert!(lived <= Duration::from_secs(4), "{path}: ended only after {lived:?}");
        silent.came().await;
        silent.went().await;
        drop(upload.await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_stream_ends_at_its_longest_duration() {
    let (backend, gateway) = start("policies: [{ selector: '*', max_stream_duration: 1s }]");
    gateway.connected(2).await;
    let interval = Some(prost_types::Duration { seconds: 0, nanos: 20_000_000 });
    let busy = StreamRequest { count: u32::MAX, size: 20, interval, ..StreamRequest::default() };
    let in_time = |started: Instant| {
        let lived = started.elapsed();
        assert!(lived > Duration::from_millis(880) && lived < Duration::from_millis(2500), "{lived:?}");
    };
    let mut ended = 0;
    for (version, request) in [
        (Two, http::grpc(STREAM, &busy)),
        (One, http::web(STREAM, &busy)),
        (One, http::web_text(STREAM, &busy)),
    ] {
        let started = Instant::now();
        let client = Client::open(gateway.address(), version).await;
        let reply = client.call(request).await.expect("an answer");
        assert_eq!(reply.grpc_code(), 14, "{version:?}");
        assert!(reply.message_sizes().len() > 5);
        in_time(started);
        ended += 1;
        cancelled(&backend, ended).await;
    }
    let client = Client::open(gateway.address(), One).await;
    let path = "/v1/diagnostics/stream?count=4000000000&size=20&interval=0.02s";
    let started = Instant::now();
    let lines = client.call(http::with(http::rest(path), "accept", "application/x-ndjson")).await;
    let text = lines.expect("an answer").text();
    let last: serde_json::Value = serde_json::from_str(text.lines().last().expect("lines")).expect("JSON");
    assert_eq!(last["error"]["code"], 14, "{last}");
    in_time(started);
    // An array has no such last word: it breaks off.
    let array = client.call(http::rest(path)).await;
    assert!(array.is_err(), "{array:?}");
    // And a stream that nobody has answered yet.
    let started = Instant::now();
    let client = Client::open(gateway.address(), Two).await;
    let (_sender, request) = http::grpc_stream(COLLECT);
    let reply = client.call(request).await.expect("an answer");
    assert_eq!(reply.grpc_code(), 14, "{reply:?}");
    in_time(started);
}

/// The clock of a stream does not wait for its reader.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_fires_though_nobody_reads() {
    let (backend, gateway) = start("");
    gateway.connected(2).await;
    let endless = StreamRequest { count: u32::MAX, size: 1024, ..StreamRequest::default() };
    for (index, version) in [(1, Two), (2, One)] {
        let client = Client::open(gateway.address(), version).await;
        let request = if version == Two { http::grpc(STREAM, &endless) } else { http::web(STREAM, &endless) };
        let started = Instant::now();
        let answer = client.send(http::with(request, "grpc-timeout", "300m")).await.expect("an answer");
        cancelled(&backend, index).await;
        let fired = started.elapsed();
        println!("a deadline of 300 ms cancelled an unread stream after {fired:?}");
        assert!(fired >= Duration::from_millis(290) && fired < Duration::from_millis(1500), "{fired:?}");
        // Whoever reads then finds what had come, and the status; gRPC-Web has no place for one inside a message.
        let read = tokio::time::timeout(Duration::from_secs(10), answer.collect()).await.expect("it ends");
        match (version, read) {
            (Two, Ok(read)) => assert_eq!(read.trailers().expect("trailers")["grpc-status"], "4"),
            (One, Err(broken)) => assert!(!broken.is_timeout(), "{broken}"),
            (_, read) => panic!("{version:?}: {read:?}"),
        }
    }
}

/// A client whose windows the test chooses and that reads only what it is told to.
struct Reader {
    sender: SendRequest<Bytes>,
    authority: String,
}

impl Reader {
    async fn open(gateway: &Gateway, stream_window: u32, connection_window: u32) -> Self {
        let socket = TcpStream::connect(gateway.address()).await.expect("the gateway listens");
        let made = h2::client::Builder::new()
            .initial_window_size(stream_window)
            .initial_connection_window_size(connection_window)
            .data_frame_budget(1 << 30)
            .handshake(socket)
            .await;
        let (sender, connection) = made.expect("the gateway speaks HTTP/2");
        tokio::spawn(async move { drop(connection.await) });
        Self { sender, authority: gateway.address().to_owned() }
    }

    /// A call whose answer has begun; of its body nothing was read.
    async fn call(&self, path: &str, message: &impl Message) -> RecvStream {
        let head = Request::post(format!("http://{}{path}", self.authority));
        let head = head.header("content-type", "application/grpc").header("te", "trailers");
        let mut sender = self.sender.clone().ready().await.expect("the connection stays");
        let (answer, mut upload) =
            sender.send_request(head.body(()).expect("a head"), false).expect("a stream is free");
        upload.send_data(http::frame(message), true).expect("the stream is open");
        answer.await.expect("an answer").into_body()
    }
}

/// Reads to the end; the status there.
async fn last_status(stream: &mut RecvStream) -> String {
    let read = async {
        while let Some(data) = stream.data().await {
            let data = data.expect("what had come can be read");
            stream.flow_control().release_capacity(data.len()).expect("received bytes");
        }
        stream.trailers().await.expect("trailers").expect("trailers")
    };
    let trailers = tokio::time::timeout(Duration::from_secs(5), read).await.expect("the stream ends");
    trailers["grpc-status"].to_str().expect("a code").to_owned()
}

/// A demo backend of its own process and a gateway before it.
fn start(more: &str) -> (Program, Gateway) {
    let backend = Program::start(&["demo-backend", "--listen", "127.0.0.1:0"]);
    let gateway = Gateway::start(&cluster(&backend.address), more);
    (backend, gateway)
}

fn cluster(address: &str) -> String {
    format!(
        "demo: {{ target: 'ipv4:{address}', descriptors: {{ reflection: never, protosets: [PROTOSET] }} }}"
    )
}

/// What a backend has seen of all calls, asked past the gateway.
async fn stats(backend: &Program) -> CallStats {
    let client = Client::open(&backend.address, Two).await;
    let reply: Reply = client.call(http::grpc(STATS, &StatsRequest {})).await.expect("stats");
    reply.message::<StatsResponse>().total.unwrap_or_default()
}

/// Waits until the backend has seen so many calls cancelled.
async fn cancelled(backend: &Program, count: u64) {
    eventually("the backend sees the cancel", Duration::from_secs(5), async || {
        let stats = stats(backend).await;
        if stats.cancelled >= count { Ok(()) } else { Err(format!("{stats:?}")) }
    })
    .await;
}

/// HTTP/2's own default, and the stream window of most clients.
const WINDOW: u32 = 65_535;

const ECHO: &str = "/ecommerce.v1.DiagnosticsService/Echo";
const STREAM: &str = "/ecommerce.v1.DiagnosticsService/Stream";
const COLLECT: &str = "/ecommerce.v1.DiagnosticsService/Collect";
const CHAT: &str = "/ecommerce.v1.DiagnosticsService/Chat";
const STATS: &str = "/ecommerce.v1.DiagnosticsService/Stats";
const WHO_AM_I: &str = "/ecommerce.v1.DiagnosticsService/WhoAmI";
