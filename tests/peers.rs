//! Clients that others wrote, against a gateway with a demo backend behind it.
//!
//! Each test starts a backend and a gateway of its own, then runs one program of `tests/peers`, whose cases
//! it reports. `scripts/peers` installs what the programs need; without it the tests fail and say so.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use tempfile::NamedTempFile;

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

/// One run of the binary, killed when it is dropped.
struct Program {
    child: Child,
    address: String,
    log: NamedTempFile,
}

impl Program {
    /// Starts a verb and waits until it says on standard output where it listens.
    fn start(arguments: &[&str]) -> Self {
        let log = NamedTempFile::new().expect("a temporary file");
        let mut child = Command::new(env!("CARGO_BIN_EXE_edgeway"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.reopen().expect("a temporary file opens twice"))
            .spawn()
            .expect("the binary can be started");
        let stdout = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let mut program = Self { child, address: String::new(), log };
        let (sender, receiver) = mpsc::channel();
        // Reads to the end, so that a program that goes on writing never waits for its reader.
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("listening on ") {
                    let _ = sender.send(address.trim().to_owned());
                }
            }
        });
        match receiver.recv_timeout(Duration::from_secs(20)) {
            Ok(address) => program.address = address,
            Err(_) => panic!("{arguments:?} does not say where it listens; it wrote:\n{}", program.log()),
        }
        program
    }

    /// What it wrote to standard error.
    fn log(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap_or_else(|error| error.to_string())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
