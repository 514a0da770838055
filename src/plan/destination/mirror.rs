//! Where copies of calls go.

use std::sync::Arc;

use http::HeaderValue;

use super::Destination;
use crate::telemetry::metrics::{MethodMetrics, MirrorMetrics};

/// A cluster that gets copies of a method's calls.
#[derive(Debug)]
pub struct Mirror {
    /// Where they go; they are never tried again.
    pub destination: Destination,
    /// What marks them: the name of the route.
    pub mark: HeaderValue,
    /// What is counted of them.
    pub metrics: Arc<MirrorMetrics>,
    /// Where layers count that know of no copies; nobody reads it.
    pub unread: Arc<MethodMetrics>,
    per_million: u32,
}

impl Mirror {
    /// Copies so many of a million calls.
    pub(in crate::plan) fn new(
        destination: Destination,
        mark: HeaderValue,
        metrics: Arc<MirrorMetrics>,
        unread: Arc<MethodMetrics>,
        per_million: u32,
    ) -> Self {
        Self { destination, mark, metrics, unread, per_million }
    }

    /// The share of the calls that is copied, in percent.
    pub fn percent(&self) -> f64 {
        f64::from(self.per_million) / 10_000.0
    }

    pub(super) fn draws(&self, random: &mut impl FnMut(u32) -> u32) -> bool {
        match self.per_million {
            0 => false,
            MILLION => true,
            share => random(MILLION) < share,
        }
    }
}

const MILLION: u32 = 1_000_000;
