//! A configuration in the making: values with their origins, before they are checked against each other.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::config::policy::Policies;
use crate::config::problems::Problems;
use crate::config::report::{Diagnostic, Origin};
use crate::config::suggest::{closest, did_you_mean};
use crate::config::value::quoted;
use crate::config::{
    Admin, CallRoute, Cluster, Config, Cors, Http, Listener, OwnServices, Reflection, Rest, Runtime,
    Shutdown, Telemetry,
};

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) origin: Origin,
}

#[derive(Debug)]
pub(super) struct Draft {
    pub(super) listeners: Vec<Given<Listener>>,
    pub(super) admin: Given<SocketAddr>,
    pub(super) clusters: Vec<Given<Cluster>>,
    /// Whether anything was written of which clusters could have come, had it been valid.
    pub(super) clusters_written: bool,
    pub(super) routes: Vec<CallRoute>,
    /// The clusters that anything names.
    pub(super) named_clusters: Vec<Given<String>>,
    pub(super) policies: Policies,
    pub(super) http: Http,
    pub(super) rest: Rest,
    pub(super) cors: Option<Cors>,
    pub(super) own_services: OwnServices,
    pub(super) runtime: Runtime,
    pub(super) shutdown: Shutdown,
    pub(super) telemetry: Telemetry,
}

impl Default for Draft {
    fn default() -> Self {
        let default = |ip, port| SocketAddr::new(IpAddr::V4(ip), port);
        let listener = Listener { name: "public".into(), address: default(Ipv4Addr::UNSPECIFIED, 8080) };
        Self {
            listeners: vec![Given { value: listener, origin: Origin::Nowhere }],
            admin: Given { value: default(Ipv4Addr::LOCALHOST, 9901), origin: Origin::Nowhere },
            clusters: Vec::new(),
            clusters_written: false,
            routes: Vec::new(),
            named_clusters: Vec::new(),
            policies: Policies::default(),
            http: Http::default(),
            rest: Rest::default(),
            cors: None,
            own_services: OwnServices::default(),
            runtime: Runtime::default(),
            shutdown: Shutdown::default(),
            telemetry: Telemetry::default(),
        }
    }
}

impl Draft {
    /// Checks what no single value shows, and drops the origins.
    pub(super) fn finish(self, problems: &mut Problems) -> Config {
        self.addresses(problems);
        self.sources_of_schema(problems);
        self.names(problems);
        if self.clusters.is_empty() && !self.clusters_written {
            problems.push(Diagnostic::error(Origin::Nowhere, "expected at least one cluster, found none").help(
                "name a backend by `clusters:` in the configuration file (`--config FILE`, `EDGEWAY_CONFIG`, or \
                 `edgeway.yaml` in the working directory), by `--upstream orders=orders:50051`, or by \
                 `EDGEWAY_UPSTREAMS=orders=orders:50051`",
            ));
        }
        Config {
            listeners: self.listeners.into_iter().map(|given| given.value).collect(),
            admin: Admin { address: self.admin.value },
            clusters: self.clusters.into_iter().map(|given| given.value).collect(),
            routes: self.routes,
            policies: self.policies,
            http: self.http,
            rest: self.rest,
            cors: self.cors,
            own_services: self.own_services,
            runtime: self.runtime,
            shutdown: self.shutdown,
            telemetry: self.telemetry,
        }
    }

    /// Two sockets cannot listen on one port of one address.
    fn addresses(&self, problems: &mut Problems) {
        let admin = (&self.admin, self.admin.value, "`admin`".to_owned());
        let mut sockets = vec![(&admin.0.origin, admin.1, admin.2)];
        for Given { value, origin } in &self.listeners {
            sockets.push((origin, value.address, format!("listener `{}`", value.name)));
        }
        for (index, (origin, address, name)) in sockets.iter().enumerate() {
            for (other_origin, other_address, other_name) in sockets.iter().take(index) {
                if !overlap(*address, *other_address) {
                    continue;
                }
                // Of two places the operator looks at the one that was written, and there at the later one.
                let (origin, other_origin) =
                    if **origin == Origin::Nowhere { (other_origin, origin) } else { (origin, other_origin) };
                let message = format!("{name} and {other_name} both listen on {address}");
                let help = format!("the other is from {other_origin}: give one of them another port");
                problems.push(Diagnostic::error((*origin).clone(), message).help(help));
            }
        }
    }

    /// Only a cluster that there is can be named.
    fn names(&self, problems: &mut Problems) {
        let known: Vec<&str> = self.clusters.iter().map(|given| given.value.name.as_str()).collect();
        for Given { value, origin } in &self.named_clusters {
            if !known.contains(&value.as_str()) {
                let near = did_you_mean(closest(value, &known));
                let message = format!("expected the name of a cluster, found {}{near}", quoted(value));
                problems.push(Diagnostic::error(origin.clone(), message));
            }
        }
    }

    fn sources_of_schema(&self, problems: &mut Problems) {
        for Given { value, origin } in &self.clusters {
            if value.descriptors.reflection == Reflection::Never && !value.descriptors.has_files() {
                let message = format!("cluster `{}` has no source of descriptors", value.name);
                let help = "list `protosets` or `protos`, or let `reflection` be `auto`";
                problems.push(Diagnostic::error(origin.clone(), message).help(help));
            }
        }
    }
}

/// Whether binding both fails: one port, and one address or a wildcard of its family.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let ips = a.ip() == b.ip()
        || a.is_ipv4() == b.is_ipv4() && (a.ip().is_unspecified() || b.ip().is_unspecified());
    a.port() == b.port() && a.port() != 0 && ips
}
