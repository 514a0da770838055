//! The conformance suite of the Connect project: its clients, then the gateway, then its servers.
//!
//! The runner starts this same program as the server under test, told by the environment. It is none of libtest's:
//! that would write to the standard output that belongs to the runner. Otherwise it behaves as if it were: names as
//! arguments choose among the cases, `--list` lists them.
//!
//! | case | door | what stands behind the gateway |
//! |---|---|---|
//! | `grpc_before_connect_go` | native gRPC | connect-go |
//! | `grpc_before_grpc_go` | native gRPC | grpc-go |
//! | `web_before_connect_go` | gRPC-Web | connect-go |
//! | `web_before_grpc_go` | gRPC-Web | grpc-go |

#[path = "../support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;
mod server;

use std::{
    env,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

#[expect(clippy::print_stdout, reason = "what libtest would say")]
fn main() -> ExitCode {
    if let Ok(backend) = env::var(BACKEND) {
        return match peers()
            .and_then(|peers| server::run(&peers, &backend).map_err(|error| error.to_string()))
        {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("the server under test: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    let names: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let mut failed = false;
    for suite in SUITES {
        if !names.is_empty() && !names.iter().any(|wanted| suite.name.contains(wanted.as_str())) {
            continue;
        }
        if arguments.iter().any(|argument| argument == "--list") {
            println!("{}: test", suite.name);
            continue;
        }
        match suite.run() {
            Ok(said) => println!("test {} ... ok\n{said}", suite.name),
            Err(said) => {
                failed = true;
                println!("test {} ... FAILED\n{said}", suite.name);
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// One run of the runner.
struct Suite {
    name: &'static str,
    /// A file of this folder.
    config: &'static str,
    /// A program that the peers have.
    backend: &'static str,
    /// How many cases the configuration makes. Fewer would be a suite that no longer says what it did.
    cases: usize,
}

const SUITES: [Suite; 6] = [
    Suite { name: "grpc_before_connect_go", config: "grpc.yaml", backend: "referenceserver", cases: 372 },
    Suite { name: "grpc_before_grpc_go", config: "grpc.yaml", backend: "grpcserver", cases: 372 },
    Suite { name: "web_before_connect_go", config: "grpc_web.yaml", backend: "referenceserver", cases: 364 },
    Suite { name: "web_before_grpc_go", config: "grpc_web.yaml", backend: "grpcserver", cases: 364 },
    Suite {
        name: "connect_before_connect_go",
        config: "connect.yaml",
        backend: "referenceserver",
        cases: 804,
    },
    Suite {
        name: "connect_before_grpc_go",
        config: "connect_without_get.yaml",
        backend: "grpcserver",
        cases: 800,
    },
];

impl Suite {
    /// Nothing may fail, and nothing is known to.
    fn run(&self) -> Result<String, String> {
        let peers = peers()?;
        let program = env::current_exe().map_err(|error| error.to_string())?;
        let config =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/connectconformance").join(self.config);
        let runner = peers.join("connectconformance");
        let output = Command::new(&runner)
            .args(["--mode", "server", "--max-servers", "2", "-p", "4", "--trace", "--conf"])
            .arg(config)
            .arg("--")
            .arg(program)
            .env(BACKEND, self.backend)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{}: {error}", runner.display()))?;
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        // Cases, passed and failed: `Total cases: 364`, `364 passed, 0 failed`.
        let counts: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("Total cases:") || line.contains(" passed, "))
            .collect();
        let wanted = format!("{} passed, 0 failed", self.cases);
        let passed = output.status.success() && counts.iter().any(|line| line.starts_with(&wanted));
        if passed { Ok(counts.join("\n")) } else { Err(format!("expected {wanted}\n{said}")) }
    }
}

/// Where `scripts/peers` installs the suite to.
fn peers() -> Result<PathBuf, String> {
    let folder = env::var("EDGEWAY_PEERS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers").to_owned());
    let folder = PathBuf::from(folder).join("connect");
    if folder.join("conformance.binpb").exists() {
        return Ok(folder);
    }
    Err(format!("the conformance suite is not installed in {}: run scripts/peers", folder.display()))
}

/// Names the program behind the gateway, where this program is the server under test.
const BACKEND: &str = "EDGEWAY_CONFORMANCE_BACKEND";
