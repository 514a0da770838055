//! The environment variables that configure a gateway.
//!
//! Only these names are read: Kubernetes sets `EDGEWAY_PORT=tcp://...` and the like for a service that
//! happens to be called `edgeway`. A variable that is set to nothing counts as not set, as Compose leaves
//! them (`EDGEWAY_LISTEN: ${LISTEN:-}`).

use std::path::PathBuf;

use crate::config::overrides::{Overrides, Upstream};
use crate::config::report::Origin;
use crate::config::substitute::Variables;

/// The environment of this process; the one place that reads it. What is not UTF-8 comes with
/// replacement characters, which no value allows.
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// The path of the configuration file.
pub(super) fn config(variables: Variables<'_>) -> Option<PathBuf> {
    filled(variables, "EDGEWAY_CONFIG").map(PathBuf::from)
}

pub(super) fn overrides(variables: Variables<'_>) -> Overrides {
    let given = |name: &str| filled(variables, name).map(|value| (value, Origin::Variable(name.to_owned())));
    let upstreams = given("EDGEWAY_UPSTREAMS").map(|(text, origin)| {
        let upstream = |text| Upstream { text, origin: origin.clone() };
        split_upstreams(&text).into_iter().map(upstream).collect()
    });
    let protosets = given("EDGEWAY_PROTOSETS").map(|(text, origin)| {
        let paths = text.split(',').map(str::trim).filter(|path| !path.is_empty());
        (paths.map(PathBuf::from).collect(), origin)
    });
    Overrides {
        listen: given("EDGEWAY_LISTEN"),
        admin: given("EDGEWAY_ADMIN_ADDRESS"),
        upstreams: upstreams.unwrap_or_default(),
        protosets,
        log_level: given("EDGEWAY_LOG_LEVEL"),
        log_format: given("EDGEWAY_LOG_FORMAT"),
        worker_threads: given("EDGEWAY_WORKER_THREADS"),
    }
}

fn filled(variables: Variables<'_>, name: &str) -> Option<String> {
    variables(name).filter(|value| !value.trim().is_empty())
}

/// Splits at commas, except inside a list of addresses: there a comma ends the list only where `NAME=` follows.
fn split_upstreams(text: &str) -> Vec<String> {
    let mut upstreams: Vec<String> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let target = |upstream: &str| {
            upstream.split_once('=').map_or(upstream, |(_, target)| target).trim().to_owned()
        };
        match upstreams.last_mut() {
            Some(last)
                if !part.contains('=') && LISTS.iter().any(|scheme| target(last).starts_with(scheme)) =>
            {
                last.push(',');
                last.push_str(part);
            }
            _ => upstreams.push(part.to_owned()),
        }
    }
    upstreams
}

/// Schemes whose targets have commas.
const LISTS: [&str; 4] = ["ipv4:", "ipv6:", "unix:", "unix-abstract:"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstream_lists() {
        for (text, expected) in [
            ("orders=orders:50051", vec!["orders=orders:50051"]),
            ("orders=orders:50051,users=users:50051", vec!["orders=orders:50051", "users=users:50051"]),
            ("orders:50051, users:50051,", vec!["orders:50051", "users:50051"]),
            (
                "a=ipv4:10.0.0.1:1,10.0.0.2:2,b=users:50051",
                vec!["a=ipv4:10.0.0.1:1,10.0.0.2:2", "b=users:50051"],
            ),
            ("a=unix:/a.sock,/b.sock,b=users:1", vec!["a=unix:/a.sock,/b.sock", "b=users:1"]),
            ("ipv4:10.0.0.1:1, 10.0.0.2:2", vec!["ipv4:10.0.0.1:1,10.0.0.2:2"]),
            (" , ", vec![]),
        ] {
            assert_eq!(split_upstreams(text), expected, "{text}");
        }
    }
}
