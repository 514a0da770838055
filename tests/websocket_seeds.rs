//! The seeds of the fuzz target `websocket`, replayed without a fuzzer: what was found once is never lost again.

#[path = "support/seeds.rs"]
mod seeds;
#[path = "../fuzz/src/websocket.rs"]
mod websocket;

#[test]
fn websocket() {
    seeds::replay("websocket", 5, websocket::holds);
}
