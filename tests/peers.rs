//! Clients that others wrote, against a gateway with a demo backend behind it.
//!
//! Each test starts a backend and a gateway of its own, then runs one program of `tests/peers`, whose cases
//! it reports. `scripts/peers` installs what the programs need; without it the tests fail and say so.

#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
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
fn protobuf_ts() {
    check("protobuf_ts");
}

#[test]
fn connect_web() {
    check("connect_web");
}

#[test]
fn improbable() {
    check("improbable");
}

/// What a client sends by path, query and body arrives at a grpcio backend as Python's own JSON mapping would have
/// built it.
#[test]
fn binding() {
    let backend = Mirror::start();
    check_before("binding", &backend.address, "binding.binpb");
}

fn check(peer: &str) {
    let backend = Program::start(&["demo-backend", "--listen", "127.0.0.1:0", "--name", "b1"]);
    check_before(peer, &backend.address, "ecommerce.binpb");
}

/// Runs a peer against a gateway with one backend.
fn check_before(peer: &str, backend: &str, schema: &str) {
    let upstream = format!("demo=ipv4:{backend}");
    let schema = format!("{}/{schema}", peers());
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

/// `tests/peers/binding/backend.py`, killed when it is dropped.
struct Mirror {
    child: Child,
    address: String,
}

impl Mirror {
    fn start() -> Self {
        let mut child = Command::new(format!("{}/python/bin/python", peers()))
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/binding/backend.py"))
            .env("PYTHONPATH", format!("{}/stubs", peers()))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the backend can be started");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("standard output is piped");
        let read = BufReader::new(stdout).read_line(&mut line);
        let mut mirror = Self { child, address: String::new() };
        read.expect("standard output can be read");
        let address = line.trim_end().strip_prefix("listening on ");
        mirror.address = address.unwrap_or_else(|| panic!("the backend wrote {line:?}")).to_owned();
        mirror
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
