//! `clusters`.

use std::path::{Path, PathBuf};

use crate::config::document::{Content, Entry, Node};
use crate::config::draft::{Draft, Given};
use crate::config::keys::{CLUSTER, Case, DESCRIPTORS, PROTOS, Place, SERVICE_CONFIG};
use crate::config::problems::Problems;
use crate::config::selector::Selector;
use crate::config::suggest::{closest, did_you_mean};
use crate::config::table::{Table, describe, list, read as read_value};
use crate::config::target::Target;
use crate::config::value::{Invalid, choice, positive_duration, quoted, switch};
use crate::config::{Cluster, Descriptors, Expose, LoadBalancing, Reflection};

pub(super) fn read(node: &Node, folder: &Path, draft: &mut Draft, problems: &mut Problems) {
    let entries = match &node.content {
        Content::Table(entries) => entries.as_slice(),
        Content::Null => return,
        Content::Broken => &[],
        Content::Scalar(_) | Content::List(_) => {
            let message =
                format!("clusters: expected a table of names and targets, found {}", describe(node));
            problems.error(node.span, message, Some("write `orders: orders:50051` below `clusters:`".into()));
            &[]
        }
    };
    draft.clusters_written = !matches!(&node.content, Content::Table(entries) if entries.is_empty());
    for entry in entries {
        if let Err(invalid) = cluster_name(&entry.key) {
            problems.invalid(problems.origin(entry.span), "clusters", invalid);
        }
        if let Some(value) = cluster(entry, folder, problems) {
            draft.clusters.push(Given { value, origin: problems.origin(entry.span) });
        }
    }
}

/// The name of a cluster or a listener: it stands in URLs, metrics and logs as it is.
pub(in crate::config) fn cluster_name(text: &str) -> Result<String, Invalid> {
    let valid = text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if valid {
        return Ok(text.to_owned());
    }
    Err(Invalid::new(format!("expected a name of letters, digits, `.`, `_` and `-`, found {}", quoted(text))))
}

fn cluster(entry: &Entry, folder: &Path, problems: &mut Problems) -> Option<Cluster> {
    let node = &*entry.value;
    if matches!(node.content, Content::Scalar(_) | Content::Null) {
        let name = format!("clusters.{}", entry.key);
        let target = read_value(node, &name, problems, str::parse::<Target>)?;
        return Some(Cluster::new(&entry.key, target.below(folder)));
    }
    let table = Table::open(node, &CLUSTER, problems)?;
    let target = table.require("target", problems, str::parse::<Target>).map(|target| target.below(folder));
    // Read under any target, so that problems of the other keys show in the same go.
    let given = target.is_some();
    let mut cluster = Cluster::new(&entry.key, target.unwrap_or(Target::Static(Vec::new())));
    table.set("dns_refresh_rate", &mut cluster.dns_refresh_rate, problems, positive_duration);
    table.set("connect_timeout", &mut cluster.connection.connect_timeout, problems, positive_duration);
    table.set("required", &mut cluster.required, problems, switch);
    if let Some(entry) = table.entry("expose") {
        cluster.expose = Some(expose(entry, problems));
    }
    if let Some(table) = table.table("descriptors", &DESCRIPTORS, problems) {
        descriptors(&table, folder, &mut cluster.descriptors, problems);
    }
    if let Some(table) = table.table("service_config", &SERVICE_CONFIG, problems)
        && let Some(entry) = table.entry("loadBalancingConfig")
        && let Some(policy) = load_balancing(&entry.value, problems)
    {
        cluster.load_balancing = policy;
    }
    given.then_some(cluster)
}

fn expose(entry: &Entry, problems: &mut Problems) -> Vec<Expose> {
    let elements = list(&entry.value, "expose", problems);
    if elements.is_empty() && matches!(entry.value.content, Content::List(_) | Content::Null) {
        let help = "leave the key out to expose everything but `grpc.*`";
        problems.error(entry.span, "expose: expected at least one selector, found none", Some(help.into()));
    }
    let parse = |text: &str| {
        let selector: Selector = text.parse()?;
        let name = selector.to_string();
        Ok(if name.ends_with('*') { Expose::Methods(selector) } else { Expose::Name(name) })
    };
    elements.iter().filter_map(|element| read_value(element, "expose", problems, parse)).collect()
}

fn descriptors(table: &Table<'_>, folder: &Path, descriptors: &mut Descriptors, problems: &mut Problems) {
    let choices = [("auto", Reflection::Auto), ("always", Reflection::Always), ("never", Reflection::Never)];
    table.set("reflection", &mut descriptors.reflection, problems, |text| choice(text, &choices));
    table.set("refresh_interval", &mut descriptors.refresh_interval, problems, positive_duration);
    if let Some(entry) = table.entry("protosets") {
        descriptors.protosets = paths(entry, "protosets", folder, problems);
    }
    let Some(table) = table.table("protos", &PROTOS, problems) else { return };
    let span = table.span();
    if let Some(entry) = table.entry("files") {
        // Named as `import` names them: relative to an import path, which is not known to be the folder.
        descriptors.protos.files = paths(entry, "files", Path::new(""), problems);
    }
    if let Some(entry) = table.entry("import_paths") {
        descriptors.protos.import_paths = paths(entry, "import_paths", folder, problems);
    }
    if table.entry("files").is_none() {
        let help = "add `files` (list of paths), such as `files: [shop/v1/orders.proto]`";
        problems.error(span, "protos: expected the key `files`, found none", Some(help.into()));
    }
    if descriptors.protos.import_paths.is_empty() {
        descriptors.protos.import_paths = vec![folder.to_owned()];
    }
}

fn paths(entry: &Entry, name: &'static str, folder: &Path, problems: &mut Problems) -> Vec<PathBuf> {
    let elements = list(&entry.value, name, problems);
    let read = |element| read_value(element, name, problems, |text| path(text, folder));
    elements.iter().map(|element| &**element).filter_map(read).collect()
}

fn path(text: &str, folder: &Path) -> Result<PathBuf, Invalid> {
    if text.is_empty() || text.contains('\0') {
        return Err(Invalid::new(format!("expected the path of a file, found {}", quoted(text))));
    }
    Ok(folder.join(text))
}

/// The first policy of the list that is supported, as gRPC chooses ("loadBalancingConfig" in
/// grpc/service_config/service_config.proto). That one's own keys are checked; the rest is passed over.
fn load_balancing(node: &Node, problems: &mut Problems) -> Option<LoadBalancing> {
    let elements = list(node, "loadBalancingConfig", problems);
    let mut passed_over = Vec::new();
    for element in elements {
        let entry = match &element.content {
            Content::Table(entries) => match entries.as_slice() {
                [entry] => entry,
                _ => {
                    let message =
                        "loadBalancingConfig: expected tables of one key, found one of another number";
                    problems.error(element.span, message, Some("write `[{least_request: {}}]`".into()));
                    return None;
                }
            },
            Content::Broken => return None,
            Content::Null | Content::Scalar(_) | Content::List(_) => {
                let message =
                    format!("loadBalancingConfig: expected a table of one key, found {}", describe(element));
                problems.error(element.span, message, Some("write `[{least_request: {}}]`".into()));
                return None;
            }
        };
        if let Some((_, policy, place)) =
            POLICIES.iter().find(|(name, ..)| name.eq_ignore_ascii_case(&entry.key))
        {
            Table::open(&entry.value, place, problems);
            return Some(policy.clone());
        }
        passed_over.push(entry);
    }
    if elements.is_empty() && matches!(node.content, Content::List(_) | Content::Null) {
        let help = "leave the key out for `least_request`";
        problems.error(
            node.span,
            "loadBalancingConfig: expected at least one policy, found none",
            Some(help.into()),
        );
    }
    let supported = "expected `least_request` or `round_robin` in the list";
    for entry in passed_over {
        let name = quoted(&entry.key);
        let message = if LATER_POLICIES.iter().any(|later| later.eq_ignore_ascii_case(&entry.key)) {
            format!("the load balancing policy {name} is not supported yet")
        } else {
            let known: Vec<&str> = POLICIES.iter().map(|(name, ..)| *name).chain(LATER_POLICIES).collect();
            format!("unknown load balancing policy {name}{}", did_you_mean(closest(&entry.key, &known)))
        };
        problems.error(entry.span, message, Some(supported.into()));
    }
    None
}

/// Both spellings of gRPC's names: gRFC A48 registers the policy with the suffix. Their case is ignored, as
/// gRPC's own registries do.
static POLICIES: [(&str, LoadBalancing, &Place); 3] = [
    ("least_request", LoadBalancing::LeastRequest { choice_count: 2 }, &LEAST_REQUEST),
    ("least_request_experimental", LoadBalancing::LeastRequest { choice_count: 2 }, &LEAST_REQUEST),
    ("round_robin", LoadBalancing::RoundRobin, &ROUND_ROBIN),
];

static LEAST_REQUEST: Place =
    Place { name: "least_request", case: Case::Ignored, keys: &[], later: &["choiceCount"] };

static ROUND_ROBIN: Place = Place { name: "round_robin", case: Case::Ignored, keys: &[], later: &[] };

/// Of gRPC, with a meaning that a later version may give them.
const LATER_POLICIES: [&str; 8] = [
    "pick_first",
    "weighted_round_robin",
    "ring_hash",
    "ring_hash_experimental",
    "random",
    "weighted_target_experimental",
    "outlier_detection_experimental",
    "priority_experimental",
];
