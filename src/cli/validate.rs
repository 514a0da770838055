//! `edgeway validate`.

use std::process::ExitCode;

use super::{Configuration, REFUSED, complain, say};
use crate::{
    config::{self, process_environment},
    gateway::load_protosets,
};

pub(super) fn run(configuration: Configuration) -> ExitCode {
    let loaded = match config::load(&configuration.into(), &process_environment) {
        Ok(loaded) => loaded,
        Err(report) => {
            complain(report);
            return ExitCode::from(REFUSED);
        }
    };
    for warning in &loaded.warnings {
        complain(warning);
    }
    if let Err(error) = load_protosets(&loaded.config) {
        complain(format_args!("error: {error}"));
        return ExitCode::from(REFUSED);
    }
    say(format_args!("{}: ok", loaded.origin));
    for cluster in &loaded.config.clusters {
        say(format_args!("cluster {}: {}", cluster.name, cluster.target));
    }
    ExitCode::SUCCESS
}
