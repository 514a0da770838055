//! The way out: clusters, endpoints, connections, attempts.
