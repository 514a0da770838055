//! What the fuzz targets of `codec` begin with, and what they once found, under an ordinary compiler.

#[path = "../fuzz/src/codec.rs"]
mod codec;
#[path = "support/seeds.rs"]
mod seeds;

#[test]
fn json_to_wire() {
    seeds::replay("codec", 40, codec::read);
}

#[test]
fn wire_to_json() {
    seeds::replay("codec", 40, codec::print);
}

#[test]
fn differential() {
    seeds::replay("codec", 40, codec::differential);
}
