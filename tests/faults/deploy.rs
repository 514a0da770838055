//! A rolling deploy: 4.

use std::time::Duration;

use tokio::{sync::watch, task::JoinSet, time::Instant};

use crate::{
    check,
    gateway::eventually,
    is_full,
    load::{Driver, Method, Record, failures},
    scripted::Scripted,
    scripts::{answer_after, hold_after, is_stream},
    subject::{Setup, Subject, Which, idle},
    verdict::Verdict,
};

/// 4: three backends, one after the other: `NOT_SERVING`, a while, GOAWAY, exit, restart; under 500 calls a second that
/// must not run twice and 50 streams.
pub async fn rolling(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let backend = Scripted::start_with(3, None, |call| match is_stream(call) {
        true => hold_after(call, 1),
        false => answer_after(call, Duration::from_millis(5)),
    })
    .await;
    let interval = Duration::from_millis(200);
    let setup = Setup { policy: "least_request", health_interval: Some(interval), ..Setup::before(&backend) };
    let subject = Subject::start(which, &setup).await;
    let driver = Driver::open(subject.address(), 6).await;
    let streams = Streams::start(&driver, 50).await;
    let load = driver.run(Method::Create, "unary", 500);
    let mut exits = Vec::new();
    for port in 0..3 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        backend.serving(port, false);
        tokio::time::sleep(if is_full() { Duration::from_secs(5) } else { Duration::from_millis(1200) })
            .await;
        let since = backend.ledger().total();
        backend.drain(port);
        // What is in flight finishes; streams do not, and end with the process.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let late = backend.ledger().shares(since)[port];
        verdict
            .expect(late == 0, format_args!("{late} calls came to backend {port} after it said NOT_SERVING"));
        exits.push(Instant::now());
        backend.kill(port).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        backend.serving(port, true);
        let since = backend.ledger().total();
        backend.restart(port).await;
        eventually("the restarted backend gets calls", Duration::from_secs(10), async || {
            let shares = backend.ledger().shares(since);
            if shares[port] > 0 { Ok(()) } else { Err(format!("{shares:?}")) }
        })
        .await;
    }
    let records = load.end().await;
    let failed = failures(&records);
    verdict
        .expect(failed.is_empty(), format_args!("{} unary calls failed: {:?}", failed.len(), failed.first()));
    let twice = backend.ledger().executed_twice();
    verdict.expect(twice.is_empty(), format_args!("executed twice: {twice:?}"));
    let ended = streams.end(&backend).await;
    let early: Vec<_> = ended
        .iter()
        .filter(|stream| {
            let over = stream.started + stream.latency;
            let at_exit = exits.iter().any(|exit| over >= *exit && over <= *exit + Duration::from_secs(1));
            stream.code != 14 || !at_exit
        })
        .collect();
    verdict.saw(format_args!(
        "{} unary calls, {} failed; {} streams ended, each UNAVAILABLE at an exit but for {}",
        records.len(),
        failed.len(),
        ended.len(),
        early.len()
    ));
    verdict.expect(early.is_empty(), format_args!("a stream ended otherwise: {:?}", early.first()));
    verdict.expect(ended.len() >= 50, format_args!("only {} streams ended over three exits", ended.len()));
    subject.settles(&mut verdict).await;
    idle(&backend).await;
    verdict
}

/// Streams that are opened again when they end.
struct Streams {
    stop: watch::Sender<bool>,
    tasks: JoinSet<(String, Vec<Record>)>,
}

impl Streams {
    async fn start(driver: &Driver, count: usize) -> Self {
        let (stop, mut tasks) = (watch::Sender::new(false), JoinSet::new());
        let (open, mut opened) = tokio::sync::mpsc::unbounded_channel();
        for task in 0..count {
            let (driver, stop, open) = (driver.clone(), stop.subscribe(), open.clone());
            tasks.spawn(async move {
                let mut ended = Vec::new();
                for number in 0.. {
                    let id = format!("stream-{task}-{number}");
                    match driver.begin(Method::Watch, &id, &[]).await {
                        Ok(stream) => {
                            let _ = open.send(());
                            ended.push(stream.end().await);
                        }
                        Err(record) => ended.push(*record),
                    }
                    if *stop.borrow() {
                        // The last one was ended by the test.
                        ended.pop();
                        return (id, ended);
                    }
                }
                unreachable!("numbers do not end")
            });
        }
        for _ in 0..count {
            opened.recv().await.expect("a stream begins");
        }
        Self { stop, tasks }
    }

    /// Ends those that are open; those that ended before come back.
    async fn end(self, backend: &Scripted) -> Vec<Record> {
        self.stop.send_replace(true);
        let open = backend.ledger().look(|seen| {
            let streams = seen.calls.iter().filter(|call| is_stream(call));
            streams.map(|call| call.id.clone()).collect::<Vec<_>>()
        });
        for id in open {
            backend.release(&id);
        }
        self.tasks.join_all().await.into_iter().flat_map(|(_, ended)| ended).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s04_a_rolling_deploy_fails_no_call_and_runs_none_twice() {
    check(rolling(Which::Edgeway)).await;
}
