//! `policies`.

use std::collections::HashMap;

use crate::config::check::rest;
use crate::config::document::Node;
use crate::config::draft::Draft;
use crate::config::keys::POLICY;
use crate::config::policy::{Policies, PolicyRule, Retry};
use crate::config::problems::{Problems, Span};
use crate::config::selector::Selector;
use crate::config::table::{Table, list};
use crate::config::value::{byte_size, choice, optional_duration, positive_duration, switch};

pub(super) fn read(node: &Node, draft: &mut Draft, problems: &mut Problems) {
    let mut rules: Vec<PolicyRule> = Vec::new();
    let mut seen: HashMap<Selector, Span> = HashMap::new();
    for element in list(node, "policies", problems) {
        let Some(table) = Table::open(element, &POLICY, problems) else { continue };
        let selector = table.require("selector", problems, str::parse::<Selector>);
        let span = table.entry("selector").map_or(table.span(), |entry| entry.value.span);
        // Read under any selector, so that problems of the other keys show in the same go.
        let any = || "*".parse().expect("a star is a selector");
        let given = selector.is_some();
        let rule = rule(&table, selector.unwrap_or_else(any), problems);
        if !given {
            continue;
        }
        if let Some(first) = seen.get(&rule.selector) {
            let first = problems.origin(*first);
            let help = format!("the first stands at {first}: put both into one entry");
            problems.error(span, format!("two entries have the selector `{}`", rule.selector), Some(help));
            continue;
        }
        if rule == PolicyRule::new(rule.selector.clone()) {
            problems.warning(span, format!("the entry for `{}` sets nothing", rule.selector), None);
        }
        seen.insert(rule.selector.clone(), span);
        rules.push(rule);
    }
    draft.policies = Policies::new(rules);
}

fn rule(table: &Table<'_>, selector: Selector, problems: &mut Problems) -> PolicyRule {
    let rule = PolicyRule {
        selector,
        timeout: table.read("timeout", problems, optional_duration),
        max_timeout: table.read("max_timeout", problems, positive_duration),
        max_request_bytes: table.read("max_request_bytes", problems, byte_size),
        max_response_bytes: table.read("max_response_bytes", problems, byte_size),
        stream_idle_timeout: table.read("stream_idle_timeout", problems, optional_duration),
        max_stream_duration: table.read("max_stream_duration", problems, optional_duration),
        retry: table.read("retry", problems, |text| {
            choice(text, &[("never", Retry::Never), ("allowed", Retry::Allowed)])
        }),
        idempotent: table.read("idempotent", problems, switch),
        rest: rest::of_methods(table, problems),
    };
    if let (Some(Some(timeout)), Some(max)) = (rule.timeout, rule.max_timeout)
        && timeout > max
    {
        let span = table.entry("timeout").map_or(table.span(), |entry| entry.value.span);
        let message = format!("expected a timeout of at most max_timeout, {max:?}, found {timeout:?}");
        problems.error(span, message, Some("raise `max_timeout` or lower `timeout`".into()));
    }
    rule
}
