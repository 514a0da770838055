//! The `process_*` values that every Prometheus client has.

use std::fmt;

use prometheus_client::encoding::NoLabelSet;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::page::Page;
use crate::telemetry::metrics::process::Process;

pub(super) fn encode(page: &mut Page<'_>, process: Process) -> fmt::Result {
    let Process { cpu_seconds, resident_bytes, open_fds, start_seconds } = process;
    if let Some(seconds) = cpu_seconds {
        let help = "User and system CPU time spent.";
        page.0
            .encode_descriptor("process_cpu", help, Some(&Unit::Seconds), MetricType::Counter)?
            .encode_counter::<NoLabelSet, _, f64>(&seconds, None)?;
    }
    if let Some(bytes) = resident_bytes {
        let help = "Resident memory size.";
        page.0
            .encode_descriptor("process_resident_memory", help, Some(&Unit::Bytes), MetricType::Gauge)?
            .encode_gauge(&bytes)?;
    }
    if let Some(count) = open_fds {
        let help = "Open file descriptors.";
        page.0.encode_descriptor("process_open_fds", help, None, MetricType::Gauge)?.encode_gauge(&count)?;
    }
    if let Some(seconds) = start_seconds {
        let help = "Start time of the process since the Unix epoch.";
        page.0
            .encode_descriptor("process_start_time", help, Some(&Unit::Seconds), MetricType::Gauge)?
            .encode_gauge(&seconds)?;
    }
    Ok(())
}
