//! Sockets: listen, accept, deal to workers, serve, drain. Knows nothing of calls.
//!
//! One plain listener per address on the control runtime accepts and deals each socket to the worker that has the
//! fewest. `SO_REUSEPORT` would let the kernel deal, but it hashes a handful of long-lived HTTP/2 connections badly and
//! hides that a port is in use. From then on a connection and all its calls stay on the worker's thread.

mod accept;
mod connection;
mod detect;
mod gather;
mod worker;

pub use accept::{Listener, accept};
pub use worker::{Dealer, Worker, Workers};
