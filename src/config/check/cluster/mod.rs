//! `clusters`.

use std::path::{Path, PathBuf};

use crate::config::document::{Content, Entry, Node};
use crate::config::draft::{Draft, Given};
use crate::config::keys::{CLUSTER, DESCRIPTORS, SERVICE_CONFIG, TLS};
use crate::config::problems::Problems;
use crate::config::selector::Selector;
use crate::config::table::{Table, describe, list, read as read_value};
use crate::config::target::Target;
use crate::config::value::{Invalid, duration, positive_duration, quoted, switch};
use crate::config::{Cluster, Expose};

mod balancing;
mod breakers;
mod connection;
mod descriptors;
mod health;
mod outlier;
mod service_config;
mod tls;

pub(super) fn read(node: &Node, folder: &Path, draft: &mut Draft, problems: &mut Problems) {
    let entries = match &node.content {
        Content::Table(entries) => entries.as_slice(),
        Content::Null => return,
        Content::Broken => &[],
        Content::Scalar(_) | Content::List(_) => {
            let message =
                format!("clusters: expected a table of names and targets, found {}", describe(node));
            problems.error(node.span, message, Some("write `orders: orders:50051` below `clusters:`".into()));
            &[]
        }
    };
    draft.clusters_written = !matches!(&node.content, Content::Table(entries) if entries.is_empty());
    for entry in entries {
        if let Err(invalid) = cluster_name(&entry.key) {
            problems.invalid(problems.origin(entry.span), "clusters", invalid);
        }
        if let Some(value) = cluster(entry, folder, problems) {
            draft.clusters.push(Given { value, origin: problems.origin(entry.span) });
        }
    }
}

/// The name of a cluster or a listener: it stands in URLs, metrics and logs as it is.
pub(in crate::config) fn cluster_name(text: &str) -> Result<String, Invalid> {
    let valid = text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if valid {
        return Ok(text.to_owned());
    }
    Err(Invalid::new(format!("expected a name of letters, digits, `.`, `_` and `-`, found {}", quoted(text))))
}

fn cluster(entry: &Entry, folder: &Path, problems: &mut Problems) -> Option<Cluster> {
    let node = &*entry.value;
    if matches!(node.content, Content::Scalar(_) | Content::Null) {
        let name = format!("clusters.{}", entry.key);
        let target = read_value(node, &name, problems, str::parse::<Target>)?.below(folder);
        return Some(Cluster::new(&entry.key, target));
    }
    let table = Table::open(node, &CLUSTER, problems)?;
    let target = table.require("target", problems, str::parse::<Target>).map(|target| target.below(folder));
    // Read under any target, so that problems of the other keys show in the same go.
    let given = target.is_some();
    let mut cluster = Cluster::new(&entry.key, target.unwrap_or(Target::Static(Vec::new())));
    table.set("dns_refresh_rate", &mut cluster.dns_refresh_rate, problems, positive_duration);
    table.set("respect_dns_ttl", &mut cluster.respect_dns_ttl, problems, switch);
    table.set("drain_timeout", &mut cluster.drain_timeout, problems, duration);
    table.set("required", &mut cluster.required, problems, switch);
    if let Some(entry) = table.entry("expose") {
        cluster.expose = Some(expose(entry, problems));
    }
    if let Some(table) = table.table("descriptors", &DESCRIPTORS, problems) {
        descriptors::read(&table, folder, &mut cluster.descriptors, problems);
    }
    connection::read(&table, &mut cluster.connection, problems);
    cluster.tls = table.table("tls", &TLS, problems).map(|table| tls::read(&table, folder, problems));
    breakers::read(&table, &mut cluster, problems);
    outlier::read(&table, &mut cluster.outlier_detection, problems);
    cluster.health_check = health::read(&table, problems);
    if let Some(table) = table.table("service_config", &SERVICE_CONFIG, problems) {
        service_config::read(&table, &mut cluster, problems);
    }
    // Behind the service config, whose policy they are about.
    balancing::read(&table, &mut cluster, problems);
    given.then_some(cluster)
}

fn expose(entry: &Entry, problems: &mut Problems) -> Vec<Expose> {
    let elements = list(&entry.value, "expose", problems);
    if elements.is_empty() && matches!(entry.value.content, Content::List(_) | Content::Null) {
        let help = "leave the key out to expose everything but `grpc.*`";
        problems.error(entry.span, "expose: expected at least one selector, found none", Some(help.into()));
    }
    let parse = |text: &str| {
        let selector: Selector = text.parse()?;
        let name = selector.to_string();
        Ok(if name.ends_with('*') { Expose::Methods(selector) } else { Expose::Name(name) })
    };
    elements.iter().filter_map(|element| read_value(element, "expose", problems, parse)).collect()
}

/// A path of the operator's, which is relative to `folder`.
fn path(text: &str, folder: &Path) -> Result<PathBuf, Invalid> {
    if text.is_empty() || text.contains('\0') {
        return Err(Invalid::new(format!("expected the path of a file, found {}", quoted(text))));
    }
    Ok(folder.join(text))
}
