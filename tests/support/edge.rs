//! The gateway under test, with the demo's descriptor set.

use std::fs;

use tempfile::TempDir;

use crate::program::Program;

/// A gateway as a child process, before one cluster.
pub struct Edge {
    /// Its process.
    pub program: Program,
    _folder: TempDir,
    /// The backend that was started for it.
    _backend: Option<Program>,
}

impl Edge {
    /// Starts a demo backend and a gateway before it. `more` is configuration that is put after its cluster.
    pub fn before_demo(more: &str) -> Self {
        let arguments = ["demo-backend", "--listen", "127.0.0.1:0", "--name", "b1"];
        let backend = tokio::task::block_in_place(|| Program::start(&arguments));
        let edge = Self::start(&format!("ipv4:{}", backend.address), more);
        Self { _backend: Some(backend), ..edge }
    }

    /// Starts a gateway with one cluster. `more` is configuration that is put after it.
    pub fn start(target: &str, more: &str) -> Self {
        let descriptors = "{reflection: never, protosets: [demo.binpb]}";
        Self::start_with(
            &format!("{{target: \"{target}\", connect_timeout: 500ms, descriptors: {descriptors}}}"),
            more,
        )
    }

    /// Starts a gateway with one cluster as the configuration has it.
    pub fn start_with(cluster: &str, more: &str) -> Self {
        Self::start_over(edgeway::demo::FILE_DESCRIPTOR_SET, cluster, more)
    }

    /// The same, `demo.binpb` being these descriptors and not the demo's.
    pub fn start_over(descriptors: &[u8], cluster: &str, more: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let file = folder.path().join("edgeway.yaml");
        let config = format!(
            "listen: 127.0.0.1:0\nadmin: {{address: \"127.0.0.1:0\"}}\nruntime: {{worker_threads: 1}}\n\
             shutdown: {{drain_delay: 0s}}\nclusters:\n  demo: {cluster}\n{more}"
        );
        fs::write(&file, config).expect("the folder can be written");
        fs::write(folder.path().join("demo.binpb"), descriptors).expect("the folder can be written");
        let file = file.to_str().expect("its path is text");
        let program = tokio::task::block_in_place(|| Program::start(&["run", "--config", file]));
        Self { program, _folder: folder, _backend: None }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.program.address
    }
}
