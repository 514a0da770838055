//! What the fuzz targets of `codec` begin with, and what they once found, under an ordinary compiler.

#[path = "../fuzz/src/codec.rs"]
mod codec;

use std::fs;
use std::path::Path;

/// Runs `check` on every seed; one folder serves all targets, since all read the same input.
fn replay(check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds/codec");
    let seeds = fs::read_dir(&folder).expect("the folder of seeds").map(|seed| seed.expect("a seed").path());
    let seeds: Vec<_> = seeds.collect();
    assert!(seeds.len() > 40, "{} holds only {seeds:?}", folder.display());
    for seed in seeds {
        eprintln!("{}", seed.display());
        check(&fs::read(&seed).expect("a seed can be read"));
    }
}

#[test]
fn json_to_wire() {
    replay(codec::read);
}

#[test]
fn wire_to_json() {
    replay(codec::print);
}

#[test]
fn differential() {
    replay(codec::differential);
}
