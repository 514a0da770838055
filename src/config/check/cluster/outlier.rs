//! `clusters.NAME.outlier_detection`.

use std::time::Duration;

use crate::config::document::Content;
use crate::config::keys::OUTLIER_DETECTION;
use crate::config::problems::Problems;
use crate::config::table::Table;
use crate::config::value::{MANY, number, percent, positive_duration, switch};
use crate::config::{FailurePercentageEjection, OutlierDetection, SuccessRateEjection};

pub(super) fn read(cluster: &Table<'_>, detection: &mut Option<OutlierDetection>, problems: &mut Problems) {
    let Some(entry) = cluster.entry("outlier_detection") else { return };
    if matches!(&entry.value.content, Content::Scalar(text) if text == "none") {
        *detection = None;
        return;
    }
    if let Some(table) = Table::open(&entry.value, &OUTLIER_DETECTION, problems) {
        *detection = Some(outlier_detection(&table, problems));
    }
}

fn outlier_detection(table: &Table<'_>, problems: &mut Problems) -> OutlierDetection {
    let mut detection = OutlierDetection::default();
    let failures =
        |text: &str| number::<u32>(text, 0..=MANY).map(|failures| Some(failures).filter(|n| *n > 0));
    table.set("consecutive_gateway_failure", &mut detection.consecutive_failures, problems, failures);
    table.set("interval", &mut detection.interval, problems, positive_duration);
    times(table, &mut detection, problems);
    let most = &mut detection.max_ejection_percent;
    table.set("max_ejection_percent", most, problems, |text| percent(text, 0..=100));
    detection.success_rate = success_rate(table, problems);
    detection.failure_percentage = failure_percentage(table, problems);
    let ends = &mut detection.successful_health_check_ends_ejection;
    table.set("successful_active_health_check_uneject_host", ends, problems, switch);
    detection
}

/// The longest ejection is no shorter than the first one (gRFC A50).
fn times(table: &Table<'_>, detection: &mut OutlierDetection, problems: &mut Problems) {
    table.set("base_ejection_time", &mut detection.base_ejection_time, problems, positive_duration);
    let base = detection.base_ejection_time;
    let max: Option<Duration> = table.read("max_ejection_time", problems, positive_duration);
    if let Some(max) = max.filter(|max| *max < base) {
        let span = table.entry("max_ejection_time").map_or(table.span(), |entry| entry.value.span);
        let message =
            format!("expected a max_ejection_time of at least base_ejection_time, {base:?}, found {max:?}");
        let help = "raise `max_ejection_time` or lower `base_ejection_time`";
        problems.error(span, message, Some(help.into()));
    }
    detection.max_ejection_time = max.unwrap_or(detection.max_ejection_time).max(base);
}

/// A chance of zero is Envoy's way to switch it off.
fn success_rate(table: &Table<'_>, problems: &mut Problems) -> Option<SuccessRateEjection> {
    let mut rate = SuccessRateEjection::default();
    let chance = &mut rate.enforcement_percentage;
    table.set("enforcing_success_rate", chance, problems, |text| percent(text, 0..=100));
    table.set("success_rate_stdev_factor", &mut rate.stdev_factor, problems, |text| number(text, 0..=MANY));
    table.set("success_rate_minimum_hosts", &mut rate.minimum_hosts, problems, |text| number(text, 1..=MANY));
    table.set("success_rate_request_volume", &mut rate.request_volume, problems, |text| {
        number(text, 1..=MANY)
    });
    Some(rate).filter(|rate| rate.enforcement_percentage > 0)
}

fn failure_percentage(table: &Table<'_>, problems: &mut Problems) -> Option<FailurePercentageEjection> {
    let mut failures = FailurePercentageEjection::default();
    let chance = &mut failures.enforcement_percentage;
    table.set("enforcing_failure_percentage", chance, problems, |text| percent(text, 0..=100));
    table.set("failure_percentage_threshold", &mut failures.threshold, problems, |text| {
        percent(text, 0..=100)
    });
    let (hosts, volume) = (&mut failures.minimum_hosts, &mut failures.request_volume);
    table.set("failure_percentage_minimum_hosts", hosts, problems, |text| number(text, 1..=MANY));
    table.set("failure_percentage_request_volume", volume, problems, |text| number(text, 1..=MANY));
    Some(failures).filter(|failures| failures.enforcement_percentage > 0)
}
