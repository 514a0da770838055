//! What environment and flags say over the file.

use std::path::PathBuf;

use crate::config::Cluster;
use crate::config::check::{cluster_name, log_format, log_level};
use crate::config::draft::{Draft, Given};
use crate::config::problems::Problems;
use crate::config::report::{Diagnostic, Origin};
use crate::config::target::Target;
use crate::config::value::{Invalid, listen_address, quoted, worker_threads};

/// Values as written, each with the flag or the variable that says it.
#[derive(Debug, Default)]
pub(super) struct Overrides {
    pub(super) listen: Option<(String, Origin)>,
    pub(super) admin: Option<(String, Origin)>,
    /// The environment's, then the flags'.
    pub(super) upstreams: Vec<Upstream>,
    pub(super) protosets: Option<(Vec<PathBuf>, Origin)>,
    pub(super) log_level: Option<(String, Origin)>,
    pub(super) log_format: Option<(String, Origin)>,
    pub(super) worker_threads: Option<(String, Origin)>,
}

/// `[NAME=]TARGET`.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) text: String,
    pub(super) origin: Origin,
}

impl Overrides {
    /// This over `lower`: a single value replaces the lower one, an upstream the one of its name.
    pub(super) fn over(self, lower: Self) -> Self {
        Self {
            listen: self.listen.or(lower.listen),
            admin: self.admin.or(lower.admin),
            upstreams: lower.upstreams.into_iter().chain(self.upstreams).collect(),
            protosets: self.protosets.or(lower.protosets),
            log_level: self.log_level.or(lower.log_level),
            log_format: self.log_format.or(lower.log_format),
            worker_threads: self.worker_threads.or(lower.worker_threads),
        }
    }

    /// The flags and variables that say something, each once.
    pub(super) fn origins(&self) -> Vec<String> {
        let single = [&self.listen, &self.admin, &self.log_level, &self.log_format, &self.worker_threads];
        let mut origins: Vec<String> = Vec::new();
        let protosets = self.protosets.iter().map(|(_, origin)| origin);
        let upstreams = self.upstreams.iter().map(|upstream| &upstream.origin);
        for origin in upstreams.chain(protosets).chain(single.into_iter().flatten().map(|(_, origin)| origin))
        {
            if let Origin::Flag(name) | Origin::Variable(name) = origin
                && !origins.contains(name)
            {
                origins.push(name.clone());
            }
        }
        origins
    }

    /// Puts what is said into the draft. `in_file` tells whether the file itself reads a variable.
    pub(super) fn apply(self, draft: &mut Draft, in_file: &dyn Fn(&str) -> bool, problems: &mut Problems) {
        if let Some((address, origin)) = read(self.listen, "listen", problems, listen_address) {
            listen(address, origin, draft, in_file, problems);
        }
        if let Some((value, origin)) = read(self.admin, "admin address", problems, listen_address) {
            draft.admin = Given { value, origin };
        }
        let logs = &mut draft.telemetry.logs;
        if let Some((level, _)) = read(self.log_level, "log level", problems, log_level) {
            logs.level = level;
        }
        if let Some((format, _)) = read(self.log_format, "log format", problems, log_format) {
            logs.format = Some(format);
        }
        if let Some((threads, _)) = read(self.worker_threads, "worker threads", problems, worker_threads) {
            draft.runtime.worker_threads = threads;
        }
        upstreams(self.upstreams, self.protosets, draft, problems);
    }
}

fn read<T>(
    given: Option<(String, Origin)>,
    name: &str,
    problems: &mut Problems,
    parse: impl FnOnce(&str) -> Result<T, Invalid>,
) -> Option<(T, Origin)> {
    let (text, origin) = given?;
    match parse(&text) {
        Ok(value) => Some((value, origin)),
        Err(invalid) => {
            problems.invalid(origin, name, invalid);
            None
        }
    }
}

/// One address replaces the address of the one listener there is. Where the file has several, it is not
/// said which is meant, unless the file places the variable itself.
fn listen(
    address: std::net::SocketAddr,
    origin: Origin,
    draft: &mut Draft,
    in_file: &dyn Fn(&str) -> bool,
    problems: &mut Problems,
) {
    if matches!(&origin, Origin::Variable(name) if in_file(name)) {
        return;
    }
    match draft.listeners.as_mut_slice() {
        [only] => {
            only.value.address = address;
            only.origin = origin;
        }
        several => {
            let message =
                format!("expected one listener to move to {address}, the file has {}", several.len());
            let help = "write `address: ${EDGEWAY_LISTEN:-0.0.0.0:8080}` at the listener that is meant";
            problems.push(Diagnostic::error(origin, message).help(help));
        }
    }
}

fn upstreams(
    upstreams: Vec<Upstream>,
    protosets: Option<(Vec<PathBuf>, Origin)>,
    draft: &mut Draft,
    problems: &mut Problems,
) {
    if let Some((_, origin)) = &protosets
        && upstreams.is_empty()
    {
        let message = "expected an upstream for the descriptors, found none";
        let help =
            "give the upstream beside it, or list the file under `clusters.NAME.descriptors.protosets`";
        problems.push(Diagnostic::error(origin.clone(), message).help(help));
    }
    let protosets = protosets.map(|(paths, _)| paths).unwrap_or_default();
    let mut named: Vec<(String, Target, Origin)> = Vec::new();
    for Upstream { text, origin } in upstreams {
        draft.clusters_written = true;
        match name_and_target(&text, &origin, &named) {
            Ok((name, target)) => {
                named.retain(|(other, ..)| *other != name);
                named.push((name, target, origin));
            }
            Err(invalid) => problems.invalid(origin, "upstream", invalid),
        }
    }
    for (name, target, origin) in named {
        let cluster = match draft.clusters.iter_mut().find(|given| given.value.name == name) {
            Some(given) => {
                given.value.target = target;
                &mut given.value
            }
            None => {
                draft.clusters.push(Given { value: Cluster::new(name, target), origin });
                let Some(given) = draft.clusters.last_mut() else { continue };
                &mut given.value
            }
        };
        if !protosets.is_empty() {
            cluster.descriptors.protosets.clone_from(&protosets);
        }
    }
}

/// Reads `[NAME=]TARGET`. A name that the same source has given already is an error where it was written,
/// and avoided where it is derived; one of a lower source is replaced.
fn name_and_target(
    text: &str,
    origin: &Origin,
    named: &[(String, Target, Origin)],
) -> Result<(String, Target), Invalid> {
    let taken = |name: &str| named.iter().any(|(other, _, source)| other == name && source == origin);
    if let Some((name, target)) = text.split_once('=') {
        let name = cluster_name(name.trim())?;
        let target: Target = target.parse()?;
        if taken(&name) {
            return Err(Invalid::new(format!("the name {} is given twice", quoted(&name)))
                .help("several addresses of one cluster are one target: `orders=ipv4:10.0.0.1:50051,10.0.0.2:50051`"));
        }
        return Ok((name, target));
    }
    let target: Target = text.parse()?;
    match target.derived_names().into_iter().find(|name| !taken(name)) {
        Some(name) => Ok((cluster_name(&name)?, target)),
        None => {
            Err(Invalid::new(format!("expected a name that tells {} from another upstream", quoted(text)))
                .help(format!("write `NAME={text}`")))
        }
    }
}
