//! `docs/configuration.md` says what the table of keys says, and its examples work.

use crate::config::Listed;
use crate::config::keys::{LISTED, PLACES, Place};
use crate::config::tests::config;

const PAGE: &str = include_str!("../../../docs/configuration.md");

/// The YAML of the page, from 0.
pub(super) fn example(index: usize) -> &'static str {
    let block = PAGE.split("```yaml\n").nth(index + 1).and_then(|rest| rest.split("```").next());
    block.unwrap_or_else(|| panic!("docs/configuration.md: expected YAML block {index}"))
}

#[test]
fn every_key_is_described() {
    for place in PLACES {
        let section = section(place);
        assert!(PAGE.contains(&section), "docs/configuration.md: expected this section:\n\n{section}");
    }
    let described = PAGE.lines().filter(|line| line.starts_with("### ")).count();
    assert_eq!(described, PLACES.len(), "docs/configuration.md: expected one section for each table");
}

#[test]
fn files_of_endpoints_are_described() {
    let page = include_str!("../../../docs/discovery.md");
    let section = section(&LISTED);
    let (_, table) = section.split_once("\n\n").unwrap();
    assert!(page.contains(table), "docs/discovery.md: expected this table:\n\n{table}");
    let example = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let listed = Listed::read_all("orders.yaml".as_ref(), example.as_bytes()).unwrap();
    assert_eq!(listed.len(), 3);
    for key in LISTED.keys {
        assert!(example.contains(&format!("{}:", key.name)), "docs/discovery.md: expected `{}:`", key.name);
    }
}

#[test]
fn every_later_key_is_named() {
    let (_, refused) = PAGE.split_once("| in | refused |\n|---|---|\n").expect("the table of later keys");
    let found: Vec<&str> = refused.lines().take_while(|line| line.starts_with('|')).collect();
    let expected: Vec<String> = PLACES
        .iter()
        .filter(|place| !place.later.is_empty())
        .map(|place| {
            let later: Vec<String> = place.later.iter().map(|key| format!("`{key}`")).collect();
            format!("| {} | {} |", name(place), later.join(", "))
        })
        .collect();
    assert_eq!(found, expected, "expected these lines:\n{}", expected.join("\n"));
}

#[test]
fn examples_load() {
    let examples = PAGE.matches("```yaml\n").count();
    assert_eq!(examples, 2);
    for index in 0..examples {
        config(example(index));
    }
}

/// Each key is written in the second example, which `whole::every_key` holds to its values.
#[test]
fn the_full_example_is_full() {
    for key in PLACES.iter().flat_map(|place| place.keys) {
        let written = example(1).contains(&format!("{}:", key.name));
        // `listeners` stands in its place.
        assert!(written || key.name == "listen", "docs/configuration.md: expected `{}:`", key.name);
    }
}

fn section(place: &Place) -> String {
    let name = name(place);
    let title = if name == "the file" { "The file" } else { &name };
    let mut section = format!("### {title}\n\n| key | value | default | meaning |\n|---|---|---|---|\n");
    for key in place.keys {
        section.push_str(&format!("| `{}` | {} | {} | {} |\n", key.name, key.kind, key.default, key.meaning));
    }
    section.push('\n');
    section
}

fn name(place: &Place) -> String {
    match place.name {
        "the file" => place.name.to_owned(),
        name => format!("`{name}`"),
    }
}
