//! The calls that routes copy.

use std::fmt;

use super::page::Page;
use crate::telemetry::metrics::Owners;

pub(super) fn encode(page: &mut Page<'_>, owners: &Owners) -> fmt::Result {
    let mirrors: Vec<_> = owners.mirrors.lock().values().cloned().collect();
    let results = mirrors.iter().flat_map(|mirror| {
        let labels = move |result| [("route", &*mirror.route), ("result", result)];
        mirror.results.iter().map(move |(result, count)| (labels(result), count.value()))
    });
    page.counters(
        ["edgeway_mirrored_calls", "Calls that a route was to copy, by what became of the copy."],
        results,
    )?;
    page.gauges(
        ["edgeway_mirrored_in_flight", "Copies on their way by route."],
        mirrors.iter().map(|mirror| ([("route", &*mirror.route)], mirror.in_flight.value())),
    )
}
