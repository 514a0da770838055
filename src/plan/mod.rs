//! Configuration and schema compiled into what one call needs.
//!
//! A [`Plan`] never changes. A reload compiles another and swaps the one pointer that all doors read; a call keeps the
//! plan that it began with to its end.

mod attempts;
mod binding;
mod compile;
mod destination;
mod routes;
mod unmatched;

pub use binding::{Binding, BodyBinding, RuleSource};
pub use compile::{Source, Warning};
pub use destination::{Asked, Choice, Destination, Destinations, Mirror, Rule};
pub use routes::check_templates;

use std::{collections::HashMap, sync::Arc};

use prost_reflect::DescriptorPool;

use crate::{
    call::{CallError, Kind, reason},
    codec::{MessageCodec, ReadOptions, WriteOptions},
    config::{AttemptPolicy, Policy, RestPolicy},
    grpc::Code,
    route, schema,
    telemetry::metrics::MethodMetrics,
    upstream::Target,
};

/// Everything that doors look up.
#[derive(Debug)]
pub struct Plan {
    /// Counts plans from the start of the process.
    pub generation: u64,
    methods: HashMap<Arc<str>, Arc<MethodPlan>>,
    /// REST routes of all clusters.
    pub routes: route::Table<Binding>,
    /// Whether a route of any method looks at the host that a caller named.
    pub asks_hosts: bool,
    /// Resolves the types of error details where no method is known.
    pub builtin: DescriptorPool,
    /// Clusters whose services are not known yet, with the reason.
    pub missing: Vec<(Arc<str>, String)>,
    /// What the clusters have said of their services, in their order.
    pub schemas: Vec<Arc<schema::Schema>>,
    /// What counts calls of methods that no schema lists.
    pub unknown: Arc<MethodMetrics>,
    /// How JSON requests are answered where no method is known.
    pub rest: RestPolicy,
    /// How JSON is written where no method is known.
    pub write: WriteOptions,
}

/// What a call of one method needs.
#[derive(Debug)]
pub struct MethodPlan {
    /// The method as its schema has it.
    pub method: Arc<schema::Method>,
    /// `method.path`, as the URI of its calls.
    pub uri: http::Uri,
    /// `method.kind`, read on every call.
    pub kind: Kind,
    /// The limits of the policies that select the method.
    pub policy: Arc<Policy>,
    /// How its JSON requests are understood and answered.
    pub rest: RestPolicy,
    /// How attempts of its calls are made.
    pub attempts: Arc<AttemptPolicy>,
    /// Where its calls go that no route takes.
    pub target: Target,
    /// The routes that select it, if any does.
    pub destinations: Option<Destinations>,
    /// Where its calls are counted.
    pub metrics: Arc<MethodMetrics>,
    /// Resolves the types of `Any` and of error details.
    pub pool: DescriptorPool,
    /// Reads its requests from JSON.
    pub input: MessageCodec,
    /// Writes its replies as JSON.
    pub output: MessageCodec,
    /// How its requests are read from JSON.
    pub read: ReadOptions,
    /// How its replies are written as JSON.
    pub write: WriteOptions,
}

impl Plan {
    /// The method called at `/package.Service/Method`.
    ///
    /// # Errors
    /// UNIMPLEMENTED for a method that no schema lists; SCHEMA_NOT_LOADED while a cluster that might have it has yet to
    /// say what it has.
    pub fn method(&self, path: &str) -> Result<&Arc<MethodPlan>, CallError> {
        self.methods.get(path).ok_or_else(|| self.not_loaded().unwrap_or_else(|| no_method(path)))
    }

    /// Why what was not found may still exist.
    pub fn not_loaded(&self) -> Option<CallError> {
        self.missing.first().map(|(cluster, why)| CallError::schema_not_loaded(cluster, why))
    }

    /// All methods, in no order.
    pub fn methods(&self) -> impl ExactSizeIterator<Item = &Arc<MethodPlan>> {
        self.methods.values()
    }
}

fn no_method(path: &str) -> CallError {
    // Goes into a header, which clients bound far below the longest path.
    let path = path.chars().take(256).collect::<String>();
    let message = format!("no cluster has the method {}", path.escape_debug());
    CallError::refused(Code::Unimplemented, reason::ROUTE_NOT_FOUND, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_is_shown_in_part() {
        assert!(no_method(&"/x".repeat(30_000)).status().message().len() < 400);
    }
}
