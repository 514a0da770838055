//! The interop cases of gRPC (grpc `doc/interop-test-descriptions.md`), before the interop server of grpc-go.
//!
//! grpc-go's client calls by native gRPC, Google's grpc-web by gRPC-Web in text and binary. `scripts/peers` installs
//! them; without it the tests fail and say so.

#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use program::Program;
use tempfile::TempDir;

#[test]
fn grpc_go_calls_by_grpc() {
    const CASES: [&str; 14] = [
        "empty_unary",
        "large_unary",
        "client_streaming",
        "server_streaming",
        "ping_pong",
        "empty_stream",
        "timeout_on_sleeping_server",
        "cancel_after_begin",
        "cancel_after_first_response",
        "status_code_and_message",
        "special_status_message",
        "custom_metadata",
        "unimplemented_method",
        "unimplemented_service",
    ];
    let interop = Interop::start();
    let (host, port) = interop.gateway.address.split_once(':').expect("host:port");
    let mut failed = Vec::new();
    for case in CASES {
        let mut client = Command::new("timeout");
        client.args(["--kill-after=5", "30"]).arg(peers().join("interop/client"));
        client.arg(format!("--server_host={host}")).arg(format!("--server_port={port}"));
        let output = client.arg(format!("--test_case={case}")).stdin(Stdio::null()).output();
        let output = output.expect("the interop client can be started");
        if !output.status.success() {
            failed.push(format!("{case}: {}", String::from_utf8_lossy(&output.stderr)));
        }
    }
    assert!(failed.is_empty(), "{}\nthe gateway wrote:\n{}", failed.join("\n"), interop.gateway.log());
}

#[test]
fn google_grpc_web_in_text_and_binary() {
    let interop = Interop::start();
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/run"))
        .args(["interop", &interop.gateway.address])
        .env("EDGEWAY_PEERS", peers())
        .stdin(Stdio::null())
        .output()
        .expect("tests/peers/run can be started");
    let report = String::from_utf8_lossy(&output.stdout);
    let passed = report.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(
        output.status.success() && passed == 13,
        "expected 7 cases in text and 6 in binary\n{report}\n{}\nthe gateway wrote:\n{}",
        String::from_utf8_lossy(&output.stderr),
        interop.gateway.log(),
    );
}

/// grpc-go's interop server with a gateway before it.
struct Interop {
    gateway: Program,
    server: Child,
    _folder: TempDir,
}

impl Interop {
    fn start() -> Self {
        // The server takes no port 0. One below those of outgoing connections stays free until it listens.
        let port = loop {
            let port = fastrand::u16(20_000..32_000);
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                break port;
            }
        };
        let server = Command::new(peers().join("interop/server"))
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the interop server can be started");
        let listens = (0..2000).any(|_| {
            let connected = TcpStream::connect(("127.0.0.1", port)).is_ok();
            if !connected {
                thread::sleep(Duration::from_millis(10));
            }
            connected
        });
        assert!(listens, "the interop server does not listen on {port} within 20 s");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = folder.path().join("edgeway.yaml");
        let text = format!(
            "listen: 127.0.0.1:0\nadmin: {{ address: 127.0.0.1:0 }}\nclusters:\n  interop:\n    \
             target: ipv4:127.0.0.1:{port}\n    expose: [grpc.testing.*]\n    \
             descriptors: {{ protosets: ['{}'], reflection: never }}\n",
            protoset(&folder).display(),
        );
        fs::write(&config, text).expect("the configuration can be written");
        let gateway = Program::start(&["run", "--config", config.to_str().expect("the path is text")]);
        Self { gateway, server, _folder: folder }
    }
}

impl Drop for Interop {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn protoset(folder: &TempDir) -> PathBuf {
    let protos = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/interop");
    let mut compiler = protox::Compiler::new([protos]).expect("the folder of protos");
    compiler.include_imports(true).open_file("grpc/testing/interop.proto").expect("a proto that compiles");
    let path = folder.path().join("interop.binpb");
    fs::write(&path, compiler.encode_file_descriptor_set()).expect("the descriptors can be written");
    path
}

/// Where `scripts/peers` installs to.
fn peers() -> PathBuf {
    let folder = std::env::var("EDGEWAY_PEERS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers").to_owned());
    let folder = PathBuf::from(folder);
    assert!(
        folder.join("interop/server").exists(),
        "the interop programs are not installed in {}: run scripts/peers, or scripts/test for everything",
        folder.display()
    );
    folder
}
