//! Time that runs out, and clients that leave: 28 to 30.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::Instant;

use crate::{
    check,
    http::{self, Client, Version},
    load::{Driver, Method},
    scripted::{Call, Scripted, Step, status},
    scripts::{answer, head, is_stream, order},
    subject::{Setup, Subject, Which, idle},
    verdict::Verdict,
};

/// 28: the client has 100 ms, the backend takes a second.
pub async fn too_slow(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let backend = Scripted::start(|_| vec![Step::Request, Step::Execute, Step::Cancelled]).await;
    let subject = Subject::start(which, &Setup { attempts: None, ..Setup::before(&backend) }).await;
    let driver = Driver::open(subject.address(), 1).await;
    let mut latencies = Vec::new();
    for method in [Method::Create, Method::Get] {
        let id = format!("{method:?}");
        let record = driver.call_with(method, &id, &[("grpc-timeout", "100m")]).await;
        let latency = record.latency;
        verdict.expect(record.code == 4, format_args!("{record:?}"));
        verdict
            .expect(latency >= MS(98) && latency <= MS(100) + SLACK, format_args!("{id} took {latency:?}"));
        let cancelled = backend.cancelled(&id).await;
        let calls = backend.calls(&id);
        let [call] = calls.as_slice() else {
            verdict.expect(false, format_args!("{} attempts", calls.len()));
            continue;
        };
        let after = cancelled.duration_since(record.started);
        verdict.expect(after <= MS(120) + SLACK, format_args!("cancelled after {after:?}"));
        let told = timeout(call);
        verdict.expect(told > MS(20) && told <= MS(100), format_args!("the backend was told {told:?}"));
        latencies.push(format!("{method:?} {latency:.1?}, the backend was told {told:.1?}"));
    }
    verdict.saw(latencies.join("; "));
    subject.settles(&mut verdict).await;
    idle(&backend).await;
    verdict
}

/// 29: the deadline passes while the call waits for a stream.
pub async fn spent_in_the_queue(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let script = |call: &Call| match call.id.as_str() {
        "first" => vec![Step::Request, Step::Hold, head(call), order(), status(0)],
        _ => answer(call),
    };
    let backend = Scripted::start_with(1, Some(1), script).await;
    let mut setup = Setup::before(&backend);
    setup.cluster = "connections_per_endpoint: 1".into();
    let subject = Subject::start(which, &setup).await;
    let driver = Driver::open(subject.address(), 1).await;
    let first = {
        let driver = driver.clone();
        tokio::spawn(async move { driver.call(Method::Create, "first").await })
    };
    backend.called("first").await;
    let late = driver.call_with(Method::Create, "late", &[("grpc-timeout", "150m")]).await;
    // A deadline that has passed before the call comes to the way out.
    let zero = driver.call_with(Method::Create, "zero", &[("grpc-timeout", "0m")]).await;
    backend.release("first");
    let first = first.await.expect("a call");
    let after = driver.call(Method::Create, "after").await;
    for record in [&late, &zero] {
        let attempts = backend.ledger().attempts(&record.id);
        verdict.expect(record.code == 4 && attempts == 0, format_args!("{attempts} attempts, {record:?}"));
    }
    let took = late.latency;
    verdict.expect(took >= MS(148) && took <= MS(150) + SLACK, format_args!("it took {took:?}"));
    verdict.expect(first.is_ok() && after.is_ok(), format_args!("{first:?}, {after:?}"));
    verdict.saw(format_args!("status {} after {took:.0?}, the backend was never called", late.code));
    subject.settles(&mut verdict).await;
    idle(&backend).await;
    verdict
}

/// 30: clients that leave, by HTTP/1.1, HTTP/2 and gRPC-Web, in a unary call and in a stream.
pub async fn client_leaves(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let backend = Scripted::start(|call| match is_stream(call) {
        true => vec![Step::Request, Step::Execute, head(call), order(), Step::Cancelled],
        false => vec![Step::Request, Step::Execute, Step::Cancelled],
    })
    .await;
    let subject = Subject::start(which, &Setup { attempts: None, ..Setup::before(&backend) }).await;
    let body = edgeway::demo::proto::ecommerce::v1::WatchOrderRequest { order_id: "order-1".into() };
    let mut worst = Duration::ZERO;
    for path in ["/ecommerce.v1.OrderService/GetOrder", "/ecommerce.v1.OrderService/WatchOrder"] {
        for (way, version, web) in
            [("h1", Version::One, true), ("h2", Version::Two, false), ("h2-web", Version::Two, true)]
        {
            let id = format!("{way}{path}");
            let request = if web { http::web(path, &body) } else { http::grpc(path, &body) };
            let request = http::with(request, "x-call", &id);
            let client = Client::open(subject.address(), version).await;
            let call = tokio::spawn(async move {
                let response = client.send(request).await;
                if let Ok(response) = response {
                    let mut body = response.into_body();
                    while let Some(Ok(frame)) = body.frame().await {
                        drop(frame.into_data().unwrap_or_else(|_| Bytes::new()));
                    }
                }
                drop(client);
            });
            backend.called(&id).await;
            if path.ends_with("WatchOrder") {
                tokio::time::sleep(MS(20)).await;
            }
            let left = Instant::now();
            // The task owns the connection, which ends with it.
            call.abort();
            let after = backend.cancelled(&id).await.saturating_duration_since(left);
            worst = worst.max(after);
            verdict.expect(after <= MS(50) + SLACK, format_args!("{id}: cancelled after {after:?}"));
        }
    }
    tokio::time::sleep(MS(100)).await;
    let total = backend.ledger().total();
    verdict.expect(total == 6, format_args!("{total} attempts for 6 calls"));
    verdict.saw(format_args!("6 ways, the backend is told within {worst:.0?}, no retry"));
    subject.settles(&mut verdict).await;
    idle(&backend).await;
    verdict
}

/// The `grpc-timeout` that a backend was told.
fn timeout(call: &Call) -> Duration {
    let text = call.headers.get("grpc-timeout").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let number: u32 = number.parse().unwrap_or_default();
    let unit = match unit {
        "n" => Duration::from_nanos(1),
        "u" => Duration::from_micros(1),
        "m" => MS(1),
        "S" => Duration::from_secs(1),
        _ => Duration::ZERO,
    };
    unit * number
}

/// Milliseconds.
const MS: fn(u64) -> Duration = Duration::from_millis;

/// What a machine with other things to do may add.
const SLACK: Duration = Duration::from_millis(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s28_a_deadline_is_kept_and_passed_on() {
    check(too_slow(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s29_a_deadline_spent_in_the_queue_reaches_no_backend() {
    check(spent_in_the_queue(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s30_a_client_that_leaves_is_passed_on() {
    check(client_leaves(Which::Edgeway)).await;
}
