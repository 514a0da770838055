//! A gateway's life: how it starts, what it tells the operator, how it ends.

#[path = "support/gateway.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod gateway;
#[path = "support/http.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod http;
#[path = "support/port.rs"]
mod port;
#[path = "support/program.rs"]
mod program;

use std::{
    process::Command,
    time::{Duration, SystemTime},
};

use edgeway::demo::proto::ecommerce::v1::{
    FailRequest, GetOrderRequest, SleepRequest, StreamRequest, WhoAmIRequest,
};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::{net::TcpStream, task::JoinHandle, time::Instant};

use crate::{
    gateway::{Gateway, eventually},
    http::{
        Client, Reply,
        Version::{One, Two},
    },
    program::{BINARY, Program},
};

/// SIGTERM, and then by the clock: readiness off, GOAWAY, the grace, the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_drains() {
    const DELAY: Duration = Duration::from_millis(1500);
    const GRACE: Duration = Duration::from_secs(2);
    let backend = backend();
    let mut gateway =
        Gateway::start(&cluster(&backend.address), "shutdown: { drain_delay: 1500ms, grace: 2s }");
    gateway.connected(2).await;
    let address = gateway.address().to_owned();

    let idle = Client::open(&address, Two).await;
    idle.call(http::grpc(WHO_AM_I, &WhoAmIRequest {})).await.expect("an answer");
    let idle_one = Client::open(&address, One).await;
    idle_one.call(http::rest("/v1/diagnostics/whoami")).await.expect("an answer");
    // Two calls that end within the grace, and streams that do not.
    let unary = |version, request| whole(address.clone(), version, request);
    let slow = [
        unary(Two, http::grpc(SLEEP, &sleep(2800))),
        unary(One, http::web(SLEEP, &sleep(2800))),
        unary(One, http::rest("/v1/diagnostics/sleep?duration=2.8s")),
    ];
    let interval = Some(prost_types::Duration { seconds: 0, nanos: 20_000_000 });
    let busy = StreamRequest { count: u32::MAX, size: 20, interval, ..StreamRequest::default() };
    let lines = http::rest("/v1/diagnostics/stream?count=4000000000&interval=0.02s");
    let (_held, collect) = http::grpc_stream("/ecommerce.v1.DiagnosticsService/Collect");
    let (_also_held, chat) = http::grpc_stream("/ecommerce.v1.DiagnosticsService/Chat");
    let long = [
        unary(Two, http::grpc(STREAM, &busy)),
        unary(One, http::web(STREAM, &busy)),
        unary(One, http::web_text(STREAM, &busy)),
        unary(One, http::with(lines, "accept", "application/x-ndjson")),
        unary(Two, http::grpc(SLEEP, &sleep(600_000))),
        unary(Two, collect),
        unary(Two, chat),
    ];
    eventually("all calls are under way", Duration::from_secs(5), async || {
        let metrics = gateway.metrics().await;
        let open = metrics.sum("edgeway_endpoint_in_flight", &[]);
        if open == 10.0 { Ok(()) } else { Err(format!("{open} calls")) }
    })
    .await;

    let told = Instant::now();
    gateway.program.signal("TERM");
    eventually("readiness is off", Duration::from_millis(1000), async || {
        let reply = gateway.admin("/readyz").await;
        if reply.status == 503 && reply.json()["draining"] == true { Ok(()) } else { Err(reply.text()) }
    })
    .await;
    println!("readiness was off {:?} after the signal", told.elapsed());
    assert_eq!(gateway.admin("/healthz").await.status, 200, "a draining gateway lives");
    // Served as before, on old and new connections.
    assert_eq!(idle.call(http::grpc(WHO_AM_I, &WhoAmIRequest {})).await.expect("an answer").grpc_code(), 0);
    let fresh = Client::open(&address, Two).await;
    assert_eq!(fresh.call(http::grpc(WHO_AM_I, &WhoAmIRequest {})).await.expect("an answer").grpc_code(), 0);
    assert!(told.elapsed() < DELAY, "the machine is too slow for this test: {:?}", told.elapsed());

    eventually("idle connections are closed", DELAY + GRACE, async || {
        if idle.is_closed() && idle_one.is_closed() && fresh.is_closed() {
            Ok(())
        } else {
            Err("open".into())
        }
    })
    .await;
    assert!(told.elapsed() >= DELAY, "closed {:?} after the signal", told.elapsed());
    eventually("no further connection is accepted", Duration::from_secs(1), async || {
        if TcpStream::connect(&address).await.is_err() { Ok(()) } else { Err("accepted".into()) }
    })
    .await;
    for call in slow {
        let (reply, _) = call.await.expect("the task");
        let rest = reply.headers["content-type"] == "application/json";
        assert!(reply.status == 200 && (rest || reply.grpc_code() == 0), "{reply:?}");
    }
    for (index, call) in long.into_iter().enumerate() {
        let (reply, ended) = call.await.expect("the task");
        let code = match reply.headers["content-type"].to_str() {
            Ok("application/x-ndjson") => {
                let last: Value =
                    serde_json::from_str(reply.text().lines().last().expect("a line")).expect("JSON");
                last["error"]["code"].as_i64().expect("a code")
            }
            _ => reply.grpc_code().into(),
        };
        assert_eq!(code, 14, "stream {index}: {reply:?}");
        let after = ended - told;
        assert!(
            after >= DELAY + GRACE && after < DELAY + GRACE + Duration::from_secs(1),
            "stream {index}: {after:?}"
        );
    }
    assert_eq!(tokio::task::block_in_place(|| gateway.program.wait(Duration::from_secs(3))), Some(true));
    println!("ended {:?} after the signal", told.elapsed());
    assert!(told.elapsed() < DELAY + GRACE + Duration::from_secs(2), "past the hard cap");
    eventually("every stream that was cut has its line", Duration::from_secs(1), async || {
        let lines = lines_of(&gateway);
        let cut = lines.iter().filter(|line| line["grpc_code"] == "Unavailable").count();
        if cut == 7 { Ok(()) } else { Err(format!("{cut} of {lines:?}")) }
    })
    .await;
}

/// With nothing open there is nothing to wait for but the delay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_gateway_ends_at_once() {
    for signal in ["TERM", "INT"] {
        let backend = backend();
        let mut gateway = Gateway::start(&cluster(&backend.address), "shutdown: { drain_delay: 0s }");
        gateway.connected(2).await;
        gateway.program.signal(signal);
        let ended = tokio::task::block_in_place(|| gateway.program.wait(Duration::from_secs(3)));
        assert_eq!(ended, Some(true), "{signal}: {}", gateway.program.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_at_once() {
    let backend = backend();
    let mut gateway = Gateway::start(&cluster(&backend.address), "");
    gateway.connected(2).await;
    let client = Client::open(gateway.address(), Two).await;
    let mut stream = client
        .send(http::grpc(STREAM, &StreamRequest { count: u32::MAX, ..StreamRequest::default() }))
        .await
        .expect("an answer");
    stream.frame().await.expect("a frame").expect("a frame");
    gateway.program.signal("TERM");
    eventually("readiness is off", Duration::from_secs(2), async || {
        let reply = gateway.admin("/readyz").await;
        if reply.status == 503 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
    gateway.program.signal("TERM");
    let again = Instant::now();
    let ended = tokio::task::block_in_place(|| gateway.program.wait(Duration::from_secs(2)));
    println!("the second signal ended it after {:?}, well: {ended:?}", again.elapsed());
    assert!(ended.is_some(), "{}", gateway.program.log());
}

/// A client that never reads nor answers cannot keep the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hard_cap_holds() {
    let backend = backend();
    let mut gateway =
        Gateway::start(&cluster(&backend.address), "shutdown: { drain_delay: 0s, grace: 100ms }");
    gateway.connected(2).await;
    let client = Client::open(gateway.address(), One).await;
    let endless = StreamRequest { count: u32::MAX, size: 65536, ..StreamRequest::default() };
    let stalled = client.send(http::web(STREAM, &endless)).await.expect("an answer");
    gateway.program.signal("TERM");
    let told = Instant::now();
    let ended = tokio::task::block_in_place(|| gateway.program.wait(Duration::from_secs(4)));
    println!("with a stalled client it ended after {:?}", told.elapsed());
    assert_eq!(ended, Some(true), "{}", gateway.program.log());
    drop(stalled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_names_what_is_missing() {
    let listener = port::listen().await;
    let down = listener.local_addr().expect("a bound socket has an address").to_string();
    drop(listener);
    let up = backend();
    let dumb = Program::start(&["demo-backend", "--listen", "127.0.0.1:0", "--no-reflection"]);
    let clusters = format!(
        "up: ipv4:{}\n  down: ipv4:{down}\n  dumb: ipv4:{}\n  spare: {{ target: 'ipv4:{down}', required: false }}",
        up.address, dumb.address
    );
    let gateway = Gateway::start(&clusters, "");
    let of = |readiness: &Value, name: &str| {
        let clusters = readiness["clusters"].as_array().expect("clusters").iter();
        clusters.clone().find(|cluster| cluster["name"] == name).expect("the cluster").clone()
    };
    let found = eventually("every cluster has its say", Duration::from_secs(10), async || {
        let reply = gateway.admin("/readyz").await;
        let found = reply.json();
        let known = of(&found, "up")["ready"] == true
            && of(&found, "down")["reason"].as_str().is_some_and(|reason| reason.contains("refused"))
            && of(&found, "dumb")["reason"].as_str().is_some_and(|reason| reason.contains("schema"));
        if reply.status == 503 && known { Ok(found) } else { Err(reply.text()) }
    })
    .await;
    assert_eq!((&found["ready"], &found["draining"]), (&false.into(), &false.into()));
    assert_eq!((&of(&found, "dumb")["healthy"], &of(&found, "dumb")["ready"]), (&1.into(), &false.into()));
    assert_eq!(of(&found, "up").get("reason"), None);
    assert!(!found.to_string().contains("127.0.0.1:"), "no address of a backend: {found}");
    assert_eq!(gateway.admin("/healthz").await.status, 200);

    // Ready once what is required is there, whatever is not required.
    let gateway = Gateway::start(
        &format!(
            "up: ipv4:{}\n  late: ipv4:{down}\n  spare: {{ target: 'ipv4:127.0.0.1:1', required: false }}",
            up.address
        ),
        "",
    );
    assert_eq!(gateway.admin("/readyz").await.status, 503);
    let _late = Program::start(&["demo-backend", "--listen", &down]);
    gateway.ready().await;
    assert_eq!(of(&gateway.admin("/readyz").await.json(), "spare")["ready"], false);
    assert_eq!(gateway.admin("/nothing").await.status, 404);
}

/// go-grpc-prometheus names, whatever door a call came in by.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_count_every_door() {
    let backend = backend();
    let gateway = Gateway::start(&cluster(&backend.address), "");
    gateway.connected(2).await;
    let (one, two) = (Client::open(gateway.address(), One).await, Client::open(gateway.address(), Two).await);
    for (client, request) in [
        (&two, http::grpc(WHO_AM_I, &WhoAmIRequest {})),
        (&one, http::web(WHO_AM_I, &WhoAmIRequest {})),
        (&one, http::web_text(WHO_AM_I, &WhoAmIRequest {})),
        (&one, http::rest("/v1/diagnostics/whoami")),
        (&two, http::rest("/v1/diagnostics/whoami")),
    ] {
        assert_eq!(client.call(request).await.expect("an answer").status, 200);
    }
    let five = StreamRequest { count: 5, ..StreamRequest::default() };
    for (client, request) in [
        (&two, http::grpc(STREAM, &five)),
        (&one, http::web(STREAM, &five)),
        (&one, http::rest("/v1/diagnostics/stream?count=5")),
    ] {
        client.call(request).await.expect("an answer");
    }
    let missing = GetOrderRequest { order_id: "none".into() };
    let not_found = two.call(http::grpc("/ecommerce.v1.OrderService/GetOrder", &missing)).await;
    assert_eq!(not_found.expect("an answer").grpc_code(), 5);
    assert_eq!(one.call(http::rest("/v1/orders/none")).await.expect("an answer").status, 404);
    let late = http::with(http::rest("/v1/diagnostics/sleep?duration=60s"), "x-request-timeout", "30ms");
    assert_eq!(one.call(late).await.expect("an answer").status, 504);
    let leaving = Client::open(gateway.address(), Two).await;
    let mut open = leaving
        .send(http::grpc(STREAM, &StreamRequest { count: u32::MAX, ..five }))
        .await
        .expect("an answer");
    open.frame().await.expect("a frame").expect("a frame");
    drop((open, leaving));
    assert_eq!(two.call(http::grpc("/no.Such/Method", &five)).await.expect("an answer").grpc_code(), 12);

    let metrics = eventually("the leave is counted", Duration::from_secs(2), async || {
        let metrics = gateway.metrics().await;
        let stream = [("grpc_method", "Stream"), ("grpc_code", "Canceled")];
        let gone =
            ["grpc_server_handled_total", "grpc_client_handled_total"].map(|name| metrics.sum(name, &stream));
        if gone == [1.0; 2] { Ok(metrics) } else { Err(format!("{gone:?}")) }
    })
    .await;
    let who = [
        ("grpc_service", "ecommerce.v1.DiagnosticsService"),
        ("grpc_method", "WhoAmI"),
        ("grpc_type", "unary"),
    ];
    let stream = [("grpc_method", "Stream"), ("grpc_type", "server_stream")];
    let order = [("grpc_service", "ecommerce.v1.OrderService"), ("grpc_method", "GetOrder")];
    let sleep = [("grpc_method", "Sleep")];
    for side in ["server", "client"] {
        for (family, labels, expect) in [
            ("started_total", &who[..], 5.0),
            ("handled_total", &who, 5.0),
            ("msg_received_total", &who, 5.0),
            ("msg_sent_total", &who, 5.0),
            ("handling_seconds_count", &who, 5.0),
            ("started_total", &stream, 4.0),
            ("handled_total", &[stream[0], ("grpc_code", "OK")], 3.0),
            ("handled_total", &[stream[0], ("grpc_code", "Canceled")], 1.0),
            ("handled_total", &[order[1], ("grpc_code", "NotFound")], 2.0),
            ("handled_total", &[sleep[0], ("grpc_code", "DeadlineExceeded")], 1.0),
        ] {
            // An attempt that the gateway's deadline cut off has no status of the backend's.
            if side == "client" && labels.contains(&("grpc_code", "DeadlineExceeded")) {
                continue;
            }
            let name = format!("grpc_{side}_{family}");
            assert_eq!(metrics.sum(&name, labels), expect, "{name}{labels:?} in\n{}", metrics.text());
        }
    }
    assert!(metrics.sum("grpc_server_msg_sent_total", &stream) >= 15.0);
    assert_eq!(metrics.sum("grpc_server_handled_total", &[("grpc_code", "Unimplemented")]), 1.0);
    assert_eq!(metrics.sum("edgeway_cancelled_total", &[("by", "client")]), 1.0);
    assert_eq!(metrics.sum("edgeway_streams_active", &[]), 0.0);
    assert_eq!(metrics.sum("edgeway_endpoint_in_flight", &[]), 0.0);
    assert_eq!(metrics.sum("edgeway_cluster_endpoints", &[("state", "healthy")]), 1.0);
    assert_eq!(metrics.sum("edgeway_downstream_connections", &[("listener", "public")]), 2.0);
    assert!(metrics.sum("process_resident_memory_bytes", &[]) > 1e6);
}

/// One line a call, written when it ends, with who, what, where and how.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_access_log_has_a_line_a_call() {
    let backend = backend();
    let gateway = Gateway::start(&cluster(&backend.address), "");
    gateway.connected(2).await;
    let (one, two) = (Client::open(gateway.address(), One).await, Client::open(gateway.address(), Two).await);
    let before = SystemTime::now();
    let order = http::with(http::rest("/v1/orders/order-1?fields="), "user-agent", "test/1");
    let refused = one.call(order).await.expect("an answer");
    assert_eq!(refused.status, 400, "{}", refused.text());
    let order = http::with(http::rest("/v1/orders/order-1"), "user-agent", "test/1");
    one.call(http::with(order, "x-request-id", "r-1")).await.expect("an answer");
    let three = StreamRequest { count: 3, ..StreamRequest::default() };
    two.call(http::with(http::grpc(STREAM, &three), "grpc-timeout", "5S")).await.expect("an answer");
    let fail = FailRequest { code: 9, message: "not\nnow".into(), ..FailRequest::default() };
    one.call(http::web_text("/ecommerce.v1.DiagnosticsService/Fail", &fail)).await.expect("an answer");
    let connect = http::json("/ecommerce.v1.OrderService/GetOrder", r#"{"orderId":"order-1"}"#);
    one.call(http::with(connect, "connect-protocol-version", "1")).await.expect("an answer");
    one.call(http::rest("/nowhere")).await.expect("an answer");
    let leaving = Client::open(gateway.address(), Two).await;
    let mut open = leaving
        .send(http::grpc(STREAM, &StreamRequest { count: u32::MAX, ..three }))
        .await
        .expect("an answer");
    open.frame().await.expect("a frame").expect("a frame");
    drop((open, leaving));

    let lines = eventually("seven lines", Duration::from_secs(5), async || {
        let lines = lines_of(&gateway);
        if lines.len() == 7 { Ok(lines) } else { Err(format!("{lines:?}")) }
    })
    .await;
    let expect = [
        r#"{"protocol":"rest","http_status":400,"grpc_code":"InvalidArgument","grpc_method":"GetOrder","attempts":0}"#,
        r#"{"level":"info","protocol":"rest","listener":"public","http_method":"GET","path":"/v1/orders/order-1",
            "http_route":"/v1/orders/{order_id}","http_status":200,"grpc_type":"unary","grpc_service":"ecommerce.v1.OrderService",
            "grpc_method":"GetOrder","grpc_code":"OK","attempts":1,"cluster":"demo","messages_in":1,"messages_out":1,
            "deadline_ms":15000.0,"deadline_source":"policy","client_ip":"127.0.0.1","user_agent":"test/1","request_id":"r-1"}"#,
        r#"{"protocol":"grpc","http_method":"POST","http_status":200,"grpc_type":"server_stream","grpc_method":"Stream",
            "grpc_code":"OK","messages_in":1,"messages_out":3,"deadline_ms":5000.0,"deadline_source":"client"}"#,
        r#"{"protocol":"grpc-web-text","http_status":200,"grpc_method":"Fail","grpc_code":"FailedPrecondition",
            "grpc_message":"not\nnow","messages_in":1,"messages_out":0}"#,
        r#"{"protocol":"connect","http_status":200,"http_route":"","grpc_type":"unary","grpc_method":"GetOrder",
            "grpc_code":"OK","messages_in":1,"messages_out":1}"#,
        r#"{"protocol":"rest","path":"/nowhere","http_status":404,"grpc_code":"NotFound","grpc_method":"","attempts":0,"cluster":""}"#,
        r#"{"protocol":"grpc","grpc_method":"Stream","grpc_code":"Canceled","messages_in":1,"cluster":"demo"}"#,
    ];
    for (line, expect) in lines.iter().zip(expect) {
        let expect: Value = serde_json::from_str(expect).expect("JSON");
        for (key, value) in expect.as_object().expect("an object") {
            assert_eq!(&line[key], value, "{key} of {line}");
        }
        assert!(line["duration_ms"].as_f64().expect("a number") >= 0.0);
        let at = humantime::parse_rfc3339(line["ts"].as_str().expect("a time")).expect("RFC 3339");
        assert!(at + Duration::from_millis(1) >= before && at <= SystemTime::now(), "{line}");
    }
    assert_eq!(lines[1]["endpoint"], backend.address);
    assert!(lines[1]["response_bytes"].as_u64().expect("a number") > 100);
    assert!(lines[2]["request_bytes"].as_u64().expect("a number") > 5, "{}", lines[2]);
    // A newline from a request never makes a second line.
    assert!(gateway.program.printed().iter().all(|line| line != "now"));
}

/// The environment alone starts a gateway, beside variables that Kubernetes sets for a service of that name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_alone_starts_a_gateway() {
    let backend = backend();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let protoset = folder.path().join("demo.binpb");
    std::fs::write(&protoset, edgeway::demo::FILE_DESCRIPTOR_SET).expect("the descriptors can be written");
    let mut command = Command::new(BINARY);
    command
        .arg("run")
        .current_dir(folder.path())
        .env("EDGEWAY_UPSTREAMS", format!("demo=ipv4:{}", backend.address))
        .env("EDGEWAY_PROTOSETS", &protoset)
        .env("EDGEWAY_LISTEN", "127.0.0.1:0")
        .env("EDGEWAY_ADMIN_ADDRESS", "127.0.0.1:0")
        .env("EDGEWAY_LOG_LEVEL", "warn")
        .env("EDGEWAY_LOG_FORMAT", "text")
        .env("EDGEWAY_WORKER_THREADS", "1")
        .env("EDGEWAY_PORT", "tcp://10.0.0.1:8080")
        .env("EDGEWAY_SERVICE_HOST", "10.0.0.1");
    let program = Program::launch(command);
    let order = http::get(&program.address, "/v1/orders/order-1").await;
    assert_eq!((order.status, &order.json()["orderId"]), (200, &"order-1".into()));
    let metrics = http::get(&program.admin, "/metrics").await.text();
    assert!(
        metrics.contains("edgeway_upstream_connections{cluster=\"demo\",state=\"ready\"} 1"),
        "{metrics}"
    );
    let workers = std::fs::read_dir(format!("/proc/{}/task", program.pid())).expect("the gateway runs");
    let named = workers.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    assert_eq!(named.filter(|name| name.starts_with("worker-")).count(), 1);
}

/// Without a file descriptor left the accept loop waits; it serves again when some are free.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_out_of_descriptors_passes() {
    let backend = backend();
    let mut command = Command::new("prlimit");
    command.args(["--nofile=48:48", BINARY]);
    let gateway = Gateway::start_in(&cluster(&backend.address), "", command);
    gateway.connected(2).await;
    let known = Client::open(gateway.address(), Two).await;
    let call = || known.call(http::grpc(WHO_AM_I, &WhoAmIRequest {}));
    assert_eq!(call().await.expect("an answer").grpc_code(), 0);

    let mut many = Vec::new();
    for _ in 0..100 {
        // The kernel accepts these; whether the gateway does is the question.
        many.push(TcpStream::connect(gateway.address()).await.expect("the backlog has room"));
    }
    eventually("the descriptors are used up", Duration::from_secs(5), async || {
        let log = gateway.program.log();
        if log.contains("cannot accept") { Ok(()) } else { Err(log) }
    })
    .await;
    for _ in 0..20 {
        assert_eq!(call().await.expect("an answer").grpc_code(), 0, "who was there before is served");
    }
    drop(many);
    eventually("new connections are served", Duration::from_secs(5), async || {
        let get = http::get(gateway.address(), "/v1/diagnostics/whoami");
        match tokio::time::timeout(Duration::from_secs(1), get).await {
            Ok(reply) if reply.status == 200 => Ok(()),
            Ok(reply) => Err(reply.text()),
            Err(_) => Err("no answer".into()),
        }
    })
    .await;
    let metrics = gateway.metrics().await;
    assert!(metrics.sum("edgeway_accept_errors_total", &[]) > 0.0);
    eventually("nothing is leaked", Duration::from_secs(10), async || {
        let open = gateway.metrics().await.sum("process_open_fds", &[]);
        if open < 40.0 { Ok(()) } else { Err(format!("{open} descriptors")) }
    })
    .await;
}

/// A call in a task of its own: its whole answer, and when it had ended.
fn whole(
    address: String,
    version: http::Version,
    request: ::http::Request<http::Body>,
) -> JoinHandle<(Reply, Instant)> {
    tokio::spawn(async move {
        let client = Client::open(&address, version).await;
        let reply = client.call(request).await.expect("an answer with a status");
        (reply, Instant::now())
    })
}

/// The lines of the access log.
fn lines_of(gateway: &Gateway) -> Vec<Value> {
    let printed = gateway.program.printed();
    let lines = printed.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["msg"] == "rpc").collect()
}

fn backend() -> Program {
    Program::start(&["demo-backend", "--listen", "127.0.0.1:0"])
}

fn cluster(address: &str) -> String {
    format!(
        "demo: {{ target: 'ipv4:{address}', descriptors: {{ reflection: never, protosets: [PROTOSET] }} }}"
    )
}

fn sleep(milliseconds: i64) -> SleepRequest {
    let nanos = i32::try_from(milliseconds % 1000 * 1_000_000).expect("below a second");
    SleepRequest { duration: Some(prost_types::Duration { seconds: milliseconds / 1000, nanos }) }
}

const WHO_AM_I: &str = "/ecommerce.v1.DiagnosticsService/WhoAmI";
const SLEEP: &str = "/ecommerce.v1.DiagnosticsService/Sleep";
const STREAM: &str = "/ecommerce.v1.DiagnosticsService/Stream";
