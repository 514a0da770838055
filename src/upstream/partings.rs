//! How the connections of an endpoint have ended.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::connection::Connection;
use crate::telemetry::metrics::DisconnectError;

/// How the connections of an endpoint have ended, over all workers, as an operator wants to know it.
#[derive(Debug, Default)]
pub(super) struct Partings {
    last: Mutex<Option<DisconnectError>>,
    draining: Mutex<Vec<Weak<Connection>>>,
}

impl Partings {
    /// A connection takes no further call, for this reason before all others.
    pub(super) fn ended(&self, why: DisconnectError) {
        *self.last.lock() = Some(why);
    }

    /// The reason of the last one.
    pub(super) fn last(&self) -> Option<DisconnectError> {
        *self.last.lock()
    }

    /// A connection finishes its calls; it is shown until nobody holds it.
    pub(super) fn drains(&self, connection: &Arc<Connection>) {
        let mut draining = self.draining.lock();
        draining.retain(|connection| connection.strong_count() > 0);
        draining.push(Arc::downgrade(connection));
    }

    /// The connections that finish their calls.
    pub(super) fn draining(&self) -> Vec<Arc<Connection>> {
        let draining = self.draining.lock();
        draining.iter().filter_map(Weak::upgrade).filter(|connection| !connection.has_ended()).collect()
    }
}
