//! The seeds of fuzz targets under an ordinary compiler: what was found once is never lost again.

use std::fs;
use std::path::Path;

/// Runs `check` on every file below `fuzz/seeds/FOLDER`, of which there have to be more than `least`.
pub fn replay(folder: &str, least: usize, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(folder);
    let seeds = fs::read_dir(&folder).expect("the folder of seeds").map(|seed| seed.expect("a seed").path());
    let seeds: Vec<_> = seeds.collect();
    assert!(seeds.len() > least, "{} holds only {seeds:?}", folder.display());
    for seed in seeds {
        // Beside a failure it tells the seed that it stopped at.
        eprintln!("{}", seed.display());
        check(&fs::read(&seed).expect("a seed can be read"));
    }
}
