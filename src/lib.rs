//! Edgeway: a gRPC-Web and REST-to-gRPC edge gateway.
//!
//! `ARCHITECTURE.md` is the map. The rooms below stand in the only direction of imports: a room may
//! use those above it and none below (`tests/layers.rs` checks it).

pub mod telemetry;

pub mod grpc;

pub mod config;

pub mod call;

pub mod codec;

pub mod schema;

pub mod route;

pub mod upstream;

pub mod plan;

pub mod policy;

pub mod front;

pub mod admin;

pub mod server;

pub mod gateway;

pub mod demo;

pub mod cli;
