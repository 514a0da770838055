//! Connections to peers that speak in frames.

pub(in crate::upstream) mod peer;
mod pings;
