//! `clusters.NAME.circuit_breakers` and `adaptive_concurrency`.

use crate::config::keys::{ADAPTIVE_CONCURRENCY, CIRCUIT_BREAKERS};
use crate::config::problems::Problems;
use crate::config::table::Table;
use crate::config::value::{MANY, number, percent, positive_duration};
use crate::config::{AdaptiveConcurrency, CircuitBreakers, Cluster};

pub(super) fn read(table: &Table<'_>, cluster: &mut Cluster, problems: &mut Problems) {
    if let Some(table) = table.table("circuit_breakers", &CIRCUIT_BREAKERS, problems) {
        circuit_breakers(&table, &mut cluster.circuit_breakers, problems);
    }
    if let Some(table) = table.table("adaptive_concurrency", &ADAPTIVE_CONCURRENCY, problems) {
        cluster.adaptive_concurrency = Some(adaptive_concurrency(&table, problems));
    }
}

fn circuit_breakers(table: &Table<'_>, breakers: &mut CircuitBreakers, problems: &mut Problems) {
    table.set("max_connections", &mut breakers.max_connections, problems, |text| number(text, 1..=MANY));
    table.set("max_requests", &mut breakers.max_requests, problems, |text| number(text, 1..=MANY));
    let pending = &mut breakers.max_pending_requests;
    table.set("max_pending_requests", pending, problems, |text| number(text, 0..=MANY));
    table.set("max_retries", &mut breakers.max_retries, problems, |text| number(text, 0..=MANY));
    let budget = &mut breakers.retry_budget_percent;
    table.set("retry_budget_percent", budget, problems, |text| percent(text, 0..=100));
    table.set("queue_timeout", &mut breakers.queue_timeout, problems, positive_duration);
}

/// A limit that is not given gives way to those that are.
fn adaptive_concurrency(table: &Table<'_>, problems: &mut Problems) -> AdaptiveConcurrency {
    let default = AdaptiveConcurrency::default();
    let mut limit = |key| table.read(key, problems, |text| number::<usize>(text, 1..=MANY));
    let (initial, min, max) = (limit("initial_limit"), limit("min_limit"), limit("max_limit"));
    let min_limit = min.unwrap_or_else(|| default.min_limit.min(max.unwrap_or(usize::MAX)));
    let max_limit = max.unwrap_or_else(|| default.max_limit.max(min_limit));
    if let Some(entry) = table.entry("min_limit").filter(|_| min_limit > max_limit) {
        let message = format!("expected a min_limit of at most max_limit, {max_limit}, found {min_limit}");
        problems.error(entry.value.span, message, Some("raise `max_limit` or lower `min_limit`".into()));
        return default;
    }
    let initial_limit = initial.unwrap_or(default.initial_limit.clamp(min_limit, max_limit));
    if let Some(entry) =
        table.entry("initial_limit").filter(|_| !(min_limit..=max_limit).contains(&initial_limit))
    {
        let message = format!(
            "expected an initial_limit from min_limit, {min_limit}, to max_limit, {max_limit}, found {initial_limit}"
        );
        problems.error(entry.value.span, message, Some("leave it out for the nearest of them".into()));
    }
    AdaptiveConcurrency { initial_limit, min_limit, max_limit }
}
