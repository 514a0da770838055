//! What sends a call to one backend and not to another: cookies, headers, and failures, by every door.

#![expect(clippy::unwrap_used, reason = "a test that fails here says enough")]

#[path = "support/dns.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod dns;
#[path = "support/gateway.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod gateway;
#[path = "support/http.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod http;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use edgeway::demo::proto::ecommerce::v1::{EchoRequest, EchoResponse, FailRequest};
use serde_json::Value;

use crate::{
    dns::{Answer, Dns},
    gateway::{Gateway, eventually},
    http::{Client, Reply, Version},
    program::Program,
};

/// What the client of a door sees of a call that told what the backend was sent.
struct Seen {
    backend: String,
    /// The cookies that the backend was sent.
    cookies: Vec<String>,
    /// What the client is to send back.
    cookie: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Rest,
    Web,
    WebText,
    Connect,
    Grpc,
}

const DOORS: [Door; 5] = [Door::Rest, Door::Web, Door::WebText, Door::Connect, Door::Grpc];

/// One connection of a client by each door.
struct Clients {
    one: Client,
    two: Client,
}

impl Clients {
    async fn open(gateway: &Gateway) -> Self {
        Self {
            one: Client::open(gateway.address(), Version::One).await,
            two: Client::open(gateway.address(), Version::Two).await,
        }
    }

    /// Asks which backend answers, with one more header.
    async fn ask(&self, door: Door, header: Option<(&'static str, &str)>) -> Seen {
        let message = EchoRequest::default();
        let mut request = match door {
            Door::Rest => http::rest("/v1/diagnostics/echo"),
            Door::Web => http::web(ECHO, &message),
            Door::WebText => http::web_text(ECHO, &message),
            Door::Connect => http::with(http::json(ECHO, "{}"), "connect-protocol-version", "1"),
            Door::Grpc => http::grpc(ECHO, &message),
        };
        if let Some((name, value)) = header {
            request = http::with(request, name, value);
        }
        let client = if door == Door::Grpc { &self.two } else { &self.one };
        let reply = client.call(request).await.expect("the connection stays");
        assert_eq!(reply.status, 200, "{door:?}: {reply:?}");
        Seen { cookie: cookie(&reply), ..seen(door, &reply) }
    }

    async fn fail(&self, cookie: &str) {
        let request = http::grpc(FAIL, &FailRequest { code: 13, ..FailRequest::default() });
        let reply = self.two.call(http::with(request, "cookie", cookie)).await.expect("the connection stays");
        assert_eq!(reply.grpc_code(), 13);
    }

    /// Who answers some calls, and how often each.
    async fn spread(&self, calls: usize, header: Option<(&'static str, &str)>) -> BTreeMap<String, usize> {
        let mut spread = BTreeMap::new();
        for _ in 0..calls {
            *spread.entry(self.ask(Door::Grpc, header).await.backend).or_default() += 1;
        }
        spread
    }

    /// A cookie for each of the backends.
    async fn cookies(&self, count: usize) -> BTreeMap<String, String> {
        let mut cookies = BTreeMap::new();
        while cookies.len() < count {
            let seen = self.ask(Door::Grpc, None).await;
            cookies.insert(seen.backend, seen.cookie.expect("a client without a session is given one"));
        }
        cookies
    }
}

fn seen(door: Door, reply: &Reply) -> Seen {
    let (backend, cookies) = match door {
        Door::Rest | Door::Connect => {
            let answer = reply.json();
            let text = |value: &Value, key| value.get(key).and_then(Value::as_str).unwrap().to_owned();
            let metadata = answer.get("metadata").and_then(Value::as_array).unwrap();
            let cookies = metadata.iter().filter(|entry| text(entry, "key") == "cookie");
            (text(&answer, "backend"), cookies.map(|entry| text(entry, "value")).collect())
        }
        Door::Web | Door::WebText | Door::Grpc => {
            let answer = reply.message::<EchoResponse>();
            let cookies = answer.metadata.into_iter().filter(|entry| entry.key == "cookie");
            (answer.backend, cookies.map(|entry| entry.value).collect())
        }
    };
    Seen { backend, cookies, cookie: None }
}

/// What a browser would send back, of a reply that sets a cookie.
fn cookie(reply: &Reply) -> Option<String> {
    let mut set = reply.headers.get_all("set-cookie").iter();
    let cookie = set.next()?.to_str().unwrap();
    assert_eq!(set.next(), None, "one cookie at a time");
    let (pair, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/v1; Max-Age=3600; HttpOnly");
    Some(pair.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_kept_by_every_door_and_from_door_to_door() {
    let backends = start(3);
    let gateway = Gateway::start(&cluster(&target(&backends), ROUND_ROBIN, &affinity(SECRET)), "");
    gateway.connected(6).await;
    let clients = Clients::open(&gateway).await;
    for first in DOORS {
        let opened = clients.ask(first, Some(("cookie", "theme=dark"))).await;
        let own = opened.cookie.expect("a client without a session is given one");
        assert_eq!(opened.cookies, ["theme=dark"], "{first:?}");
        for door in DOORS {
            for sent in [own.clone(), format!("theme=dark; {own}")] {
                let seen = clients.ask(door, Some(("cookie", &sent))).await;
                assert_eq!(seen.backend, opened.backend, "{first:?}, then {door:?}");
                assert_eq!(seen.cookie, None, "nothing has changed");
                let others: &[&str] = if sent == own { &[] } else { &["theme=dark"] };
                assert_eq!(seen.cookies, others, "{door:?}: the gateway's own cookie is not for backends");
            }
        }
    }
    let homes: BTreeSet<_> = clients.cookies(3).await.into_values().collect();
    assert_eq!(homes.len(), 3, "each backend has a cookie of its own");
}

/// A replica of the gateway with the same secret knows the cookie; nobody else's counts, and neither does a made-up one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_own_cookies_count() {
    let backends = start(3);
    let target = target(&backends);
    let edge = |secret: &str| Gateway::start(&cluster(&target, ROUND_ROBIN, &affinity(secret)), "");
    let (gateway, replica, stranger) = (edge(SECRET), edge(SECRET), edge("another secret of that size"));
    for gateway in [&gateway, &replica, &stranger] {
        gateway.connected(6).await;
    }
    let clients = Clients::open(&gateway).await;
    let shared = Clients::open(&replica).await.cookies(3).await;
    for (backend, cookie) in &shared {
        assert_eq!(clients.spread(4, Some(("cookie", cookie))).await, [(backend.clone(), 4)].into());
    }
    let (_, foreign) = Clients::open(&stranger).await.cookies(1).await.pop_first().unwrap();
    let address = URL_SAFE_NO_PAD.encode(&backends[0].address);
    let own = shared.values().next().unwrap();
    let forged = [
        foreign,
        "shop=".to_owned(),
        format!("shop={}", backends[0].address),
        format!("shop={address}"),
        own.get(..own.len() - 3).unwrap().to_owned(),
        format!("{own}A"),
        format!("shop={}", "A".repeat(43)),
        format!("shop={}", "A".repeat(4000)),
    ];
    for cookie in &forged {
        // In turn, as with no cookie.
        let spread = clients.spread(6, Some(("cookie", cookie))).await;
        assert_eq!(spread.into_values().collect::<Vec<_>>(), [2, 2, 2], "{cookie}");
        for door in DOORS {
            let seen = clients.ask(door, Some(("cookie", cookie))).await;
            let given = seen.cookie.expect("another cookie in place of one that does not count");
            assert_eq!(given, shared[&seen.backend], "{door:?}");
            assert!(seen.cookies.is_empty(), "{door:?}: {:?}", seen.cookies);
        }
    }
}

/// Discovery takes the endpoint out, and then it ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_outlives_the_listing_of_its_endpoint_and_moves_when_that_ends() {
    let mut backends = start(3);
    let dns = Dns::start(Answer::Addresses(ips(&backends))).await;
    let port = backends[0].address.rsplit_once(':').unwrap().1;
    let more = format!("dns_refresh_rate: 100ms, drain_timeout: 60s, {}", affinity(SECRET));
    let table = cluster(&format!("dns://{}/backends.test:{port}", dns.address), ROUND_ROBIN, &more);
    let gateway = Gateway::start(&table, "");
    gateway.connected(6).await;
    let clients = Clients::open(&gateway).await;
    let cookies = clients.cookies(3).await;

    dns.set(Answer::Addresses(ips(&backends[1..])));
    eventually("no other call goes to b1", Duration::from_secs(10), async || {
        let spread = clients.spread(6, None).await;
        if spread.contains_key("b1") { Err(format!("{spread:?}")) } else { Ok(()) }
    })
    .await;
    for door in DOORS {
        let seen = clients.ask(door, Some(("cookie", &cookies["b1"]))).await;
        assert_eq!((seen.backend.as_str(), seen.cookie), ("b1", None), "{door:?}");
    }

    drop(backends.remove(0));
    gateway.connected(4).await;
    for door in DOORS {
        let seen = clients.ask(door, Some(("cookie", &cookies["b1"]))).await;
        let moved = seen.cookie.expect("the client is told where its session is now");
        assert_eq!(moved, cookies[&seen.backend], "{door:?}");
        let again = clients.ask(door, Some(("cookie", &moved))).await;
        assert_eq!((again.backend, again.cookie), (seen.backend, None), "{door:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_names_the_backend_by_every_door_of_every_gateway() {
    let backends = start(3);
    let policy = "ring_hash: {requestHashHeader: x-tenant}";
    let mut homes = BTreeMap::new();
    for _ in 0..2 {
        let gateway = Gateway::start(&cluster(&target(&backends), policy, ""), "");
        gateway.connected(6).await;
        let clients = Clients::open(&gateway).await;
        for door in DOORS {
            for tenant in 0..12 {
                let name = tenant.to_string();
                let backend = clients.ask(door, Some(("x-tenant", &name))).await.backend;
                let home = homes.entry(tenant).or_insert_with(|| backend.clone());
                assert_eq!(*home, backend, "{door:?}: tenant {tenant}");
            }
        }
    }
    let used: BTreeSet<_> = homes.values().collect();
    assert!(used.len() > 1, "twelve tenants, all on {used:?}");
}

/// Ejection takes backends out one by one, until so few are left that they would be run over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ejection_is_ignored_below_the_panic_threshold() {
    for (threshold, with_one_left) in [(50, vec!["b1", "b2", "b3", "b4"]), (0, vec!["b4"])] {
        let backends = start(4);
        let more = format!(
            "healthy_panic_threshold: {threshold}, outlier_detection: {{max_ejection_percent: 100, \
             base_ejection_time: 1h}}, {}",
            affinity(SECRET)
        );
        let gateway = Gateway::start(&cluster(&target(&backends), ROUND_ROBIN, &more), "");
        gateway.connected(8).await;
        let clients = Clients::open(&gateway).await;
        let cookies = clients.cookies(4).await;
        let steps = [("b1", vec!["b2", "b3", "b4"]), ("b2", vec!["b3", "b4"]), ("b3", with_one_left)];
        for (backend, expect) in steps {
            // Five in a row; the sixth would already go elsewhere.
            for _ in 0..5 {
                clients.fail(&cookies[backend]).await;
            }
            eventually("calls go to those that are left", Duration::from_secs(10), async || {
                let spread = clients.spread(12, None).await;
                let even = spread.values().all(|calls| calls * expect.len() == 12);
                let found: Vec<_> = spread.into_keys().collect();
                if even && found == expect { Ok(()) } else { Err(format!("{threshold}: {found:?}")) }
            })
            .await;
        }
        let metrics = gateway.metrics().await;
        let ejected = metrics.sum("edgeway_cluster_endpoints", &[("state", "ejected")]);
        assert_eq!(ejected, 3.0, "{threshold} %: in a panic, too");
    }
}

/// Backends `b1` at 127.0.0.1, `b2` at 127.0.0.2 and so on, all on one port.
fn start(count: usize) -> Vec<Program> {
    let run = |index: usize, port: &str| {
        let (listen, name) = (format!("127.0.0.{index}:{port}"), format!("b{index}"));
        Program::start(&["demo-backend", "--listen", &listen, "--name", &name])
    };
    tokio::task::block_in_place(|| {
        let first = run(1, "0");
        let port = first.address.rsplit_once(':').unwrap().1.to_owned();
        let others = (2..=count).map(|index| run(index, &port));
        let others: Vec<_> = others.collect();
        std::iter::once(first).chain(others).collect()
    })
}

fn target(backends: &[Program]) -> String {
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address.as_str()).collect();
    format!("ipv4:{}", addresses.join(","))
}

fn ips(backends: &[Program]) -> Vec<Ipv4Addr> {
    let ip = |backend: &Program| backend.address.rsplit_once(':').unwrap().0.parse().unwrap();
    backends.iter().map(ip).collect()
}

/// Descriptors from a file and no reflection, so that no call but the test's own is balanced.
fn cluster(target: &str, policy: &str, more: &str) -> String {
    format!(
        "demo: {{target: \"{target}\", descriptors: {{reflection: never, protosets: [PROTOSET]}}, \
         service_config: {{loadBalancingConfig: [{{{policy}}}]}}, {more}}}"
    )
}

fn affinity(secret: &str) -> String {
    format!("session_affinity: {{cookie: shop, path: /v1, ttl: 1h, secret: \"{secret}\"}}")
}

const ECHO: &str = "/ecommerce.v1.DiagnosticsService/Echo";
const FAIL: &str = "/ecommerce.v1.DiagnosticsService/Fail";
const ROUND_ROBIN: &str = "round_robin: {}";
const SECRET: &str = "a secret of some length";
