//! Where endpoints come from, as `/clusters` shows them: DNS, SRV, files, addresses.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails here says enough")]

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

use std::{
    fs,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use edgeway::demo::{self, BackendOptions, proto::ecommerce::v1::WhoAmIRequest};
use hickory_proto::rr::{
    Name, RData, RecordType,
    rdata::{A, AAAA, SRV},
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::{
    dns::{Answer, Dns, Zone},
    gateway::{Gateway, eventually},
    http::{Client, Version},
};

#[tokio::test]
async fn srv_records_say_port_weight_and_priority() {
    let srv = |priority, weight, port, host: &str| {
        RData::SRV(SRV::new(priority, weight, port, Name::from_ascii(host).unwrap()))
    };
    let service = "_grpc._tcp.orders.test.";
    let zone = Zone::default()
        .with(service, 60, srv(10, 3, 7001, "one.orders.test."))
        .with(service, 60, srv(10, 0, 7002, "one.orders.test."))
        .with(service, 60, srv(40, 5, 7003, "two.orders.test."))
        .with("one.orders.test.", 60, v4(1))
        .with("two.orders.test.", 60, v4(2))
        .with("two.orders.test.", 60, RData::AAAA(AAAA(Ipv6Addr::LOCALHOST)));
    let expected = [
        "127.0.0.1:7001 weight 3 priority 0",
        "127.0.0.1:7002 weight 1 priority 0",
        "127.0.0.2:7003 weight 5 priority 1",
        "[::1]:7003 weight 5 priority 1",
    ];
    for (target, zone) in [("orders.test", zone.clone()), ("_grpc._tcp.orders.test", zone.with_glue())] {
        let dns = Dns::start(Answer::Zone(zone)).await;
        let gateway = Gateway::start(&cluster(&format!("dns://{}/{target}", dns.address)), "");
        lists(&gateway, &expected).await;
    }
}

#[tokio::test]
async fn a_name_without_srv_records_says_what_to_write() {
    let dns = Dns::start(Answer::Zone(Zone::default().with("orders.test.", 60, v4(1)))).await;
    let gateway = Gateway::start(&cluster(&format!("dns://{}/orders.test", dns.address)), "");
    eventually("the reason", Duration::from_secs(5), async || {
        let reply = gateway.admin("/readyz").await.text();
        let says = reply.contains("if orders.test has addresses only, write orders.test:50051");
        if says { Ok(()) } else { Err(reply) }
    })
    .await;
}

/// A look-up is two questions; the one that fails takes nobody away.
#[tokio::test]
async fn half_an_answer_takes_nobody_away() {
    let both = Zone::default().with("orders.test.", 60, v4(1)).with("orders.test.", 60, v4(2)).with(
        "orders.test.",
        60,
        RData::AAAA(AAAA(Ipv6Addr::LOCALHOST)),
    );
    let dns = Dns::start(Answer::Zone(both.clone())).await;
    let gateway = Gateway::start(&dns_cluster(&dns, 7001), "");
    let all = ["127.0.0.1:7001", "127.0.0.2:7001", "[::1]:7001"];
    lists(&gateway, &all.map(plain)).await;

    for failing in [RecordType::A, RecordType::AAAA] {
        dns.set(Answer::Zone(both.clone().failing(failing)));
        asked_again(&dns, &gateway).await;
        lists(&gateway, &all.map(plain)).await;
        dns.set(Answer::Zone(both.clone()));
        asked_again(&dns, &gateway).await;
    }
    dns.set(Answer::Zone(Zone::default().with("orders.test.", 60, v4(2))));
    lists(&gateway, &[plain("127.0.0.2:7001")]).await;
}

#[tokio::test]
async fn many_addresses_come_by_tcp() {
    let zone = (1..=120).fold(Zone::default(), |zone, last| zone.with("orders.test.", 60, v4(last)));
    let dns = Dns::start(Answer::Zone(zone.only_by_tcp())).await;
    let gateway = Gateway::start(&dns_cluster(&dns, 7001), "");
    eventually("all are listed", Duration::from_secs(10), async || {
        let listed = endpoints(&gateway).await.len();
        if listed == 120 { Ok(()) } else { Err(listed.to_string()) }
    })
    .await;
}

/// Whatever a server of names says or does not say, the endpoints stay; the metric tells.
#[tokio::test]
async fn the_last_good_answer_stays() {
    let dns = Dns::start(Answer::Addresses(vec![Ipv4Addr::new(127, 0, 0, 1)])).await;
    let gateway = Gateway::start(&dns_cluster(&dns, 7001), "");
    lists(&gateway, &[plain("127.0.0.1:7001")]).await;
    for (answer, why) in [
        (Answer::NxDomain, "NXDOMAIN"),
        (Answer::Empty, "no such record"),
        (Answer::ServFail, "could not answer"),
    ] {
        dns.set(answer);
        eventually("it is stale", Duration::from_secs(10), async || {
            let shown = clusters(&gateway).await;
            let error = shown["clusters"][0]["discovery_error"].as_str().unwrap_or_default().to_owned();
            if error.contains(why) { Ok(()) } else { Err(error) }
        })
        .await;
        assert_eq!(gateway.metrics().await.sum("edgeway_discovery_stale", &[]), 1.0);
        assert_eq!(endpoints(&gateway).await, [plain("127.0.0.1:7001")]);
    }
    dns.set(Answer::Addresses(vec![Ipv4Addr::new(127, 0, 0, 3)]));
    lists(&gateway, &[plain("127.0.0.3:7001")]).await;
    assert_eq!(gateway.metrics().await.sum("edgeway_discovery_stale", &[]), 0.0);
}

#[tokio::test]
async fn a_file_is_obeyed_when_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders.yaml");
    replace(
        &file,
        "- 127.0.0.1:7001\n- { address: '127.0.0.1:7002', weight: 4, priority: 2, zone: a, hash_key: b }\n",
    );
    let gateway = Gateway::start(&cluster(&format!("file://{}", file.display())), "");
    lists(&gateway, &["127.0.0.1:7001 weight 1 priority 0", "127.0.0.1:7002 weight 4 priority 2"]).await;
    let shown = clusters(&gateway).await;
    let second = &shown["clusters"][0]["endpoints"][1];
    assert_eq!((second["zone"].as_str(), second["hash_key"].as_str()), (Some("a"), Some("b")));

    replace(&file, "- 127.0.0.1:7003\n");
    lists(&gateway, &[plain("127.0.0.1:7003")]).await;

    replace(&file, "- 127.0.0.1:7003\n- orders:7004\n");
    eventually("the place of the mistake is told", Duration::from_secs(10), async || {
        let shown = clusters(&gateway).await;
        let error = shown["clusters"][0]["discovery_error"].as_str().unwrap_or_default().to_owned();
        if error.contains("orders.yaml:2:3: ") { Ok(()) } else { Err(error) }
    })
    .await;
    assert_eq!(endpoints(&gateway).await, [plain("127.0.0.1:7003")]);

    replace(&file, "[]\n");
    lists(&gateway, &[] as &[&str]).await;
    let client = Client::open(gateway.address(), Version::Two).await;
    let reply = client.call(http::grpc(WHO_AM_I, &WhoAmIRequest {})).await.expect("an answer");
    assert_eq!(reply.grpc_code(), 14, "{reply:?}");
    let readiness = gateway.admin("/readyz").await.text();
    assert!(readiness.contains("the list of endpoints is empty"), "{readiness}");
}

#[tokio::test]
async fn addresses_of_every_kind_are_shown() {
    for (target, expected) in [
        ("ipv4:127.0.0.1:7001,127.0.0.2:7002", vec!["127.0.0.1:7001", "127.0.0.2:7002"]),
        ("'[::1]:7001'", vec!["[::1]:7001"]),
        ("unix:///run/nobody.sock", vec!["unix:/run/nobody.sock"]),
        ("unix-abstract:edgeway-nobody", vec!["unix-abstract:edgeway-nobody"]),
    ] {
        let gateway = Gateway::start(&cluster(target), "");
        let expected: Vec<String> = expected.into_iter().map(plain).collect();
        lists(&gateway, &expected).await;
    }
}

/// Far ahead of its next turn, discovery looks when a connection ends: by GOAWAY, or because nobody listens.
#[tokio::test]
async fn a_lost_connection_asks_at_once() {
    let (one, port) = Backend::start(Ipv4Addr::new(127, 0, 0, 1), 0).await;
    let dns = Dns::start(Answer::Addresses(vec![Ipv4Addr::new(127, 0, 0, 1)])).await;
    let table = cluster(&format!("dns://{}/orders.test:{port}", dns.address));
    let gateway = Gateway::start(&format!("{table}\n    dns_refresh_rate: 10m\n"), "");
    gateway.ready().await;
    let (_two, _) = Backend::start(Ipv4Addr::new(127, 0, 0, 2), port).await;
    dns.set(Answer::Addresses(vec![Ipv4Addr::new(127, 0, 0, 2)]));
    one.stop().await;
    lists(&gateway, &[plain(&format!("127.0.0.2:{port}"))]).await;
    gateway.ready().await;
    let client = Client::open(gateway.address(), Version::Two).await;
    let reply = client.call(http::grpc(WHO_AM_I, &WhoAmIRequest {})).await.expect("an answer");
    assert_eq!(reply.grpc_code(), 0, "{reply:?}");
}

#[tokio::test]
async fn a_name_that_looks_like_a_virtual_ip_draws_one_warning() {
    // This machine, and not by an address that says so.
    let dns = Dns::start(Answer::Addresses(vec![Ipv4Addr::UNSPECIFIED])).await;
    let table = cluster(&format!("dns://{}/orders.test:1", dns.address));
    let gateway = Gateway::start(&format!("{table}\n    dns_refresh_rate: 20ms\n"), "");
    eventually("it is looked up often", Duration::from_secs(20), async || {
        let asked = dns.asked();
        if asked > 40 { Ok(()) } else { Err(asked.to_string()) }
    })
    .await;
    let log = gateway.program.log();
    let warned = log.lines().filter(|line| line.contains("looks like one virtual IP")).count();
    assert_eq!(warned, 1, "{log}");
    assert!(log.contains("headless Service"), "{log}");
}

#[tokio::test]
async fn clusters_are_shown_as_lines_as_well() {
    let (_backend, port) = Backend::start(Ipv4Addr::LOCALHOST, 0).await;
    let gateway = Gateway::start(&cluster(&format!("ipv4:127.0.0.1:{port}")), "");
    gateway.connected(2).await;
    let lines = gateway.admin("/clusters?format=text").await.text();
    for line in [
        "demo::policy::least_request".to_owned(),
        format!("demo::target::ipv4:127.0.0.1:{port}"),
        format!("demo::127.0.0.1:{port}::state::ready"),
        format!("demo::127.0.0.1:{port}::healthy::true"),
        format!("demo::127.0.0.1:{port}::connections::1::stream_limit::100"),
    ] {
        assert!(lines.lines().any(|found| found == line), "no line `{line}` in\n{lines}");
    }
    let shown = clusters(&gateway).await;
    let endpoint = &shown["clusters"][0]["endpoints"][0];
    assert_eq!(endpoint["connections"].as_array().map(Vec::len), Some(2), "{shown}");
    assert_eq!(endpoint["calls_in_flight"], 0);
    assert_eq!(gateway.admin("/clusters?format=xml").await.status, 400);
}

/// A demo backend in this process.
struct Backend {
    stop: oneshot::Sender<()>,
    serves: JoinHandle<()>,
}

impl Backend {
    /// At this address; port 0 for any.
    async fn start(ip: Ipv4Addr, port: u16) -> (Self, u16) {
        let listener = if port == 0 {
            port::listen().await
        } else {
            TcpListener::bind(SocketAddr::from((ip, port))).await.expect("the address is free")
        };
        let port = listener.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel::<()>();
        let options = BackendOptions { name: ip.to_string(), reflection: true };
        let serves = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            demo::serve(listener, options, stopped).await.expect("the backend serves");
        });
        (Self { stop, serves }, port)
    }

    /// GOAWAY, then the end.
    async fn stop(self) {
        drop(self.stop);
        self.serves.await.expect("the backend ends");
    }
}

/// Waits until `/clusters` lists these endpoints, and no others.
async fn lists(gateway: &Gateway, expected: &[impl AsRef<str>]) {
    eventually("the endpoints are listed", Duration::from_secs(10), async || {
        let found = endpoints(gateway).await;
        let same = found.iter().map(String::as_str).eq(expected.iter().map(AsRef::as_ref));
        if same { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

/// Waits until three more answers have been taken.
async fn asked_again(dns: &Dns, gateway: &Gateway) {
    let before = dns.asked();
    eventually("it is asked again", Duration::from_secs(20), async || {
        let asked = dns.asked();
        if asked >= before + 3 { Ok(()) } else { Err(format!("{asked}, {:?}", endpoints(gateway).await)) }
    })
    .await;
}

/// The endpoints that discovery lists.
async fn endpoints(gateway: &Gateway) -> Vec<String> {
    let shown = clusters(gateway).await;
    let endpoints = shown["clusters"][0]["endpoints"].as_array().unwrap().clone();
    let listed = endpoints.into_iter().filter(|endpoint| endpoint["state"] != "draining");
    let told = |endpoint: Value| {
        let address = endpoint["address"].as_str().unwrap().to_owned();
        format!("{address} weight {} priority {}", endpoint["weight"], endpoint["priority"])
    };
    listed.map(told).collect()
}

async fn clusters(gateway: &Gateway) -> Value {
    gateway.admin("/clusters").await.json()
}

fn plain(address: &str) -> String {
    format!("{address} weight 1 priority 0")
}

/// As it should be done: written beside, then renamed.
fn replace(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(&beside, file).unwrap();
}

fn v4(last: u8) -> RData {
    RData::A(A(Ipv4Addr::new(127, 0, 0, last)))
}

fn dns_cluster(dns: &Dns, port: u16) -> String {
    let table = cluster(&format!("dns://{}/orders.test:{port}", dns.address));
    format!("{table}\n    dns_refresh_rate: 100ms\n")
}

/// Descriptors from a file and no reflection.
fn cluster(target: &str) -> String {
    format!("demo:\n    target: {target}\n    descriptors: {{ reflection: never, protosets: [PROTOSET] }}")
}

const WHO_AM_I: &str = "/ecommerce.v1.DiagnosticsService/WhoAmI";
