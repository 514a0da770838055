//! How calls end early, and how a backend stops.

use std::time::Duration;

use futures_util::stream::{self, TryStreamExt};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tonic::transport::Channel;
use tonic::{Code, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::demo::proto::ecommerce::v1::diagnostics_service_client::DiagnosticsServiceClient;
use crate::demo::proto::ecommerce::v1::{SleepRequest, SleepResponse, StreamRequest, WatchOrderRequest};

use super::{Backend, connect};

#[tokio::test]
async fn calls_that_the_caller_leaves_count_as_cancelled() {
    let backend = Backend::start().await;
    let mut messages = backend.diagnostics().stream(ENDLESS).await.unwrap().into_inner();
    messages.message().await.unwrap().unwrap();
    let stats = backend.stats("DiagnosticsService/Stream", |stats| stats.started == 1).await;
    assert_eq!((stats.finished, stats.cancelled), (0, 0));
    drop(messages);
    let stats = backend.stats("DiagnosticsService/Stream", |stats| stats.cancelled == 1).await;
    assert_eq!((stats.started, stats.finished), (1, 0));

    // A stream that has nothing to send when it is left.
    let request = WatchOrderRequest { order_id: "order-1".into() };
    let mut updates = backend.orders().watch_order(request).await.unwrap().into_inner();
    updates.message().await.unwrap().unwrap();
    drop(updates);
    backend.stats("OrderService/WatchOrder", |stats| stats.cancelled == 1).await;

    // A unary call and an upload, which end with their connection.
    let other = connect(backend.address).await;
    let sleep = sleep(other.clone(), 3600);
    let upload =
        tokio::spawn(async move { DiagnosticsServiceClient::new(other).collect(stream::pending()).await });
    for method in ["DiagnosticsService/Sleep", "DiagnosticsService/Collect"] {
        backend.stats(method, |stats| stats.started == 1).await;
    }
    sleep.abort();
    upload.abort();
    for method in ["DiagnosticsService/Sleep", "DiagnosticsService/Collect"] {
        let stats = backend.stats(method, |stats| stats.cancelled == 1).await;
        assert_eq!(stats.finished, 0, "{method}");
    }
}

#[tokio::test]
async fn stopping_tells_health_and_lets_calls_finish() {
    let backend = Backend::start().await;
    let mut health = HealthClient::new(backend.channel.clone());
    let mut watches = Vec::new();
    for service in ["", "ecommerce.v1.OrderService", "ecommerce.v1.DiagnosticsService"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let mut watch = health.watch(request).await.unwrap().into_inner();
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving, "{service}");
        watches.push(watch);
    }
    let sleep = sleep(backend.channel.clone(), 1);
    backend.stats("DiagnosticsService/Sleep", |stats| stats.started == 1).await;
    let request = WatchOrderRequest { order_id: "order-3".into() };
    let updates = backend.orders().watch_order(request).await.unwrap().into_inner();

    backend.stop.send(()).unwrap();
    for watch in &mut watches {
        assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
        assert_eq!(watch.message().await.unwrap_err().code(), Code::Unavailable);
    }
    assert_eq!(updates.try_collect::<Vec<_>>().await.unwrap().len(), 2);
    sleep.await.unwrap().unwrap();
    timeout(Duration::from_secs(2), backend.task)
        .await
        .expect("nothing is left to wait for")
        .unwrap()
        .unwrap();
    assert!(tokio::net::TcpStream::connect(backend.address).await.is_err(), "no one listens");
}

#[tokio::test]
async fn stopping_ends_what_does_not_end_itself() {
    let backend = Backend::start().await;
    let sleep = sleep(backend.channel.clone(), 3600);
    // One reader keeps up, one stalls with its window full; both streams would run for hours.
    let messages = backend.diagnostics().stream(ENDLESS).await.unwrap().into_inner();
    let reader = tokio::spawn(messages.try_for_each(async |_| Ok(())));
    let mut other = DiagnosticsServiceClient::new(connect(backend.address).await);
    let stalled = other.stream(ENDLESS).await.unwrap().into_inner();
    backend.stats("DiagnosticsService/Stream", |stats| stats.started == 2 && stats.bytes_sent > 0).await;
    backend.stats("DiagnosticsService/Sleep", |stats| stats.started == 1).await;

    let start = Instant::now();
    backend.stop.send(()).unwrap();
    assert_eq!(reader.await.unwrap().unwrap_err().code(), Code::Unavailable);
    assert_eq!(sleep.await.unwrap().unwrap_err().code(), Code::Unavailable);
    assert!(start.elapsed() >= Duration::from_secs(3), "calls get their grace, not {:?}", start.elapsed());
    timeout(Duration::from_secs(3), backend.task).await.expect("the wait is bounded").unwrap().unwrap();

    let drained = timeout(Duration::from_secs(5), stalled.try_for_each(async |_| Ok(()))).await;
    drained.expect("the connection is cut").expect_err("a stream that was cut has not ended well");
}

#[tokio::test]
async fn a_backend_that_is_dropped_takes_its_connections_along() {
    let backend = Backend::start().await;
    let sleep = sleep(backend.channel.clone(), 3600);
    backend.stats("DiagnosticsService/Sleep", |stats| stats.started == 1).await;
    backend.task.abort();
    timeout(Duration::from_secs(5), sleep).await.expect("the call ends").unwrap().unwrap_err();
}

fn sleep(channel: Channel, seconds: i64) -> JoinHandle<Result<Response<SleepResponse>, Status>> {
    let request = SleepRequest { duration: Some(prost_types::Duration { seconds, nanos: 0 }) };
    tokio::spawn(async move { DiagnosticsServiceClient::new(channel).sleep(request).await })
}

const ENDLESS: StreamRequest =
    StreamRequest { count: u32::MAX, size: 10_000, interval: None, separate_frames: false };
