//! Attempts and calls by method and cluster, as gRPC's own libraries say them (gRFC A66, A96).
//!
//! `grpc_lb_backend_service` is the cluster's name (gRFC A89): two clusters may have one target.

use std::fmt;
use std::sync::Arc;

use prometheus_client::registry::Unit;

use super::page::{Labels, Page};
use crate::telemetry::metrics::cluster::ClusterMetrics;
use crate::telemetry::metrics::code::STATUSES;
use crate::telemetry::metrics::method::MethodMetrics;
use crate::telemetry::metrics::target::{Attempts, Rare, TargetMetrics};
use crate::telemetry::metrics::value::Distribution;

pub(super) fn encode(
    page: &mut Page<'_>,
    methods: &[Arc<MethodMetrics>],
    clusters: &[Arc<ClusterMetrics>],
) -> fmt::Result {
    let names: Vec<String> = methods.iter().map(|method| method.full_name()).collect();
    let shown: Vec<Shown<'_>> = methods
        .iter()
        .zip(&names)
        .flat_map(|(method, name)| {
            method.targets.iter().map(move |(cluster, values)| (name, cluster, values))
        })
        // Clusters that the configuration no longer has.
        .filter(|(_, cluster, _)| clusters.iter().any(|known| std::ptr::eq(&**known, *cluster)))
        .map(|(name, cluster, values)| Shown { labels: labels(name, cluster), values })
        .collect();
    attempts(page, &shown)?;
    calls(page, &shown)
}

struct Shown<'a> {
    labels: Labels<'a, 3>,
    values: &'a TargetMetrics,
}

fn attempts(page: &mut Page<'_>, shown: &[Shown<'_>]) -> fmt::Result {
    page.counters(
        ["grpc_client_attempt_started", "Number of client call attempts started."],
        shown.iter().map(|shown| (shown.labels, shown.values.started.value())),
    )?;
    let each = |of: fn(&Attempts) -> Distribution| {
        shown.iter().flat_map(move |shown| {
            let by_code = STATUSES.iter().zip(&shown.values.attempts);
            by_code.filter_map(move |(status, slot)| Some((with(shown.labels, status), of(slot.get()?))))
        })
    };
    page.histograms(
        ["grpc_client_attempt_duration", "End-to-end time taken to complete a client call attempt."],
        Some(&Unit::Seconds),
        each(|attempts| attempts.elapsed.snapshot()),
    )?;
    page.histograms(
        [
            "grpc_client_attempt_sent_total_compressed_message_size",
            "Compressed message bytes sent per client call attempt.",
        ],
        Some(&Unit::Bytes),
        each(|attempts| attempts.sent.snapshot()),
    )?;
    page.histograms(
        [
            "grpc_client_attempt_rcvd_total_compressed_message_size",
            "Compressed message bytes received per call attempt.",
        ],
        Some(&Unit::Bytes),
        each(|attempts| attempts.received.snapshot()),
    )
}

fn calls(page: &mut Page<'_>, shown: &[Shown<'_>]) -> fmt::Result {
    let ended = shown.iter().flat_map(|shown| {
        let by_code = STATUSES.iter().zip(&shown.values.calls);
        by_code.filter_map(move |(status, slot)| Some((with(shown.labels, status), slot.get()?.snapshot())))
    });
    page.histograms(
        [
            "grpc_client_call_duration",
            "Time taken by gRPC to complete an RPC from application's perspective.",
        ],
        Some(&Unit::Seconds),
        ended,
    )?;
    let rare = |of: fn(&TargetMetrics) -> &Rare| {
        shown.iter().filter_map(move |shown| Some((shown.labels, of(shown.values).get()?.snapshot())))
    };
    page.histograms(
        ["grpc_client_call_retries", "Number of retries during the client call, of calls that had any."],
        None,
        rare(|values| &values.retries),
    )?;
    page.histograms(
        [
            "grpc_client_call_transparent_retries",
            "Number of transparent retries during the client call, of calls that had any.",
        ],
        None,
        rare(|values| &values.transparent_retries),
    )?;
    page.histograms(
        ["grpc_client_call_hedges", "Number of hedges during the client call, of calls that had any."],
        None,
        rare(|values| &values.hedges),
    )?;
    page.histograms(
        [
            "grpc_client_call_retry_delay",
            "Total time of delay while there is no active attempt during the client call.",
        ],
        Some(&Unit::Seconds),
        shown.iter().filter_map(|shown| Some((shown.labels, shown.values.retry_delay.get()?.snapshot()))),
    )
}

fn labels<'a>(method: &'a str, cluster: &'a ClusterMetrics) -> Labels<'a, 3> {
    [("grpc_method", method), ("grpc_target", &cluster.target), ("grpc_lb_backend_service", &cluster.name)]
}

fn with<'a>([method, target, cluster]: Labels<'a, 3>, status: &'static str) -> Labels<'a, 4> {
    [method, target, cluster, ("grpc_status", status)]
}
