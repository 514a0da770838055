//! What the targets check, a module for each part of the gateway; the tests replay their seeds over the same functions.

pub mod codec;
pub mod query;
pub mod route;
pub mod websocket;
pub mod wire;
