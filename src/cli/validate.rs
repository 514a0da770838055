//! `edgeway validate`.

use std::process::ExitCode;

use super::{Configuration, REFUSED, complain, load, say};
use crate::gateway::load_files;

pub(super) fn run(configuration: Configuration) -> ExitCode {
    let loaded = match load(configuration) {
        Ok(loaded) => loaded,
        Err(code) => return code,
    };
    if let Err(error) = load_files(&loaded.config) {
        complain(format_args!("error: {error}"));
        return ExitCode::from(REFUSED);
    }
    say(format_args!("{}: ok", loaded.origin));
    for cluster in &loaded.config.clusters {
        say(format_args!("cluster {}: {}", cluster.name, cluster.target));
    }
    ExitCode::SUCCESS
}
