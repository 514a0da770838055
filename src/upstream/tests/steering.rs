//! What sends a call to one endpoint and not to another, over real connections.

use std::collections::BTreeMap;

use http::header::{COOKIE, HeaderName, SET_COOKIE};
use tokio::sync::Notify;

use super::*;
use crate::config::{LoadBalancing, RingHash, SessionAffinity, SlowStart, WeightedRoundRobin};

const SEEN_COOKIE: HeaderName = HeaderName::from_static("x-seen-cookie");

/// A backend that says what cookies it was sent, and reports its load.
async fn telltale() -> SocketAddr {
    backend(async |(request, mut respond): Exchange| {
        let mut head = head();
        if let Some(cookie) = request.headers().get(COOKIE) {
            head.headers_mut().insert(SEEN_COOKIE, cookie.clone());
        }
        let mut stream = respond.send_response(head, false).unwrap();
        stream.send_data(frame::encode(b""), false).unwrap();
        let mut trailers = ok();
        // cpu_utilization 0.5, rps_fractional 100
        trailers.insert(REPORT, "CQAAAAAAAOA/MQAAAAAAAFlA".parse().unwrap());
        stream.send_trailers(trailers).unwrap();
    })
    .await
}

const REPORT: &str = "endpoint-load-metrics-bin";

async fn three() -> [SocketAddr; 3] {
    [telltale().await, telltale().await, telltale().await]
}

/// Waits until every endpoint can be called.
async fn connected(way: &Way, count: usize) {
    until(|| way.cluster.health().healthy >= count).await;
}

async fn until(reached: impl Fn() -> bool) {
    within(async {
        while !reached() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Where a call with this metadata went, and what came back.
async fn sent(way: &Way, metadata: &[(&str, &str)]) -> (Address, Response) {
    let header = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap())
    };
    let headers = metadata.iter().map(header).collect();
    let response = within(way.send(headers, Body::full(frame::encode(b"")))).await.unwrap();
    (way.via().endpoint, response)
}

fn with_sessions(cluster: &mut config::Cluster) {
    cluster.session_affinity = Some(SessionAffinity {
        cookie: "edgeway-orders".into(),
        path: "/".into(),
        ttl: None,
        secret: Some("s3cret".into()),
    });
}

/// What a client would send back, of a response that sets a cookie.
fn cookie(response: &Response) -> Option<String> {
    let set = response.headers().get(SET_COOKIE)?.to_str().unwrap();
    Some(set.split_once(';').unwrap().0.to_owned())
}

#[tokio::test]
async fn a_session_stays_on_its_endpoint() {
    let way = Way::with(&three().await, Kind::Unary, with_sessions);
    connected(&way, 3).await;
    let (home, first) = sent(&way, &[("cookie", "a=1")]).await;
    let own = cookie(&first).expect("a client without a session is given one");
    assert_eq!(first.headers()[SEEN_COOKIE], "a=1");
    for _ in 0..20 {
        let (place, response) = sent(&way, &[("cookie", &format!("a=1; {own}"))]).await;
        assert_eq!(place, home);
        assert_eq!(response.headers()[SEEN_COOKIE], "a=1", "the gateway's own cookie is not for backends");
        assert_eq!(cookie(&response), None, "nothing has changed");
    }
    let (place, response) = sent(&way, &[("cookie", "edgeway-orders=made-up")]).await;
    assert_eq!(cookie(&response).is_some_and(|cookie| cookie != own), place != home);
    assert!(response.headers().get(SEEN_COOKIE).is_none());
}

/// A backend that takes no further call, on its one connection, when it is told to.
async fn leaver() -> (SocketAddr, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let leave = Arc::new(Notify::new());
    let told = Arc::clone(&leave);
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(socket).await.unwrap();
        loop {
            tokio::select! {
                exchange = connection.accept() => {
                    let Some(Ok((_, mut respond))) = exchange else { return };
                    let mut stream = respond.send_response(head(), false).unwrap();
                    stream.send_data(frame::encode(b""), false).unwrap();
                    stream.send_trailers(ok()).unwrap();
                }
                () = told.notified() => connection.graceful_shutdown(),
            }
        }
    });
    (address, leave)
}

#[tokio::test]
async fn a_session_stays_while_its_endpoint_drains_and_moves_when_it_is_gone() {
    let (leaving, leave) = leaver().await;
    let home = Address::Tcp(leaving);
    let way = Way::with(&[leaving], Kind::Unary, with_sessions);
    let own = cookie(&sent(&way, &[]).await.1).unwrap();
    way.cluster.roster().resolved([telltale().await, telltale().await].map(Address::Tcp));
    // A lane hears of it a moment later.
    within(async { while sent(&way, &[]).await.0 == home {} }).await;
    for _ in 0..20 {
        assert_eq!(sent(&way, &[("cookie", &own)]).await.0, home, "the session stays");
        assert_ne!(sent(&way, &[]).await.0, home, "others do not come");
    }
    leave.notify_one();
    within(async { while sent(&way, &[("cookie", &own)]).await.0 == home {} }).await;
    let (place, response) = sent(&way, &[("cookie", &own)]).await;
    let moved = cookie(&response).expect("the client is told where its session is now");
    assert_eq!(sent(&way, &[("cookie", &moved)]).await.0, place);
}

#[tokio::test]
async fn a_websocket_is_not_told_of_cookies() {
    let mut way = Way::with(&three().await, Kind::Unary, with_sessions);
    way.context.inbound = Inbound::WebSocket;
    assert_eq!(cookie(&sent(&way, &[]).await.1), None);
}

#[tokio::test]
async fn a_header_names_the_endpoint() {
    let ring = |cluster: &mut config::Cluster| {
        cluster.load_balancing = LoadBalancing::RingHash(RingHash {
            request_hash_header: Some(HeaderName::from_static("x-tenant")),
            ..RingHash::default()
        });
    };
    let addresses = three().await;
    let (one, other) = (Way::with(&addresses, Kind::Unary, ring), Way::with(&addresses, Kind::Unary, ring));
    for way in [&one, &other] {
        connected(way, 3).await;
    }
    let mut homes = BTreeMap::new();
    for round in 0..3 {
        for tenant in 0..12 {
            let name = tenant.to_string();
            let way = if round == 1 { &other } else { &one };
            let (place, _) = sent(way, &[("x-tenant", &name)]).await;
            assert_eq!(*homes.entry(tenant).or_insert_with(|| place.clone()), place);
        }
    }
    let mut used: Vec<_> = homes.into_values().collect();
    used.sort();
    used.dedup();
    assert!(used.len() > 1, "twelve tenants on {used:?}");
    let mut anywhere: Vec<Address> = Vec::new();
    for _ in 0..60 {
        anywhere.push(sent(&one, &[]).await.0);
    }
    anywhere.sort();
    anywhere.dedup();
    assert_eq!(anywhere.len(), 3, "without the header any endpoint will do");
}

#[tokio::test]
async fn load_reports_are_read_where_they_count_and_shown_to_nobody() {
    let oob = WeightedRoundRobin { enable_oob_load_report: true, ..WeightedRoundRobin::default() };
    let cases = [
        (LoadBalancing::WeightedRoundRobin(WeightedRoundRobin::default()), 200.0),
        (LoadBalancing::WeightedRoundRobin(oob), 0.0),
        (LoadBalancing::default(), 0.0),
    ];
    for (policy, expect) in cases {
        for kind in [Kind::Unary, Kind::ServerStream] {
            let balancing = policy.clone();
            let way = Way::with(&[telltale().await], kind, |cluster| cluster.load_balancing = balancing);
            let (_, response) = sent(&way, &[]).await;
            let trailers = within(response.into_body().collect()).await.unwrap().trailers().cloned().unwrap();
            assert_eq!(trailers, ok(), "{policy:?}");
            let at_once = WeightedRoundRobin { blackout_period: Duration::ZERO, ..Default::default() };
            let endpoint = Arc::clone(&way.cluster.snapshot()[0]);
            assert_eq!(endpoint.traits().reported.weight(&at_once, Instant::now()), expect, "{policy:?}");
        }
    }
}

#[tokio::test]
async fn pick_first_goes_by_the_order_of_the_list() {
    let (first, leave) = leaver().await;
    let (one, other) = (telltale().await, telltale().await);
    // Whichever way addresses sort, one of the two lists is not sorted.
    for rest in [[one, other], [other, one]] {
        let way = Way::with(&rest, Kind::Unary, |cluster| {
            cluster.load_balancing = LoadBalancing::PickFirst { shuffle: false };
        });
        connected(&way, 2).await;
        until_there(&way, rest[0]).await;
        for _ in 0..10 {
            assert_eq!(sent(&way, &[]).await.0, Address::Tcp(rest[0]));
        }
    }
    let way = Way::with(&[first, other, one], Kind::Unary, |cluster| {
        cluster.load_balancing = LoadBalancing::PickFirst { shuffle: false };
    });
    connected(&way, 3).await;
    until_there(&way, first).await;
    leave.notify_one();
    until_there(&way, other).await;
}

/// Calls until one goes there: connections are made side by side.
async fn until_there(way: &Way, address: SocketAddr) {
    within(async { while sent(way, &[]).await.0 != Address::Tcp(address) {} }).await;
}

#[tokio::test]
async fn weights_that_age_are_worked_out_again() {
    let way = Way::with(&three().await, Kind::Unary, |cluster| {
        cluster.slow_start = Some(SlowStart { window: Duration::from_millis(1500), ..SlowStart::default() });
    });
    let lane = Arc::clone(way.lanes.lane(&way.cluster).unwrap());
    connected(&way, 3).await;
    until(|| lane.snapshot().hold().is_some()).await;
    until(|| lane.snapshot().hold().is_none()).await;
}

#[tokio::test]
async fn a_gateway_connects_to_its_subset_only() {
    let way = Way::with(&three().await, Kind::Unary, |cluster| cluster.subset_size = Some(2));
    connected(&way, 2).await;
    let mut used = BTreeMap::new();
    for _ in 0..30 {
        *used.entry(sent(&way, &[]).await.0).or_insert(0) += 1;
    }
    assert_eq!(used.len(), 2);
    assert_eq!(way.cluster.health().healthy, 2);
}

#[tokio::test]
async fn streams_and_calls_are_counted_apart() {
    let address = backend(async |(_, mut respond): Exchange| {
        let stream = respond.send_response(head(), false).unwrap();
        // Open until the client leaves.
        let mut stream = stream;
        let _ = poll_fn(|cx| stream.poll_reset(cx)).await;
    })
    .await;
    let way = Way::to(address, Kind::ServerStream);
    let answer = within(way.call(Body::full(frame::encode(b"")))).await.unwrap();
    let endpoint = Arc::clone(&way.cluster.snapshot()[0]);
    assert_eq!((endpoint.unary(), endpoint.streams(), endpoint.calls()), (0, 1, 1));
    drop(answer);
    until(|| endpoint.streams() == 0).await;
    assert_eq!(endpoint.calls(), 0);
}
