//! What the fuzz targets of frames and of text begin with, and what they once found, under an ordinary compiler.

#[path = "../fuzz/src/wire.rs"]
mod wire;

use std::fs;
use std::path::Path;

/// Runs `check` on every seed of `target`.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let seeds = fs::read_dir(&folder).expect("the folder of seeds").map(|seed| seed.expect("a seed").path());
    let seeds: Vec<_> = seeds.collect();
    assert!(seeds.len() > 5, "{} holds only {seeds:?}", folder.display());
    for seed in seeds {
        check(&fs::read(&seed).expect("a seed can be read"));
    }
}

#[test]
fn frames() {
    replay("frames", wire::frames);
}

#[test]
fn text() {
    replay("text", wire::text);
}
