//! The routes that say which cluster calls go to.

use serde::Serialize;

use crate::config::CallRoute;

/// A route, in the order of the table's columns.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    name: String,
    selector: String,
    hosts: Vec<String>,
    headers: Vec<String>,
    clusters: Vec<Share>,
    sticky_header: Option<String>,
    hash_policy: Vec<String>,
    mirror: Option<Copies>,
    place: String,
}

#[derive(Debug, Serialize)]
struct Share {
    name: String,
    percent: f64,
}

#[derive(Debug, Serialize)]
struct Copies {
    cluster: String,
    percent: f64,
}

impl Row {
    pub(super) fn new(route: &CallRoute) -> Self {
        let total: f64 = route.clusters.iter().map(|cluster| f64::from(cluster.weight)).sum();
        let share = |weight: u32| f64::from(weight) * 100.0 / total;
        let clusters = route.clusters.iter();
        Self {
            name: route.name.clone(),
            selector: route.selector.to_string(),
            hosts: route.hosts.iter().map(ToString::to_string).collect(),
            headers: route.headers.iter().map(ToString::to_string).collect(),
            clusters: clusters
                .map(|cluster| Share { name: cluster.name.clone(), percent: share(cluster.weight) })
                .collect(),
            sticky_header: route.sticky_header.as_ref().map(ToString::to_string),
            hash_policy: route.hash_policy.iter().map(ToString::to_string).collect(),
            mirror: route.mirror.as_ref().map(|mirror| Copies {
                cluster: mirror.cluster.clone(),
                percent: f64::from(mirror.per_million) / 10_000.0,
            }),
            place: route.origin.to_string(),
        }
    }

    pub(super) fn cells(&self) -> [String; 9] {
        let listed = |texts: &[String], none: &str| match texts {
            [] => none.to_owned(),
            texts => texts.join(", "),
        };
        let share = |share: &Share| match self.clusters.len() {
            1 => share.name.clone(),
            _ => format!("{} {}%", share.name, share.percent),
        };
        let mirror = self.mirror.as_ref().map(|copies| format!("{} {}%", copies.cluster, copies.percent));
        [
            self.name.clone(),
            self.selector.clone(),
            listed(&self.hosts, "*"),
            listed(&self.headers, "-"),
            self.clusters.iter().map(share).collect::<Vec<_>>().join(", "),
            self.sticky_header.clone().unwrap_or_else(|| "-".into()),
            listed(&self.hash_policy, "-"),
            mirror.unwrap_or_else(|| "-".into()),
            self.place.clone(),
        ]
    }
}

pub(super) const HEAD: [&str; 9] =
    ["ROUTE", "CALLS", "HOSTS", "HEADERS", "CLUSTERS", "STICKY", "HASH", "MIRROR", "PLACE"];
