//! `clusters.NAME.service_config`: gRPC's service config, verbatim (grpc/service_config/service_config.proto, gRFC A2, A6
//! and A21), with gRPC's own validation. Keys that gRPC would pass over are refused as everywhere.

use crate::config::check::cluster::health;
use crate::config::keys::{HEALTH_CHECK_CONFIG, RETRY_THROTTLING};
use crate::config::problems::Problems;
use crate::config::table::Table;
use crate::config::value::{Invalid, number, quoted};
use crate::config::{Cluster, HealthCheck, HealthMode, RetryThrottling};

mod attempts;
mod load_balancing;
mod methods;
mod proto_json;

/// The health check of `cluster` is known already.
pub(super) fn read(table: &Table<'_>, cluster: &mut Cluster, problems: &mut Problems) {
    if let Some(policy) = load_balancing::read(table, problems) {
        cluster.load_balancing = policy;
    }
    if let Some(table) = table.table("healthCheckConfig", &HEALTH_CHECK_CONFIG, problems) {
        health_check(&table, &mut cluster.health_check, problems);
    }
    if let Some(table) = table.table("retryThrottling", &RETRY_THROTTLING, problems) {
        let max_tokens = table.require("maxTokens", problems, |text| number(text, 1..=1000));
        let token_ratio_milli = table.require("tokenRatio", problems, token_ratio);
        let throttling = max_tokens.zip(token_ratio_milli);
        cluster.service_config.retry_throttling = throttling
            .map(|(max_tokens, token_ratio_milli)| RetryThrottling { max_tokens, token_ratio_milli });
    }
    if let Some(entry) = table.entry("methodConfig") {
        cluster.service_config.methods = methods::read(&entry.value, problems);
    }
}

/// A name alone is gRFC A17: one `Watch` for each endpoint. Beside `health_checks` it is what those ask for.
fn health_check(table: &Table<'_>, check: &mut Option<HealthCheck>, problems: &mut Problems) {
    let Some(name) = table.read("serviceName", problems, health::service_name) else { return };
    match check {
        None => {
            let default = HealthCheck::default();
            *check = Some(HealthCheck { mode: HealthMode::Watch, service_name: name, ..default });
        }
        Some(check) if check.service_name.is_empty() => check.service_name = name,
        Some(check) if check.service_name == name => {}
        Some(check) => {
            let span = table.entry("serviceName").map_or(table.span(), |entry| entry.value.span);
            let asked = quoted(&check.service_name);
            let message =
                format!("`health_checks` asks for {asked}, and `healthCheckConfig` for {}", quoted(&name));
            problems.error(
                span,
                message,
                Some("an endpoint is asked for one service: leave out one name".into()),
            );
        }
    }
}

/// In thousandths, what is below them cut off as gRPC does. More than all tokens there can be is as good as those.
fn token_ratio(text: &str) -> Result<u32, Invalid> {
    let wrong = || Invalid::new(format!("expected a number of at least 0.001, found {}", quoted(text)));
    let ratio = proto_json::thousandths(text).filter(|ratio| *ratio > 0).ok_or_else(wrong)?;
    Ok(ratio.min(1_000_000))
}
