//! The way out: clusters, endpoints, connections, attempts. Knows no schema, no JSON and no inbound protocol.
//!
//! ```text
//! Clusters    all of them: starts discovery, checks and what else runs for each    one per gateway
//! Cluster     the backends of one name, and what holds for all calls to them       one per cluster
//!   Roster    who they are: discovery feeds it endpoints                           one per cluster
//!   Endpoint  one address: calls in flight, whether it takes further ones          one per address
//!     Reach   whether it may be tried: backoff, what it last failed of             one per address
//!   Lane      one worker's side of a cluster: what is ready, who waits             one per worker and cluster
//!     Link    one worker's way to one endpoint: connects, reconnects, retires      one per worker and endpoint
//!       Connection   one HTTP/2 connection and its stream gate                     up to `connections_per_endpoint`
//!         Permit     the right to one stream on it                                 one per attempt
//! Outbound    the tower service: picks an endpoint for each call, tries, tries again where that is safe
//!   attempt   one try: send the head and body, receive head, body and status
//! ```
//!
//! Connections belong to the worker that opened them, so that a call never hops threads. What is true of an address
//! rather than of a connection is shared through [`Endpoint`]: load, so that every worker sees all of it, and backoff,
//! so that a dead backend is probed once and not once per worker.
//!
//! `h2` is used directly, not through `tonic::transport::Channel` or `hyper`: only so can the gate count streams
//! against the peer's limit, a received GOAWAY be seen before the next call fails of it, and the bytes of a stream be
//! taken off the connection without granting the backend credit for more.

mod activity;
mod attempt;
mod backoff;
mod balance;
mod brakes;
mod cluster;
mod clusters;
mod connection;
mod control;
mod describe;
mod direct;
mod discover;
mod download;
mod endpoint;
mod failover;
mod failure;
mod grow;
mod health;
mod hedge;
mod lane;
mod link;
mod member;
mod orca;
mod outbound;
mod outlier;
mod partings;
mod permit;
mod queue;
mod reach;
mod reservation;
mod retry;
mod roster;
mod snapshot;
mod steer;
mod tally;
mod tenure;
mod tls;
mod trickle;
mod tries;
mod upload;

pub(crate) use balance::request_hash;
pub use cluster::{Cluster, Health};
pub use clusters::Clusters;
pub use control::Control;
pub use describe::{ClusterView, ConnectionView, EndpointPhase, EndpointView};
pub use endpoint::Endpoint;
pub use lane::Lanes;
pub use outbound::Outbound;
pub use reservation::Reservation;

use std::sync::Arc;

/// The cluster that a call goes to, in the extensions of its request.
#[derive(Clone, Debug)]
pub struct Target(pub Arc<Cluster>);

#[cfg(test)]
mod peer;
#[cfg(test)]
mod tests;
