//! The encoder, by kind of family.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::telemetry::metrics::value::{Counter, Distribution};

/// Writes families one after the other. One without a series is left out.
///
/// The encoder adds `_total` to counters, `_info` to information and the unit to what has one.
pub(super) struct Page<'a>(pub(super) DescriptorEncoder<'a>);

/// The labels of one series.
pub(super) type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

impl Page<'_> {
    pub(super) fn counter(&mut self, [name, help]: [&str; 2], counter: &Counter) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, _, u64>(&counter.value(), None)
    }

    pub(super) fn counters<'l, const N: usize>(
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

    pub(super) fn gauges<'l, const N: usize>(
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

    pub(super) fn histograms<'l, const N: usize>(
        &mut self,
        [name, help]: [&str; 2],
        unit: Option<&Unit>,
        series: impl IntoIterator<Item = (Labels<'l, N>, Distribution)>,
    ) -> fmt::Result {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        for (labels, seen) in series {
            // The count is that of the buckets just read, so that it never disagrees with `+Inf`.
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                seen.sum,
                seen.count(),
                &seen.buckets,
                None,
            )?;
        }
        Ok(())
    }

    pub(super) fn information<const N: usize>(
        &mut self,
        [name, help]: [&str; 2],
        labels: Labels<'_, N>,
    ) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&labels)
    }
}
