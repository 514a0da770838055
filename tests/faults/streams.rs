//! Streams by the thousand, small messages, fast producers and slow readers: 19 to 23.

use std::time::Duration;

use edgeway::demo::proto::ecommerce::v1::WatchOrderRequest;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    check,
    gateway::eventually,
    http::{self, Client, Version},
    is_full,
    load::{Driver, Method, failures},
    raw::Raw,
    scripted::{Call, Options, Scripted, Step},
    scripts::{answer, head, order},
    subject::{Setup, Subject, Which, idle},
    verdict::Verdict,
};

/// 19: a backend that takes two streams at a time; 200 calls at once, of which 150 are cancelled while they wait.
pub async fn two_at_a_time(which: Which) -> Verdict {
    /// Two on each of the four connections that an endpoint may have.
    const PLACES: usize = 8;
    let mut verdict = Verdict::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let options = Options { most_streams: Some(2), ..Options::default() };
    let backend = Scripted::serve(vec![listener], options, |call| {
        let mut steps = answer(call);
        if call.id.starts_with("call-") {
            steps.insert(2, Step::Hold);
        }
        steps
    });
    let mut setup = Setup::before(&backend);
    setup.cluster = "circuit_breakers: { queue_timeout: 20s }".into();
    let subject = Subject::start(which, &setup).await;
    let driver = Driver::open(subject.address(), 2).await;
    let call = |number: usize| {
        let driver = driver.clone();
        tokio::spawn(async move { driver.call(Method::Create, &format!("call-{number}")).await })
    };
    // Those that have the places stay; behind them wait those that stay and those that leave, in turns.
    let leaves = |number: usize| number >= PLACES && (number - PLACES) % 32 < 25;
    let mut stayed: Vec<_> = (0..PLACES).map(call).collect();
    backend.ledger().until(|seen| seen.calls.len() == PLACES).await;
    let mut left = Vec::new();
    for number in PLACES..200 {
        if leaves(number) { &mut left } else { &mut stayed }.push(call(number));
    }
    waiting(&subject, 200 - PLACES).await;
    for call in &left {
        call.abort();
    }
    waiting(&subject, 50 - PLACES).await;
    for number in 0..200 {
        backend.release(&format!("call-{number}"));
    }
    let mut records = Vec::new();
    for call in stayed {
        records.push(call.await.expect("a call"));
    }
    let failed = failures(&records);
    verdict.expect(failed.is_empty(), format_args!("{} calls failed: {:?}", failed.len(), failed.first()));
    let after = driver.make(Method::Create, "after", 20, 4).await;
    let failed = failures(&after);
    verdict
        .expect(failed.is_empty(), format_args!("{} later calls failed: {:?}", failed.len(), failed.first()));
    subject.settles(&mut verdict).await;
    idle(&backend).await;
    let (errors, connections, phantoms) = backend.ledger().look(|seen| {
        let gone = |id: &str| id.strip_prefix("call-").and_then(|id| id.parse().ok()).is_some_and(leaves);
        let phantoms = seen.calls.iter().filter(|call| gone(&call.id)).count();
        (seen.errors.clone(), seen.connections.len(), phantoms)
    });
    verdict.saw(format_args!("{connections} connections, {phantoms} requests of calls that had left"));
    verdict.expect(left.len() == 150, format_args!("{} calls left", left.len()));
    verdict.expect(phantoms == 0, format_args!("{phantoms} requests of calls that had left"));
    verdict.expect(connections <= 4, format_args!("{connections} connections"));
    verdict.expect(errors.is_empty(), format_args!("connections ended with {errors:?}"));
    if let Some(metrics) = subject.metrics().await {
        // A backend refuses what is above its limit before anybody sees it.
        let refused = metrics.sum("edgeway_transparent_retries_total", &[("reason", "refused_stream")]);
        verdict.expect(refused == 0.0, format_args!("{refused} streams above the limit"));
    }
    verdict
}

/// Waits until so many calls wait for a place.
async fn waiting(subject: &Subject, calls: usize) {
    eventually("the calls wait", Duration::from_secs(20), async || {
        let edgeway = subject.edgeway().ok_or("nobody says")?;
        let clusters = edgeway.admin("/clusters").await.json();
        let pending = &clusters["clusters"][0]["breakers"]["max_pending_requests"]["open"];
        if *pending == calls { Ok(()) } else { Err(format!("{pending} calls")) }
    })
    .await;
}

/// 20: 10,000 server streams, each cancelled after its first message.
pub async fn cancel_storm(which: Which) -> Verdict {
    const STREAMS: usize = 10_000;
    let mut verdict = Verdict::default();
    let script = |call: &Call| vec![Step::Request, Step::Execute, head(call), order(), Step::Cancelled];
    let backend = Scripted::start(script).await;
    let subject = Subject::start(which, &Setup::before(&backend)).await;
    let before = backend.connections();
    // A client connection of each gateway's own limits on resets serves some thousands.
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let address = subject.address().to_owned();
        tasks.spawn(async move {
            let (mut left, mut driver) = (Vec::new(), Driver::open(&address, 1).await);
            for number in 0..STREAMS / 8 {
                if number % 250 == 249 {
                    driver = Driver::open(&address, 1).await;
                }
                let id = format!("{task}-{number}");
                let mut stream = driver.begin(Method::Watch, &id, &[]).await.expect("the stream begins");
                assert!(stream.message().await.is_some(), "{id} has no message");
                drop(stream);
                left.push((id, Instant::now()));
            }
            left
        });
    }
    let left = tasks.join_all().await.concat();
    let ledger = backend.ledger();
    ledger.until(|seen| seen.cancellations() == STREAMS).await;
    let mut delays: Vec<_> = left
        .iter()
        .filter_map(|(id, at)| {
            ledger.look(|seen| seen.when_cancelled(id)).map(|then| then.duration_since(*at))
        })
        .collect();
    delays.sort_unstable();
    let (p99, connections) = (delays[STREAMS * 99 / 100], backend.connections());
    verdict.saw(format_args!("{STREAMS} cancelled, p99 after {p99:.1?}, {connections} connections"));
    verdict.expect(p99 <= Duration::from_millis(100), format_args!("the backend was told after {p99:?}"));
    verdict.expect(connections == before, format_args!("{connections} connections, {before} before"));
    subject.settles(&mut verdict).await;
    idle(&backend).await;
    verdict
}

/// 21: messages of 5 and 20 bytes, each in a frame of its own, as fast as they go to browsers that do not read, beside a
/// stream on the same connection that is read.
pub async fn small_messages(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    for size in [0, 15] {
        let message = edgeway::grpc::frame::encode(&vec![0; size]);
        let backend = Raw::start(move |mut connection| {
            let message = message.clone();
            async move {
                // The first request is that of the stream which is read.
                let healthy = connection.request().await?;
                connection.head(healthy, &GRPC, false).await?;
                let (mut stalled, mut ticks) = (Vec::new(), tokio::time::interval(Duration::from_millis(20)));
                loop {
                    tokio::select! {
                        frame = connection.next() => connection.obey(&frame?).await?,
                        _ = ticks.tick() => connection.data(healthy, &[0; 5], 0).await?,
                    }
                    while let Some(stream) = connection.next_request() {
                        connection.head(stream, &GRPC, false).await?;
                        stalled.push(stream);
                    }
                    for stream in &stalled {
                        connection.fill(*stream, &message).await?;
                    }
                    connection.flush().await?;
                }
            }
        })
        .await;
        let readers = if is_full() { 99 } else { 30 };
        let mut setup = Setup::new(&[backend.address]);
        setup.more = "policies: [{ selector: '*', stream_idle_timeout: 5s }]".into();
        let subject = Subject::start(which, &setup).await;
        let before = subject.resident();
        let driver = Driver::open(subject.address(), 1).await;
        let mut healthy = driver.begin(Method::Watch, "healthy", &[]).await.expect("the stream begins");
        healthy.message().await.expect("a message");
        let mut stalled = Vec::new();
        for _ in 0..readers {
            stalled.push(Stalled::open(subject.address()).await);
        }
        let until = Instant::now() + Duration::from_secs(if is_full() { 60 } else { 10 });
        let (mut read, mut worst, mut most) = (0, Duration::ZERO, 0);
        while Instant::now() < until {
            let asked = Instant::now();
            if healthy.message().await.is_none() {
                verdict.expect(false, format_args!("the healthy stream ended after {read} messages"));
                break;
            }
            worst = worst.max(asked.elapsed());
            read += 1;
            if read % 10 == 0 {
                most = most.max(subject.resident());
            }
        }
        let more = most.saturating_sub(before) >> 20;
        verdict.saw(format_args!(
            "{} bytes: {read} messages of the healthy stream, at most {worst:.0?} apart, {more} MiB for {readers} \
             stalled ones",
            size + 5
        ));
        verdict.expect(worst <= Duration::from_secs(2), format_args!("it waited {worst:?}"));
        // A window of 256 KiB each upstream and the buffers downstream.
        verdict.expect(more <= 64 + readers, format_args!("{more} MiB for {readers} stalled streams"));
        let made = backend.accepted();
        verdict.expect(made == 1, format_args!("{made} connections, all streams were to share one"));
        if let Some(metrics) = subject.metrics().await {
            let open = metrics.sum("edgeway_endpoint_in_flight", &[]);
            verdict.expect(
                open == 1.0,
                format_args!("{open} streams are open past the idle timeout, one is read"),
            );
        }
        drop((stalled, healthy));
        subject.settles(&mut verdict).await;
    }
    verdict
}

/// A browser's stream that is not read.
struct Stalled {
    _answer: ::http::Response<hyper::body::Incoming>,
    _client: Client,
}

impl Stalled {
    async fn open(address: &str) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(16 << 10).expect("a size of a buffer");
        let stream = socket.connect(address.parse().expect("an address")).await.expect("the gateway accepts");
        let client = Client::over(stream, address, Version::One).await;
        let request = http::web("/ecommerce.v1.OrderService/WatchOrder", &WatchOrderRequest::default());
        let answer = client.send(request).await.expect("an answer");
        Self { _answer: answer, _client: client }
    }
}

/// 22: a backend that sends as fast as it can to clients of 10 kB/s.
pub async fn fast_producer(which: Which) -> Verdict {
    const CLIENTS: usize = 100;
    let mut verdict = Verdict::default();
    let message = edgeway::grpc::frame::encode(&[0; 16 << 10]);
    let backend =
        Scripted::start(move |call| vec![Step::Request, head(call), Step::Endless(message.clone())]).await;
    let subject = Subject::start(which, &Setup::before(&backend)).await;
    let before = subject.resident();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let driver = Driver::open(subject.address(), 1).await;
        clients.spawn(async move {
            let id = format!("slow-{client}");
            let mut stream = driver.begin(Method::Watch, &id, &[]).await.expect("the stream begins");
            while stream.message().await.is_some() {
                tokio::time::sleep(Duration::from_millis(1600)).await;
            }
        });
    }
    let mut sizes = Vec::new();
    for _ in 0..if is_full() { 60 } else { 8 } {
        tokio::time::sleep(Duration::from_secs(1)).await;
        sizes.push(subject.resident().saturating_sub(before) >> 20);
    }
    let (early, late) = (sizes[sizes.len() / 2], sizes[sizes.len() - 1]);
    let sent = backend.ledger().look(|seen| seen.sent) >> 20;
    verdict.saw(format_args!(
        "{late} MiB for {CLIENTS} streams, {early} at half time; the backend could send {sent} MiB"
    ));
    // Some seconds of 10 kB/s, and what is under way: windows and the buffers of sockets.
    verdict.expect(sent <= 1000, format_args!("the backend could send {sent} MiB"));
    // Per stream a window of 256 KiB upstream, 64 KiB of send buffer, and what the kernel is asked for with it.
    verdict.expect(late <= 100, format_args!("{late} MiB for {CLIENTS} streams"));
    verdict.expect(late <= early + 16, format_args!("it grows: {sizes:?} MiB"));
    clients.shutdown().await;
    subject.settles(&mut verdict).await;
    idle(&backend).await;
    verdict
}

/// 23: a reply of 314159 bytes in DATA frames of 5 bytes with 255 of padding, and the same without padding.
pub async fn padding(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    for pad in [255, 0] {
        let backend = Raw::start(move |mut connection| async move {
            loop {
                let stream = connection.request().await?;
                connection.head(stream, &GRPC, false).await?;
                let reply: Vec<u8> = (0..314_154).map(|at: u32| (at % 251) as u8).collect();
                for piece in edgeway::grpc::frame::encode(&reply).chunks(5) {
                    connection.data(stream, piece, pad).await?;
                }
                connection.head(stream, &[("grpc-status", "0")], true).await?;
            }
        })
        .await;
        let subject = Subject::start(which, &Setup::new(&[backend.address])).await;
        let driver = Driver::open(subject.address(), 1).await;
        let mut stream = driver.begin(Method::Watch, "padded", &[]).await.expect("the stream begins");
        let message = stream.message().await.unwrap_or_default();
        let intact = message.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at % 251);
        verdict.expect(
            intact && message.len() == 314_154,
            format_args!("{} bytes, intact: {intact}", message.len()),
        );
        let record = stream.end().await;
        verdict.expect(record.is_ok(), format_args!("{record:?}"));
        verdict.saw(format_args!("{pad} bytes of padding: {} bytes, status {}", message.len(), record.code));
        subject.settles(&mut verdict).await;
    }
    verdict
}

const GRPC: [(&str, &str); 1] = [("content-type", "application/grpc")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s19_a_full_backend_is_not_flooded() {
    check(two_at_a_time(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s20_ten_thousand_cancelled_streams_leave_their_connection() {
    check(cancel_storm(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s21_small_messages_that_nobody_reads_harm_nobody() {
    check(small_messages(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s22_a_fast_producer_fills_no_memory() {
    check(fast_producer(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s23_padding_is_taken_off() {
    check(padding(Which::Edgeway)).await;
}
