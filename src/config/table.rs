//! Reads tables by the keys of their place and gathers what is wrong with them.

use std::rc::Rc;

use crate::config::document::{Content, Entry, Node};
use crate::config::keys::{Case, Place};
use crate::config::problems::{Problems, Span};
use crate::config::suggest::{closest, did_you_mean, one_of};
use crate::config::value::{Invalid, quoted};

/// The entries of one table whose keys are known.
#[derive(Debug)]
pub(super) struct Table<'n> {
    place: &'static Place,
    span: Span,
    /// By the key's name in the place, which differs from the file's where case is ignored.
    entries: Vec<(&'static str, &'n Entry)>,
}

impl<'n> Table<'n> {
    /// Reports keys that are not known or not supported. An empty value is an empty table, so that a
    /// block whose every key is commented out still loads; in a service config it is as good as none, as in ProtoJSON.
    pub(super) fn open(node: &'n Node, place: &'static Place, problems: &mut Problems) -> Option<Self> {
        let found: &[Entry] = match &node.content {
            Content::Table(entries) => entries,
            Content::Null => &[],
            Content::Broken => return None,
            Content::Scalar(_) | Content::List(_) => {
                let names: Vec<&str> = place.keys.iter().map(|key| key.name).collect();
                let help = Some(match names.as_slice() {
                    [] => "write `{}`".into(),
                    names => format!("write a table with {}", one_of(names)),
                });
                problems.error(
                    node.span,
                    format!("{}: expected a table, found {}", place.name, describe(node)),
                    help,
                );
                return None;
            }
        };
        let mut entries: Vec<(&'static str, &Entry)> = Vec::new();
        for entry in found {
            match place.keys.iter().find(|key| place.is(key.name, &entry.key)) {
                Some(key) if entries.iter().any(|(name, _)| *name == key.name) => {
                    problems.error(
                        entry.span,
                        format!("the key `{}` is given twice in another spelling", entry.key),
                        None,
                    );
                }
                Some(_) if place.case == Case::Ignored && matches!(entry.value.content, Content::Null) => {}
                Some(key) => entries.push((key.name, entry)),
                None => refuse(entry, place, problems),
            }
        }
        Some(Self { place, span: node.span, entries })
    }

    /// Without entries, for the defaults of `place`.
    pub(super) fn empty(place: &'static Place, span: Span) -> Self {
        Self { place, span, entries: Vec::new() }
    }

    pub(super) fn span(&self) -> Span {
        self.span
    }

    pub(super) fn entry(&self, key: &'static str) -> Option<&'n Entry> {
        debug_assert!(
            self.place.keys.iter().any(|known| known.name == key),
            "{key} stands in the table of keys"
        );
        self.entries.iter().find(|(name, _)| *name == key).map(|(_, entry)| *entry)
    }

    /// The table below `key`, if there is one and it can be read.
    pub(super) fn table(
        &self,
        key: &'static str,
        place: &'static Place,
        problems: &mut Problems,
    ) -> Option<Self> {
        Table::open(&self.entry(key)?.value, place, problems)
    }

    /// The value of `key`, if it is given and valid.
    pub(super) fn read<T>(
        &self,
        key: &'static str,
        problems: &mut Problems,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        self.entry(key).and_then(|entry| read(&entry.value, key, problems, parse))
    }

    /// Puts the value of `key` into `place`, if it is given and valid.
    pub(super) fn set<T>(
        &self,
        key: &'static str,
        place: &mut T,
        problems: &mut Problems,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) {
        if let Some(value) = self.read(key, problems, parse) {
            *place = value;
        }
    }

    /// Like [`Table::read`], for a key that has to be given.
    pub(super) fn require<T>(
        &self,
        key: &'static str,
        problems: &mut Problems,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        if self.entry(key).is_none() {
            let kind =
                self.place.keys.iter().find(|known| known.name == key).map_or("value", |known| known.kind);
            let message = format!("{}: expected the key `{key}`, found none", self.place.name);
            problems.error(self.span, message, Some(format!("add `{key}` ({kind})")));
        }
        self.read(key, problems, parse)
    }
}

impl Place {
    fn is(&self, name: &str, found: &str) -> bool {
        name == found
            || match self.case {
                Case::Exact => false,
                Case::Ignored => name.eq_ignore_ascii_case(found),
                Case::Proto => camel_case(name).eq(found.chars()),
            }
    }
}

/// The JSON name of a protobuf field.
fn camel_case(name: &str) -> impl Iterator<Item = char> {
    let mut upper = false;
    name.chars().filter_map(move |c| {
        let shown = if upper { c.to_ascii_uppercase() } else { c };
        upper = c == '_';
        (!upper).then_some(shown)
    })
}

/// The value of a node in one piece.
pub(super) fn read<T>(
    node: &Node,
    name: &str,
    problems: &mut Problems,
    parse: impl FnOnce(&str) -> Result<T, Invalid>,
) -> Option<T> {
    let text = match &node.content {
        Content::Scalar(text) => text.as_str(),
        Content::Null => "",
        Content::Broken => return None,
        Content::List(_) | Content::Table(_) => {
            problems.error(node.span, format!("{name}: expected one value, found {}", describe(node)), None);
            return None;
        }
    };
    match parse(text) {
        Ok(value) => Some(value),
        Err(invalid) => {
            problems.invalid(problems.origin(node.span), name, invalid);
            None
        }
    }
}

/// The elements of a list; an empty value is an empty list.
pub(super) fn list<'n>(node: &'n Node, name: &str, problems: &mut Problems) -> &'n [Rc<Node>] {
    match &node.content {
        Content::List(nodes) => nodes,
        Content::Null | Content::Broken => &[],
        Content::Scalar(text) => {
            let help = Some(format!("write `[{text}]`"));
            problems.error(node.span, format!("{name}: expected a list, found {}", describe(node)), help);
            &[]
        }
        Content::Table(_) => {
            let help = Some("begin each element with a dash".into());
            problems.error(node.span, format!("{name}: expected a list, found {}", describe(node)), help);
            &[]
        }
    }
}

pub(super) fn describe(node: &Node) -> String {
    match &node.content {
        Content::Null | Content::Broken => "nothing".into(),
        Content::Scalar(text) => quoted(text),
        Content::List(_) => "a list".into(),
        Content::Table(_) => "a table".into(),
    }
}

fn refuse(entry: &Entry, place: &'static Place, problems: &mut Problems) {
    if place.later.iter().any(|later| place.is(later, &entry.key)) {
        let help = "this version would not act on it: leave it out";
        problems.error(entry.span, format!("`{}` is not supported yet", entry.key), Some(help.into()));
        return;
    }
    let known: Vec<&str> = place.keys.iter().map(|key| key.name).collect();
    let all: Vec<&str> = known.iter().chain(place.later).copied().collect();
    let message = format!("unknown key {}{}", quoted(&entry.key), did_you_mean(closest(&entry.key, &all)));
    let help = match known.as_slice() {
        [] => format!("`{}` has no keys", place.name),
        known => format!("expected {}", one_of(known)),
    };
    problems.error(entry.span, message, Some(help));
}
