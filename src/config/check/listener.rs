//! `listen` and `listeners`.

use crate::config::Listener;
use crate::config::check::cluster_name;
use crate::config::document::Content;
use crate::config::draft::{Draft, Given};
use crate::config::keys::LISTENER;
use crate::config::problems::Problems;
use crate::config::table::{Table, list};
use crate::config::value::listen_address;

pub(super) fn read(root: &Table<'_>, draft: &mut Draft, problems: &mut Problems) {
    let short = root.entry("listen");
    if let Some(address) = root.read("listen", problems, listen_address)
        && let Some(entry) = short
    {
        let origin = problems.origin(entry.value.span);
        draft.listeners = vec![Given { value: Listener { name: "public".into(), address }, origin }];
    }
    let Some(long) = root.entry("listeners") else { return };
    if short.is_some() {
        let help = "`listen` is short for one listener named `public`: move its address into the list";
        problems.error(long.span, "expected `listen` or `listeners`, found both", Some(help.into()));
    }
    let elements = list(&long.value, "listeners", problems);
    let mut listeners: Vec<Given<Listener>> = Vec::new();
    for element in elements {
        let Some(table) = Table::open(element, &LISTENER, problems) else { continue };
        let name = table.require("name", problems, cluster_name);
        let address = table.require("address", problems, listen_address);
        let (Some(name), Some(address)) = (name, address) else { continue };
        if listeners.iter().any(|given| given.value.name == name) {
            let span = table.entry("name").map_or(table.span(), |entry| entry.value.span);
            problems.error(span, format!("two listeners have the name `{name}`"), None);
            continue;
        }
        let span = table.entry("address").map_or(table.span(), |entry| entry.value.span);
        listeners.push(Given { value: Listener { name, address }, origin: problems.origin(span) });
    }
    if elements.is_empty() && matches!(long.value.content, Content::List(_) | Content::Null) {
        let help = "leave the key out to listen on 0.0.0.0:8080";
        problems.error(long.span, "expected at least one listener, found none", Some(help.into()));
    }
    if !listeners.is_empty() {
        draft.listeners = listeners;
    }
}
