//! The gateway's own end under load: 36.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    check,
    gateway::eventually,
    http::{self, Client, Version},
    load::{Driver, Method, failures},
    scripted::Scripted,
    scripts::{answer_after, hold_after, is_stream},
    subject::{Setup, Subject, Which},
    verdict::Verdict,
};

/// 36: SIGTERM under unary calls, REST and streams.
pub async fn terminated(which: Which) -> Verdict {
    const DELAY: Duration = Duration::from_millis(1500);
    const GRACE: Duration = Duration::from_secs(2);
    let mut verdict = Verdict::default();
    let backend = Scripted::start_with(3, None, |call| match call.id.as_str() {
        _ if is_stream(call) => hold_after(call, 1),
        "long" => answer_after(call, Duration::from_millis(2500)),
        _ => answer_after(call, Duration::from_millis(30)),
    })
    .await;
    let mut setup = Setup { workers: 2, ..Setup::before(&backend) };
    setup.more = "shutdown: { drain_delay: 1500ms, grace: 2s }".into();
    let mut subject = Subject::start(which, &setup).await;
    let driver = Driver::open(subject.address(), 4).await;
    let streams: Vec<_> = (0..20)
        .map(|number| {
            let driver = driver.clone();
            tokio::spawn(async move { driver.call(Method::Watch, &format!("stream-{number}")).await })
        })
        .collect();
    let address = subject.address().to_owned();
    let rest = tokio::spawn(async move {
        let mut calls = 0;
        // As a balancer in front that heeds readiness: no further call, and those that are open are waited for.
        let until = Instant::now() + Duration::from_millis(500) + DELAY * 2 / 3;
        let client = Client::open(&address, Version::One).await;
        while Instant::now() < until {
            let reply = client.call(http::rest("/v1/orders/order-1")).await.expect("an answer");
            assert_eq!(reply.status, 200, "{reply:?}");
            calls += 1;
        }
        calls
    });
    let load = driver.run(Method::Create, "unary", 200);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let long = {
        let driver = driver.clone();
        tokio::spawn(async move { driver.call(Method::Create, "long").await })
    };
    backend.called("long").await;
    let told = Instant::now();
    subject.edgeway().expect("a gateway with a readiness").program.signal("TERM");
    eventually("readiness is off", Duration::from_secs(1), async || {
        let reply = subject.edgeway().expect("a gateway").admin("/readyz").await;
        if reply.status == 503 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
    let off = told.elapsed();
    tokio::time::sleep_until(told + DELAY * 2 / 3).await;
    let mut records = load.end().await;
    let rest = rest.await.expect("REST calls");
    records.push(long.await.expect("a call"));
    let failed = failures(&records);
    verdict
        .expect(failed.is_empty(), format_args!("{} unary calls failed: {:?}", failed.len(), failed.first()));
    for stream in streams {
        let record = stream.await.expect("a stream");
        let after = (record.started + record.latency).saturating_duration_since(told);
        let in_time = after >= DELAY + GRACE && after <= DELAY + GRACE + Duration::from_secs(1);
        let whole = record.code == 14 && record.messages == 1;
        verdict.expect(whole && in_time, format_args!("after {after:?}: {record:?}"));
    }
    let ended = tokio::task::block_in_place(|| subject.wait(Duration::from_secs(5)));
    let took = told.elapsed();
    verdict.expect(ended == Some(true), format_args!("it ended with {ended:?}"));
    verdict.expect(took <= DELAY + GRACE + Duration::from_secs(1), format_args!("it took {took:?} to end"));
    verdict.saw(format_args!(
        "unready after {off:.0?}; {} unary and {rest} REST calls, {} failed; 20 streams UNAVAILABLE at the grace; ended \
         after {took:.1?}",
        records.len(),
        failed.len()
    ));
    verdict
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s36_a_gateway_that_ends_fails_no_unary_call() {
    check(terminated(Which::Edgeway)).await;
}
