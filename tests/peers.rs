//! Clients that others wrote, against a gateway with a demo backend behind it.
//!
//! Each test starts a backend and a gateway of its own, then runs one program of `tests/peers`, whose cases
//! it reports. `scripts/peers` installs what the programs need; without it the tests fail and say so.

#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;

use std::{
    fs,
    process::{Command, Stdio},
};

use program::Program;

#[test]
fn grpcio() {
    check("grpcio");
}

#[test]
fn grpcurl() {
    check("grpcurl");
}

#[test]
fn buf_curl() {
    check("buf_curl");
}

#[test]
fn grpc_web() {
    check("grpc_web");
}

#[test]
fn connect_web() {
    check("connect_web");
}

fn check(peer: &str) {
    let backend = Program::start(&["demo-backend", "--listen", "127.0.0.1:0", "--name", "b1"]);
    let upstream = format!("demo=ipv4:{}", backend.address);
    let schema = format!("{}/ecommerce.binpb", peers());
    // A descriptor set, so that the gateway knows the methods before it says that it listens.
    let gateway = Program::start(&[
        "run",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--upstream",
        &upstream,
        "--protoset",
        &schema,
    ]);
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/run"))
        .args([peer, &gateway.address])
        .env("EDGEWAY_PEERS", peers())
        .stdin(Stdio::null())
        .output()
        .expect("tests/peers/run can be started");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && report.lines().any(|line| line.starts_with("ok ")),
        "{peer} is not content ({})\n{report}\n{}\nthe gateway wrote:\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
        gateway.log(),
    );
}

/// Where `scripts/peers` installs to.
fn peers() -> String {
    let folder = std::env::var("EDGEWAY_PEERS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers").to_owned());
    assert!(
        fs::exists(format!("{folder}/ecommerce.binpb")).expect("the folder of the peers can be read"),
        "the peers are not installed in {folder}: run scripts/peers, or scripts/test for everything"
    );
    folder
}
