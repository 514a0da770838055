//! Where calls go: over one client connection to every backend, around dead ones, to new ones, through deploys.

#![expect(clippy::unwrap_used, reason = "a test that fails here says enough")]
#![expect(clippy::print_stdout, reason = "what is measured is shown with `--nocapture`")]

#[path = "support/dns.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod dns;
#[path = "support/gateway.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod gateway;
#[path = "support/http.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod http;
#[path = "support/port.rs"]
mod port;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;
#[path = "support/rolling.rs"]
mod rolling;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use edgeway::demo::{
    self, BackendOptions,
    proto::ecommerce::v1::{
        SleepRequest, WhoAmIRequest, diagnostics_service_client::DiagnosticsServiceClient,
    },
};
use tokio::{net::TcpListener, task::JoinSet, time::Instant};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::Channel;

use crate::{
    dns::{Answer, Dns},
    gateway::{Gateway, eventually},
    http::{Client, Version},
    program::Program,
    rolling::Rolling,
};

type Diagnostics = DiagnosticsServiceClient<Channel>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn least_request_spreads_one_connection() {
    check_spread("least_request", 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn round_robin_spreads_one_connection() {
    check_spread("round_robin", 1).await;
}

/// 3,000 calls of one connection reach each of three backends 1,000 times, give or take `off`.
async fn check_spread(policy: &str, off: u64) {
    let backends = Backend::start_all(3, "127.0.0.1:0").await;
    let gateway = Gateway::start(&cluster(&targets(&backends), policy), "");
    gateway.connected(6).await;
    // One after the other: side by side, a backend that the machine happens to slow down rightly gets fewer.
    let load = Load::start(gateway.address(), 1, Some(3000)).await;
    let seen = load.end().await;
    seen.assert_no_errors();
    let counts: Vec<u64> = backends.iter().map(|backend| seen.count(&backend.name)).collect();
    println!("{policy}: {counts:?}");
    assert_eq!(counts.iter().sum::<u64>(), 3000);
    assert!(counts.iter().all(|count| count.abs_diff(1000) <= off), "{policy}: {counts:?}");
}

/// From the first call on, before the gateway has learned which of its endpoints are dead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_refuses_costs_no_call() {
    for policy in ["least_request", "round_robin"] {
        let backends = Backend::start_all(2, "127.0.0.1:0").await;
        let refusing = refusing_address().await;
        let targets = format!("ipv4:{refusing},{},{}", backends[0].address, backends[1].address);
        let gateway = Gateway::start(&cluster(&targets, policy), "");
        let load = Load::start(gateway.address(), 16, Some(1000)).await;
        let seen = load.end().await;
        seen.assert_no_errors();
        assert!(backends.iter().all(|backend| seen.count(&backend.name) > 300), "{policy}: {seen:?}");
        gateway.ready().await;
        let readiness = gateway.admin("/readyz").await.json();
        assert_eq!(
            (&readiness["clusters"][0]["endpoints"], &readiness["clusters"][0]["healthy"]),
            (&3.into(), &2.into())
        );
    }
}

/// With no backend left a call fails at once with 14, and is served again when one is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_without_a_backend_says_so_at_once() {
    let address = refusing_address().await;
    let gateway = Gateway::start(&cluster(&format!("ipv4:{address}"), "least_request"), "");
    let client = Client::open(gateway.address(), Version::Two).await;
    let call = || client.call(http::grpc(WHO_AM_I, &WhoAmIRequest {}));
    eventually("the cluster is known to be down", Duration::from_secs(5), async || {
        let reply = gateway.admin("/readyz").await.json();
        match reply["clusters"][0]["reason"].as_str() {
            Some(reason) if reason.contains("refused") => Ok(()),
            _ => Err(reply.to_string()),
        }
    })
    .await;
    let started = Instant::now();
    let reply = call().await.expect("an answer");
    assert_eq!(reply.grpc_code(), 14);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());

    let _backend = Backend::start("late", &address.to_string()).await;
    let came = Instant::now();
    eventually("the backend is served", Duration::from_secs(12), async || {
        let code = call().await.expect("an answer").grpc_code();
        if code == 0 { Ok(()) } else { Err(format!("code {code}")) }
    })
    .await;
    println!("a backend that appears is served after {:?}", came.elapsed());
}

/// DNS decides who gets calls: within 7 s, without disturbing the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_follow_dns() {
    let mut backends = Backend::start_on_addresses(4).await;
    let port = backends[0].address.port();
    let dns = Dns::start(Answer::Addresses(ips(&backends[..3]))).await;
    let gateway = Gateway::start(&cluster(&dns_target(&dns, port), "least_request"), "");
    gateway.connected(6).await;
    let load = Load::start(gateway.address(), 8, None).await;
    load.reaches(&["b1", "b2", "b3"], Duration::from_secs(5)).await;
    let connects = async || gateway.metrics().await.sum("edgeway_upstream_connects_total", &[]);
    assert_eq!(connects().await, 6.0);

    dns.set(Answer::Addresses(ips(&backends)));
    let changed = Instant::now();
    load.reaches(&["b4"], Duration::from_secs(7)).await;
    println!("a new address got traffic after {:?}", changed.elapsed());
    gateway.connected(8).await;
    assert_eq!(connects().await, 8.0, "each worker connects to the new one and to no other");

    // Removed while a call is in flight on it: that one finishes, no other begins.
    let mut direct = backends[0].client().await;
    let slow = backends[0].slow_call(gateway.address(), Duration::from_secs(8)).await;
    dns.set(Answer::Addresses(ips(&backends[1..])));
    let changed = Instant::now();
    load.leaves("b1", Duration::from_secs(7)).await;
    println!("a removed address got its last call within {:?}", changed.elapsed());
    let before = started(&mut direct).await;
    load.makes(500).await;
    assert_eq!(started(&mut direct).await, before, "a removed backend gets no call");
    slow.await.expect("the task").expect("a call on a removed backend finishes");
    load.end().await.assert_no_errors();
    assert_eq!(connects().await, 8.0, "no reconnect of anyone");

    // A removed backend may now stop: nobody tries to reach it.
    drop(backends.remove(0));
    assert_eq!(connects().await, 8.0);
}

/// An answer that is none never takes away endpoints that work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_good_answer_stays() {
    let backends = Backend::start_on_addresses(2).await;
    let port = backends[0].address.port();
    let dns = Dns::start(Answer::Addresses(ips(&backends))).await;
    let more = "    dns_refresh_rate: 100ms\n";
    let gateway = Gateway::start(&format!("{}\n{more}", cluster(&dns_target(&dns, port), "round_robin")), "");
    gateway.connected(4).await;
    let load = Load::start(gateway.address(), 4, None).await;
    for answer in [Answer::NxDomain, Answer::ServFail, Answer::Empty, Answer::Silence] {
        let asked = dns.asked();
        dns.set(answer.clone());
        eventually("the server is asked again", Duration::from_secs(20), async || {
            if dns.asked() >= asked + 3 { Ok(()) } else { Err(format!("{answer:?}: asked {}", dns.asked())) }
        })
        .await;
        load.makes(200).await;
        dns.set(Answer::Addresses(ips(&backends)));
    }
    // A server that is gone: its port refuses.
    let failures = || gateway.program.log().matches("discovery failed").count();
    let known = failures();
    drop(dns);
    eventually("the gateway notices", Duration::from_secs(20), async || {
        if failures() > known { Ok(()) } else { Err("no new failure in the log".to_owned()) }
    })
    .await;
    load.makes(200).await;
    load.end().await.assert_no_errors();
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("edgeway_upstream_connects_total", &[]), 4.0, "{}", metrics.text());
}

/// A DNS server that comes late, and answers that are too long for UDP.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_or_lengthy_dns_answer_is_taken() {
    let backends = Backend::start_on_addresses(1).await;
    let port = backends[0].address.port();
    for (first, then) in [
        (Answer::NxDomain, Answer::Addresses(ips(&backends))),
        (Answer::ServFail, Answer::OnlyByTcp(ips(&backends))),
    ] {
        let dns = Dns::start(first.clone()).await;
        let table = cluster(&dns_target(&dns, port), "least_request");
        let gateway = Gateway::start(&format!("{table}\n    dns_refresh_rate: 200ms\n"), "");
        eventually("readiness names the reason", Duration::from_secs(5), async || {
            let reply = gateway.admin("/readyz").await;
            let text = reply.text();
            if reply.status == 503 && text.contains("backends.test") { Ok(()) } else { Err(text) }
        })
        .await;
        let client = Client::open(gateway.address(), Version::Two).await;
        let reply = client.call(http::grpc(WHO_AM_I, &WhoAmIRequest {})).await.expect("an answer");
        assert_eq!(reply.grpc_code(), 14, "{first:?}");
        dns.set(then);
        gateway.ready().await;
        let reply = client.call(http::grpc(WHO_AM_I, &WhoAmIRequest {})).await.expect("an answer");
        assert_eq!(reply.grpc_code(), 0, "{reply:?}");
    }
}

/// A deploy, one backend after the other: each is told to end, drains, and comes back at its address.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_costs_no_call() {
    let mut backends: Vec<Program> = (1..=3).map(|index| program(index, "127.0.0.1:0")).collect();
    let addresses: Vec<String> = backends.iter().map(|backend| backend.address.clone()).collect();
    let targets = format!("ipv4:{}", addresses.join(","));
    let gateway = Gateway::start(&cluster(&targets, "least_request"), "");
    gateway.connected(6).await;
    let load = Load::start(gateway.address(), 16, None).await;
    let doors = Doors::start(gateway.address());
    load.reaches(&["b1", "b2", "b3"], Duration::from_secs(5)).await;
    for index in 0..3 {
        load.makes(300).await;
        backends[index].signal("TERM");
        let ended = tokio::task::block_in_place(|| backends[index].wait(Duration::from_secs(10)));
        assert_eq!(ended, Some(true), "{}", backends[index].log());
        load.makes(300).await;
        backends[index] = program(index + 1, &addresses[index]);
        load.reaches(&[&format!("b{}", index + 1)], Duration::from_secs(12)).await;
    }
    let seen = load.end().await;
    println!("rolling restart: {} gRPC calls, {} of other doors", seen.total(), doors.total());
    seen.assert_no_errors();
    doors.end().await;
}

/// A method that a new version of a backend has is served when that backend is back, under both its names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_method_needs_no_gateway_restart() {
    let one = Rolling::serve(port::listen().await, &["Greet"]);
    let two = Rolling::serve(port::listen().await, &["Greet"]);
    let gateway = Gateway::start(&format!("deploy: ipv4:{},{}", one.address, two.address), "");
    gateway.ready().await;
    let client = Client::open(gateway.address(), Version::Two).await;
    let code = async |method: &str| {
        let call = http::grpc(&format!("/deploy.v1.Greeter/{method}"), &WhoAmIRequest {});
        client.call(call).await.expect("an answer").grpc_code()
    };
    let status = async |method: &str| {
        let call = http::json(&format!("/deploy.v1.Greeter/{method}"), "{}");
        client.call(call).await.expect("an answer").status
    };
    assert_eq!((code("Greet").await, code("Part").await), (0, 12));
    assert_eq!((status("Greet").await, status("Part").await), (200, 404));

    let mut deployed = Vec::new();
    for backend in [one, two] {
        let address = backend.address;
        backend.stop().await;
        deployed.push(Rolling::start(address, &["Greet", "Part"]).await);
    }
    let changed = Instant::now();
    eventually("the new method is served", Duration::from_secs(10), async || {
        let found = (code("Part").await, status("Part").await);
        if found == (0, 200) { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    println!("a new method was served after {:?}", changed.elapsed());
    for _ in 0..20 {
        assert_eq!((code("Greet").await, code("Part").await), (0, 0));
    }
}

/// A demo backend in this process; it is gone when it is dropped.
struct Backend {
    name: String,
    address: SocketAddr,
    _stop: DropGuard,
}

impl Backend {
    async fn start(name: &str, address: &str) -> Self {
        Self::serve(
            name,
            if address.ends_with(":0") {
                port::listen().await
            } else {
                TcpListener::bind(address).await.expect("the address is free")
            },
        )
    }

    fn serve(name: &str, listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("a bound socket has an address");
        let stop = CancellationToken::new();
        let options = BackendOptions { name: name.to_owned(), reflection: true };
        let serve = demo::serve(listener, options, std::future::pending());
        let stopped = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                served = serve => served.expect("the backend serves"),
                () = stopped.cancelled() => {}
            }
        });
        Self { name: name.to_owned(), address, _stop: stop.drop_guard() }
    }

    /// `b1`, `b2` and so on, each at `address`.
    async fn start_all(count: usize, address: &str) -> Vec<Self> {
        let mut backends = Vec::new();
        for index in 1..=count {
            backends.push(Self::start(&format!("b{index}"), address).await);
        }
        backends
    }

    /// `b1` at 127.0.0.1, `b2` at 127.0.0.2 and so on, all on one port.
    async fn start_on_addresses(count: u8) -> Vec<Self> {
        loop {
            let first = port::listen().await;
            let port = first.local_addr().expect("a bound socket has an address").port();
            let mut listeners = vec![first];
            for last in 2..=count {
                listeners.extend(TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), port)).await);
            }
            // One may be taken: then another port is tried.
            if listeners.len() == usize::from(count) {
                let named = listeners.into_iter().zip(1..);
                return named.map(|(listener, index)| Self::serve(&format!("b{index}"), listener)).collect();
            }
        }
    }

    async fn client(&self) -> Diagnostics {
        Diagnostics::connect(format!("http://{}", self.address)).await.expect("the backend listens")
    }

    /// A call through the gateway that this backend takes a while over.
    async fn slow_call(
        &self,
        gateway: &str,
        duration: Duration,
    ) -> tokio::task::JoinHandle<Result<(), tonic::Status>> {
        let client = Diagnostics::connect(format!("http://{gateway}")).await.expect("the gateway listens");
        let mut direct = self.client().await;
        let duration = prost_types::Duration::try_from(duration).expect("a few seconds");
        loop {
            let before = sleeping(&mut direct).await;
            let mut client = client.clone();
            let call = tokio::spawn(async move {
                client.sleep(SleepRequest { duration: Some(duration) }).await.map(drop)
            });
            // Another backend may have got it; some try gets here.
            let until = Instant::now() + Duration::from_millis(200);
            while Instant::now() < until {
                if sleeping(&mut direct).await > before {
                    return call;
                }
            }
            call.abort();
        }
    }
}

/// Calls of `Sleep` that this backend has taken.
async fn sleeping(direct: &mut Diagnostics) -> u64 {
    let stats = direct.stats(demo::proto::ecommerce::v1::StatsRequest {}).await.expect("stats").into_inner();
    stats.methods.get("ecommerce.v1.DiagnosticsService/Sleep").map_or(0, |calls| calls.started)
}

/// Calls that this backend has taken.
async fn started(direct: &mut Diagnostics) -> u64 {
    let stats = direct.stats(demo::proto::ecommerce::v1::StatsRequest {}).await.expect("stats").into_inner();
    stats.total.map_or(0, |calls| calls.started)
}

/// WhoAmI over one connection, one call after the other in each of some tasks.
struct Load {
    seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
    counted: bool,
    tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Seen {
    calls: Mutex<BTreeMap<String, u64>>,
    errors: Mutex<Vec<String>>,
    started: AtomicUsize,
}

impl Load {
    async fn start(gateway: &str, concurrency: usize, count: Option<usize>) -> Self {
        let client = Diagnostics::connect(format!("http://{gateway}")).await.expect("the gateway listens");
        let (seen, stop, mut tasks) = (Arc::<Seen>::default(), Arc::<AtomicBool>::default(), JoinSet::new());
        for _ in 0..concurrency {
            let (mut client, seen, stop) = (client.clone(), Arc::clone(&seen), Arc::clone(&stop));
            tasks.spawn(async move {
                while !stop.load(Relaxed)
                    && count.is_none_or(|count| seen.started.fetch_add(1, Relaxed) < count)
                {
                    match client.who_am_i(WhoAmIRequest {}).await {
                        Ok(answer) => {
                            *seen.calls.lock().unwrap().entry(answer.into_inner().name).or_default() += 1
                        }
                        Err(status) => seen.errors.lock().unwrap().push(status.to_string()),
                    }
                }
            });
        }
        Self { seen, stop, counted: count.is_some(), tasks }
    }

    /// Waits until each of `names` has answered once more.
    async fn reaches(&self, names: &[&str], patience: Duration) {
        let before: Vec<u64> = names.iter().map(|name| self.seen.count(name)).collect();
        eventually("every backend answers", patience, async || {
            let now: Vec<u64> = names.iter().map(|name| self.seen.count(name)).collect();
            if now.iter().zip(&before).all(|(now, before)| now > before) {
                Ok(())
            } else {
                Err(format!("{:?}", self.seen))
            }
        })
        .await;
    }

    /// Waits until `name` has not answered for 300 calls.
    async fn leaves(&self, name: &str, patience: Duration) {
        let last = std::cell::Cell::new((self.seen.count(name), self.seen.total()));
        eventually("a backend answers no more", patience, async || {
            let (now, total) = (self.seen.count(name), self.seen.total());
            if now != last.get().0 {
                last.set((now, total));
            }
            if total >= last.get().1 + 300 { Ok(()) } else { Err(format!("{:?}", self.seen)) }
        })
        .await;
    }

    /// Waits for so many more calls.
    async fn makes(&self, calls: u64) {
        let before = self.seen.total();
        eventually("calls are made", Duration::from_secs(20), async || {
            if self.seen.total() >= before + calls { Ok(()) } else { Err(format!("{:?}", self.seen)) }
        })
        .await;
    }

    /// Makes the calls that are counted, or stops where none are; those that are open finish.
    async fn end(mut self) -> Arc<Seen> {
        self.stop.store(!self.counted, Relaxed);
        while let Some(joined) = self.tasks.join_next().await {
            joined.expect("a task of the load");
        }
        self.seen
    }
}

impl Seen {
    fn count(&self, name: &str) -> u64 {
        self.calls.lock().unwrap().get(name).copied().unwrap_or_default()
    }

    fn total(&self) -> u64 {
        self.calls.lock().unwrap().values().sum()
    }

    fn assert_no_errors(&self) {
        let errors = self.errors.lock().unwrap();
        assert!(errors.is_empty(), "{} of {} calls failed: {:?}", errors.len(), self.total(), errors.first());
    }
}

/// REST and gRPC-Web calls beside the load, for the doors have retries of nobody but the gateway.
struct Doors {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    tasks: JoinSet<()>,
}

impl Doors {
    fn start(gateway: &str) -> Self {
        let (stop, calls, mut tasks) =
            (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default(), JoinSet::new());
        for door in [Door::Rest, Door::Web, Door::WebText] {
            let (gateway, stop, calls) = (gateway.to_owned(), Arc::clone(&stop), Arc::clone(&calls));
            tasks.spawn(async move {
                let client = Client::open(&gateway, Version::One).await;
                while !stop.load(Relaxed) {
                    let reply = match door {
                        Door::Rest => client.call(http::rest("/v1/diagnostics/whoami")).await,
                        Door::Web => client.call(http::web(WHO_AM_I, &WhoAmIRequest {})).await,
                        Door::WebText => client.call(http::web_text(WHO_AM_I, &WhoAmIRequest {})).await,
                    };
                    let reply = reply.expect("the connection stays");
                    assert_eq!(reply.status, 200, "{door:?}: {reply:?}");
                    if door != Door::Rest {
                        assert_eq!(reply.grpc_code(), 0, "{door:?}: {reply:?}");
                    }
                    calls.fetch_add(1, Relaxed);
                }
            });
        }
        Self { stop, calls, tasks }
    }

    fn total(&self) -> usize {
        self.calls.load(Relaxed)
    }

    async fn end(mut self) {
        self.stop.store(true, Relaxed);
        while let Some(joined) = self.tasks.join_next().await {
            joined.expect("no call fails");
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Rest,
    Web,
    WebText,
}

/// A demo backend of its own process.
fn program(index: usize, address: &str) -> Program {
    Program::start(&["demo-backend", "--listen", address, "--name", &format!("b{index}")])
}

/// Descriptors from a file and no reflection, so that no call but the test's own is balanced.
fn cluster(target: &str, policy: &str) -> String {
    format!(
        "demo:\n    target: {target}\n    descriptors: {{ reflection: never, protosets: [PROTOSET] }}\n    \
         service_config: {{ loadBalancingConfig: [{{ {policy}: {{}} }}] }}"
    )
}

fn targets(backends: &[Backend]) -> String {
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address.to_string()).collect();
    format!("ipv4:{}", addresses.join(","))
}

fn dns_target(dns: &Dns, port: u16) -> String {
    format!("dns://{}/backends.test:{port}", dns.address)
}

fn ips(backends: &[Backend]) -> Vec<Ipv4Addr> {
    backends
        .iter()
        .map(|backend| match backend.address {
            SocketAddr::V4(address) => *address.ip(),
            SocketAddr::V6(_) => panic!("the tests listen on IPv4"),
        })
        .collect()
}

/// An address of this machine on which nobody listens.
async fn refusing_address() -> SocketAddr {
    let listener = port::listen().await;
    listener.local_addr().expect("a bound socket has an address")
}

const WHO_AM_I: &str = "/ecommerce.v1.DiagnosticsService/WhoAmI";
