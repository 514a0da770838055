//! Addresses that swallow packets: 8 and 9. To drop them takes a network namespace, which only root can make.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, time::Instant};

use crate::{
    check,
    gateway::eventually,
    is_full,
    load::{Driver, Method, failures},
    namespace::Namespace,
    proxy::{Faults, Proxy, Way},
    scripted::{Options, Scripted},
    scripts::answer,
    subject::{Setup, Subject, Which, idle},
    verdict::Verdict,
};

/// 8: SYNs to one of three addresses are dropped from the start.
pub async fn syn(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let Some((namespace, backend)) = site(3, &mut verdict).await else { return verdict };
    let dropped = backend.addresses[2].port();
    namespace.drop_packets(dropped, true);
    let timeout = Duration::from_secs(1);
    let setup =
        Setup { inside: Some(Arc::clone(&namespace)), connect_timeout: timeout, ..Setup::before(&backend) };
    let subject = Subject::launch(which, &setup);
    subject.connected(2).await;
    let driver = Driver::open(subject.address(), 1).await;
    let load = driver.run(Method::Create, "syn", 100);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let records = load.end().await;
    let failed = failures(&records);
    let longest = records.iter().map(|record| record.latency).max().unwrap_or_default();
    verdict.expect(failed.is_empty(), format_args!("{} calls failed: {:?}", failed.len(), failed.first()));
    verdict
        .expect(longest < timeout / 2, format_args!("a call took {longest:?}: it waited for the connection"));
    let metrics = subject.metrics().await.expect("Edgeway has metrics");
    let timed_out = metrics.sum("edgeway_upstream_connects_total", &[("result", "timeout")]);
    verdict.saw(format_args!(
        "{} calls, {} failed, at most {longest:.0?}; {timed_out} attempts to connect given up",
        records.len(),
        failed.len()
    ));
    verdict.expect((1.0..=3.0).contains(&timed_out), format_args!("{timed_out} timeouts in 3 s"));
    // The hole closes, and the address is used.
    namespace.drop_packets(dropped, false);
    comes_back(&backend, &driver, 2).await;
    subject.settles(&mut verdict).await;
    idle(&backend).await;
    verdict
}

/// 9: packets of an established connection are dropped, both ways.
pub async fn established(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let Some((namespace, backend)) = site(2, &mut verdict).await else { return verdict };
    let setup = Setup { inside: Some(Arc::clone(&namespace)), ..Setup::before(&backend) };
    let port = backend.addresses[1].port();
    noticed(which, setup, &backend, |drop| namespace.drop_packets(port, drop), &mut verdict).await;
    verdict
}

/// 9, where no packet can be dropped: a connection that is acknowledged by a kernel and answered by nobody.
pub async fn stalled(which: Which) -> Verdict {
    let mut verdict = Verdict::default();
    let backend = Scripted::start_with(2, None, answer).await;
    let proxy = Proxy::start(backend.addresses[1]).await;
    let setup = Setup::new(&[backend.addresses[0], proxy.address]);
    let stall = |stalled| {
        let way = if stalled { Way::Stalled } else { Way::Open };
        proxy.set(Faults { way, ..Faults::default() });
    };
    noticed(which, setup, &backend, stall, &mut verdict).await;
    verdict
}

/// Breaks the way to the second address under load, and later mends it.
async fn noticed(
    which: Which,
    mut setup: Setup,
    backend: &Scripted,
    break_off: impl Fn(bool),
    verdict: &mut Verdict,
) {
    let allowed = if is_full() { Duration::from_secs(20) } else { Duration::from_secs(5) };
    if !is_full() {
        setup.cluster = "http2: { keepalive_time: 2s, keepalive_timeout: 1s }".into();
    }
    let subject = Subject::start(which, &setup).await;
    let driver = Driver::open(subject.address(), 4).await;
    // Few enough that they do not fill the connection, which would be as good as noticing.
    let load = driver.run(Method::Create, "hole", if is_full() { 6 } else { 20 });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let broken = Instant::now();
    break_off(true);
    tokio::time::sleep(allowed + Duration::from_secs(2)).await;
    let records = load.end().await;
    let failed = failures(&records);
    let last = failed.iter().map(|record| record.started).max().unwrap_or(broken);
    let after = last.saturating_duration_since(broken);
    verdict.saw(format_args!(
        "noticed after {after:.1?}; of {} calls {} failed, all of them there",
        records.len(),
        failed.len()
    ));
    verdict.expect(!failed.is_empty(), "no call failed, which shows nothing");
    verdict.expect(after <= allowed, format_args!("calls still went there after {after:?}"));
    verdict.expect(failed.iter().all(|record| matches!(record.code, 4 | 14)), format_args!("{failed:?}"));
    let others: Vec<_> = records.iter().filter(|record| record.peer == Some(0)).collect();
    let longest = others.iter().map(|record| record.latency).max().unwrap_or_default();
    verdict.expect(longest < Duration::from_millis(500), format_args!("a call elsewhere took {longest:?}"));
    break_off(false);
    comes_back(backend, &driver, 1).await;
    subject.settles(verdict).await;
}

/// Backends at the machine's end of a namespace's link.
async fn site(ports: usize, verdict: &mut Verdict) -> Option<(Arc<Namespace>, Scripted)> {
    let namespace = match tokio::task::block_in_place(Namespace::create) {
        Ok(namespace) => Arc::new(namespace),
        Err(why) => {
            verdict.saw(format_args!("skipped: {why}"));
            return None;
        }
    };
    let mut listeners = Vec::new();
    for _ in 0..ports {
        let address = SocketAddr::from((namespace.outside, 0));
        listeners.push(TcpListener::bind(address).await.expect("the address is the link's"));
    }
    Some((namespace, Scripted::serve(listeners, Options::default(), answer)))
}

async fn comes_back(backend: &Scripted, driver: &Driver, port: usize) {
    let since = backend.ledger().total();
    eventually("the address is used", Duration::from_secs(15), async || {
        driver.make(Method::Create, "back", 10, 2).await;
        let shares = backend.ledger().shares(since);
        if shares[port] > 0 { Ok(()) } else { Err(format!("{shares:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s08_an_address_that_swallows_syns_costs_no_call() {
    check(syn(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s09_a_black_hole_is_noticed_and_costs_no_other_call() {
    check(established(Which::Edgeway)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s09_a_stalled_connection_is_noticed_and_costs_no_other_call() {
    check(stalled(Which::Edgeway)).await;
}
