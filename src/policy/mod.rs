//! Tower layers on the waist: what holds for every call, whatever door it came in by.
//!
//! Each layer reads the call's [`Context`] from the request's extensions, which has the limits that hold for its method;
//! there is one static stack and no stack per route. None of them parks a caller: `poll_ready` is always ready.
//!
//! A complete body ([`Whole`](crate::call::Whole)) is looked at on the spot. Only a body that streams is wrapped, so
//! that the common unary call passes the whole stack without an allocation.
//!
//! [`Context`]: crate::call::Context

mod deadline;
mod limit;
mod mirror;
mod record;

pub use mirror::mirror;
pub use record::Record;

use crate::{
    policy::{deadline::Deadline, limit::Limit},
    telemetry::Metrics,
    upstream::Outbound,
};

/// The whole stack, as a service of the waist.
pub type Stack = Record<Deadline<Limit<Outbound>>>;

/// Builds the stack over a worker's way out.
pub fn stack(outbound: Outbound, metrics: &Metrics) -> Stack {
    // Measured nearest to the wire, so that the messages a backend sees are the messages that are counted.
    let limit = Limit::new(outbound);
    // One budget for all attempts below it, waiting for a connection included.
    let deadline = Deadline::new(limit);
    // Outermost: it sees every outcome, the refusals of the layers below as well.
    Record::new(deadline, metrics.clone())
}
