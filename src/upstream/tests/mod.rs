//! Calls over a lane to backends that are scripted frame by frame.

mod brake;
mod connections;
mod hedges;
mod hostile;
mod orphans;
mod queue;
mod retries;
mod script;
mod secure;
mod steering;
mod visible;

use std::{future::poll_fn, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use h2::{RecvStream, server::SendResponse};
use http::HeaderMap;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::{net::TcpListener, sync::mpsc, time::Instant};
use tonic::Code;
use tower::Service;

use super::{Cluster, Clusters, Lanes, Outbound, Target};
use crate::{
    call::{Body, CallError, Context, Inbound, Kind, Request, Response, Via},
    config::{self, Address},
    grpc::{CONTENT_TYPE, frame},
    telemetry::{Metrics, metrics::DeadlineIn},
};

/// A cluster, and the way out to it.
pub(super) struct Way {
    pub(super) cluster: Arc<Cluster>,
    lanes: Lanes,
    pub(super) context: Context,
    metrics: Metrics,
}

fn cluster<A: Into<Address>>(addresses: impl IntoIterator<Item = A>) -> config::Cluster {
    let target = config::Target::Static(addresses.into_iter().map(Into::into).collect());
    let mut cluster = config::Cluster::new("orders", target);
    cluster.connection.connect_timeout = Duration::from_secs(20);
    cluster
}

type Exchange = (http::Request<RecvStream>, SendResponse<Bytes>);

impl Way {
    fn to(address: SocketAddr, kind: Kind) -> Self {
        Self::with(&[address], kind, |_| {})
    }

    fn with(addresses: &[SocketAddr], kind: Kind, configure: impl FnOnce(&mut config::Cluster)) -> Self {
        let mut cluster = cluster(addresses.iter().copied());
        configure(&mut cluster);
        Self::of(cluster, kind)
    }

    /// With health checks and outlier detection as configured.
    pub(super) fn of(cluster: config::Cluster, kind: Kind) -> Self {
        let metrics = Metrics::new();
        let clusters = Clusters::new([cluster], &metrics);
        clusters.discover();
        let mut context = Context::new(kind, Inbound::Grpc, metrics.unknown_method());
        context.journal = Some(Arc::default());
        let cluster = clusters.iter().next().map(Arc::clone).unwrap();
        let lanes = Lanes::start(&clusters);
        clusters.guard(std::slice::from_ref(&lanes));
        Self { cluster, lanes, context, metrics }
    }

    pub(super) async fn call(&self, body: Body) -> Result<Response, CallError> {
        self.send(HeaderMap::new(), body).await
    }

    async fn send(&self, headers: HeaderMap, body: Body) -> Result<Response, CallError> {
        let mut request = Request::new(body);
        *request.headers_mut() = headers;
        *request.uri_mut() = "/shop.v1.Orders/Any".parse().unwrap();
        request.extensions_mut().insert(self.context.clone());
        request.extensions_mut().insert(Target(Arc::clone(&self.cluster)));
        Outbound::new(self.lanes.clone()).call(request).await
    }

    /// Which way the last call went that was answered.
    pub(super) fn via(&self) -> Via {
        self.context.journal.as_ref().unwrap().outcome().via.unwrap()
    }

    /// Waits until every endpoint has a connection.
    async fn connected(&self) {
        within(async {
            while !self.cluster.snapshot().iter().all(|endpoint| endpoint.connections() > 0) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        // The lane's link publishes in the step after it.
        tokio::task::yield_now().await;
    }

    /// All series of a metric, added up.
    fn sum(&self, name: &str) -> f64 {
        let page = self.metrics.encode();
        let lines = page
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    fn in_flight(&self) -> usize {
        self.cluster.snapshot().iter().map(|endpoint| endpoint.calls()).sum()
    }
}

/// Answers every call, of all connections, by `script`.
async fn backend<F: Future<Output = ()> + Send + 'static>(
    script: impl Fn(Exchange) -> F + Clone + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let script = script.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(socket).await.unwrap();
                while let Some(Ok(exchange)) = connection.accept().await {
                    tokio::spawn(script(exchange));
                }
            });
        }
    });
    address
}

fn head() -> http::Response<()> {
    http::Response::builder().header("content-type", CONTENT_TYPE).body(()).unwrap()
}

fn ok() -> HeaderMap {
    HeaderMap::from_iter([(crate::grpc::GRPC_STATUS, "0".parse().unwrap())])
}

pub(super) async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("within ten seconds")
}

#[tokio::test]
async fn a_deadline_resets_the_stream_of_a_client_that_does_not_read() {
    let (resets, mut reset) = mpsc::unbounded_channel();
    let address = backend(move |(_, mut respond)| {
        let resets = resets.clone();
        async move {
            let mut stream = respond.send_response(head(), false).unwrap();
            stream.send_data(frame::encode(&[0; 100]), false).unwrap();
            let reason = poll_fn(|cx| stream.poll_reset(cx)).await;
            resets.send(reason.unwrap()).unwrap();
        }
    })
    .await;
    let mut way = Way::to(address, Kind::ServerStream);
    way.context.deadline = Some(Instant::now() + Duration::from_millis(100));
    let answer = within(way.call(Body::full(frame::encode(b"")))).await.unwrap();
    assert_eq!(within(reset.recv()).await, Some(h2::Reason::CANCEL));
    let error = within(answer.into_body().collect()).await.unwrap_err();
    assert_eq!(error.status().code(), Code::DeadlineExceeded);
    assert_eq!(error.deadline_in(), Some(DeadlineIn::Stream));
}

#[tokio::test]
async fn answers_that_nobody_reads_leave_the_connection_its_window() {
    const BYTES: usize = 250_000;
    let address = backend(async |(_, mut respond): Exchange| {
        let mut stream = respond.send_response(head(), false).unwrap();
        stream.send_data(frame::encode(&[0; BYTES]), false).unwrap();
        stream.send_trailers(ok()).unwrap();
    })
    .await;
    let way = Way::to(address, Kind::ServerStream);
    let mut unread = Vec::new();
    // 150 x 250 kB are more than the window of the one connection.
    for _ in 0..150 {
        unread.push(within(way.call(Body::full(frame::encode(b"")))).await.unwrap());
        within(async {
            while way.in_flight() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    for answer in unread {
        let read = within(answer.into_body().collect()).await.unwrap();
        assert_eq!(read.to_bytes().len(), BYTES + frame::HEADER_LEN);
    }
}

#[tokio::test]
async fn a_deadline_that_passes_in_the_queue_is_a_deadline() {
    // Accepted by the kernel and never answered: the connection is being made for ever.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut way = Way::to(silent.local_addr().unwrap(), Kind::Unary);
    way.context.deadline = Some(Instant::now() + Duration::from_millis(50));
    let error = within(way.call(Body::full(frame::encode(b"")))).await.unwrap_err();
    assert_eq!(error.status().code(), Code::DeadlineExceeded, "{error}");
    assert_eq!(error.deadline_in(), Some(DeadlineIn::Connect));
}

#[tokio::test]
async fn a_grpc_status_under_another_http_status_is_http_200_at_the_waist() {
    let address = backend(async |(_, mut respond): Exchange| {
        let mut head = head();
        *head.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
        head.headers_mut().insert(crate::grpc::GRPC_STATUS, "14".parse().unwrap());
        respond.send_response(head, true).unwrap();
    })
    .await;
    let way = Way::to(address, Kind::Unary);
    let answer = within(way.call(Body::full(frame::encode(b"")))).await.unwrap();
    assert_eq!((answer.status(), answer.headers().len()), (http::StatusCode::OK, 1));
}

#[tokio::test]
async fn a_call_that_has_no_answer_yet_is_cut_with_a_status() {
    let (calls, mut called) = mpsc::unbounded_channel();
    let address = backend(move |exchange| {
        let calls = calls.clone();
        async move {
            calls.send(exchange).unwrap();
        }
    })
    .await;
    let way = Way::to(address, Kind::ClientStream);
    let cut = async {
        let exchange = within(called.recv()).await.unwrap();
        way.lanes.cut();
        exchange
    };
    let call = way.call(Body::full(frame::encode(b"")));
    let (answer, _exchange) = within(async { tokio::join!(call, cut) }).await;
    assert_eq!(answer.unwrap_err().status().message(), "the gateway is shutting down");
}

#[tokio::test]
async fn a_stream_whose_client_sends_is_not_idle() {
    let address = backend(async |(request, mut respond): Exchange| {
        let mut stream = respond.send_response(head(), false).unwrap();
        let mut body = request.into_body();
        while let Some(Ok(data)) = body.data().await {
            body.flow_control().release_capacity(data.len()).unwrap();
        }
        stream.send_trailers(ok()).unwrap();
    })
    .await;
    let mut way = Way::to(address, Kind::Bidi);
    way.context.idle_timeout = Some(Duration::from_millis(300));
    let messages = stream::unfold(0, async |sent| {
        tokio::time::sleep(Duration::from_millis(50)).await;
        (sent < 16).then(|| (Ok::<_, CallError>(Frame::data(frame::encode(b"more"))), sent + 1))
    });
    let answer = within(way.call(Body::stream(StreamBody::new(messages)))).await.unwrap();
    let read = within(answer.into_body().collect()).await.expect("a stream that is used is not ended");
    assert_eq!(read.trailers().unwrap(), &ok());
}

/// `clusters.discover` and `Lanes::start` only spawn: the endpoints are known here, the lane has yet to hear of them.
#[tokio::test]
async fn a_call_waits_for_a_lane_that_has_not_heard_of_its_endpoints() {
    let address = backend(|(_, mut respond)| async move {
        let mut stream = respond.send_response(head(), false).unwrap();
        stream.send_data(frame::encode(b""), false).unwrap();
        stream.send_trailers(ok()).unwrap();
    })
    .await;
    let way = Way::to(address, Kind::Unary);
    way.cluster.roster().resolved([Address::Tcp(address)]);
    within(way.call(Body::full(frame::encode(b"")))).await.unwrap();
}

/// The backend is down, then back: the worker that probed it is not the only one that may use it.
#[tokio::test]
async fn a_call_waits_for_a_link_whose_endpoint_another_worker_has_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let way = Way::to(address, Kind::Unary);
    let error = within(way.call(Body::full(frame::encode(b"")))).await.unwrap_err();
    assert_eq!(error.status().code(), Code::Unavailable);
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(socket).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let mut stream = respond.send_response(head(), false).unwrap();
                    stream.send_data(frame::encode(b""), false).unwrap();
                    stream.send_trailers(ok()).unwrap();
                }
            });
        }
    });
    let endpoint = Arc::clone(&way.cluster.snapshot()[0]);
    // Stands for the other worker: its probe succeeds, and this lane's link has not run since.
    let ticket = within(endpoint.ticket()).await;
    ticket.succeeded();
    within(way.call(Body::full(frame::encode(b"")))).await.unwrap();
}
