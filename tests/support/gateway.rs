//! A gateway under test: its configuration, its process, and what it says of itself.

use std::{future::Future, path::PathBuf, process::Command, time::Duration};

use tempfile::TempDir;
use tokio::time::Instant;

use crate::{
    http::{self, Reply},
    program::{BINARY, Program},
};

/// A running gateway.
pub struct Gateway {
    pub program: Program,
    folder: TempDir,
}

impl Gateway {
    /// Starts a gateway with `clusters` and `more` as the rest of its configuration file.
    ///
    /// `PROTOSET` in either stands for a file with the descriptors of the demo services.
    pub fn start(clusters: &str, more: &str) -> Self {
        Self::start_in(clusters, more, Command::new(BINARY))
    }

    /// As [`Gateway::start`], with `command` up to the binary's own arguments.
    pub fn start_in(clusters: &str, more: &str, command: Command) -> Self {
        Self::start_at("127.0.0.1", clusters, more, command)
    }

    /// As [`Gateway::start_in`], with both ports at this host.
    pub fn start_at(host: &str, clusters: &str, more: &str, mut command: Command) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let protoset = protoset(&folder);
        let workers = if more.contains("runtime:") { "" } else { "runtime: { worker_threads: 2 }\n" };
        let text = format!(
            "listen: {host}:0\nadmin: {{ address: '{host}:0' }}\n{workers}clusters:\n  {clusters}\n{more}\n"
        );
        let text = text.replace("PROTOSET", protoset.to_str().expect("the path is text"));
        let config = folder.path().join("edgeway.yaml");
        std::fs::write(&config, text).expect("the configuration can be written");
        command.arg("run").arg("--config").arg(&config);
        Self { program: Program::launch(command), folder }
    }

    /// Its public address.
    pub fn address(&self) -> &str {
        &self.program.address
    }

    /// A file in the folder of its configuration.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Asks the admin port.
    pub async fn admin(&self, path: &str) -> Reply {
        http::get(&self.program.admin, path).await
    }

    /// Waits until `/readyz` says yes.
    pub async fn ready(&self) {
        eventually("the gateway is ready", Duration::from_secs(20), async || {
            let reply = self.admin("/readyz").await;
            if reply.status == 200 { Ok(()) } else { Err(reply.text()) }
        })
        .await;
    }

    /// Waits until a cluster has `count` endpoints with a connection from every worker.
    pub async fn connected(&self, count: u64) {
        eventually("every worker is connected", Duration::from_secs(20), async || {
            let metrics = self.metrics().await;
            let found = metrics.sum("edgeway_upstream_connections", &[("state", "ready")]);
            if found == count as f64 { Ok(()) } else { Err(format!("{found} connections")) }
        })
        .await;
    }

    /// A scrape of `/metrics`.
    pub async fn metrics(&self) -> Metrics {
        Metrics(self.admin("/metrics").await.text())
    }

    /// What it holds in memory, in bytes.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.program.pid()));
        let status = status.expect("the gateway runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says VmRSS");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB") << 10
    }
}

/// The text of a scrape.
pub struct Metrics(String);

impl Metrics {
    /// The sum of a family's series whose labels have all of `labels`.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let series = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            if !rest.starts_with(['{', ' ']) {
                return None;
            }
            let (series, value) = rest.rsplit_once(' ')?;
            let has = |(key, value): &(&str, &str)| series.contains(&format!("{key}=\"{value}\""));
            labels.iter().all(has).then(|| value.parse::<f64>().expect("a number"))
        });
        series.sum()
    }

    /// All of it.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// Tries until it goes well, at most for `patience`; says what the last try found if it never does.
pub async fn eventually<T, F: Future<Output = Result<T, String>>>(
    what: &str,
    patience: Duration,
    mut attempt: impl FnMut() -> F,
) -> T {
    let until = Instant::now() + patience;
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(found) if Instant::now() >= until => panic!("{what}: not within {patience:?}, found {found}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

fn protoset(folder: &TempDir) -> PathBuf {
    let path = folder.path().join("demo.binpb");
    std::fs::write(&path, edgeway::demo::FILE_DESCRIPTOR_SET).expect("the descriptors can be written");
    path
}
