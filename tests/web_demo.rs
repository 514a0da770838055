//! The web demo in a real browser, and its bundle beside its sources.
//!
//! `scripts/peers` installs what this needs from npm; the browser is `/usr/bin/chromium`, or what `CHROMIUM` names.

#[path = "support/demo.rs"]
mod demo;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use demo::Demo;

/// Each panel in headless Chromium, the page and the API on two origins.
#[test]
fn every_panel_works_in_a_browser() {
    let demo = Demo::start();
    // The program bounds each of its cases; this bound holds if the browser hangs all the same.
    let output = run("timeout", &["--kill-after=5", "240", "node", "web-demo/tests/run.mjs", demo.page()]);
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && report.lines().filter(|line| line.starts_with("ok ")).count() >= 13,
        "the browser is not content ({})\n{report}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
    );
}

/// What is committed, so that the demo needs no npm, is what npm makes of the sources.
#[test]
fn the_bundle_is_what_its_sources_build_to() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().to_str().expect("a path in UTF-8");
    for command in [
        &["buf", "generate"][..],
        &["tsc", "--noEmit"],
        &["vite", "build", "--logLevel", "warn", "--emptyOutDir", "--outDir", out],
    ] {
        let program = web_demo().join("node_modules/.bin").join(command[0]);
        let output = Command::new(&program)
            .args(&command[1..])
            .current_dir(web_demo())
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{} ({error}): run scripts/peers", program.display()));
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
    let names = |folder: &Path| {
        let entries =
            fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        names
    };
    let committed = web_demo().join("dist");
    assert_eq!(names(folder.path()), names(&committed));
    for name in names(&committed) {
        assert!(
            fs::read(committed.join(&name)).expect("a file")
                == fs::read(folder.path().join(&name)).expect("a file"),
            "web-demo/dist/{} is not what its sources build to: run npm run build in web-demo",
            name.display(),
        );
    }
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command.output().unwrap_or_else(|error| panic!("{program} can be started: {error}"))
}

fn web_demo() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/web-demo"))
}
