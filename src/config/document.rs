//! The file as a tree of values that know where they stand.
//!
//! Built from the events of the YAML parser rather than through serde, for three reasons: serde stops at
//! the first problem while an operator wants all of them, a scalar keeps its spelling (`.01s`, `1e3`,
//! `on`) until a key says what it should be, and both places of a repeated key are known.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::rc::Rc;

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, StrInput};

use crate::config::problems::{Problems, Span};
use crate::config::substitute::{Masked, Variables};

/// One value. An alias shares the node of its anchor, so problems point at the anchor's text, and what
/// aliases of aliases amount to is known before anyone walks it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) content: Content,
    /// Values in it and itself, those behind aliases as often as they are aliased.
    size: usize,
}

#[derive(Debug)]
pub(super) enum Content {
    /// Empty, `~` or `null`.
    Null,
    /// Anything else in one piece, its expressions expanded.
    Scalar(String),
    List(Vec<Rc<Node>>),
    Table(Vec<Entry>),
    /// Already reported; nothing more to say about it.
    Broken,
}

/// One key of a table and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) span: Span,
    pub(super) value: Rc<Node>,
}

/// Parses one document; an empty one is an empty table. Problems are reported, and `None` means that the
/// YAML itself is broken.
pub(super) fn parse(source: &str, variables: Variables<'_>, problems: &mut Problems) -> Option<Rc<Node>> {
    let masked = match Masked::new(source) {
        Ok(masked) => masked,
        Err((offset, invalid)) => {
            problems.error(span_at(source, offset), invalid.message, invalid.help);
            return None;
        }
    };
    let mut options = Options::default();
    options.set_emit_comments(false);
    let parser = Parser::new_from_str_with_options(&masked.text, options);
    Reader { parser, masked: &masked, variables, problems, anchors: HashMap::new(), merged: 0 }
        .document()
        .ok()
}

impl Content {
    fn size(&self) -> usize {
        let below: usize = match self {
            Self::Null | Self::Scalar(_) | Self::Broken => 0,
            Self::List(nodes) => nodes.iter().map(|node| node.size).sum(),
            Self::Table(entries) => entries.iter().map(|entry| entry.value.size).sum(),
        };
        below + 1
    }
}

/// The YAML is broken, and that is reported.
struct Stop;

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    masked: &'a Masked,
    variables: Variables<'a>,
    problems: &'a mut Problems,
    anchors: HashMap<usize, Rc<Node>>,
    /// Entries looked at for merge keys.
    merged: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Rc<Node>, Stop> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_some() => {
                    self.problems.error(span, "expected one YAML document, found another", None);
                    return Err(Stop);
                }
                Event::DocumentStart(..) => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, span, 0)?);
                }
                _ => break,
            }
        }
        Ok(root.unwrap_or_else(|| {
            Rc::new(Node { span: Span { line: 1, column: 1, width: 0 }, content: Content::Null, size: 1 })
        }))
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.parser.next() {
            Some(Ok((event, span))) => {
                let width = if span.start.line() == span.end.line() { span.len() } else { 1 };
                let start = Span { line: span.start.line(), column: span.start.col() + 1, width };
                Ok((event, start))
            }
            Some(Err(error)) => Err(self.broken(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Rc<Node>, Stop> {
        if depth > DEEPEST {
            self.problems.error(span, format!("expected at most {DEEPEST} levels, found more"), None);
            return Err(Stop);
        }
        let (anchor, tag) = match &event {
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(_, anchor, tag)
            | Event::MappingStart(_, anchor, tag) => (*anchor, tag.is_some()),
            _ => (0, false),
        };
        if tag {
            self.problems.error(
                span,
                "expected a value without a YAML tag",
                Some("leave the tag out".into()),
            );
        }
        let (span, content) = match event {
            Event::Scalar(text, style, ..) => (span, self.scalar(&text, style, span)),
            Event::SequenceStart(..) => (span, self.list(depth)?),
            Event::MappingStart(..) => (span, self.table(depth)?),
            Event::Alias(anchor) => {
                return self.anchors.get(&anchor).cloned().ok_or_else(|| {
                    self.problems.error(span, "expected an alias of a value that is complete", None);
                    Stop
                });
            }
            _ => {
                self.problems.error(span, "expected a value", None);
                return Err(Stop);
            }
        };
        let size = content.size();
        if size > MOST_VALUES {
            let message = format!("expected at most {MOST_VALUES} values, aliases counted, found more");
            self.problems.error(span, message, None);
            return Err(Stop);
        }
        let node = Rc::new(Node { span, content, size });
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        Ok(node)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: Span) -> Content {
        match self.masked.expand(text, self.variables) {
            Ok(Some(expanded)) => Content::Scalar(expanded),
            Ok(None) if style == ScalarStyle::Plain && NULLS.contains(&text) => Content::Null,
            Ok(None) => Content::Scalar(text.to_owned()),
            Err(invalid) => {
                self.problems.error(span, invalid.message, invalid.help);
                Content::Broken
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Content, Stop> {
        let mut nodes = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Content::List(nodes)),
                (event, span) => nodes.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn table(&mut self, depth: usize) -> Result<Content, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: HashMap<String, Span> = HashMap::new();
        let mut merges = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let (text, style) = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, style, ..) => (text, style),
                _ => {
                    let help = "a key is text, such as `listen`";
                    self.problems.error(span, "expected a key in one piece", Some(help.into()));
                    return Err(Stop);
                }
            };
            let key = self.masked.restore(&text).unwrap_or_else(|| text.into_owned());
            let (event, value_span) = self.next()?;
            let value = self.node(event, value_span, depth + 1)?;
            if key == "<<" && style == ScalarStyle::Plain {
                merges.push((span, value));
                continue;
            }
            match seen.entry(key.clone()) {
                Slot::Vacant(slot) => {
                    slot.insert(span);
                    entries.push(Entry { key, span, value });
                }
                Slot::Occupied(first) => {
                    let first = self.problems.origin(*first.get());
                    let help = format!("it stands at {first} already, remove one of the two");
                    self.problems.error(span, format!("the key `{key}` is given twice"), Some(help));
                }
            }
        }
        for (span, value) in merges {
            self.merge(span, &value, &mut entries, &mut seen)?;
        }
        Ok(Content::Table(entries))
    }

    /// `<<: *base` and `<<: [*first, *second]`: what stands in the table itself wins, then the earlier base.
    fn merge(
        &mut self,
        span: Span,
        value: &Rc<Node>,
        entries: &mut Vec<Entry>,
        seen: &mut HashMap<String, Span>,
    ) -> Result<(), Stop> {
        let bases = match &value.content {
            Content::List(nodes) => nodes.clone(),
            _ => vec![Rc::clone(value)],
        };
        for base in bases {
            let Content::Table(base) = &base.content else {
                let help = "write `<<: *anchor`, or a list of such";
                self.problems.error(
                    span,
                    "expected a table to merge, found another value",
                    Some(help.into()),
                );
                continue;
            };
            self.merged += base.len();
            for entry in base {
                if let Slot::Vacant(slot) = seen.entry(entry.key.clone()) {
                    slot.insert(entry.span);
                    entries.push(entry.clone());
                }
            }
            if self.merged > MOST_MERGED {
                self.problems.error(span, format!("expected at most {MOST_MERGED} merged keys"), None);
                return Err(Stop);
            }
        }
        Ok(())
    }

    fn broken(&mut self, error: &ScanError) -> Stop {
        let mark = error.marker();
        let span = Span { line: mark.line().max(1), column: mark.col() + 1, width: 1 };
        self.problems.error(span, format!("this is not YAML: {}", error.info()), None);
        Stop
    }
}

fn span_at(source: &str, offset: usize) -> Span {
    let before = source.get(..offset).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    Span { line: before.matches('\n').count() + 1, column, width: 1 }
}

/// The null of the YAML 1.2 core schema.
const NULLS: [&str; 5] = ["", "~", "null", "Null", "NULL"];

/// The deepest key is six levels down.
const DEEPEST: usize = 32;

/// A thousand times the full example. Aliases of aliases grow exponentially with the file.
const MOST_VALUES: usize = 100_000;

/// Merges of merges grow with the square of the file; this is far beyond any real one.
const MOST_MERGED: usize = 10_000;
