//! The binary as a child process.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use tempfile::NamedTempFile;

/// One run of the binary, killed when it is dropped.
pub struct Program {
    child: Child,
    /// The first address that it listens on, `127.0.0.1:PORT`.
    pub address: String,
    /// Where a gateway's admin port listens.
    pub admin: String,
    log: NamedTempFile,
    printed: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts a verb and waits until it says on standard output where it listens.
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(BINARY);
        command.args(arguments);
        Self::launch(command)
    }

    /// As [`Program::start`], for a command with more to it: an environment, or limits around the binary.
    pub fn launch(mut command: Command) -> Self {
        let log = NamedTempFile::new().expect("a temporary file");
        let is_gateway = !command.get_args().any(|argument| argument == "demo-backend");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.reopen().expect("a temporary file opens twice"))
            .spawn()
            .expect("the binary can be started");
        let stdout = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let printed = Arc::<Mutex<Vec<String>>>::default();
        let read = Arc::clone(&printed);
        let mut program = Self { child, address: String::new(), admin: String::new(), log, printed };
        let (sender, receiver) = mpsc::channel();
        // Reads to the end, so that a program that goes on writing never waits for its reader.
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                read.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
                let _ = sender.send(line);
            }
        });
        while program.address.is_empty() || (is_gateway && program.admin.is_empty()) {
            match receiver.recv_timeout(Duration::from_secs(20)) {
                Ok(line) => {
                    if let Some(address) = line.strip_prefix("listening on ") {
                        program.address = address.to_owned();
                    } else if let Some(address) = line.strip_prefix("admin on ") {
                        program.admin = address.to_owned();
                    }
                }
                Err(_) => panic!("{command:?} does not say where it listens; it wrote:\n{}", program.log()),
            }
        }
        program
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, at most `patience`; whether it ended well.
    pub fn wait(&mut self, patience: Duration) -> Option<bool> {
        const STEP: Duration = Duration::from_millis(10);
        for _ in 0..=patience.as_millis() / STEP.as_millis() {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return Some(status.success());
            }
            thread::sleep(STEP);
        }
        None
    }

    /// Sends it a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(sent.expect("kill can be started").success(), "no process {} to signal", self.pid());
    }

    /// The lines that it wrote to standard output.
    pub fn printed(&self) -> Vec<String> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it wrote to standard error.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap_or_else(|error| error.to_string())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where cargo put the binary.
pub const BINARY: &str = env!("CARGO_BIN_EXE_edgeway");
