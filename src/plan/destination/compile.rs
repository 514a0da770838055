//! From the routes of the configuration to those of each method.

use std::sync::Arc;

use http::HeaderValue;

use super::{Destination, Destinations, Mirror, Rule};
use crate::{
    call::Kind,
    config::{CallRoute, Config, Policy},
    plan::{Source, Warning, attempts::attempts},
    schema,
    telemetry::Metrics,
    upstream::Target,
};

/// Gives each method its routes, and keeps what there is to warn of.
pub(in crate::plan) struct Router<'a> {
    routes: Vec<Route>,
    sources: &'a [Source],
    metrics: &'a Metrics,
}

struct Route {
    route: Arc<CallRoute>,
    /// Methods that it selects.
    selected: usize,
    /// Those of them whose calls all go by a route above it, with the name of one.
    covered: usize,
    covered_by: Option<String>,
    /// Methods that a cluster of it does not have, as the cluster says: the first of each cluster.
    lacking: Vec<(String, String)>,
}

impl<'a> Router<'a> {
    pub(in crate::plan) fn new(config: &Config, sources: &'a [Source], metrics: &'a Metrics) -> Self {
        let routes = config.routes.iter().map(|route| Route {
            route: Arc::new(route.clone()),
            selected: 0,
            covered: 0,
            covered_by: None,
            lacking: Vec::new(),
        });
        Self { routes: routes.collect(), sources, metrics }
    }

    /// Whether a route looks at the host that a caller named.
    pub(in crate::plan) fn asks_hosts(&self) -> bool {
        self.routes.iter().any(|route| !route.route.hosts.is_empty())
    }

    /// Whether `cluster` gets calls of `service` by a route, so that it is no mistake if another one has it as well.
    pub(in crate::plan) fn sends(&self, service: &str, cluster: &str, schema: &schema::Schema) -> bool {
        let selects = |route: &CallRoute| {
            let mut methods = schema.methods().filter(|method| *method.service == *service);
            methods.any(|method| route.selector.matches(&method.service, &method.name))
        };
        self.routes.iter().map(|route| &route.route).any(|route| {
            let mirror = route.mirror.iter().map(|mirror| &mirror.cluster);
            let mut clusters = route.clusters.iter().map(|cluster| &cluster.name).chain(mirror);
            clusters.any(|name| name == cluster) && selects(route)
        })
    }

    /// The routes of a method.
    pub(in crate::plan) fn of(&mut self, method: &schema::Method, policy: &Policy) -> Option<Destinations> {
        let mut rules: Vec<Rule> = Vec::new();
        let (sources, metrics) = (self.sources, self.metrics);
        for route in &mut self.routes {
            if !route.route.selector.matches(&method.service, &method.name) {
                continue;
            }
            route.selected += 1;
            if let Some(above) = rules.last().filter(|above| above.takes_all()) {
                route.covered += 1;
                route.covered_by.get_or_insert_with(|| above.route().name.clone());
                continue;
            }
            rules.extend(route.rule(method, policy, sources, metrics));
        }
        Destinations::new(rules)
    }

    /// What to warn of; that a route selects nothing only once all schemas are known.
    pub(in crate::plan) fn finish(self, is_complete: bool) -> Vec<Warning> {
        let mut warnings = Vec::new();
        for Route { route, selected, covered, covered_by, lacking } in self.routes {
            let mut warn =
                |message: String| warnings.push(Warning { place: format!("route {}", route.name), message });
            if selected == 0 && is_complete {
                warn(format!("{} matches no method", route.selector));
            }
            if let Some(above) = covered_by.filter(|_| covered == selected) {
                warn(format!("takes no call: the route {above} stands above it and takes them all"));
            }
            for (cluster, method) in lacking {
                warn(format!("the cluster {cluster} does not have {method}"));
            }
        }
        warnings
    }
}

impl Route {
    fn rule(
        &mut self,
        method: &schema::Method,
        policy: &Policy,
        sources: &[Source],
        metrics: &Metrics,
    ) -> Option<Rule> {
        let route = Arc::clone(&self.route);
        let shares: Vec<_> = route
            .clusters
            .iter()
            .filter_map(|cluster| {
                Some((cluster.weight, self.destination(&cluster.name, method, policy, sources)?))
            })
            .collect();
        // A name of a cluster was checked against the clusters there are.
        if shares.iter().all(|(weight, _)| *weight == 0) {
            return None;
        }
        let mirrored = route.mirror.as_ref().filter(|_| method.kind == Kind::Unary);
        let mirror = mirrored.and_then(|mirror| {
            let destination = self.destination(&mirror.cluster, method, policy, sources)?;
            // The name of a route is letters, digits and a few marks.
            let mark = HeaderValue::from_str(&route.name).ok()?;
            let (counted, unread) = (metrics.mirror(&route.name), Metrics::new().unknown_method());
            Some(Arc::new(Mirror::new(destination, mark, counted, unread, mirror.per_million)))
        });
        Some(Rule::new(route, shares, mirror))
    }

    fn destination(
        &mut self,
        cluster: &str,
        method: &schema::Method,
        policy: &Policy,
        sources: &[Source],
    ) -> Option<Destination> {
        let source = sources.iter().find(|source| source.cluster.name() == cluster)?;
        let lacks =
            source.schema.as_ref().is_ok_and(|schema| !schema.methods().any(|has| has.path == method.path));
        if lacks && !self.lacking.iter().any(|(known, _)| known == cluster) {
            self.lacking.push((cluster.to_owned(), method.selector()));
        }
        Some(Destination {
            target: Target(Arc::clone(&source.cluster)),
            attempts: Arc::new(attempts(
                source.config.service_config.method(&method.service, &method.name),
                policy,
                method,
            )),
        })
    }
}
