//! The list of families: name, help, and whose values they show.
//!
//! The encoder adds `_total` to counters, `_info` to information and the unit to what has one.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::Owners;
use super::cluster::{ClusterMetrics, EndpointMetrics};
use super::code;
use super::method::{CallMetrics, MethodMetrics};
use super::process::Process;
use super::value::{Counter, Histogram};

/// Writes all families at each scrape.
#[derive(Debug)]
pub(super) struct Families(pub(super) Arc<Owners>);

impl Collector for Families {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        // The lists are copied so that nobody who sets up a handle waits for the encoding.
        let methods: Vec<_> = self.0.methods.lock().values().cloned().collect();
        let clusters: Vec<_> = self.0.clusters.lock().values().cloned().collect();
        page.calls(&SERVER, &methods, |method| &method.server)?;
        page.calls(&CLIENT, &methods, |method| &method.client)?;
        page.streams(&methods)?;
        page.orphans(&methods)?;
        page.clusters(&clusters)?;
        page.mirrors(&self.0)?;
        page.front(&self.0)?;
        page.process(Process::read())
    }
}

/// Names and help of go-grpc-prometheus for one side.
struct Side {
    started: [&'static str; 2],
    handled: [&'static str; 2],
    received: [&'static str; 2],
    sent: [&'static str; 2],
    handling: [&'static str; 2],
}

impl Page<'_> {
    fn calls(
        &mut self,
        side: &Side,
        methods: &[Arc<MethodMetrics>],
        of: impl Fn(&MethodMetrics) -> &CallMetrics,
    ) -> fmt::Result {
        let each = |value: fn(&CallMetrics) -> u64| {
            methods.iter().map(|method| (method.labels(), value(of(method)))).collect::<Vec<_>>()
        };
        self.counters(side.started, each(|calls| calls.started.value()))?;
        let handled = methods.iter().flat_map(|method| {
            let [kind, service, name] = method.labels();
            let codes = code::NAMES.iter().zip(&of(method).handled);
            codes.map(move |(code, count)| ([kind, service, name, ("grpc_code", *code)], count.value()))
        });
        self.counters(side.handled, handled)?;
        self.counters(side.received, each(|calls| calls.received.value()))?;
        self.counters(side.sent, each(|calls| calls.sent.value()))?;
        let timed = methods.iter().filter(|method| method.times_handling());
        self.seconds(side.handling, timed.filter_map(|method| Some((method, of(method).elapsed.as_ref()?))))
    }

    fn orphans(&mut self, methods: &[Arc<MethodMetrics>]) -> fmt::Result {
        let orphans = methods.iter().map(|method| {
            let [_, service, name] = method.labels();
            ([service, name], method.orphaned.value())
        });
        let help = "RPCs that a backend answered with OK when nobody waited for the answer any more.";
        self.counters(["edgeway_orphaned_rpcs", help], orphans)
    }

    fn streams(&mut self, methods: &[Arc<MethodMetrics>]) -> fmt::Result {
        let streams = methods.iter().filter(|method| !method.times_handling());
        self.seconds(
            ["edgeway_stream_duration", "How long server and bidirectional streams were open at the front."],
            streams.filter_map(|method| Some((method, method.server.elapsed.as_ref()?))),
        )
    }

    fn clusters(&mut self, clusters: &[Arc<ClusterMetrics>]) -> fmt::Result {
        self.gauges(
            ["edgeway_cluster_endpoints", "Endpoints of a cluster by state."],
            per_label(clusters, "state", |cluster| {
                cluster.endpoints.iter().map(|(state, gauge)| (state, gauge.value()))
            }),
        )?;
        self.gauges(
            ["edgeway_upstream_connections", "Connections to the endpoints of a cluster by state."],
            per_label(clusters, "state", |cluster| {
                cluster.connections.iter().map(|(state, gauge)| (state, gauge.value()))
            }),
        )?;
        self.counters(
            ["edgeway_upstream_connects", "Attempts to connect to an endpoint of a cluster by result."],
            per_label(clusters, "result", |cluster| {
                cluster.connects.iter().map(|(result, count)| (result, count.value()))
            }),
        )?;
        self.counters(
            [
                "edgeway_transparent_retries",
                "Attempts repeated because the backend cannot have acted on them.",
            ],
            per_label(clusters, "reason", |cluster| {
                cluster.retries.iter().map(|(reason, count)| (reason, count.value()))
            }),
        )?;
        self.counters(
            ["edgeway_retries", "Attempts repeated by a retry policy, by what became of the one before."],
            per_label(clusters, "reason", |cluster| {
                cluster.policy_retries.iter().map(|(reason, count)| (reason, count.value()))
            }),
        )?;
        self.counters(
            ["edgeway_retry_throttled", "Retries and hedges not made because too many attempts failed."],
            clusters.iter().map(|cluster| ([("cluster", cluster.name.as_ref())], cluster.throttled.value())),
        )?;
        self.counters(
            ["edgeway_hedges", "Attempts made beside another one, by whether their answer was the call's."],
            per_label(clusters, "result", |cluster| {
                cluster.hedges.iter().map(|(result, count)| (result, count.value()))
            }),
        )?;
        self.counters(
            ["edgeway_shed", "Calls, retries and connections refused by a limit."],
            per_label(clusters, "reason", |cluster| {
                cluster.shed.iter().map(|(reason, count)| (reason, count.value()))
            }),
        )?;
        self.counters(
            ["edgeway_descriptor_reloads", "Times the descriptors of a cluster were asked for, by result."],
            per_label(clusters, "result", |cluster| {
                cluster.reloads.iter().map(|(result, count)| (result, count.value()))
            }),
        )?;

        let shown: Vec<_> = clusters.iter().map(|cluster| (cluster, cluster.shown_endpoints())).collect();
        let endpoints =
            || shown.iter().flat_map(|(cluster, members)| members.iter().map(move |e| (*cluster, e)));
        self.counters(
            ["edgeway_endpoint_rpcs", "Attempts sent to an endpoint."],
            endpoints()
                .map(|(cluster, endpoint)| (endpoint_labels(cluster, endpoint), endpoint.rpcs.value())),
        )?;
        self.gauges(
            ["edgeway_endpoint_in_flight", "Attempts at an endpoint whose answer has not ended."],
            endpoints()
                .map(|(cluster, endpoint)| (endpoint_labels(cluster, endpoint), endpoint.in_flight.value())),
        )
    }

    fn mirrors(&mut self, owners: &Owners) -> fmt::Result {
        let mirrors: Vec<_> = owners.mirrors.lock().values().cloned().collect();
        let results = mirrors.iter().flat_map(|mirror| {
            let labels = move |result| [("route", &*mirror.route), ("result", result)];
            mirror.results.iter().map(move |(result, count)| (labels(result), count.value()))
        });
        self.counters(
            ["edgeway_mirrored_calls", "Calls that a route was to copy, by what became of the copy."],
            results,
        )?;
        self.gauges(
            ["edgeway_mirrored_in_flight", "Copies on their way by route."],
            mirrors.iter().map(|mirror| ([("route", &*mirror.route)], mirror.in_flight.value())),
        )
    }

    fn front(&mut self, owners: &Owners) -> fmt::Result {
        self.information(
            ["edgeway_build", "The version that runs."],
            [("version", env!("CARGO_PKG_VERSION"))],
        )?;
        let streams: Vec<_> =
            owners.streams.lock().iter().map(|(name, gauge)| (*name, gauge.value())).collect();
        self.gauges(
            ["edgeway_streams_active", "Streams open at the front by protocol."],
            streams.into_iter().map(|(protocol, value)| ([("protocol", protocol)], value)),
        )?;
        let connections: Vec<_> =
            owners.connections.lock().iter().map(|(name, gauge)| (name.clone(), gauge.value())).collect();
        self.gauges(
            ["edgeway_downstream_connections", "Connections of clients by listener."],
            connections.iter().map(|(listener, value)| ([("listener", listener.as_ref())], *value)),
        )?;
        let workers: Vec<_> = owners
            .workers
            .lock()
            .iter()
            .map(|(index, runtime)| (index.to_string(), runtime.metrics()))
            .collect();
        self.gauges(
            ["edgeway_worker_tasks", "Tasks of a worker's runtime that have not ended."],
            workers.iter().map(|(worker, tasks)| {
                ([("worker", worker.as_str())], i64::try_from(tasks.num_alive_tasks()).unwrap_or(i64::MAX))
            }),
        )?;
        self.counters(
            ["edgeway_cancelled", "Calls that were ended before their status came, by who ended them."],
            owners.cancelled.iter().map(|(by, count)| ([("by", by)], count.value())),
        )?;
        self.counter(
            ["edgeway_accept_errors", "Connections that a listener failed to accept."],
            &owners.accept_errors,
        )?;
        self.counter(
            ["edgeway_log_dropped", "Log lines dropped because their reader was too slow or gone."],
            &owners.log_dropped,
        )
    }

    fn process(&mut self, process: Process) -> fmt::Result {
        let Process { cpu_seconds, resident_bytes, open_fds, start_seconds } = process;
        if let Some(seconds) = cpu_seconds {
            let help = "User and system CPU time spent.";
            self.0
                .encode_descriptor("process_cpu", help, Some(&Unit::Seconds), MetricType::Counter)?
                .encode_counter::<NoLabelSet, _, f64>(&seconds, None)?;
        }
        if let Some(bytes) = resident_bytes {
            let help = "Resident memory size.";
            self.0
                .encode_descriptor("process_resident_memory", help, Some(&Unit::Bytes), MetricType::Gauge)?
                .encode_gauge(&bytes)?;
        }
        if let Some(count) = open_fds {
            let help = "Open file descriptors.";
            self.0
                .encode_descriptor("process_open_fds", help, None, MetricType::Gauge)?
                .encode_gauge(&count)?;
        }
        if let Some(seconds) = start_seconds {
            let help = "Start time of the process since the Unix epoch.";
            self.0
                .encode_descriptor("process_start_time", help, Some(&Unit::Seconds), MetricType::Gauge)?
                .encode_gauge(&seconds)?;
        }
        Ok(())
    }
}

/// The encoder, by kind of family. A family without a series is left out.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn counter(&mut self, [name, help]: [&str; 2], counter: &Counter) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, _, u64>(&counter.value(), None)
    }

    fn counters<'l, const N: usize>(
        &mut self,
        [name, help]: [&str; 2],
        series: impl IntoIterator<Item = (Labels<'l, N>, u64)>,
    ) -> fmt::Result {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in series {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    fn gauges<'l, const N: usize>(
        &mut self,
        [name, help]: [&str; 2],
        series: impl IntoIterator<Item = (Labels<'l, N>, i64)>,
    ) -> fmt::Result {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in series {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn seconds<'m>(
        &mut self,
        [name, help]: [&str; 2],
        series: impl IntoIterator<Item = (&'m Arc<MethodMetrics>, &'m Histogram)>,
    ) -> fmt::Result {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (method, histogram) in series {
            let buckets = histogram.snapshot();
            // The count is that of the buckets just read, so that it never disagrees with `+Inf`.
            let count = buckets.iter().map(|(_, count)| count).sum();
            family.encode_family(&method.labels())?.encode_histogram::<NoLabelSet>(
                histogram.sum(),
                count,
                &buckets,
                None,
            )?;
        }
        Ok(())
    }

    fn information<const N: usize>(&mut self, [name, help]: [&str; 2], labels: Labels<'_, N>) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&labels)
    }
}

type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

fn per_label<'c, V, I: Iterator<Item = (&'static str, V)> + 'c>(
    clusters: &'c [Arc<ClusterMetrics>],
    label: &'static str,
    values: impl Fn(&'c ClusterMetrics) -> I + 'c,
) -> impl Iterator<Item = (Labels<'c, 2>, V)> {
    clusters.iter().flat_map(move |cluster| {
        values(cluster).map(move |(text, value)| ([("cluster", cluster.name.as_ref()), (label, text)], value))
    })
}

fn endpoint_labels<'c>(cluster: &'c ClusterMetrics, endpoint: &'c EndpointMetrics) -> Labels<'c, 2> {
    [("cluster", &cluster.name), ("endpoint", &endpoint.address)]
}

const SERVER: Side = Side {
    started: ["grpc_server_started", "Total number of RPCs started on the server."],
    handled: [
        "grpc_server_handled",
        "Total number of RPCs completed on the server, regardless of success or failure.",
    ],
    received: ["grpc_server_msg_received", "Total number of RPC stream messages received on the server."],
    sent: ["grpc_server_msg_sent", "Total number of gRPC stream messages sent by the server."],
    handling: [
        "grpc_server_handling",
        "Histogram of response latency (seconds) of gRPC that had been application-level handled by the server.",
    ],
};

const CLIENT: Side = Side {
    started: ["grpc_client_started", "Total number of RPCs started on the client."],
    handled: [
        "grpc_client_handled",
        "Total number of RPCs completed by the client, regardless of success or failure.",
    ],
    received: ["grpc_client_msg_received", "Total number of RPC stream messages received by the client."],
    sent: ["grpc_client_msg_sent", "Total number of gRPC stream messages sent by the client."],
    handling: [
        "grpc_client_handling",
        "Histogram of response latency (seconds) of the gRPC until it is finished by the application.",
    ],
};
