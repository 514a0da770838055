//! `loadBalancingConfig`.

use crate::config::LoadBalancing;
use crate::config::document::{Content, Node};
use crate::config::keys::{Case, Place};
use crate::config::problems::Problems;
use crate::config::suggest::{closest, did_you_mean};
use crate::config::table::{Table, describe, list};
use crate::config::value::quoted;

/// The first policy of the list that is supported, as gRPC chooses ("loadBalancingConfig" in
/// grpc/service_config/service_config.proto). That one's own keys are checked; the rest is passed over.
pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<LoadBalancing> {
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
