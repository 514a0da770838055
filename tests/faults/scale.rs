//! Sets of endpoints that change, and a DNS server that lies: 2, 3 and 31.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use tokio::{net::TcpListener, time::Instant};

use crate::{
    check,
    dns::{Answer, Dns},
    gateway::eventually,
    load::{Driver, Method, failures},
    port,
    scripted::{Call, Options, Scripted, Step, status},
    scripts::{answer_after, head, order},
    subject::{Setup, Subject, Target, Which, idle},
    verdict::Verdict,
};

/// 2: from three backends to ten under load.
pub async fn scale_out(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let site = Site::start(10).await;
    site.list(&(0..3).collect::<Vec<_>>());
    let (subject, driver) = site.gateway(which, 3).await;
    let load = driver.run(Method::Create, "out", 250);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let ledger = site.backend.ledger();
    let before: Vec<_> = (0..3).map(|port| ledger.connections_to(port)).collect();
    let (since, changed) = (ledger.total(), Instant::now());
    site.list(&(0..10).collect::<Vec<_>>());
    eventually("all ten get calls", Duration::from_secs(10), async || {
        let shares = ledger.shares(since);
        if shares.iter().all(|share| *share > 0) { Ok(()) } else { Err(format!("{shares:?}")) }
    })
    .await;
    let took = changed.elapsed();
    let records = load.end().await;
    let failed = failures(&records);
    let after: Vec<_> = (0..3).map(|port| ledger.connections_to(port)).collect();
    verdict.saw(format_args!("all ten after {took:.1?}, {} calls, {} failed", records.len(), failed.len()));
    verdict.expect(took <= REFRESH + Duration::from_secs(2), format_args!("all ten only after {took:?}"));
    verdict.expect(failed.is_empty(), format_args!("{} calls failed: {:?}", failed.len(), failed.first()));
    verdict.expect(before == after, format_args!("the old three reconnected: {before:?}, then {after:?}"));
    subject.settles(&mut verdict).await;
    idle(&site.backend).await;
    verdict
}

/// 3: from ten backends to three under load, with calls open on those that go.
pub async fn scale_in(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let site = Site::start(10).await;
    site.list(&(0..10).collect::<Vec<_>>());
    let (subject, driver) = site.gateway(which, 10).await;
    // One of the calls that stay open is on each, as round robin has it.
    let mut held = Vec::new();
    for number in 0..10 {
        let (driver, id) = (driver.clone(), format!("held-{number}"));
        let call = id.clone();
        held.push(tokio::spawn(async move { driver.call(Method::Create, &call).await }));
        site.backend.called(&id).await;
    }
    let load = driver.run(Method::Create, "in", 250);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let changed = Instant::now();
    site.list(&[0, 1, 2]);
    let ledger = site.backend.ledger();
    tokio::time::sleep(REFRESH + Duration::from_secs(2)).await;
    let until = Instant::now();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (late, last) = ledger.look(|seen| {
        let removed: Vec<_> = seen.calls.iter().filter(|call| call.port >= 3).collect();
        let last = removed.iter().map(|call| call.at).max().unwrap_or(changed);
        (removed.iter().filter(|call| call.at > until).count(), last)
    });
    let alive = ledger.look(|seen| seen.alive[3..].iter().sum::<usize>());
    for number in 0..10 {
        site.backend.release(&format!("held-{number}"));
    }
    let mut records = load.end().await;
    for call in held {
        records.push(call.await.expect("a call"));
    }
    let failed = failures(&records);
    let stopped = last.saturating_duration_since(changed);
    verdict.saw(format_args!(
        "the removed got their last call after {stopped:.1?}, {} calls, {} failed",
        records.len(),
        failed.len()
    ));
    verdict.expect(late == 0, format_args!("{late} calls to removed endpoints after {:?}", until - changed));
    verdict.expect(failed.is_empty(), format_args!("{} calls failed: {:?}", failed.len(), failed.first()));
    verdict.expect(alive >= 7, format_args!("{alive} connections were left under the calls that were open"));
    eventually("the connections to the removed are closed", Duration::from_secs(5), async || {
        match ledger.look(|seen| seen.alive[3..].iter().sum::<usize>()) {
            0 => Ok(()),
            alive => Err(format!("{alive}")),
        }
    })
    .await;
    subject.settles(&mut verdict).await;
    idle(&site.backend).await;
    verdict
}

/// 31: every wrong answer there is, a set that alternates, and a server that is dead.
pub async fn flapping(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let site = Site::start(4).await;
    site.list(&[0, 1]);
    let (subject, driver) = site.gateway(which, 2).await;
    let load = driver.run(Method::Create, "flap", 150);
    let ledger = site.backend.ledger();
    let connections = site.backend.connections();
    for answer in [Answer::NxDomain, Answer::ServFail, Answer::Empty, Answer::Silence] {
        let since = site.dns.asked();
        site.dns.set(answer.clone());
        // Two questions that were answered so. A server that says nothing is given up on after seconds.
        let patience = Duration::from_secs(if matches!(answer, Answer::Silence) { 4 } else { 8 });
        let until = Instant::now() + patience;
        while site.dns.asked() < since + 2 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        let made = site.backend.connections();
        verdict.expect(made == connections, format_args!("{made} connections after {answer:?}"));
        let at = ledger.total();
        tokio::time::sleep(Duration::from_millis(200)).await;
        let shares = ledger.shares(at);
        verdict.expect(shares[0] > 0 && shares[1] > 0, format_args!("shares {shares:?} after {answer:?}"));
    }
    // By TCP alone, and then one set and the other, each for a few answers.
    site.dns.set(Answer::OnlyByTcp(site.ips(&[0, 1, 2])));
    let since = ledger.total();
    let by_tcp = eventually("what only TCP carries is used", Duration::from_secs(10), async || {
        let shares = ledger.shares(since);
        if shares[2] > 0 { Ok(()) } else { Err(format!("{shares:?}")) }
    });
    by_tcp.await;
    for set in [&[0, 3][..], &[0, 1], &[0, 3], &[0, 1]] {
        let since = ledger.total();
        site.list(set);
        eventually("the set is used", Duration::from_secs(10), async || {
            let shares = ledger.shares(since);
            let used: BTreeSet<_> = (0..4).filter(|port| shares[*port] > 0).collect();
            if set.iter().all(|port| used.contains(port)) { Ok(()) } else { Err(format!("{shares:?}")) }
        })
        .await;
    }
    let records = load.end().await;
    let failed = failures(&records);
    verdict.saw(format_args!("{} calls, {} failed", records.len(), failed.len()));
    verdict.expect(failed.is_empty(), format_args!("{} calls failed: {:?}", failed.len(), failed.first()));
    let stayed = ledger.connections_to(0);
    verdict.expect(stayed == 1, format_args!("{stayed} connections to the endpoint that was in every set"));
    subject.settles(&mut verdict).await;
    idle(&site.backend).await;
    verdict
}

/// Backends on addresses of their own with one port, and the name that lists some of them.
struct Site {
    backend: Scripted,
    dns: Dns,
    port: u16,
}

impl Site {
    async fn start(count: u8) -> Self {
        let (port, listeners) = loop {
            let first = port::listen().await;
            let port = first.local_addr().expect("a listener has an address").port();
            let mut listeners = vec![first];
            for last in 2..=count {
                listeners.extend(TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), port)).await);
            }
            // One may be taken: then another port is tried.
            if listeners.len() == usize::from(count) {
                break (port, listeners);
            }
        };
        let script = |call: &Call| match call.id.starts_with("held") {
            true => vec![Step::Request, Step::Execute, Step::Hold, head(call), order(), status(0)],
            false => answer_after(call, Duration::from_millis(5)),
        };
        let backend = Scripted::serve(listeners, Options::default(), script);
        Self { backend, dns: Dns::start(Answer::Empty).await, port }
    }

    fn ips(&self, ports: &[usize]) -> Vec<Ipv4Addr> {
        ports.iter().map(|port| Ipv4Addr::new(127, 0, 0, *port as u8 + 1)).collect()
    }

    fn list(&self, ports: &[usize]) {
        self.dns.set(Answer::Addresses(self.ips(ports)));
    }

    async fn gateway(&self, which: Which, backends: usize) -> (Subject, Driver) {
        let target = Target::Dns { server: self.dns.address, port: self.port, refresh: REFRESH };
        let subject = Subject::launch(which, &Setup { target, ..Setup::new(&[]) });
        subject.connected(backends).await;
        let driver = Driver::open(subject.address(), 2).await;
        (subject, driver)
    }
}

/// The `dns_refresh_rate` of these scenarios.
const REFRESH: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s02_new_backends_get_their_share_within_a_refresh() {
    check(scale_out(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s03_removed_backends_finish_what_they_have() {
    check(scale_in(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s31_wrong_answers_of_dns_change_nothing() {
    check(flapping(Which::Edgeway)).await;
}
