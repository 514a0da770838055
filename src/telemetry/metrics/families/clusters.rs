//! Clusters and their endpoints, under names of our own.

use std::fmt;
use std::sync::Arc;

use super::page::{Labels, Page};
use crate::telemetry::metrics::cluster::{ClusterMetrics, EndpointMetrics};
use crate::telemetry::metrics::code::{CODES, NAMES};
use crate::telemetry::metrics::label::{By, Label};
use crate::telemetry::metrics::method::MethodMetrics;
use crate::telemetry::metrics::value::{Counter, Gauge};

pub(super) fn encode(
    page: &mut Page<'_>,
    clusters: &[Arc<ClusterMetrics>],
    methods: &[Arc<MethodMetrics>],
) -> fmt::Result {
    calls(page, clusters, methods)?;
    reach(page, clusters)?;
    again(page, clusters)?;
    limits(page, clusters)?;
    page.counters(
        ["edgeway_health_checks", "Health checks of endpoints by result."],
        counts(clusters, "result", |cluster| &cluster.health_checks),
    )?;
    page.counters(
        ["edgeway_descriptor_reloads", "Times the descriptors of a cluster were asked for, by result."],
        counts(clusters, "result", |cluster| &cluster.reloads),
    )?;
    endpoints(page, clusters)
}

/// What became of the calls of each cluster, added up over its methods.
fn calls(
    page: &mut Page<'_>,
    clusters: &[Arc<ClusterMetrics>],
    methods: &[Arc<MethodMetrics>],
) -> fmt::Result {
    let mut ended = vec![[0; CODES]; clusters.len()];
    for (cluster, target) in methods.iter().flat_map(|method| method.targets.iter()) {
        let at = clusters.iter().position(|known| std::ptr::eq(&**known, cluster));
        if let Some(counts) = at.and_then(|at| ended.get_mut(at)) {
            for (count, calls) in counts.iter_mut().zip(&target.calls) {
                *count += calls.get().map_or(0, |calls| calls.snapshot().count());
            }
        }
    }
    page.counters(
        ["edgeway_cluster_rpcs", "Calls to a cluster by the status that their caller got."],
        clusters.iter().zip(&ended).flat_map(|(cluster, counts)| {
            let codes = NAMES.iter().zip(counts);
            codes.map(|(code, count)| ([("cluster", &*cluster.name), ("grpc_code", *code)], *count))
        }),
    )
}

fn reach(page: &mut Page<'_>, clusters: &[Arc<ClusterMetrics>]) -> fmt::Result {
    page.gauges(
        ["edgeway_cluster_endpoints", "Endpoints of a cluster by state."],
        per_label(clusters, "state", |cluster| &cluster.endpoints, Gauge::value),
    )?;
    page.counters(
        ["edgeway_discovery", "Answers of discovery about a cluster's endpoints by result."],
        counts(clusters, "result", |cluster| &cluster.discovery),
    )?;
    page.gauges(
        ["edgeway_discovery_stale", "Whether a cluster's endpoints are those of an older answer."],
        clusters.iter().map(|cluster| ([("cluster", &*cluster.name)], cluster.stale.value())),
    )?;
    page.gauges(
        ["edgeway_upstream_connections", "Connections to the endpoints of a cluster by state."],
        per_label(clusters, "state", |cluster| &cluster.connections, |gauge| gauge.value()),
    )?;
    page.counters(
        ["edgeway_upstream_connects", "Attempts to connect to an endpoint of a cluster by result."],
        counts(clusters, "result", |cluster| &cluster.connects),
    )
}

fn again(page: &mut Page<'_>, clusters: &[Arc<ClusterMetrics>]) -> fmt::Result {
    page.counters(
        ["edgeway_retries", "Attempts repeated by a retry policy, by what became of the one before."],
        counts(clusters, "reason", |cluster| &cluster.retries),
    )?;
    page.counters(
        ["edgeway_transparent_retries", "Attempts repeated because the backend cannot have acted on them."],
        counts(clusters, "reason", |cluster| &cluster.transparent_retries),
    )?;
    page.counters(
        ["edgeway_retry_throttled", "Retries and hedges that were not made because too many calls fail."],
        clusters.iter().map(|cluster| ([("cluster", &*cluster.name)], cluster.throttled.value())),
    )?;
    page.counters(
        ["edgeway_hedges", "Attempts beside the first of a hedged call by result."],
        counts(clusters, "result", |cluster| &cluster.hedges),
    )?;
    page.counters(
        ["edgeway_deadline_exceeded", "Calls that reached their deadline, by what they waited for."],
        counts(clusters, "where", |cluster| &cluster.deadlines),
    )
}

fn limits(page: &mut Page<'_>, clusters: &[Arc<ClusterMetrics>]) -> fmt::Result {
    page.gauges(
        [
            "edgeway_circuit_state",
            "Whether a circuit breaker of a cluster is open, and lets nothing more through.",
        ],
        per_label(clusters, "breaker", |cluster| &cluster.circuits, Gauge::value),
    )?;
    page.counters(
        ["edgeway_shed", "Calls, retries and connections refused by a limit."],
        counts(clusters, "reason", |cluster| &cluster.shed),
    )?;
    page.gauges(
        ["edgeway_concurrency_limit", "The limit of calls in flight that adaptive_concurrency has found."],
        clusters.iter().filter_map(|cluster| {
            Some(([("cluster", &*cluster.name)], cluster.concurrency_limit.get()?.value()))
        }),
    )
}

fn endpoints(page: &mut Page<'_>, clusters: &[Arc<ClusterMetrics>]) -> fmt::Result {
    let shown: Vec<_> = clusters.iter().map(|cluster| (cluster, cluster.shown_endpoints())).collect();
    let each = || shown.iter().flat_map(|(cluster, members)| members.iter().map(move |e| (*cluster, e)));
    page.counters(
        ["edgeway_endpoint_rpcs", "Attempts sent to an endpoint."],
        each().map(|(cluster, endpoint)| (endpoint_labels(cluster, endpoint), endpoint.rpcs.value())),
    )?;
    page.gauges(
        ["edgeway_endpoint_in_flight", "Attempts at an endpoint whose answer has not ended."],
        each().map(|(cluster, endpoint)| (endpoint_labels(cluster, endpoint), endpoint.in_flight.value())),
    )
}

fn counts<'c, L: Label>(
    clusters: &'c [Arc<ClusterMetrics>],
    label: &'static str,
    of: fn(&ClusterMetrics) -> &By<L, Counter>,
) -> impl Iterator<Item = (Labels<'c, 2>, u64)> {
    per_label(clusters, label, of, Counter::value)
}

fn per_label<'c, L: Label, T, V>(
    clusters: &'c [Arc<ClusterMetrics>],
    label: &'static str,
    of: fn(&ClusterMetrics) -> &By<L, T>,
    value: fn(&T) -> V,
) -> impl Iterator<Item = (Labels<'c, 2>, V)>
where
    T: 'c,
{
    clusters.iter().flat_map(move |cluster| {
        let name = ("cluster", cluster.name.as_ref());
        of(cluster).iter().map(move |(text, slot)| ([name, (label, text)], value(slot)))
    })
}

fn endpoint_labels<'c>(cluster: &'c ClusterMetrics, endpoint: &'c EndpointMetrics) -> Labels<'c, 2> {
    [("cluster", &cluster.name), ("endpoint", &endpoint.address)]
}
