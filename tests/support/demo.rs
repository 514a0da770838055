//! A running `edgeway demo`.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

/// The demo on ports that the system chose, killed when it is dropped.
pub struct Demo {
    pub child: Child,
    /// What it printed, up to the line that says how it ends.
    pub lines: Vec<String>,
}

impl Demo {
    pub fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_edgeway"))
            .args(["demo", "--port", "0", "--admin-port", "0", "--web-port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary can be started");
        let stdout = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let (sender, receiver) = mpsc::channel();
        // Reads to the end, so that a demo that goes on writing never waits for its reader.
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut demo = Self { child, lines: Vec::new() };
        while !demo.lines.last().is_some_and(|line| line.starts_with("Ctrl-C")) {
            match receiver.recv_timeout(PATIENCE) {
                Ok(line) => demo.lines.push(line),
                Err(_) => panic!("no last line after {:#?}", demo.lines),
            }
        }
        demo
    }

    /// Where its page is.
    pub fn page(&self) -> &str {
        let line = self.lines.iter().find_map(|line| line.strip_prefix("web demo"));
        line.expect("the demo says where its page is").trim()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Longer than it takes to start.
const PATIENCE: Duration = Duration::from_secs(20);
