//! Sockets: listen, accept, deal to workers, serve, drain.
