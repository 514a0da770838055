//! The scenarios that Envoy can run as well, each over both gateways: the table of `docs/resilience.md`.
//!
//! Only where `EDGEWAY_ENVOY` names the program; `scripts/faults-table` installs it and puts the table into the page.

use std::{future::Future, panic::AssertUnwindSafe, pin::Pin, time::Duration};

use futures_util::FutureExt;

use crate::{
    balancing, connections, deploy, envoy::Envoy, goaway, resets, retries, scale, subject::Which,
    verdict::Verdict,
};

/// A scenario as the page lists it.
struct Row {
    number: u32,
    what: &'static str,
    expected: &'static str,
    run: fn(Which) -> Scenario,
}

type Scenario = Pin<Box<dyn Future<Output = Verdict>>>;

macro_rules! rows {
    ($($number:literal, $what:literal, $expected:literal, $run:path;)*) => {
        [$(Row { number: $number, what: $what, expected: $expected, run: |which| Box::pin($run(which)) }),*]
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_gateways_side_by_side() {
    if Envoy::binary().is_none() {
        println!("skipped: EDGEWAY_ENVOY names no Envoy; scripts/faults-table installs one");
        return;
    }
    let only = std::env::var("EDGEWAY_FAULTS_ONLY").unwrap_or_default();
    let only: Vec<u32> = only.split(',').filter_map(|number| number.parse().ok()).collect();
    let mut lines = Vec::new();
    let mut differs = Vec::new();
    for row in rows() {
        if !only.is_empty() && !only.contains(&row.number) {
            continue;
        }
        let [edgeway, envoy] = [Which::Edgeway, Which::Envoy].map(|which| (row.run)(which));
        let (edgeway, envoy) = (cell(edgeway).await, cell(envoy).await);
        if !edgeway.starts_with("as expected") {
            differs.push(row.number);
        }
        let line = format!("| {} | {} | {} | {edgeway} | {envoy} |", row.number, row.what, row.expected);
        println!("{line}");
        lines.push(line);
    }
    if let Some(file) = std::env::var_os("EDGEWAY_FAULTS_TABLE") {
        std::fs::write(file, lines.join("\n")).expect("the file can be written");
    }
    assert!(differs.is_empty(), "Edgeway does otherwise than expected in {differs:?}");
}

async fn cell(scenario: Scenario) -> String {
    // What a scenario waits for in vain is told by its panic.
    let caught = AssertUnwindSafe(scenario).catch_unwind();
    let cell = match tokio::time::timeout(Duration::from_secs(120), caught).await {
        Ok(Ok(verdict)) => verdict.cell(),
        Ok(Err(why)) => {
            format!("**differs**: {}", why.downcast_ref::<String>().map_or("it broke", String::as_str))
        }
        Err(_) => "**differs**: it did not end within 120 s".to_owned(),
    };
    // One line of a table, however much is told.
    let cell: String = cell.replace('|', "/").replace('\n', " ");
    match cell.char_indices().nth(400) {
        Some((end, _)) => format!("{}...", &cell[..end]),
        None => cell,
    }
}

fn rows() -> Vec<Row> {
    rows! {
        1, "three backends, one client connection, 3000 unary calls",
            "1000 +- 1 each by `round_robin`, +- 10 % by `least_request`", balancing::even_shares;
        2, "from three backends to ten under load",
            "all ten get calls within `dns_refresh_rate` + 2 s, no error, the old three keep their connections",
            scale::scale_out;
        3, "from ten backends to three under load",
            "no call to the removed after `dns_refresh_rate` + 2 s, what is open finishes, no error",
            scale::scale_in;
        4, "rolling deploy of three backends under 500 calls/s and 50 streams",
            "no unary call fails or runs twice; streams end UNAVAILABLE at the exit", deploy::rolling;
        5, "SIGKILL of one of three under 500 calls/s",
            "no idempotent call fails; of the others only those in flight there, run once at most",
            connections::killed_mid_unary;
        6, "SIGKILL in the midst of a stream",
            "the messages so far, then status 14, in a trailer frame for gRPC-Web; no replay",
            connections::killed_mid_stream;
        7, "one of three addresses refuses connections", "no error, backoff between attempts to connect",
            connections::refused;
        12, "GOAWAY of a graceful shutdown with a stream open", "no error, the stream finishes, one new connection",
            goaway::graceful;
        13, "GOAWAY whose last id is below calls in flight", "those are sent again once, the others untouched",
            goaway::below;
        14, "every connection gets a GOAWAY after a second", "no error, no busy loop", goaway::storm;
        15, "GOAWAY ENHANCE_YOUR_CALM, too_many_pings", "one new connection, no error after it",
            goaway::too_many_pings;
        16, "RST_STREAM REFUSED_STREAM, once and always", "once: success; always: 14 after one more attempt",
            resets::refused_stream;
        17, "RST_STREAM after head, mid message, after a message, codes 0, 2, 8, 11", "13, 13, 1, 8",
            resets::reset;
        18, "no trailers, HTML, no status", "13, 14 or 2, 2; exactly one status for gRPC-Web too",
            resets::no_answer;
        24, "one of three backends takes 2 s, `least_request`", "its share below 10 %, p99 of the others flat",
            balancing::slow_backend;
        25, "a backend fails every call, with 14 and with 13",
            "ejected after 5, half of all at most, one probe at a time, back when it is well", retries::ejected;
        26, "all backends answer 14, three attempts allowed, 1000 calls/s", "at most 1.2 attempts per call",
            retries::amplification;
    }
    .into()
}
