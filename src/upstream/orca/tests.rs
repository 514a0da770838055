//! Streams of load reports, over real connections to a backend that the test leads.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use h2::{
    SendStream,
    server::{Connection, SendResponse},
};
use http::HeaderMap;
use prost::Message;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;
use tonic::Code;

use super::report::OrcaLoadReport;
use crate::{
    call::{Body, Kind},
    config::{self, LoadBalancing, Target, WeightedRoundRobin},
    grpc::{CONTENT_TYPE, GRPC_STATUS, frame},
    upstream::tests::{Way, within},
};

/// A backend that hands over what it is asked for reports, and answers calls with nothing.
struct Backend {
    address: SocketAddr,
    asked: mpsc::UnboundedReceiver<Asked>,
    leave: mpsc::UnboundedSender<()>,
    _task: AbortOnDropHandle<()>,
}

/// One stream that the gateway asked for.
struct Asked {
    interval: prost_types::Duration,
    respond: SendResponse<Bytes>,
    at: Instant,
}

impl Backend {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ask, asked) = mpsc::unbounded_channel();
        let (leave, mut left) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            let mut latest: Option<mpsc::UnboundedSender<()>> = None;
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let (tell, told) = mpsc::unbounded_channel();
                        latest = Some(tell);
                        connections.spawn(serve(accepted.unwrap().0, ask.clone(), told));
                    }
                    Some(()) = left.recv() => latest.take().unwrap().send(()).unwrap(),
                }
            }
        });
        Self { address, asked, leave, _task: AbortOnDropHandle::new(task) }
    }

    async fn asked(&mut self) -> Asked {
        within(self.asked.recv()).await.expect("the backend runs")
    }
}

impl Asked {
    fn begin(&mut self) -> SendStream<Bytes> {
        let head = http::Response::builder().header("content-type", CONTENT_TYPE).body(()).unwrap();
        self.respond.send_response(head, false).unwrap()
    }

    fn refuse(&mut self, code: Code) {
        let head = http::Response::builder().header("content-type", CONTENT_TYPE);
        let refusal = head.header(GRPC_STATUS, code as i32).body(()).unwrap();
        self.respond.send_response(refusal, true).unwrap();
    }
}

async fn serve(socket: TcpStream, ask: mpsc::UnboundedSender<Asked>, mut left: mpsc::UnboundedReceiver<()>) {
    let mut connection: Connection<TcpStream, Bytes> = h2::server::handshake(socket).await.unwrap();
    loop {
        tokio::select! {
            Some(()) = left.recv() => connection.graceful_shutdown(),
            exchange = connection.accept() => {
                let Some(Ok((request, respond))) = exchange else { return };
                tokio::spawn(exchanged(request, respond, ask.clone()));
            }
        }
    }
}

async fn exchanged(
    request: http::Request<h2::RecvStream>,
    respond: SendResponse<Bytes>,
    ask: mpsc::UnboundedSender<Asked>,
) {
    let path = request.uri().path().to_owned();
    let mut body = request.into_body();
    let mut decoder = frame::Decoder::new(1 << 16);
    while let Some(Ok(data)) = body.data().await {
        decoder.push(&data);
    }
    let message = decoder.next_message().unwrap().unwrap().bytes;
    let mut asked = Asked { interval: prost_types::Duration::default(), respond, at: Instant::now() };
    if path == "/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics" {
        // Field 1, a message, is all of it.
        let (head, interval) = message.split_at(2);
        assert_eq!((head[0], usize::from(head[1])), (0x0a, interval.len()));
        asked.interval = prost_types::Duration::decode(interval).unwrap();
        let _ = ask.send(asked);
    } else {
        let mut stream = asked.begin();
        stream.send_data(frame::encode(b""), false).unwrap();
        stream.send_trailers(HeaderMap::from_iter([(GRPC_STATUS, 0.into())])).unwrap();
    }
}

fn report(cpu: f64, rps: f64) -> Bytes {
    let report = OrcaLoadReport { cpu_utilization: cpu, rps_fractional: rps, ..OrcaLoadReport::default() };
    frame::encode(&report.encode_to_vec())
}

fn way(addresses: &[SocketAddr]) -> Way {
    let target = Target::Static(addresses.iter().copied().map(Into::into).collect());
    let mut cluster = config::Cluster::new("orders", target);
    cluster.load_balancing = LoadBalancing::WeightedRoundRobin(WeightedRoundRobin {
        enable_oob_load_report: true,
        oob_reporting_period: Duration::from_millis(2500),
        blackout_period: Duration::ZERO,
        weight_update_period: Duration::from_millis(100),
        ..WeightedRoundRobin::default()
    });
    Way::of(cluster, Kind::Unary)
}

/// Waits until the endpoint at `address` has this weight.
async fn weighs(way: &Way, address: SocketAddr, weight: f64) {
    let LoadBalancing::WeightedRoundRobin(config) = way.cluster.config().load_balancing.clone() else {
        panic!("the policy of these tests")
    };
    within(async {
        loop {
            let endpoints = way.cluster.snapshot();
            let endpoint = endpoints.iter().find(|endpoint| *endpoint.address() == address.into());
            let traits = endpoint.map(|endpoint| endpoint.traits());
            if traits.is_some_and(|traits| traits.reported.weight(&config, Instant::now()) == weight) {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn reports_become_weights_and_weights_become_shares() {
    let (mut busy, mut idle) = (Backend::start().await, Backend::start().await);
    let way = way(&[busy.address, idle.address]);
    let (mut slow, mut fast) = (busy.asked().await, idle.asked().await);
    assert_eq!(slow.interval, prost_types::Duration { seconds: 2, nanos: 500_000_000 });
    let (mut slow, mut fast) = (slow.begin(), fast.begin());
    slow.send_data(report(0.5, 10.0), false).unwrap();
    fast.send_data(report(0.5, 100.0), false).unwrap();
    weighs(&way, busy.address, 20.0).await;
    weighs(&way, idle.address, 200.0).await;
    // A report that says nothing leaves the last one standing.
    slow.send_data(report(0.0, 10.0), false).unwrap();
    slow.send_data(report(0.5, 15.0), false).unwrap();
    weighs(&way, busy.address, 30.0).await;
    fast.send_data(report(0.5, 135.0), false).unwrap();
    weighs(&way, idle.address, 270.0).await;

    let home = async || {
        let _answer = within(way.call(Body::full(frame::encode(b"")))).await.unwrap();
        way.via().endpoint
    };
    // Weights are worked out anew every 100 ms.
    within(async {
        loop {
            let mut on_idle = 0;
            for _ in 0..100 {
                on_idle += usize::from(home().await == idle.address.into());
            }
            if (88..=92).contains(&on_idle) {
                return;
            }
        }
    })
    .await;
    let endpoints = way.cluster.snapshot();
    assert!(endpoints.iter().all(|endpoint| endpoint.calls() == 0), "a stream of reports is no call");
}

#[tokio::test]
async fn a_backend_without_the_service_is_not_asked_again_on_its_connection() {
    let mut backend = Backend::start().await;
    let way = way(&[backend.address]);
    backend.asked().await.refuse(Code::Unimplemented);
    // It is used all the same.
    within(way.call(Body::full(frame::encode(b"")))).await.unwrap();
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(60)).await;
    tokio::time::resume();
    assert!(backend.asked.try_recv().is_err());

    // Another connection may lead to another version.
    backend.leave.send(()).unwrap();
    let mut asked = backend.asked().await;
    asked.begin().send_data(report(0.5, 10.0), false).unwrap();
    weighs(&way, backend.address, 20.0).await;
}

#[tokio::test]
async fn a_stream_that_ends_is_asked_for_again_with_backoff() {
    let mut backend = Backend::start().await;
    let _way = way(&[backend.address]);
    let mut last: Option<Instant> = None;
    for (attempt, least) in [0, 80, 128, 204].into_iter().enumerate() {
        let mut asked = backend.asked().await;
        if let Some(last) = last {
            let rested = asked.at - last;
            assert!(rested >= Duration::from_millis(least), "{attempt}: {rested:?}");
        }
        last = Some(Instant::now());
        match attempt {
            0 => asked.refuse(Code::Unavailable),
            1 => asked.respond.send_reset(h2::Reason::INTERNAL_ERROR),
            _ => {
                let trailers = HeaderMap::from_iter([(GRPC_STATUS, 0.into())]);
                asked.begin().send_trailers(trailers).unwrap();
            }
        }
    }
    // A report has proven it, and the rest begins small again.
    let mut asked = backend.asked().await;
    let mut stream = asked.begin();
    stream.send_data(report(0.5, 10.0), false).unwrap();
    stream.send_trailers(HeaderMap::from_iter([(GRPC_STATUS, 0.into())])).unwrap();
    let ended = Instant::now();
    let rested = backend.asked().await.at - ended;
    assert!(rested >= Duration::from_millis(79), "{rested:?}");
}

#[tokio::test]
async fn nobody_is_asked_whose_trailers_count() {
    let mut backend = Backend::start().await;
    let target = Target::Static(vec![backend.address.into()]);
    let mut cluster = config::Cluster::new("orders", target);
    cluster.load_balancing = LoadBalancing::WeightedRoundRobin(WeightedRoundRobin::default());
    let way = Way::of(cluster, Kind::Unary);
    within(way.call(Body::full(frame::encode(b"")))).await.unwrap();
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(backend.asked.try_recv().is_err());
}
