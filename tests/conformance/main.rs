//! The conformance suite of the protobuf project against both codecs.
//!
//! The runner starts this same program as its testee, told by the environment. It is none of libtest's: that would
//! write to the standard output that belongs to the runner. Otherwise it behaves as if it were: names as arguments
//! choose among the cases, `--list` lists them.

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

mod testee;

#[expect(clippy::print_stdout, reason = "what libtest would say")]
fn main() -> ExitCode {
    if let (Ok(codec), Ok(descriptors)) = (env::var(CODEC), env::var(DESCRIPTORS)) {
        return match testee::run(&codec, &descriptors) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("testee: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let arguments: Vec<String> = env::args().skip(1).collect();
    let names: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let mut failed = false;
    for (name, run) in CASES {
        if !names.is_empty() && !names.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        if arguments.iter().any(|argument| argument == "--list") {
            println!("{name}: test");
            continue;
        }
        match run() {
            Ok(said) => println!("test {name} ... ok\n{said}"),
            Err(said) => {
                failed = true;
                println!("test {name} ... FAILED\n{said}");
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A case that passed or failed, with what it saw.
type Case = fn() -> Result<String, String>;

/// What is run, by name.
const CASES: [(&str, Case); 3] = [
    ("conformance::reference", || suite("reference")),
    ("conformance::fast", || suite("fast")),
    ("conformance::editions_are_what_protoc_makes_of_them", editions),
];

/// Runs the suite against one codec. Nothing may fail, of what is required and of what is recommended.
fn suite(codec: &str) -> Result<String, String> {
    let peers = peers()?;
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(peers.join("conformance/runner"))
        .args(["--enforce_recommended", "--maximum_edition", "2023"])
        .arg(program)
        .env(CODEC, codec)
        .env(DESCRIPTORS, peers.join("conformance/messages.binpb"))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", peers.join("conformance/runner").display()))?;
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    let counts: Vec<&str> =
        said.lines().filter(|line| line.contains("successes") || line.starts_with("testee: ")).collect();
    // The suite of JSON and of binary ends with its counts; that of the text format, which is skipped, with others.
    let passed = output.status.success()
        && counts.iter().any(|line| line.contains("SUITE PASSED") && successes(line) > 2_000);
    if passed { Ok(counts.join("\n")) } else { Err(said) }
}

/// The number in front of the word.
fn successes(line: &str) -> usize {
    let before = line.split(" successes").next().and_then(|before| before.rsplit(' ').next());
    before.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// The set that the unit tests read is what the protoc of `scripts/peers` makes of the files beside it.
fn editions() -> Result<String, String> {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/editions/editions.binpb");
    let read = |path: PathBuf| std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()));
    if read(kept.into())? == read(peers()?.join("conformance/editions.binpb"))? {
        return Ok(String::new());
    }
    Err(format!("{kept} is older than the .proto files: copy editions.binpb of the peers over it"))
}

/// Where `scripts/peers` installs to.
fn peers() -> Result<PathBuf, String> {
    let folder = env::var("EDGEWAY_PEERS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target/peers").to_owned());
    let folder = PathBuf::from(folder);
    if folder.join("conformance/runner").exists() {
        return Ok(folder);
    }
    Err(format!("the conformance runner is not installed in {}: run scripts/peers", folder.display()))
}

const CODEC: &str = "EDGEWAY_TESTEE_CODEC";
const DESCRIPTORS: &str = "EDGEWAY_TESTEE_DESCRIPTORS";
