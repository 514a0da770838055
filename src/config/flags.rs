//! The command line flags that configure a gateway.

use std::path::PathBuf;

use crate::config::overrides::{Overrides, Upstream};
use crate::config::report::Origin;

/// What flags can say, as written; `cli` fills it in, [`load`](crate::config::load) checks it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--config FILE`.
    pub config: Option<PathBuf>,
    /// `--listen ADDRESS`.
    pub listen: Option<String>,
    /// `--admin ADDRESS`.
    pub admin: Option<String>,
    /// `--upstream [NAME=]TARGET`, any number of times.
    pub upstreams: Vec<String>,
    /// `--protoset FILE`, any number of times; for every upstream that is not from the file.
    pub protosets: Vec<PathBuf>,
    /// `--log-level LEVEL`.
    pub log_level: Option<String>,
    /// `--log-format FORMAT`.
    pub log_format: Option<String>,
}

impl Flags {
    pub(super) fn overrides(&self) -> Overrides {
        let given = |name: &str, value: &Option<String>| {
            value.clone().map(|value| (value, Origin::Flag(name.to_owned())))
        };
        let upstream = Origin::Flag("--upstream".into());
        Overrides {
            listen: given("--listen", &self.listen),
            admin: given("--admin", &self.admin),
            upstreams: self
                .upstreams
                .iter()
                .map(|text| Upstream { text: text.clone(), origin: upstream.clone() })
                .collect(),
            protosets: (!self.protosets.is_empty())
                .then(|| (self.protosets.clone(), Origin::Flag("--protoset".into()))),
            log_level: given("--log-level", &self.log_level),
            log_format: given("--log-format", &self.log_format),
            worker_threads: None,
        }
    }
}
