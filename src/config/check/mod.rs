//! From the tree of the file to a draft: every table by its keys, every value by its kind.

use std::path::Path;

use crate::config::document::Node;
use crate::config::draft::Draft;
use crate::config::keys::{ACCESS, ADMIN, GRPC, LOGS, ROOT, RUNTIME, SHUTDOWN, TELEMETRY};
use crate::config::problems::Problems;
use crate::config::table::Table;
use crate::config::value::{Invalid, choice, duration, listen_address, quoted, switch, worker_threads};
use crate::config::{LogFormat, LogLevel};

mod cluster;
mod cors;
mod http;
mod listener;
mod policy;
mod rest;
mod route;

pub(super) use cluster::cluster_name;

/// Reads the file's root into a draft. Relative paths are relative to `folder`.
pub(super) fn read(root: &Node, folder: &Path, problems: &mut Problems) -> Draft {
    let mut draft = Draft::default();
    let Some(table) = Table::open(root, &ROOT, problems) else {
        // The file is no table at all; that it has no clusters either is not worth a word.
        draft.clusters_written = true;
        return draft;
    };
    table.read("version", problems, version);
    listener::read(&table, &mut draft, problems);
    admin(&table, &mut draft, problems);
    if let Some(entry) = table.entry("clusters") {
        cluster::read(&entry.value, folder, &mut draft, problems);
    }
    if let Some(entry) = table.entry("routes") {
        route::read(&entry.value, &mut draft, problems);
    }
    if let Some(entry) = table.entry("policies") {
        policy::read(&entry.value, &mut draft, problems);
    }
    http::read(&table, &mut draft, problems);
    draft.rest = rest::read(&table, problems);
    draft.cors = cors::read(&table, problems);
    process(&table, &mut draft, problems);
    logs(&table, &mut draft, problems);
    draft
}

/// `error`, `warn` and so on.
pub(super) fn log_level(text: &str) -> Result<LogLevel, Invalid> {
    use LogLevel::{Debug, Error, Info, Off, Trace, Warn};
    choice(text, &[Error, Warn, Info, Debug, Trace, Off].map(|level| (level.as_str(), level)))
}

/// `json` or `text`.
pub(super) fn log_format(text: &str) -> Result<LogFormat, Invalid> {
    if text == "logfmt" {
        return Err(Invalid::new("`logfmt` is not supported yet").help("write `json` or `text`"));
    }
    choice(text, &[("json", LogFormat::Json), ("text", LogFormat::Text)])
}

fn version(text: &str) -> Result<(), Invalid> {
    if text == "1" {
        return Ok(());
    }
    Err(Invalid::new(format!("expected `1`, found {}", quoted(text)))
        .help("this edgeway reads version 1 only"))
}

fn admin(root: &Table<'_>, draft: &mut Draft, problems: &mut Problems) {
    let Some(table) = root.table("admin", &ADMIN, problems) else { return };
    let Some(address) = table.read("address", problems, listen_address) else { return };
    draft.admin.value = address;
    if let Some(entry) = table.entry("address") {
        draft.admin.origin = problems.origin(entry.value.span);
    }
}

fn process(root: &Table<'_>, draft: &mut Draft, problems: &mut Problems) {
    if let Some(table) = root.table("grpc", &GRPC, problems) {
        table.set("reflection", &mut draft.own_services.reflection, problems, switch);
        table.set("health", &mut draft.own_services.health, problems, switch);
    }
    if let Some(table) = root.table("runtime", &RUNTIME, problems) {
        table.set("worker_threads", &mut draft.runtime.worker_threads, problems, worker_threads);
    }
    if let Some(table) = root.table("shutdown", &SHUTDOWN, problems) {
        table.set("drain_delay", &mut draft.shutdown.drain_delay, problems, duration);
        table.set("grace", &mut draft.shutdown.grace, problems, duration);
    }
}

fn logs(root: &Table<'_>, draft: &mut Draft, problems: &mut Problems) {
    let Some(table) = root.table("telemetry", &TELEMETRY, problems) else { return };
    let Some(table) = table.table("logs", &LOGS, problems) else { return };
    let logs = &mut draft.telemetry.logs;
    table.set("level", &mut logs.level, problems, log_level);
    table.set("format", &mut logs.format, problems, |text| log_format(text).map(Some));
    if let Some(table) = table.table("access", &ACCESS, problems) {
        table.set("enabled", &mut logs.access.enabled, problems, switch);
    }
}
