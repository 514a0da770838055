//! `methodConfig`.

use std::collections::HashMap;

use crate::config::check::cluster::service_config::attempts;
use crate::config::check::cluster::service_config::proto_json::positive_seconds;
use crate::config::document::Node;
use crate::config::keys::{METHOD_CONFIG, METHOD_NAME};
use crate::config::problems::{Problems, Span};
use crate::config::selector::is_identifier;
use crate::config::table::{Table, list};
use crate::config::value::{Invalid, MANY, number, quoted, switch};
use crate::config::{MethodConfig, MethodName};

pub(super) fn read(node: &Node, problems: &mut Problems) -> Vec<MethodConfig> {
    let mut seen = HashMap::new();
    let elements = list(node, "methodConfig", problems).iter();
    elements.filter_map(|element| method_config(element, &mut seen, problems)).collect()
}

fn method_config(
    node: &Node,
    seen: &mut HashMap<MethodName, Span>,
    problems: &mut Problems,
) -> Option<MethodConfig> {
    let table = Table::open(node, &METHOD_CONFIG, problems)?;
    let config = MethodConfig {
        timeout: table.read("timeout", problems, positive_seconds),
        wait_for_ready: table.read("waitForReady", problems, switch),
        max_request_message_bytes: table.read("maxRequestMessageBytes", problems, bytes),
        max_response_message_bytes: table.read("maxResponseMessageBytes", problems, bytes),
        again: attempts::read(&table, problems),
        names: names(&table, seen, problems)?,
    };
    Some(config)
}

/// gRPC passes over an entry that names no method, which cannot be what was meant.
fn names(
    table: &Table<'_>,
    seen: &mut HashMap<MethodName, Span>,
    problems: &mut Problems,
) -> Option<Vec<MethodName>> {
    let elements = table.entry("name").map(|entry| list(&entry.value, "name", problems)).unwrap_or_default();
    if elements.is_empty() {
        let help = "write `name: [{service: shop.v1.Orders}]`, or `name: [{}]` for all methods";
        problems.warning(
            table.span(),
            "methodConfig: an entry without a name holds for no method",
            Some(help.into()),
        );
        return None;
    }
    let mut names = Vec::new();
    for element in elements {
        let Some(table) = Table::open(element, &METHOD_NAME, problems) else { continue };
        let Some(name) = name(&table, problems) else { continue };
        if let Some(first) = seen.get(&name) {
            let help = format!("it stands at {} already, remove one of the two", problems.origin(*first));
            problems.error(
                element.span,
                format!("methodConfig: {} is named twice", shown(&name)),
                Some(help),
            );
            continue;
        }
        seen.insert(name.clone(), element.span);
        names.push(name);
    }
    Some(names)
}

/// Text that is empty is as good as none.
fn name(table: &Table<'_>, problems: &mut Problems) -> Option<MethodName> {
    let given = |key| table.entry(key).is_some();
    let service = table.read("service", problems, service);
    let method = table.read("method", problems, method);
    if given("service") && service.is_none() || given("method") && method.is_none() {
        return None;
    }
    let (service, method) = (service.unwrap_or_default(), method.unwrap_or_default());
    if service.is_empty() && !method.is_empty() {
        let message = "methodConfig: expected the service of a method, found none";
        let help = format!("write `{{service: shop.v1.Orders, method: {method}}}`, with its own service");
        problems.error(table.span(), message, Some(help));
        return None;
    }
    Some(MethodName { service, method })
}

fn service(text: &str) -> Result<String, Invalid> {
    if text.is_empty() || text.split('.').all(is_identifier) {
        return Ok(text.to_owned());
    }
    Err(Invalid::new(format!("expected the full name of a service, found {}", quoted(text)))
        .help("write it with its package, such as `shop.v1.Orders`"))
}

fn method(text: &str) -> Result<String, Invalid> {
    if text.is_empty() || is_identifier(text) {
        return Ok(text.to_owned());
    }
    Err(Invalid::new(format!("expected the name of a method alone, found {}", quoted(text)))
        .help("write it without its service, such as `Get`"))
}

/// A message of 0 bytes is an empty one, and so a limit that makes sense.
fn bytes(text: &str) -> Result<u32, Invalid> {
    number(text, 0..=MANY)
}

fn shown(name: &MethodName) -> String {
    match (name.service.as_str(), name.method.as_str()) {
        ("", _) => "the default for all methods".into(),
        (service, "") => format!("the service {}", quoted(service)),
        (service, method) => quoted(&format!("{service}.{method}")),
    }
}
