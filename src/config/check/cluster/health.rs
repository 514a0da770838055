//! `clusters.NAME.health_checks`.

use crate::config::document::Node;
use crate::config::keys::{GRPC_HEALTH_CHECK, HEALTH_CHECK};
use crate::config::problems::Problems;
use crate::config::table::{Table, list};
use crate::config::value::{Invalid, choice, number, positive_duration, quoted};
use crate::config::{HealthCheck, HealthMode};

pub(super) fn read(cluster: &Table<'_>, problems: &mut Problems) -> Option<HealthCheck> {
    let entry = cluster.entry("health_checks")?;
    let elements = list(&entry.value, "health_checks", problems);
    if let Some(second) = elements.get(1) {
        let message = format!("health_checks: expected at most one, found {}", elements.len());
        problems.error(second.span, message, Some("an endpoint is asked by one check: leave one".into()));
    }
    health_check(elements.first()?, problems)
}

/// The name of a service that is asked for: its full name, or nothing for the server as a whole.
pub(super) fn service_name(text: &str) -> Result<String, Invalid> {
    if text.len() <= LONGEST_NAME && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(Invalid::new(format!("expected the name of a service, found {}", quoted(text))))
}

fn health_check(node: &Node, problems: &mut Problems) -> Option<HealthCheck> {
    let table = Table::open(node, &HEALTH_CHECK, problems)?;
    let mut check = HealthCheck::default();
    let modes = [("check", HealthMode::Check), ("watch", HealthMode::Watch)];
    table.set("mode", &mut check.mode, problems, |text| choice(text, &modes));
    table.set("interval", &mut check.interval, problems, positive_duration);
    table.set("unhealthy_interval", &mut check.unhealthy_interval, problems, positive_duration);
    table.set("timeout", &mut check.timeout, problems, positive_duration);
    let threshold = |text: &str| number::<u32>(text, 1..=MOST_CHECKS);
    table.set("unhealthy_threshold", &mut check.unhealthy_threshold, problems, threshold);
    table.set("healthy_threshold", &mut check.healthy_threshold, problems, threshold);
    if let Some(table) = table.table("grpc_health_check", &GRPC_HEALTH_CHECK, problems) {
        table.set("service_name", &mut check.service_name, problems, service_name);
    }
    Some(check)
}

/// Of no use any more: hours of checks in a row.
const MOST_CHECKS: u64 = 1000;

/// Names of protobuf are shorter, and every check carries it.
const LONGEST_NAME: usize = 1024;
