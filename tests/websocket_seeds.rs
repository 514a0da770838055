//! The seeds of the fuzz target `websocket`, replayed without a fuzzer: what was found once is never lost again.

#[path = "../fuzz/src/websocket.rs"]
mod websocket;

use std::fs;

#[test]
fn websocket() {
    for (name, seed) in seeds("websocket") {
        println!("{name}");
        websocket::holds(&seed);
    }
}

/// The seeds of a target by their names.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = format!("{}/fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
    let entries = fs::read_dir(&folder).expect("the target has seeds");
    let seeds: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("the folder can be read").path();
            (path.display().to_string(), fs::read(&path).expect("a seed can be read"))
        })
        .collect();
    assert!(seeds.len() > 5, "found only {} seeds in {folder}", seeds.len());
    seeds
}
