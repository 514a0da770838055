//! Connections that a backend ends in words: 12 to 15.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    check,
    load::{Driver, Method, failures},
    scripted::{Options, Scripted, Step, status},
    scripts::{answer, answer_after, head, hold_after, is_stream, order},
    subject::{Setup, Subject, Which, idle},
    verdict::Verdict,
};

/// 12: the two GOAWAYs of a graceful shutdown while a stream is open and calls go on.
pub async fn graceful(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let backend = Scripted::start(|call| {
        if is_stream(call) { hold_after(call, 1) } else { answer_after(call, Duration::from_millis(2)) }
    })
    .await;
    let subject = Subject::start(which, &Setup::before(&backend)).await;
    let driver = Driver::open(subject.address(), 2).await;
    let mut stream = driver.begin(Method::Watch, "open", &[]).await.expect("the stream begins");
    verdict.expect(stream.message().await.is_some(), "the stream has no first message");
    let before = backend.connections();
    let load = driver.run(Method::Create, "unary", 200);
    tokio::time::sleep(Duration::from_millis(500)).await;
    backend.drain(0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let records = load.end().await;
    let failed = failures(&records);
    verdict.expect(failed.is_empty(), format_args!("{} calls failed: {:?}", failed.len(), failed.first()));
    let alive = backend.ledger().look(|seen| seen.alive[0]);
    verdict.expect(alive == before + 1, format_args!("{alive} connections, the drained one among them"));
    backend.release("open");
    let record = stream.end().await;
    verdict.expect(record.is_ok(), format_args!("the open stream: {record:?}"));
    let connections = backend.connections();
    verdict.saw(format_args!(
        "{} calls, {} failed, the open stream ended with {}, {connections} connections",
        records.len(),
        failed.len(),
        record.code
    ));
    verdict.expect(connections == before + 1, format_args!("{connections} connections for one GOAWAY"));
    once_each(&backend, &records, &mut verdict);
    subject.settles(&mut verdict).await;
    idle(&backend).await;
    verdict
}

/// 13: a GOAWAY whose last stream id is below calls that are in flight.
pub async fn below(which: Which) -> Verdict {
    const ABOVE: usize = 5;
    let mut verdict = Verdict::default();
    let backend = Scripted::start(|call| match (call.id.as_str(), call.attempt) {
        ("low", _) => vec![Step::Request, Step::Execute, Step::Hold, head(call), order(), status(0)],
        // All of them have come when the first is let go, and `low` has the id below it.
        ("high-0", 0) => vec![Step::Request, Step::Hold, Step::GoAway { below: true, code: 0 }],
        (id, 0) if id.starts_with("high") => vec![Step::Request, Step::Cancelled],
        _ => answer(call),
    })
    .await;
    let subject = Subject::start(which, &Setup::before(&backend)).await;
    let driver = Driver::open(subject.address(), 1).await;
    let call = |id: String| {
        let driver = driver.clone();
        tokio::spawn(async move { driver.call(Method::Create, &id).await })
    };
    let low = call("low".into());
    backend.called("low").await;
    let mut high = Vec::new();
    for number in 0..ABOVE {
        let id = format!("high-{number}");
        high.push(call(id.clone()));
        backend.called(&id).await;
    }
    backend.release("high-0");
    let mut codes = Vec::new();
    for (number, call) in high.into_iter().enumerate() {
        let (record, ledger) = (call.await.expect("a call"), backend.ledger());
        let (attempts, executions) = (ledger.attempts(&record.id), ledger.executions(&record.id));
        codes.push(record.code);
        verdict.expect(
            record.is_ok() && attempts == 2 && executions == 1,
            format_args!("high-{number}: {attempts} attempts, {executions} executions, {record:?}"),
        );
    }
    backend.release("low");
    let record = low.await.expect("a call");
    let attempts = backend.ledger().attempts("low");
    verdict.expect(record.is_ok() && attempts == 1, format_args!("low: {attempts} attempts, {record:?}"));
    verdict.saw(format_args!("above {codes:?} on another connection, below {} on the old one", record.code));
    subject.settles(&mut verdict).await;
    idle(&backend).await;
    verdict
}

/// 14: every connection of three backends gets a GOAWAY after a second.
pub async fn storm(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let listeners = {
        let mut listeners = Vec::new();
        for _ in 0..3 {
            listeners.push(tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free"));
        }
        listeners
    };
    let options = Options { connection_age: Some(Duration::from_secs(1)), ..Options::default() };
    let backend = Scripted::serve(listeners, options, |call| answer_after(call, Duration::from_millis(3)));
    let subject = Subject::start(which, &Setup::before(&backend)).await;
    let driver = Driver::open(subject.address(), 2).await;
    let began = Instant::now();
    let load = driver.run(Method::Create, "storm", 300);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let records = load.end().await;
    let failed = failures(&records);
    verdict.expect(failed.is_empty(), format_args!("{} calls failed: {:?}", failed.len(), failed.first()));
    once_each(&backend, &records, &mut verdict);
    // Each connection lasts a second, and one at a time is made for each endpoint.
    let most = began.elapsed().as_secs() as usize + 2;
    let made: Vec<_> = (0..3).map(|port| backend.ledger().connections_to(port)).collect();
    verdict
        .expect(made.iter().all(|made| *made <= most), format_args!("{made:?} connections, {most} at most"));
    // With no call to make, a GOAWAY now and then is no work.
    let (cpu, idle_since) = (subject.cpu(), Instant::now());
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let share = (subject.cpu() - cpu).as_secs_f64() / idle_since.elapsed().as_secs_f64();
    verdict.expect(share < 0.2, format_args!("{:.0} % of a core while idle", share * 100.0));
    verdict.saw(format_args!(
        "{} calls, {} failed, {made:?} connections, {:.0} % of a core while idle",
        records.len(),
        failed.len(),
        share * 100.0
    ));
    subject.settles(&mut verdict).await;
    verdict
}

/// 15: a backend is fed up with pings.
pub async fn too_many_pings(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let backend = Scripted::start(answer).await;
    let subject = Subject::start(which, &Setup::before(&backend)).await;
    let driver = Driver::open(subject.address(), 1).await;
    let before = driver.call(Method::Create, "before").await;
    verdict.expect(before.is_ok(), format_args!("before: {before:?}"));
    let connections = backend.connections();
    backend.go_away(0, 11, b"too_many_pings");
    backend.ledger().until(|seen| seen.alive[0] == 0 || seen.connections.len() > connections).await;
    let mut codes = Vec::new();
    for number in 0..5 {
        let record = driver.call(Method::Create, &format!("after-{number}")).await;
        codes.push(record.code);
    }
    verdict.saw(format_args!("after it {codes:?}, {} connections", backend.connections()));
    verdict.expect(codes == [0; 5], format_args!("after it {codes:?}"));
    verdict.expect(backend.connections() == connections + 1, "not one new connection");
    if let Some(gateway) = subject.edgeway() {
        let told = gateway.program.log().matches("keepalive PINGs too many").count();
        verdict.expect(told == 1, format_args!("the log tells it {told} times: {}", gateway.program.log()));
    }
    subject.settles(&mut verdict).await;
    verdict
}

/// Checks that every call was acted on once.
fn once_each(backend: &Scripted, records: &[crate::load::Record], verdict: &mut Verdict) {
    let twice = backend.ledger().executed_twice();
    verdict.expect(twice.is_empty(), format_args!("executed twice: {twice:?}"));
    let never =
        records.iter().filter(|record| record.is_ok() && backend.ledger().executions(&record.id) == 0);
    let never: Vec<_> = never.map(|record| &record.id).collect();
    verdict.expect(never.is_empty(), format_args!("answered and never executed: {never:?}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s12_a_graceful_goaway_costs_nothing() {
    check(graceful(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s13_what_goaway_leaves_out_is_sent_once_more() {
    check(below(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_a_storm_of_goaways_costs_nothing() {
    check(storm(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s15_too_many_pings_are_told_once() {
    check(too_many_pings(Which::Edgeway)).await;
}
