//! Backends that fail calls, and what keeps a gateway from making it worse: 25 to 27.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{
    check,
    gateway::eventually,
    load::{Driver, Method, failures},
    scripted::{Scripted, Step},
    scripts::{answer, fail},
    subject::{Outlier, Setup, Subject, Which, idle},
    verdict::Verdict,
};

/// 25: one of four backends fails every call, fast, with UNAVAILABLE and then with INTERNAL.
pub async fn ejected(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    for code in [14, 13] {
        let broken = Arc::new(AtomicBool::new(true));
        let is_broken = Arc::clone(&broken);
        let backend = Scripted::start_with(4, None, move |call| {
            if call.port == 0 && is_broken.load(Relaxed) { fail(call, code) } else { answer(call) }
        })
        .await;
        let outlier = Outlier { failures: 5, base: Duration::from_secs(1), percent: 50 };
        let setup = Setup { outlier: Some(outlier), ..Setup::before(&backend) };
        let subject = Subject::start(which, &setup).await;
        let driver = Driver::open(subject.address(), 1).await;
        // One after the other, so that what happens after the fifth failure can be told.
        let records = driver.make(Method::Create, "first", 200, 1).await;
        let failed = failures(&records).len();
        verdict.expect(
            (5..=7).contains(&failed),
            format_args!("{failed} calls of 200 failed with {code} before it was ejected"),
        );
        let since = backend.ledger().total();
        tokio::time::sleep(Duration::from_millis(3500)).await;
        let more = driver.make(Method::Create, "probes", 200, 1).await;
        let probes = backend.ledger().shares(since)[0];
        let again = failures(&more).len();
        verdict
            .expect(again <= 2 && probes <= 2, format_args!("{probes} probes, {again} calls failed later"));
        broken.store(false, Relaxed);
        let since = backend.ledger().total();
        eventually("it is admitted again", Duration::from_secs(12), async || {
            let records = driver.make(Method::Create, "again", 40, 4).await;
            verdict_free(&records);
            let shares = backend.ledger().shares(since);
            if shares[0] > 10 { Ok(()) } else { Err(format!("{shares:?}")) }
        })
        .await;
        verdict.saw(format_args!("{code}: {failed} failures, {probes} probes, and back when it was well"));
        subject.settles(&mut verdict).await;
        idle(&backend).await;
    }
    verdict.add(most_fail(which).await);
    verdict
}

/// Of 25: three of four fail; no more than half of them are left out, and nobody is without an answer for it.
async fn most_fail(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let backend = Scripted::start_with(4, None, |call| match call.port {
        0 => answer(call),
        _ => fail(call, 14),
    })
    .await;
    let outlier = Outlier { failures: 5, base: Duration::from_secs(30), percent: 50 };
    let subject = Subject::start(which, &Setup { outlier: Some(outlier), ..Setup::before(&backend) }).await;
    let driver = Driver::open(subject.address(), 1).await;
    driver.make(Method::Create, "first", 100, 1).await;
    let since = backend.ledger().total();
    driver.make(Method::Create, "then", 100, 1).await;
    let shares = backend.ledger().shares(since);
    let out = shares.iter().filter(|share| **share == 0).count();
    verdict.saw(format_args!("three of four fail: {out} ejected"));
    verdict.expect(out == 2 && shares[0] > 0, format_args!("shares {shares:?}, expected two without calls"));
    subject.settles(&mut verdict).await;
    verdict
}

/// 26: all backends fail and every call may be tried three times.
pub async fn amplification(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let backend = Scripted::start_with(3, None, |call| fail(call, 14)).await;
    let outlier = Outlier { failures: 100_000, base: Duration::from_secs(30), percent: 50 };
    let setup = Setup { attempts: Some(3), budget: true, outlier: Some(outlier), ..Setup::before(&backend) };
    let subject = Subject::start(which, &setup).await;
    let driver = Driver::open(subject.address(), 4).await;
    // What it takes until the throttle closes.
    driver.make(Method::Get, "first", 30, 3).await;
    let since = backend.ledger().total();
    let load = driver.run(Method::Get, "storm", 1000);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let records = load.end().await;
    let attempts = backend.ledger().total() - since;
    let factor = attempts as f64 / records.len() as f64;
    verdict.saw(format_args!("{attempts} attempts for {} calls, {factor:.2}x", records.len()));
    verdict.expect(factor <= 1.2, format_args!("{factor:.2} attempts per call"));
    verdict.expect(records.iter().all(|record| record.code == 14), "a call has another status");
    subject.settles(&mut verdict).await;
    idle(&backend).await;
    verdict
}

/// 27: `grpc-retry-pushback-ms`.
pub async fn pushback(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let backend = Scripted::start(|call| {
        let values: &[&str] = match (call.id.as_str(), call.attempt) {
            ("wait", 0) => &["200"],
            ("never", _) => &["-1"],
            ("word", _) => &["x"],
            ("two", _) => &["10", "10"],
            _ => return answer(call),
        };
        let mut headers = vec![("content-type", "application/grpc".into()), ("grpc-status", "14".into())];
        headers.extend(values.iter().map(|value| ("grpc-retry-pushback-ms", (*value).to_owned())));
        vec![Step::Request, Step::Execute, Step::Only(200, headers)]
    })
    .await;
    let setup = Setup { attempts: Some(3), ..Setup::before(&backend) };
    let subject = Subject::start(which, &setup).await;
    let driver = Driver::open(subject.address(), 1).await;
    let waited = driver.call(Method::Get, "wait").await;
    let calls = backend.calls("wait");
    let apart = match calls.as_slice() {
        [first, second] => second.at - first.at,
        _ => Duration::ZERO,
    };
    verdict.expect(waited.is_ok() && calls.len() == 2, format_args!("{} attempts, {waited:?}", calls.len()));
    let right = apart >= Duration::from_millis(198) && apart <= Duration::from_millis(300);
    verdict.expect(right, format_args!("the attempts are {apart:?} apart"));
    let previous = calls.get(1).and_then(|call| call.headers.get("grpc-previous-rpc-attempts").cloned());
    verdict.expect(
        previous.as_ref().is_some_and(|value| value == "1"),
        format_args!("grpc-previous-rpc-attempts is {previous:?}"),
    );
    for id in ["never", "word", "two"] {
        let record = driver.call(Method::Get, id).await;
        let attempts = backend.ledger().attempts(id);
        verdict.expect(
            record.code == 14 && attempts == 1,
            format_args!("{id}: {attempts} attempts, {record:?}"),
        );
    }
    // Each of the three cost a token of the ten, and so did the first: at half of them retries stop.
    let mut spent = 0;
    for number in 0..4 {
        let id = format!("wait-{number}");
        spent += driver.call(Method::Get, &id).await.code;
    }
    verdict.expect(spent == 0, "a call that is answered at once failed");
    verdict.saw(format_args!("200: tried again after {apart:.0?}; -1, x and two values: one attempt each"));
    subject.settles(&mut verdict).await;
    idle(&backend).await;
    verdict
}

fn verdict_free(records: &[crate::load::Record]) {
    assert!(records.iter().all(|record| matches!(record.code, 0 | 13 | 14)), "{records:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s25_a_failing_backend_is_ejected_and_comes_back() {
    check(ejected(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s26_retries_do_not_multiply_a_failure() {
    check(amplification(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s27_pushback_is_obeyed() {
    check(pushback(Which::Edgeway)).await;
}
