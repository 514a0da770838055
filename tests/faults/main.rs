//! What production does to a gateway's upstream, scenario by scenario.
//!
//! Each scenario has a number, under which `docs/resilience.md` lists it, and is a function of the gateway that it is
//! about: the tests run it over Edgeway, and `table.rs` over a real Envoy as well where that makes sense. A scenario
//! checks statuses, what backends executed, and that nothing is left behind: streams, places on connections, waiting
//! calls.
//!
//! `EDGEWAY_FAULTS=full` gives scenarios about long times those of production; without it they are shortened.

#![expect(clippy::indexing_slicing, reason = "a test that fails here says enough")]
#![expect(clippy::print_stdout, reason = "what a scenario saw is shown with `--nocapture`")]

#[path = "../support/client.rs"]
mod client;
#[path = "../support/dns.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod dns;
#[path = "../support/doors.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod doors;
#[path = "../support/envoy.rs"]
mod envoy;
#[path = "../support/gateway.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod gateway;
#[path = "../support/http.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod http;
#[path = "../support/load.rs"]
mod load;
#[path = "../support/namespace.rs"]
mod namespace;
#[path = "../support/port.rs"]
mod port;
#[path = "../support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/raw.rs"]
#[expect(dead_code, reason = "not every frame is of use yet")]
mod raw;
#[path = "../support/scripted.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod scripted;
#[path = "../support/subject.rs"]
mod subject;
#[path = "../support/verdict.rs"]
mod verdict;

mod balancing;
mod black_holes;
mod connections;
mod deadlines;
mod deploy;
mod goaway;
mod hostile;
mod resets;
mod retries;
mod scale;
mod scripts;
mod shutdown;
mod streams;
mod table;

use std::{future::Future, time::Duration};

use verdict::Verdict;

/// Runs a scenario over Edgeway, bounded in time, and holds it to what is expected.
async fn check(scenario: impl Future<Output = Verdict>) {
    let most = Duration::from_secs(if is_full() { 300 } else { 120 });
    let verdict = tokio::time::timeout(most, scenario).await;
    verdict.expect("the scenario ends").holds();
}

/// Whether scenarios take as long as in production.
fn is_full() -> bool {
    std::env::var_os("EDGEWAY_FAULTS").is_some_and(|value| value == "full")
}
