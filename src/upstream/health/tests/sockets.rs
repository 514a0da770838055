//! Checks over real connections.

use std::time::Duration;

use tokio::{net::TcpListener, time::Instant};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::Code;
use tonic_health::server::{HealthReporter, health_reporter};

use crate::{
    call::{Body, Kind, reason},
    config::{self, Address, HealthCheck, HealthMode, LoadBalancing, Target},
    grpc::frame,
    upstream::{
        peer::{NO_SERVICE, Peer},
        tests::{Way, within},
    },
};

/// Fast enough for a test, with room for a loaded machine.
fn fast(mode: HealthMode) -> HealthCheck {
    HealthCheck {
        mode,
        interval: Duration::from_millis(50),
        unhealthy_interval: Duration::from_millis(50),
        timeout: Duration::from_secs(2),
        ..Default::default()
    }
}

fn cluster(addresses: impl IntoIterator<Item = std::net::SocketAddr>, check: HealthCheck) -> config::Cluster {
    let target = Target::Static(addresses.into_iter().map(Address::Tcp).collect());
    let mut cluster = config::Cluster::new("orders", target);
    cluster.health_check = Some(check);
    cluster.connection.connect_timeout = Duration::from_secs(5);
    cluster
}

/// A tonic server with its health service, which counts as the service of every other path as well: it knows none.
async fn tonic_backend() -> (std::net::SocketAddr, HealthReporter, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (reporter, service) = health_reporter();
    let server = tonic::transport::Server::builder().add_service(service);
    let task = tokio::spawn(async move {
        server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
    });
    (address, reporter, AbortOnDropHandle::new(task))
}

async fn healthy(way: &Way, index: usize, healthy: bool) {
    within(async {
        loop {
            let endpoints = way.cluster.snapshot();
            if endpoints.get(index).is_some_and(|endpoint| endpoint.is_healthy() == healthy) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_is_used_while_it_serves() {
    use tonic_health::ServingStatus::{NotServing, Serving};
    for mode in [HealthMode::Check, HealthMode::Watch] {
        let (address, reporter, _server) = tonic_backend().await;
        reporter.set_service_status("shop.v1.Orders", NotServing).await;
        let check = HealthCheck { service_name: "shop.v1.Orders".into(), ..fast(mode) };
        let way = Way::of(cluster([address], check), Kind::Unary);
        let refused = async |word: &str| {
            let error = within(way.call(Body::full(frame::encode(b"")))).await.unwrap_err();
            assert_eq!(error.status().code(), Code::Unavailable);
            let why = format!("orders: none of 1 endpoint takes calls (1 x its health check says {word})");
            assert_eq!(error.status().message(), why, "{mode:?}");
            assert!(format!("{:?}", error.status()).contains(reason::NOT_EXECUTED));
        };
        refused("NOT_SERVING").await;
        reporter.set_service_status("shop.v1.Orders", Serving).await;
        healthy(&way, 0, true).await;
        // It knows no orders, which is an answer all the same.
        within(way.call(Body::full(frame::encode(b"")))).await.unwrap();
        assert_eq!(way.cluster.health().healthy, 1);

        reporter.set_service_status("shop.v1.Orders", NotServing).await;
        healthy(&way, 0, false).await;
        refused("NOT_SERVING").await;
        assert_eq!(way.cluster.health().healthy, 0);
        assert_eq!(way.cluster.snapshot()[0].calls(), 0, "checks are no calls");
    }
}

#[tokio::test]
async fn a_service_that_the_backend_does_not_know_is_not_healthy() {
    for (mode, word) in [(HealthMode::Check, "NOT_FOUND"), (HealthMode::Watch, "SERVICE_UNKNOWN")] {
        let (address, reporter, _server) = tonic_backend().await;
        let check = HealthCheck { service_name: "shop.v1.Misspelt".into(), ..fast(mode) };
        let way = Way::of(cluster([address], check), Kind::Unary);
        let error = within(way.call(Body::full(frame::encode(b"")))).await.unwrap_err();
        assert!(error.status().message().contains(word) || mode == HealthMode::Watch, "{mode:?}: {error}");
        reporter.set_service_status("shop.v1.Misspelt", tonic_health::ServingStatus::Serving).await;
        healthy(&way, 0, true).await;
    }
}

/// The first call comes before the first check has ended, and waits for it.
#[tokio::test]
async fn a_backend_without_the_service_is_used() {
    for mode in [HealthMode::Check, HealthMode::Watch] {
        let peer = Peer::start().await;
        peer.says(NO_SERVICE);
        let way = Way::of(cluster([peer.address], fast(mode)), Kind::Unary);
        within(way.call(Body::full(frame::encode(b"")))).await.unwrap();
    }
}

/// A backend that is stopped (SIGSTOP) takes connections and bytes and answers nothing (scenario 11 of `upstream.md`).
#[tokio::test]
async fn a_backend_that_is_stopped_is_found_by_its_silence_and_comes_back() {
    let peers = [Peer::start().await, Peer::start().await, Peer::start().await];
    let check = HealthCheck { timeout: Duration::from_millis(100), ..fast(HealthMode::Check) };
    let mut config = cluster(peers.iter().map(|peer| peer.address), check);
    config.connection.connect_timeout = Duration::from_millis(300);
    config.load_balancing = LoadBalancing::RoundRobin;
    let way = Way::of(config, Kind::Unary);
    let stopped = &peers[0];
    let place = |way: &Way| {
        let endpoints = way.cluster.snapshot();
        endpoints.iter().position(|endpoint| *endpoint.address() == Address::Tcp(stopped.address)).unwrap()
    };
    within(way.call(Body::full(frame::encode(b"")))).await.unwrap();
    let index = place(&way);
    for each in 0..3 {
        healthy(&way, each, true).await;
    }

    stopped.freeze(true);
    let (mut late, frozen) = (0, Instant::now());
    while way.cluster.snapshot()[index].is_healthy() {
        let call = way.call(Body::full(frame::encode(b"")));
        late += usize::from(tokio::time::timeout(Duration::from_millis(20), call).await.is_err());
        assert!(frozen.elapsed() < Duration::from_secs(10), "two checks without an answer take it out");
    }
    assert!(late > 0, "until then it is used");
    let before = stopped.calls();
    for _ in 0..30 {
        within(way.call(Body::full(frame::encode(b"")))).await.unwrap();
    }

    stopped.freeze(false);
    healthy(&way, index, true).await;
    within(async {
        // The connection of before was given up, calls that it carried apart.
        while stopped.connections() != 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    while stopped.calls() < before + 5 {
        within(way.call(Body::full(frame::encode(b"")))).await.unwrap();
        assert!(frozen.elapsed() < Duration::from_secs(30), "it takes its share again");
    }
    assert!(stopped.checks() > 0);
}
