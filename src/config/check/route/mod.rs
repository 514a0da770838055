//! `routes`.

use std::rc::Rc;

use http::HeaderName;

use crate::config::check::cluster_name;
use crate::config::check::cors::host_pattern;
use crate::config::document::{Content, Node};
use crate::config::draft::{Draft, Given};
use crate::config::keys::{HASH_POLICY, MIRROR, ROUTE, ROUTE_MATCH, WEIGHTED_CLUSTER};
use crate::config::problems::{Problems, Span};
use crate::config::selector::Selector;
use crate::config::table::{Table, list, read as read_value};
use crate::config::value::{Invalid, number, quoted};
use crate::config::{CallRoute, HostPattern, Mirror, WeightedCluster};
use crate::grpc::metadata;

mod header;

/// The list `routes` of the file.
pub(super) fn read(node: &Node, draft: &mut Draft, problems: &mut Problems) {
    for element in list(node, "routes", problems) {
        let Some(table) = Table::open(element, &ROUTE, problems) else { continue };
        let Some(route) = route(&table, &mut draft.named_clusters, problems) else { continue };
        if draft.routes.iter().any(|other| other.name == route.name) {
            let span = table.entry("name").map_or(table.span(), |entry| entry.value.span);
            problems.error(span, format!("two routes have the name `{}`", route.name), None);
            continue;
        }
        draft.routes.push(route);
    }
}

/// `named` gets the clusters that it names, which are known only once the whole file is read.
fn route(table: &Table<'_>, named: &mut Vec<Given<String>>, problems: &mut Problems) -> Option<CallRoute> {
    let name = table.require("name", problems, cluster_name);
    let mut route = CallRoute {
        name: String::new(),
        selector: "*".parse().expect("a star is a selector"),
        hosts: Vec::new(),
        headers: Vec::new(),
        clusters: clusters(table, named, problems),
        sticky_header: table.read("sticky_header", problems, header_name),
        hash_policy: hash_policy(table, problems),
        mirror: mirror(table, named, problems),
        origin: problems.origin(table.span()),
    };
    if let Some(matched) = table.table("match", &ROUTE_MATCH, problems) {
        matched.set("selector", &mut route.selector, problems, str::parse::<Selector>);
        route.hosts = hosts(&matched, problems);
        if let Some(entry) = matched.entry("headers") {
            route.headers = header::read(&entry.value, problems);
        }
    }
    if let Some(entry) = table.entry("sticky_header").filter(|_| route.clusters.len() < 2) {
        let help = "list at least two `weighted_clusters`";
        problems.error(entry.span, "sticky_header: there is nothing to choose from", Some(help.into()));
    }
    (!route.clusters.is_empty()).then_some(CallRoute { name: name?, ..route })
}

fn clusters(
    table: &Table<'_>,
    named: &mut Vec<Given<String>>,
    problems: &mut Problems,
) -> Vec<WeightedCluster> {
    let both = "write `cluster: orders`, or `weighted_clusters: [{ name: orders, weight: 95 }, ...]`";
    match (table.entry("cluster"), table.entry("weighted_clusters")) {
        (Some(_), None) => {
            let name = cluster(table, "cluster", named, problems);
            name.map(|name| WeightedCluster { name, weight: 1 }).into_iter().collect()
        }
        (None, Some(entry)) => {
            weighted(list(&entry.value, "weighted_clusters", problems), entry.value.span, named, problems)
        }
        (None, None) => {
            let message = "routes[]: expected the key `cluster` or `weighted_clusters`, found none";
            problems.error(table.span(), message, Some(both.into()));
            Vec::new()
        }
        (Some(entry), Some(_)) => {
            let message = "routes[]: expected `cluster` or `weighted_clusters`, found both";
            problems.error(entry.span, message, Some(both.into()));
            Vec::new()
        }
    }
}

fn weighted(
    elements: &[Rc<Node>],
    span: Span,
    named: &mut Vec<Given<String>>,
    problems: &mut Problems,
) -> Vec<WeightedCluster> {
    let mut clusters: Vec<WeightedCluster> = Vec::new();
    let mut faulty = false;
    for element in elements {
        let Some(table) = Table::open(element, &WEIGHTED_CLUSTER, problems) else {
            faulty = true;
            continue;
        };
        let name = cluster(&table, "name", named, problems);
        let weight = table.require("weight", problems, |text| number::<u32>(text, 0..=MOST_WEIGHT));
        let (Some(name), Some(weight)) = (name, weight) else {
            faulty = true;
            continue;
        };
        if clusters.iter().any(|other| other.name == name) {
            let message = format!("weighted_clusters: the cluster `{name}` is listed twice");
            problems.error(table.span(), message, Some("give it the sum of both weights".into()));
        }
        clusters.push(WeightedCluster { name, weight });
    }
    if !faulty && clusters.iter().all(|cluster| cluster.weight == 0) {
        let message = "weighted_clusters: expected at least one cluster with a weight above zero, found none";
        problems.error(span, message, None);
    }
    clusters
}

fn cluster(
    table: &Table<'_>,
    key: &'static str,
    named: &mut Vec<Given<String>>,
    problems: &mut Problems,
) -> Option<String> {
    let name = table.require(key, problems, cluster_name)?;
    let span = table.entry(key).map_or(table.span(), |entry| entry.value.span);
    named.push(Given { value: name.clone(), origin: problems.origin(span) });
    Some(name)
}

fn hosts(table: &Table<'_>, problems: &mut Problems) -> Vec<HostPattern> {
    let Some(entry) = table.entry("hosts") else { return Vec::new() };
    let elements = list(&entry.value, "hosts", problems);
    if elements.is_empty() && matches!(entry.value.content, Content::List(_) | Content::Null) {
        let help = "leave the key out for every host";
        problems.error(entry.span, "hosts: expected at least one host, found none", Some(help.into()));
    }
    let parse = |text: &str| match text {
        "*" => Ok(None),
        text => host_pattern(text).map(Some).map_err(|_| {
            Invalid::new(format!("expected a host without scheme and port, found {}", quoted(text)))
                .help("write `api.example.com`, `*.example.com`, `[::1]` or `*`")
        }),
    };
    let hosts: Vec<_> =
        elements.iter().filter_map(|element| read_value(element, "hosts", problems, parse)).collect();
    // One star lets everyone in, whatever else is listed.
    hosts.into_iter().collect::<Option<Vec<_>>>().unwrap_or_default()
}

fn hash_policy(table: &Table<'_>, problems: &mut Problems) -> Vec<HeaderName> {
    let Some(entry) = table.entry("hash_policy") else { return Vec::new() };
    let elements = list(&entry.value, "hash_policy", problems);
    let header = |element: &Rc<Node>| {
        Table::open(element, &HASH_POLICY, problems)?.require("header", problems, header_name)
    };
    elements.iter().filter_map(header).collect()
}

fn mirror(table: &Table<'_>, named: &mut Vec<Given<String>>, problems: &mut Problems) -> Option<Mirror> {
    let table = table.table("mirror", &MIRROR, problems)?;
    let cluster = cluster(&table, "cluster", named, problems);
    let mut per_million = MILLION;
    table.set("fraction", &mut per_million, problems, fraction);
    Some(Mirror { cluster: cluster?, per_million })
}

/// The name of a header that a call may carry to where routes are chosen.
fn header_name(text: &str) -> Result<HeaderName, Invalid> {
    let wrong = |expected: &str| Invalid::new(format!("expected {expected}, found {}", quoted(text)));
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| wrong("the name of a header"))?;
    if name.as_str().ends_with("-bin") {
        return Err(wrong("the name of a header with a text").help("binary metadata is never matched"));
    }
    if !metadata::crosses(name.as_str()) {
        let help = match name.as_str() {
            "host" => "the host is matched by `hosts`",
            _ => "routes see the metadata of a call: what a backend would",
        };
        return Err(wrong("a header that reaches backends").help(help));
    }
    Ok(name)
}

fn fraction(text: &str) -> Result<u32, Invalid> {
    let wrong = || {
        Invalid::new(format!("expected a number from 0 to 1, found {}", quoted(text)))
            .help("write `0.01` for one call in a hundred")
    };
    let share: f64 = text.trim().parse().map_err(|_| wrong())?;
    if !(0.0..=1.0).contains(&share) {
        return Err(wrong());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to a million, as was just checked"
    )]
    let per_million = (share * f64::from(MILLION)).round() as u32;
    if per_million == 0 && share > 0.0 {
        return Err(wrong().help("the least share is one call in a million, `0.000001`"));
    }
    Ok(per_million)
}

const MILLION: u32 = 1_000_000;

/// The sum over any list stays far from overflow.
const MOST_WEIGHT: u64 = 1_000_000;
