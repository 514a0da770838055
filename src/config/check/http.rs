//! `http`.

use crate::config::document::Node;
use crate::config::draft::Draft;
use crate::config::keys::{HTTP, HTTP_BINDING, HTTP_CUSTOM, HTTP_RULE};
use crate::config::problems::Problems;
use crate::config::selector::Selector;
use crate::config::suggest::one_of;
use crate::config::table::{Table, list};
use crate::config::value::{Invalid, quoted, switch};
use crate::config::{HttpBinding, HttpRule};

pub(super) fn read(root: &Table<'_>, draft: &mut Draft, problems: &mut Problems) {
    let Some(table) = root.table("http", &HTTP, problems) else { return };
    let expansion = &mut draft.http.fully_decode_reserved_expansion;
    table.set("fully_decode_reserved_expansion", expansion, problems, switch);
    let Some(entry) = table.entry("rules") else { return };
    for element in list(&entry.value, "rules", problems) {
        draft.http.rules.extend(rule(element, problems));
    }
}

fn rule(node: &Node, problems: &mut Problems) -> Option<HttpRule> {
    let table = Table::open(node, &HTTP_RULE, problems)?;
    let selector = table.require("selector", problems, str::parse::<Selector>);
    let span = table.entry("selector").map_or(table.span(), |entry| entry.value.span);
    let mut bindings: Vec<HttpBinding> = binding(&table, problems).into_iter().collect();
    if let Some(entry) = table.entry("additional_bindings") {
        for element in list(&entry.value, "additional_bindings", problems) {
            let table = Table::open(element, &HTTP_BINDING, problems);
            bindings.extend(table.and_then(|table| binding(&table, problems)));
        }
    }
    Some(HttpRule { selector: selector?, origin: problems.origin(span), bindings })
}

/// What `table` says of one kind of request: exactly one of the methods, and what goes where.
fn binding(table: &Table<'_>, problems: &mut Problems) -> Option<HttpBinding> {
    let body = table.read("body", problems, optional).flatten();
    let response_body = table.read("response_body", problems, optional).flatten();
    let given: Vec<&'static str> = PATTERNS.into_iter().filter(|key| table.entry(key).is_some()).collect();
    let &[key] = given.as_slice() else {
        let found = if given.is_empty() { "none".to_owned() } else { given.join(" and ") };
        let message = format!("expected one of {}, found {found}", one_of(&PATTERNS));
        let help = "write the path by its method, such as `get: /v1/orders/{id}`";
        problems.error(table.span(), message, Some(help.into()));
        return None;
    };
    let entry = table.entry(key)?;
    let (method, template, span) = if key == "custom" {
        let custom = Table::open(&entry.value, &HTTP_CUSTOM, problems)?;
        let method = custom.require("kind", problems, kind);
        let template = custom.require("path", problems, path);
        (method?, template?, custom.entry("path")?.value.span)
    } else {
        (key.to_ascii_uppercase(), table.read(key, problems, path)?, entry.value.span)
    };
    Some(HttpBinding { method, template, body, response_body, origin: problems.origin(span) })
}

/// An empty text is the default of protobuf, and so the same as none.
fn optional(text: &str) -> Result<Option<String>, Invalid> {
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// The first character alone: the template as a whole is read where routes are made.
fn path(text: &str) -> Result<String, Invalid> {
    if text.starts_with('/') {
        return Ok(text.to_owned());
    }
    Err(Invalid::new(format!("expected a path template that begins with `/`, found {}", quoted(text))))
}

fn kind(text: &str) -> Result<String, Invalid> {
    if http::Method::from_bytes(text.as_bytes()).is_ok() {
        return Ok(text.to_owned());
    }
    Err(Invalid::new(format!("expected an HTTP method, found {}", quoted(text)))
        .help("write a method such as `HEAD`, or `\"*\"` for every one"))
}

const PATTERNS: [&str; 6] = ["get", "put", "post", "delete", "patch", "custom"];
