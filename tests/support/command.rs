//! The binary as a command that ends.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use tempfile::TempDir;

/// Runs the binary to its end in a folder.
pub fn edgeway(folder: &Path, arguments: &[&str]) -> Output {
    let child = Command::new(env!("CARGO_BIN_EXE_edgeway"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary can be started");
    let pid = child.id();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(PATIENCE) {
        Ok(output) => output.expect("its output can be read"),
        Err(_) => {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
            panic!("{arguments:?} does not end");
        }
    }
}

/// Runs the binary; `says` has to stand in what it writes, to standard output if it ends well, else to standard error.
#[track_caller]
pub fn check(folder: &Path, arguments: &[&str], code: i32, says: &[&str]) {
    let output = edgeway(folder, arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let what = format!("{arguments:?} wrote\n{out}and to standard error\n{err}");
    assert_eq!(output.status.code(), Some(code), "{what}");
    let place = if code == 0 { &out } else { &err };
    for text in says {
        assert!(place.contains(text), "expected {text:?}, {what}");
    }
    assert!(!err.contains("panicked"), "{what}");
}

/// A folder that is gone after the test.
pub fn folder() -> TempDir {
    TempDir::new().expect("a temporary folder")
}

/// Writes a file; its path comes back.
pub fn write(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> String {
    let path: PathBuf = folder.path().join(name);
    fs::write(&path, content).expect("the folder can be written");
    path.to_str().expect("its path is text").to_owned()
}

/// Longer than any run takes.
const PATIENCE: Duration = Duration::from_secs(20);
