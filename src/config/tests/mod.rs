//! The whole way from a text to a configuration or to what is said about it.

use std::path::Path;

use crate::config::load::read;
use crate::config::problems::Problems;
use crate::config::{Config, Diagnostic, Report};

mod attempts;
mod bounds;
mod clusters;
mod cors;
mod example;
mod http;
mod keys;
mod load_balancing;
mod page;
mod precedence;
mod rest;
mod routes;
mod service_config;
mod shapes;
mod together;
mod values;
mod variables;
mod whole;

/// Refuses `text` with exactly this report.
#[track_caller]
fn check(text: &str, expected: &str) {
    let report = loaded(text).expect_err(text).to_string();
    assert_eq!(report, expected, "\n{report}\n");
}

/// Takes `text` with exactly these warnings.
#[track_caller]
fn check_warnings(text: &str, expected: &str) {
    let (_, warnings) = loaded(text).unwrap_or_else(|report| panic!("{text}\n{report}"));
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.join("\n\n"), expected);
}

/// The configuration of a `text` that is fine.
#[track_caller]
fn config(text: &str) -> Config {
    match loaded(text) {
        Ok((config, warnings)) => {
            assert_eq!(warnings, [], "{text}");
            config
        }
        Err(report) => panic!("{text}\n{report}"),
    }
}

/// What `text` is as the file `edgeway.yaml`, with the variables of [`variable`].
fn loaded(text: &str) -> Result<(Config, Vec<Diagnostic>), Report> {
    let mut problems = Problems::default();
    let draft = read(Path::new("edgeway.yaml"), text, &variable, &mut problems);
    let config = draft.finish(&mut problems);
    Ok((config, problems.finish()?))
}

fn variable(name: &str) -> Option<String> {
    let value = match name {
        "HOST" => "orders",
        "AFFINITY_SECRET" => "0123456789abcdef",
        "EMPTY" => "",
        "LONG" => return Some("x".repeat(60)),
        "TRICKY" => "a: [b]\n  c: ${HOST} # d",
        _ => return None,
    };
    Some(value.to_owned())
}
