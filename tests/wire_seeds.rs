//! What the fuzz targets of frames and of text begin with, and what they once found, under an ordinary compiler.

#[path = "support/seeds.rs"]
mod seeds;
#[path = "../fuzz/src/wire.rs"]
mod wire;

#[test]
fn frames() {
    seeds::replay("frames", 5, wire::frames);
}

#[test]
fn text() {
    seeds::replay("text", 5, wire::text);
}
