//! What backends report of their load (ORCA): in the trailers of calls (gRFC A51) or over a stream of their own.

mod report;
mod reported;

pub(super) use report::from_trailers;
pub(super) use reported::{Reported, Weight};
