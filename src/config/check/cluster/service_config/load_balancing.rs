//! `loadBalancingConfig`, and `loadBalancingPolicy` of old.

use std::time::Duration;

use http::HeaderName;

use crate::config::check::cluster::service_config::proto_json::{positive_seconds, seconds};
use crate::config::document::{Content, Node};
use crate::config::keys::{
    LEAST_REQUEST, PICK_FIRST, Place, RANDOM, RING_HASH, ROUND_ROBIN, WEIGHTED_ROUND_ROBIN,
};
use crate::config::problems::Problems;
use crate::config::suggest::{closest, did_you_mean, one_of};
use crate::config::table::{Table, describe, list};
use crate::config::value::{Invalid, MANY, decimal, number, quoted, switch};
use crate::config::{LoadBalancing, RingHash, WeightedRoundRobin};

/// Both are checked, and the list counts where both are given.
pub(super) fn read(service_config: &Table<'_>, problems: &mut Problems) -> Option<LoadBalancing> {
    let deprecated = by_name(service_config, problems);
    match service_config.entry("loadBalancingConfig") {
        Some(entry) => first_supported(&entry.value, problems),
        None => deprecated,
    }
}

/// A policy with the defaults of its keys. An empty name is the default of protobuf, and so none.
fn by_name(service_config: &Table<'_>, problems: &mut Problems) -> Option<LoadBalancing> {
    let named = |text: &str| match find(text) {
        None if text.is_empty() => Ok(None),
        None => Err(Invalid::new(refused(text)).help(format!("expected {}", one_of(&SUPPORTED)))),
        found => Ok(found),
    };
    let (_, place, read) = service_config.read("loadBalancingPolicy", problems, named)??;
    Some(read(&Table::empty(place, service_config.span()), problems))
}

/// The first policy of the list that is supported, as gRPC chooses ("loadBalancingConfig" in
/// grpc/service_config/service_config.proto). That one's own keys are checked; the rest is passed over.
fn first_supported(node: &Node, problems: &mut Problems) -> Option<LoadBalancing> {
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
        if let Some((_, place, read)) = find(&entry.key) {
            return Table::open(&entry.value, place, problems).map(|table| read(&table, problems));
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
    for entry in passed_over {
        let help = format!("expected {} in the list", one_of(&SUPPORTED));
        problems.error(entry.span, refused(&entry.key), Some(help));
    }
    None
}

fn least_request(table: &Table<'_>, problems: &mut Problems) -> LoadBalancing {
    let count: u64 = table.read("choiceCount", problems, |text| number(text, 2..=MANY)).unwrap_or(2);
    let choice_count = at_most(MOST_CHOICES, count, "choiceCount", table, problems);
    LoadBalancing::LeastRequest { choice_count }
}

fn weighted_round_robin(table: &Table<'_>, problems: &mut Problems) -> LoadBalancing {
    let mut weights = WeightedRoundRobin::default();
    table.set("enableOobLoadReport", &mut weights.enable_oob_load_report, problems, switch);
    table.set("oobReportingPeriod", &mut weights.oob_reporting_period, problems, positive_seconds);
    table.set("blackoutPeriod", &mut weights.blackout_period, problems, seconds);
    table.set("weightExpirationPeriod", &mut weights.weight_expiration_period, problems, positive_seconds);
    table.set("weightUpdatePeriod", &mut weights.weight_update_period, problems, seconds);
    weights.weight_update_period = weights.weight_update_period.max(SHORTEST_UPDATE);
    table.set("errorUtilizationPenalty", &mut weights.error_utilization_penalty, problems, penalty);
    LoadBalancing::WeightedRoundRobin(weights)
}

/// Sizes above gRPC's cap on clients are valid, and the cap then holds (gRFC A42).
fn ring_hash(table: &Table<'_>, problems: &mut Problems) -> LoadBalancing {
    let mut ring = RingHash::default();
    let mut size = |key| table.read(key, problems, |text| number::<u64>(text, 1..=LARGEST_RING));
    let min = size("minRingSize").unwrap_or(LEAST_RING);
    let max = size("maxRingSize").unwrap_or(MOST_RING);
    table.set("requestHashHeader", &mut ring.request_hash_header, problems, header);
    if min > max {
        let entry = table.entry("minRingSize").or_else(|| table.entry("maxRingSize"));
        let span = entry.map_or(table.span(), |entry| entry.value.span);
        let message = format!("expected a minRingSize of at most maxRingSize, {max}, found {min}");
        let help = format!("without the keys they are {LEAST_RING} and {MOST_RING}");
        problems.error(span, message, Some(help));
    }
    let most = ring.max_ring_size;
    ring.min_ring_size = at_most(most, min, "minRingSize", table, problems);
    ring.max_ring_size = at_most(most, max, "maxRingSize", table, problems);
    LoadBalancing::RingHash(ring)
}

fn pick_first(table: &Table<'_>, problems: &mut Problems) -> LoadBalancing {
    LoadBalancing::PickFirst {
        shuffle: table.read("shuffleAddressList", problems, switch).unwrap_or_default(),
    }
}

/// `size`, or `most` with a warning.
fn at_most(most: usize, size: u64, key: &'static str, table: &Table<'_>, problems: &mut Problems) -> usize {
    match usize::try_from(size) {
        Ok(size) if size <= most => size,
        _ => {
            let span = table.entry(key).map_or(table.span(), |entry| entry.value.span);
            problems.warning(
                span,
                format!("{key}: {size} counts as {most}"),
                Some(format!("write `{most}`")),
            );
            most
        }
    }
}

fn penalty(text: &str) -> Result<f64, Invalid> {
    let wrong = || Invalid::new(format!("expected a number of at least 0, found {}", quoted(text)));
    decimal(text).filter(|penalty| *penalty >= 0.0).ok_or_else(wrong)
}

/// The value of a header that ends in `-bin` is bytes, whose encodings differ (gRFC A76). Empty text is as good as none.
fn header(text: &str) -> Result<Option<HeaderName>, Invalid> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || Invalid::new(format!("expected the name of a header, found {}", quoted(text)));
    let name = HeaderName::from_bytes(text.as_bytes()).map_err(|_| wrong())?;
    if name.as_str().ends_with("-bin") {
        return Err(wrong().help("the value of a header that ends in `-bin` is bytes: hash by one of text"));
    }
    Ok(Some(name))
}

fn find(name: &str) -> Option<&'static Policy> {
    POLICIES.iter().find(|(known, ..)| known.eq_ignore_ascii_case(name))
}

fn refused(name: &str) -> String {
    if LATER_POLICIES.iter().any(|later| later.eq_ignore_ascii_case(name)) {
        return format!("the load balancing policy {} is not supported yet", quoted(name));
    }
    let known: Vec<&str> = POLICIES.iter().map(|(name, ..)| *name).chain(LATER_POLICIES).collect();
    format!("unknown load balancing policy {}{}", quoted(name), did_you_mean(closest(name, &known)))
}

/// Its name, its keys, and who reads them.
type Policy = (&'static str, &'static Place, fn(&Table<'_>, &mut Problems) -> LoadBalancing);

/// Both spellings of gRPC's names: gRFC A42 and A48 register the policies with the suffix. Their case is ignored, as
/// gRPC's own registries do.
static POLICIES: [Policy; 8] = [
    ("least_request", &LEAST_REQUEST, least_request),
    ("least_request_experimental", &LEAST_REQUEST, least_request),
    ("round_robin", &ROUND_ROBIN, |_, _| LoadBalancing::RoundRobin),
    ("weighted_round_robin", &WEIGHTED_ROUND_ROBIN, weighted_round_robin),
    ("ring_hash", &RING_HASH, ring_hash),
    ("ring_hash_experimental", &RING_HASH, ring_hash),
    ("pick_first", &PICK_FIRST, pick_first),
    ("random", &RANDOM, |_, _| LoadBalancing::Random),
];

const SUPPORTED: [&str; 6] =
    ["least_request", "round_robin", "weighted_round_robin", "ring_hash", "pick_first", "random"];

/// Of gRPC, with a meaning that a later version may give them.
const LATER_POLICIES: [&str; 4] = [
    "weighted_target_experimental",
    "outlier_detection_experimental",
    "priority_experimental",
    "rls_experimental",
];

/// gRFC A48.
const MOST_CHOICES: usize = 10;

/// gRFC A58: more often would cost more than it tells.
const SHORTEST_UPDATE: Duration = Duration::from_millis(100);

/// Defaults of gRFC A42, and what it allows.
const LEAST_RING: u64 = 1024;
const MOST_RING: u64 = 4096;
const LARGEST_RING: u64 = 8 << 20;
