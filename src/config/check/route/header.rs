//! `routes[].match.headers`.

use std::ops::Range;

use super::header_name;
use crate::config::document::{Content, Node};
use crate::config::header_match::Pattern;
use crate::config::keys::{HEADER_MATCH, HEADER_RANGE};
use crate::config::problems::Problems;
use crate::config::suggest::one_of;
use crate::config::table::{Table, describe, read as read_value};
use crate::config::value::{Invalid, quoted, switch};
use crate::config::{HeaderMatch, HeaderTest};

pub(super) fn read(node: &Node, problems: &mut Problems) -> Vec<HeaderMatch> {
    let entries = match &node.content {
        Content::Table(entries) => entries.as_slice(),
        Content::Null | Content::Broken => &[],
        Content::Scalar(_) | Content::List(_) => {
            let message =
                format!("headers: expected a table of headers and values, found {}", describe(node));
            problems.error(node.span, message, Some("write `{ x-version: v2 }`".into()));
            &[]
        }
    };
    let mut matches: Vec<HeaderMatch> = Vec::new();
    for entry in entries {
        let name = match header_name(&entry.key) {
            Ok(name) => name,
            Err(invalid) => {
                problems.invalid(problems.origin(entry.span), "headers", invalid);
                continue;
            }
        };
        if matches.iter().any(|other| other.name == name) {
            problems.error(entry.span, format!("headers: `{name}` is given twice"), None);
            continue;
        }
        let read = match entry.value.content {
            Content::Table(_) => of_table(&entry.value, problems),
            _ => read_value(&entry.value, "headers", problems, exact).map(|test| (test, false)),
        };
        matches.extend(read.map(|(test, invert)| HeaderMatch { name, test, invert }));
    }
    matches
}

fn of_table(node: &Node, problems: &mut Problems) -> Option<(HeaderTest, bool)> {
    let table = Table::open(node, &HEADER_MATCH, problems)?;
    let mut invert = false;
    table.set("invert", &mut invert, problems, switch);
    let given: Vec<&'static str> = TESTS.into_iter().filter(|key| table.entry(key).is_some()).collect();
    let &[key] = given.as_slice() else {
        let found = if given.is_empty() { "none".to_owned() } else { given.join(" and ") };
        let message = format!("headers: expected one of {}, found {found}", one_of(&TESTS));
        problems.error(table.span(), message, None);
        return None;
    };
    let test = match key {
        "exact" => table.read(key, problems, exact)?,
        "prefix" => HeaderTest::Prefix(table.read(key, problems, part)?),
        "suffix" => HeaderTest::Suffix(table.read(key, problems, part)?),
        "present" => HeaderTest::Present(table.read(key, problems, switch)?),
        "regex" => HeaderTest::Regex(table.read(key, problems, Pattern::new)?),
        _ => HeaderTest::Range(range(&table, problems)?),
    };
    Some((test, invert))
}

fn exact(text: &str) -> Result<HeaderTest, Invalid> {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && text.trim() == text {
        return Ok(HeaderTest::Exact(text.to_owned()));
    }
    Err(Invalid::new(format!("expected the value of a header, found {}", quoted(text)))
        .help("metadata is ASCII, and has no space around it"))
}

fn part(text: &str) -> Result<String, Invalid> {
    if text.is_empty() {
        return Err(Invalid::new("expected a part of a value, found nothing").help("write `present: true`"));
    }
    Ok(text.to_owned())
}

fn range(table: &Table<'_>, problems: &mut Problems) -> Option<Range<i64>> {
    let table = table.table("range", &HEADER_RANGE, problems)?;
    let number = |text: &str| {
        text.parse::<i64>()
            .map_err(|_| Invalid::new(format!("expected a whole number, found {}", quoted(text))))
    };
    let (start, end) = (table.require("start", problems, number), table.require("end", problems, number));
    let range = start?..end?;
    if range.is_empty() {
        let message = format!("range: expected an end above the start, found {}..{}", range.start, range.end);
        problems.error(table.span(), message, Some("the end itself is not part of the range".into()));
        return None;
    }
    Some(range)
}

const TESTS: [&str; 6] = ["exact", "prefix", "suffix", "present", "regex", "range"];
