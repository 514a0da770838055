//! Connections that die, and some that never come to be: 5, 6, 7, 10 and 11.

use std::time::Duration;

use tokio::{task::JoinSet, time::Instant};

use crate::{
    check,
    doors::{self, Door, Kind},
    load::{Driver, Method, Record, failures},
    port,
    proxy::{Faults, Proxy},
    scripted::{Call, Scripted, Step, bytes, status},
    scripts::{answer, answer_after, head, hold_after, order},
    subject::{Setup, Subject, Which, idle},
    verdict::Verdict,
};

/// 5: one of three backends is killed under load.
pub async fn killed_mid_unary(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let backend = Scripted::start_with(3, None, |call| match call.id.starts_with("create-held") {
        true => vec![Step::Request, Step::Execute, Step::Hold, head(call), order(), status(0)],
        false => answer_after(call, Duration::from_millis(20)),
    })
    .await;
    // How many calls are in flight there, and so have to be sent again, is the machine's affair; the throttle and the
    // budget, which hold a great many back, are 26's.
    let setup = Setup {
        attempts: Some(3),
        cluster: "circuit_breakers: { max_retries: 1000 }".into(),
        service_config: ", retryThrottling: { maxTokens: 1000, tokenRatio: 1 }".into(),
        ..Setup::before(&backend)
    };
    let subject = Subject::start(which, &setup).await;
    let driver = Driver::open(subject.address(), 4).await;
    let loads = [driver.run(Method::Get, "get", 250), driver.run(Method::Create, "create", 250)];
    tokio::time::sleep(Duration::from_secs(1)).await;
    // So that calls are in flight there for certain.
    let held: Vec<_> = (0..HELD).map(|number| format!("create-held-{number}")).collect();
    let mut waiting = JoinSet::new();
    for id in held.clone() {
        let driver = driver.clone();
        waiting.spawn(async move { driver.call(Method::Create, &id).await });
    }
    let ledger = backend.ledger();
    let arrived = |call: &&Call| call.id.starts_with("create-held");
    ledger.until(|seen| seen.calls.iter().filter(arrived).count() == HELD).await;
    backend.kill(0).await;
    let killed = Instant::now();
    for id in &held {
        backend.release(id);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let [get, create] = loads;
    let (get, mut create) = (get.end().await, create.end().await);
    create.extend(waiting.join_all().await);

    let failed = failures(&get);
    verdict.expect(
        failed.is_empty(),
        format_args!("{} idempotent calls failed: {:?}", failed.len(), failed.first()),
    );
    let most = get.iter().map(|record| ledger.attempts(&record.id)).max().unwrap_or_default();
    verdict.expect(most <= 2, format_args!("an idempotent call was sent {most} times"));
    let lost = failures(&create);
    for record in &lost {
        // In flight there: sent to no other backend, and before it was gone. One that was on its way arrived nowhere.
        let calls = ledger.calls(&record.id);
        let there =
            calls.len() <= 1 && calls.iter().all(|call| call.port == 0) && record.started <= killed + SLACK;
        verdict.expect(record.code == 14 && there, format_args!("{record:?} after {calls:?}"));
        if which == Which::Edgeway {
            let reason = &record.reason;
            verdict
                .expect(reason == "OUTCOME_UNKNOWN", format_args!("the reason of {record:?} is {reason:?}"));
        }
    }
    let twice: Vec<_> = ledger.executed_twice().into_iter().filter(|id| id.starts_with("create")).collect();
    verdict.expect(twice.is_empty(), format_args!("executed twice: {twice:?}"));
    let total = get.len() + create.len();
    verdict.saw(format_args!(
        "of {total} calls {} non-idempotent ones, in flight there, are UNAVAILABLE",
        lost.len()
    ));
    let there = ledger.look(|seen| seen.calls.iter().filter(arrived).filter(|call| call.port == 0).count());
    let lost = lost.iter().filter(|record| record.id.starts_with("create-held")).count();
    verdict.expect(there > 0 && lost == there, format_args!("{lost} of {there} calls held there failed"));
    subject.settles(&mut verdict).await;
    idle(&backend).await;
    verdict
}

/// 6: a backend is killed in the midst of a stream.
pub async fn killed_mid_stream(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    for door in [Door::Grpc, Door::Web, Door::WebText] {
        let backend = Scripted::start(|call| hold_after(call, 3)).await;
        let subject = Subject::start(which, &Setup { attempts: Some(3), ..Setup::before(&backend) }).await;
        let address = subject.address().to_owned();
        let (first, came) = tokio::sync::oneshot::channel();
        let call = tokio::spawn(async move {
            let first = || first.send(()).expect("the test waits for it");
            doors::call(&address, door, Kind::Stream, "stream", first).await
        });
        came.await.expect("the stream begins");
        // What is on its way arrives: the messages were sent at once.
        tokio::time::sleep(Duration::from_millis(100)).await;
        backend.kill(0).await;
        let outcome = match call.await {
            Ok(outcome) => outcome,
            Err(error) => {
                verdict.expect(false, format_args!("{door:?}: the answer is none: {error}"));
                continue;
            }
        };
        let codes: Vec<_> = outcome.statuses.iter().map(|status| status.code).collect();
        verdict.saw(format_args!("{door:?}: {} messages, then status {codes:?}", outcome.messages));
        verdict.expect(outcome.messages == 3 && codes == [14], format_args!("{door:?}: {outcome:?}"));
        let attempts = backend.ledger().attempts("stream");
        verdict.expect(attempts == 1, format_args!("{door:?}: replayed, {attempts} attempts"));
        subject.settles(&mut verdict).await;
    }
    verdict.add(cut_mid_message(which).await);
    verdict
}

/// Of 6: the connection is reset within a message.
async fn cut_mid_message(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let backend = Scripted::start(|call| {
        let mut steps = hold_after(call, 2);
        steps.insert(steps.len() - 1, bytes(&[0; 100_000]));
        steps
    })
    .await;
    let proxy = Proxy::start(backend.addresses[0]).await;
    let subject = Subject::start(which, &Setup::new(&[proxy.address])).await;
    let driver = Driver::open(subject.address(), 1).await;
    let mut stream = driver.begin(Method::Watch, "cut", &[]).await.expect("the stream begins");
    for _ in 0..2 {
        verdict.expect(stream.message().await.is_some(), "the stream has no message");
    }
    proxy.set(Faults { cut_after: Some(proxy.to_client() + 10_000), ..Faults::default() });
    backend.release("cut");
    let record = stream.end().await;
    verdict
        .saw(format_args!("cut within a message: {} messages, then status {}", record.messages, record.code));
    verdict
        .expect(record.code == 14 && record.messages == 2, format_args!("cut within a message: {record:?}"));
    subject.settles(&mut verdict).await;
    verdict
}

/// 7: one of three addresses refuses connections.
pub async fn refused(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let backend = Scripted::start_with(2, None, answer).await;
    let closed = port::listen().await.local_addr().expect("a listener has an address");
    let addresses = [&backend.addresses[..], &[closed]].concat();
    let subject = Subject::launch(which, &Setup::new(&addresses));
    subject.connected(if which == Which::Edgeway { 2 } else { 3 }).await;
    let driver = Driver::open(subject.address(), 1).await;
    let load = driver.run(Method::Create, "refused", 200);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let records = load.end().await;
    let failed = failures(&records);
    verdict.saw(format_args!("{} calls, {} failed", records.len(), failed.len()));
    verdict.expect(failed.is_empty(), format_args!("{} calls failed: {:?}", failed.len(), failed.first()));
    if let Some(metrics) = subject.metrics().await {
        // 100 ms, 160 ms, 256 ms and so on, each +-20 %: eight in the first 5 s at the most.
        let refused = metrics.sum("edgeway_upstream_connects_total", &[("result", "refused")]);
        verdict.saw(format_args!("{refused} attempts to connect"));
        verdict.expect((1.0..=10.0).contains(&refused), format_args!("{refused} attempts to connect"));
    }
    subject.settles(&mut verdict).await;
    verdict
}

/// 10: the peer of an established connection has forgotten it and resets at the next write.
pub async fn half_open(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let backend = Scripted::start(answer).await;
    let proxy = Proxy::start(backend.addresses[0]).await;
    let setup = Setup { attempts: Some(3), ..Setup::new(&[proxy.address]) };
    let subject = Subject::start(which, &setup).await;
    let driver = Driver::open(subject.address(), 1).await;
    let mut codes = Vec::new();
    for method in [Method::Create, Method::Get] {
        let id = format!("{method:?}");
        let before = driver.call(method, &format!("{id}-before")).await;
        verdict.expect(before.is_ok(), format_args!("before: {before:?}"));
        proxy.forget();
        let record = driver.call(method, &id).await;
        codes.push(format!("{id} {}", record.code));
        match method {
            // It never arrived, but nobody can know.
            Method::Create => verdict.expect(
                record.code == 14 && backend.ledger().attempts(&id) == 0,
                format_args!("not idempotent: {record:?}"),
            ),
            _ => verdict.expect(
                record.is_ok() && backend.ledger().attempts(&id) == 1,
                format_args!("idempotent: {record:?}"),
            ),
        }
        let after = driver.call(Method::Create, &format!("{id}-after")).await;
        verdict.expect(after.is_ok(), format_args!("after: {after:?}"));
    }
    verdict.saw(format_args!("{}, {} connections", codes.join(", "), proxy.accepted()));
    subject.settles(&mut verdict).await;
    verdict
}

/// 11: a backend is stopped: its kernel takes connections, and nobody answers.
pub async fn stopped(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let backend = Scripted::start_with(3, None, answer).await;
    let interval = Duration::from_millis(300);
    let setup = Setup { policy: "least_request", health_interval: Some(interval), ..Setup::before(&backend) };
    let subject = Subject::start(which, &setup).await;
    let driver = Driver::open(subject.address(), 2).await;
    let stop = Instant::now();
    backend.freeze(0, true);
    let run = async |prefix: &str, count: usize| {
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let (driver, id) = (driver.clone(), format!("{prefix}-{number}"));
            tasks
                .spawn(async move { driver.call_with(Method::Create, &id, &[("grpc-timeout", "1S")]).await });
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tasks.join_all().await
    };
    let during: Vec<Record> = run("during", 300).await;
    let failed = failures(&during);
    let late = failed.iter().filter(|record| record.started > stop + 5 * interval).count();
    verdict.saw(format_args!(
        "{} of {} calls failed, {late} of them after 5 intervals",
        failed.len(),
        during.len()
    ));
    verdict.expect(failed.iter().all(|record| matches!(record.code, 4 | 14)), format_args!("{failed:?}"));
    verdict.expect(late == 0, "it was still used after two failed checks");
    // One of two random choices is the stopped one, which is taken only while it has fewer calls: a handful.
    verdict.expect(failed.len() <= 30, format_args!("{} calls went there", failed.len()));
    backend.freeze(0, false);
    let since = backend.ledger().total();
    crate::gateway::eventually("it is back", Duration::from_secs(5), async || {
        let after = driver.make(Method::Create, "after", 30, 3).await;
        let failed = failures(&after);
        assert!(failed.is_empty(), "{failed:?}");
        let shares = backend.ledger().shares(since);
        if shares[0] > 0 { Ok(()) } else { Err(format!("{shares:?}")) }
    })
    .await;
    subject.settles(&mut verdict).await;
    verdict
}

/// Calls that are held at the three backends, whichever the load in between leaves to each.
const HELD: usize = 12;

/// Between a kill in one process and what another one makes of it, which on a busy machine waits for its turn.
const SLACK: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s05_a_killed_backend_fails_only_what_it_may_have_run() {
    check(killed_mid_unary(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s06_a_killed_backend_ends_its_streams_with_a_status() {
    check(killed_mid_stream(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s07_an_address_that_refuses_costs_no_call() {
    check(refused(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s10_a_forgotten_connection_costs_one_write() {
    check(half_open(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s11_a_stopped_backend_is_left_out() {
    check(stopped(Which::Edgeway)).await;
}
