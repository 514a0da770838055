//! Connections and balancing of clusters, as gRPC's own libraries say them (gRFC A78, A91, A94).
//!
//! Without `grpc_lb_locality`: those gRFCs leave it out by default.

use std::fmt;
use std::sync::Arc;

use super::page::{Labels, Page};
use crate::telemetry::metrics::cluster::{ClusterMetrics, WeightMetrics};
use crate::telemetry::metrics::label::{ConnectResult, ConnectionState, Label};

pub(super) fn encode(page: &mut Page<'_>, clusters: &[Arc<ClusterMetrics>]) -> fmt::Result {
    connections(page, clusters)?;
    ejections(page, clusters)?;
    weights(page, clusters)
}

fn connections(page: &mut Page<'_>, clusters: &[Arc<ClusterMetrics>]) -> fmt::Result {
    page.counters(
        ["grpc_subchannel_disconnections", "Number of times the selected subchannel becomes disconnected."],
        clusters.iter().flat_map(|cluster| {
            let errors = cluster.disconnects.iter();
            errors.map(|(error, count)| (with(cluster, "grpc_disconnect_error", error), count.value()))
        }),
    )?;
    page.counters(
        ["grpc_subchannel_connection_attempts_succeeded", "Number of successful connection attempts."],
        clusters.iter().map(|cluster| (labels(cluster), connects(cluster, true))),
    )?;
    page.counters(
        ["grpc_subchannel_connection_attempts_failed", "Number of failed connection attempts."],
        clusters.iter().map(|cluster| (labels(cluster), connects(cluster, false))),
    )?;
    page.gauges(
        ["grpc_subchannel_open_connections", "Number of open connections."],
        clusters.iter().map(|cluster| {
            let open = [ConnectionState::Ready, ConnectionState::Draining];
            let level = if cluster.secure { "privacy_and_integrity" } else { "none" };
            let count = open.map(|state| cluster.connections.at(state).value()).iter().sum();
            (with(cluster, "grpc_security_level", level), count)
        }),
    )
}

fn connects(cluster: &ClusterMetrics, succeeded: bool) -> u64 {
    let results = ConnectResult::ALL.iter().zip(cluster.connects.iter());
    let wanted = results.filter(|(result, _)| (**result == ConnectResult::Success) == succeeded);
    wanted.map(|(_, (_, count))| count.value()).sum()
}

fn ejections(page: &mut Page<'_>, clusters: &[Arc<ClusterMetrics>]) -> fmt::Result {
    page.counters(
        ["grpc_lb_outlier_detection_ejections_enforced", "Enforced outlier ejections by ejection reason."],
        clusters.iter().flat_map(|cluster| {
            let methods = cluster.ejections.iter();
            methods.map(|(method, count)| (with(cluster, DETECTION_METHOD, method), count.value()))
        }),
    )?;
    page.counters(
        [
            "grpc_lb_outlier_detection_ejections_unenforced",
            "Unenforced outlier ejections due to either max ejection percentage or enforcement_percentage.",
        ],
        clusters.iter().flat_map(|cluster| {
            cluster.unenforced.iter().flat_map(move |(method, reasons)| {
                reasons.iter().map(move |(reason, count)| {
                    let [target, service, method] = with(cluster, DETECTION_METHOD, method);
                    ([target, service, method, (UNENFORCED_REASON, reason)], count.value())
                })
            })
        }),
    )
}

fn weights(page: &mut Page<'_>, clusters: &[Arc<ClusterMetrics>]) -> fmt::Result {
    let shown: Vec<(Labels<'_, 2>, &WeightMetrics)> =
        clusters.iter().filter_map(|cluster| Some((labels(cluster), &**cluster.weights.get()?))).collect();
    page.counters(
        [
            "grpc_lb_wrr_rr_fallback",
            "Scheduler updates with too few endpoints of a valid weight, after which round robin was used.",
        ],
        shown.iter().map(|(labels, weights)| (*labels, weights.rr_fallback.value())),
    )?;
    page.counters(
        [
            "grpc_lb_wrr_endpoint_weight_not_yet_usable",
            "Endpoints of each scheduler update that do not yet have a usable weight.",
        ],
        shown.iter().map(|(labels, weights)| (*labels, weights.not_yet_usable.value())),
    )?;
    page.counters(
        [
            "grpc_lb_wrr_endpoint_weight_stale",
            "Endpoints of each scheduler update whose latest weight is older than the expiration period.",
        ],
        shown.iter().map(|(labels, weights)| (*labels, weights.stale.value())),
    )?;
    page.histograms(
        ["grpc_lb_wrr_endpoint_weights", "Weight of each endpoint at every scheduler update, 0 for none."],
        None,
        shown.iter().map(|(labels, weights)| (*labels, weights.weights.snapshot())),
    )
}

fn labels(cluster: &ClusterMetrics) -> Labels<'_, 2> {
    [("grpc_target", &cluster.target), ("grpc_lb_backend_service", &cluster.name)]
}

fn with<'a>(cluster: &'a ClusterMetrics, name: &'static str, value: &'a str) -> Labels<'a, 3> {
    let [target, service] = labels(cluster);
    [target, service, (name, value)]
}

const DETECTION_METHOD: &str = "grpc_lb_outlier_detection_detection_method";
const UNENFORCED_REASON: &str = "grpc_lb_outlier_detection_unenforced_reason";
