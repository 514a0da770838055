//! Ejected endpoints that are to be tried with one call.

use std::sync::Arc;

use super::super::{connection::Connection, link::Link, snapshot::Wish};

/// The endpoints that are due at the moment that a snapshot was made, nearly always none.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Probes(Vec<Arc<Link>>);

impl Probes {
    pub(in crate::upstream) fn new(links: &[Arc<Link>]) -> Self {
        let is_due = |link: &&Arc<Link>| link.endpoint.is_healthy() && link.endpoint.record().is_due();
        Self(links.iter().filter(is_due).map(Arc::clone).collect())
    }

    /// A place on an endpoint that nobody probes yet.
    ///
    /// The next call that comes is the probe, or an endpoint that chance seldom names would stay out for long. A call
    /// that has failed once already is not put at risk again.
    pub(in crate::upstream) fn reserve(&self, wish: Wish<'_>) -> Option<(&Arc<Link>, Arc<Connection>)> {
        if self.0.is_empty() || !wish.tried.is_empty() {
            return None;
        }
        self.0.iter().find_map(|link| {
            let record = link.endpoint.record();
            if !record.take_probe() {
                return None;
            }
            let connection = link.connections().into_iter().find(|connection| connection.reserve());
            if connection.is_none() {
                record.probe_untold();
            }
            Some((link, connection?))
        })
    }
}
