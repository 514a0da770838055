//! Which backend gets how much: 1 and 24.

use std::time::Duration;

use crate::{
    check,
    load::{Driver, Method, failures, quantile, shares},
    scripted::Scripted,
    scripts::{answer, answer_after},
    subject::{Setup, Subject, Which, idle},
    verdict::Verdict,
};

/// 1: three backends, one client connection, 3000 unary calls.
pub async fn even_shares(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    for (policy, tolerance) in [("round_robin", 1), ("least_request", 100)] {
        let backend = Scripted::start_with(3, None, answer).await;
        let setup = Setup { policy, ..Setup::before(&backend) };
        let subject = Subject::start(which, &setup).await;
        let driver = Driver::open(subject.address(), 1).await;
        let records = driver.make(Method::Create, policy, 3000, 8).await;
        let failed = failures(&records);
        verdict
            .expect(failed.is_empty(), format_args!("{} calls failed: {:?}", failed.len(), failed.first()));
        let shares = backend.ledger().shares(0);
        verdict.saw(format_args!("{policy} {shares:?}"));
        let even = shares.iter().all(|share| share.abs_diff(1000) <= tolerance);
        verdict.expect(even, format_args!("{policy} shares {shares:?}, expected 1000 +- {tolerance} each"));
        let connected = (0..3).all(|port| backend.ledger().connections_to(port) >= 1);
        verdict.expect(connected, "a backend without a connection");
        subject.settles(&mut verdict).await;
        idle(&backend).await;
    }
    verdict
}

/// 24: one of three backends is slow; `least_request` moves the load to the others.
pub async fn slow_backend(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let backend = Scripted::start_with(3, None, |call| {
        let time = if call.port == 0 { Duration::from_secs(2) } else { Duration::from_millis(5) };
        answer_after(call, time)
    })
    .await;
    let setup = Setup { policy: "least_request", ..Setup::before(&backend) };
    let subject = Subject::start(which, &setup).await;
    let driver = Driver::open(subject.address(), 2).await;
    let load = driver.run(Method::Create, "slow", 100);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let records = load.end().await;
    let failed = failures(&records);
    verdict.expect(failed.is_empty(), format_args!("{} calls failed: {:?}", failed.len(), failed.first()));
    let shares = shares(&records, 3);
    let share = shares[0] as f64 / records.len() as f64;
    verdict.expect(share < 0.1, format_args!("the slow one got {:.1} %", share * 100.0));
    let others: Vec<_> = records.into_iter().filter(|record| record.peer != Some(0)).collect();
    let p99 = quantile(&others, 0.99);
    verdict.saw(format_args!("slow one {:.1} %, p99 of the others {p99:.0?}", share * 100.0));
    verdict.expect(p99 < Duration::from_millis(200), format_args!("p99 of the others is {p99:?}"));
    subject.settles(&mut verdict).await;
    verdict
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s01_three_backends_share_evenly() {
    check(even_shares(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s24_a_slow_backend_gets_little() {
    check(slow_backend(Which::Edgeway)).await;
}
