//! Ejection over real connections.

use std::time::Duration;

use tokio::time::Instant;
use tonic::Code;

use crate::{
    call::{Body, CallError, Kind},
    config::{self, LoadBalancing, OutlierDetection, Target},
    grpc::{frame, status},
    upstream::{
        peer::Peer,
        tests::{Way, within},
    },
};

async fn peers<const N: usize>() -> [Peer; N] {
    let mut peers = Vec::new();
    for _ in 0..N {
        peers.push(Peer::start().await);
    }
    // In the order that the cluster has them in.
    peers.sort_by_key(|peer| peer.address);
    peers.try_into().expect("as many as were started")
}

fn config(peers: &[Peer]) -> config::Cluster {
    let target = Target::Static(peers.iter().map(|peer| peer.address.into()).collect());
    let mut cluster = config::Cluster::new("orders", target);
    cluster.outlier_detection = Some(OutlierDetection { base_ejection_time: BASE, ..Default::default() });
    cluster
}

/// One call and its status.
async fn call(way: &Way) -> Code {
    let code = |error: CallError| error.status().code();
    match within(way.call(Body::full(frame::encode(b"")))).await {
        Err(error) => code(error),
        Ok(answer) => {
            let (mut head, body) = answer.into_parts();
            match body.into_whole() {
                Ok(whole) => {
                    let mut last = whole.trailers.unwrap_or(head.headers);
                    status::normalize(&mut last).expect("a status")
                }
                Err(_) => status::normalize(&mut head.headers).unwrap_or(Code::Ok),
            }
        }
    }
}

fn ejected(way: &Way) -> usize {
    way.cluster.snapshot().iter().filter(|endpoint| endpoint.is_ejected()).count()
}

async fn connected(way: &Way) {
    within(async {
        while way.cluster.snapshot().iter().filter(|endpoint| endpoint.takes_calls()).count() < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// Scenario 25 of `upstream.md`, under both policies: `least_request` is the one that a fast failure draws to itself.
#[tokio::test]
async fn a_backend_that_always_fails_costs_five_calls_and_then_one_at_a_time() {
    for (code, policy) in
        [(Code::Unavailable, LoadBalancing::RoundRobin), (Code::Internal, LoadBalancing::default())]
    {
        let peers = peers::<3>().await;
        let bad = &peers[1];
        bad.answers(code);
        let mut config = config(&peers);
        config.load_balancing = policy;
        let way = Way::of(config, Kind::Unary);
        connected(&way).await;

        let (mut failed, mut since) = (0, Instant::now());
        // Five in a row, and the probes after 0.3 s and another 0.6 s.
        for (calls, waited) in [(5, Duration::ZERO), (6, BASE), (7, BASE * 2)] {
            while bad.calls() < calls {
                failed += usize::from(call(&way).await != Code::Ok);
                assert!(ejected(&way) <= 1);
            }
            assert!(since.elapsed() >= waited, "probed after {:?}, not {waited:?}", since.elapsed());
            since = Instant::now();
        }
        assert_eq!((failed, ejected(&way)), (7, 1));

        bad.answers(Code::Ok);
        while bad.calls() < 40 {
            assert_eq!(call(&way).await, Code::Ok);
            assert!(since.elapsed() < Duration::from_secs(10), "it is back after its next probe");
        }
        assert!(since.elapsed() >= BASE * 3);
        assert_eq!(ejected(&way), 0);
    }
}

const BASE: Duration = Duration::from_millis(300);

#[tokio::test]
async fn when_all_fail_most_stay() {
    let peers = peers::<3>().await;
    peers.iter().for_each(|peer| peer.answers(Code::Unavailable));
    let way = Way::of(config(&peers), Kind::Unary);
    connected(&way).await;
    for _ in 0..100 {
        assert_eq!(call(&way).await, Code::Unavailable);
        assert!(ejected(&way) <= 1);
    }
    assert_eq!(peers.iter().map(Peer::calls).sum::<usize>(), 100, "every call reached a backend");
}

#[tokio::test]
async fn what_clients_do_wrong_ejects_nobody() {
    for code in [Code::NotFound, Code::InvalidArgument, Code::PermissionDenied, Code::Unimplemented] {
        let peers = peers::<3>().await;
        peers[0].answers(code);
        let mut config = config(&peers);
        config.load_balancing = LoadBalancing::RoundRobin;
        let way = Way::of(config, Kind::Unary);
        connected(&way).await;
        for _ in 0..60 {
            call(&way).await;
        }
        // A method that it does not know is called on the others.
        let calls = if code == Code::Unimplemented { 1 } else { 20 };
        assert_eq!((ejected(&way), peers[0].calls()), (0, calls), "{code:?}");
    }
}
