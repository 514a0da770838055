//! Clients, and the gateway itself.

use std::fmt;

use super::page::Page;
use crate::telemetry::metrics::Owners;

pub(super) fn encode(page: &mut Page<'_>, owners: &Owners) -> fmt::Result {
    page.information(["edgeway_build", "The version that runs."], [("version", env!("CARGO_PKG_VERSION"))])?;
    let streams: Vec<_> = owners.streams.lock().iter().map(|(name, gauge)| (*name, gauge.value())).collect();
    page.gauges(
        ["edgeway_streams_active", "Streams open at the front by protocol."],
        streams.into_iter().map(|(protocol, value)| ([("protocol", protocol)], value)),
    )?;
    let connections: Vec<_> =
        owners.connections.lock().iter().map(|(name, gauge)| (name.clone(), gauge.value())).collect();
    page.gauges(
        ["edgeway_downstream_connections", "Connections of clients by listener."],
        connections.iter().map(|(listener, value)| ([("listener", listener.as_ref())], *value)),
    )?;
    let workers: Vec<_> =
        owners.workers.lock().iter().map(|(index, runtime)| (index.to_string(), runtime.metrics())).collect();
    page.gauges(
        ["edgeway_worker_tasks", "Tasks of a worker's runtime that have not ended."],
        workers.iter().map(|(worker, tasks)| {
            ([("worker", worker.as_str())], i64::try_from(tasks.num_alive_tasks()).unwrap_or(i64::MAX))
        }),
    )?;
    page.counters(
        ["edgeway_cancelled", "Calls that were ended before their status came, by who ended them."],
        owners.cancelled.iter().map(|(by, count)| ([("by", by)], count.value())),
    )?;
    page.counter(
        ["edgeway_accept_errors", "Connections that a listener failed to accept."],
        &owners.accept_errors,
    )?;
    page.counter(
        ["edgeway_log_dropped", "Log lines dropped because their reader was too slow or gone."],
        &owners.log_dropped,
    )
}
