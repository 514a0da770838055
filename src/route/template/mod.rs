//! Path templates of `google.api.http` (google/api/http.proto, "Path template syntax").
//!
//! ```text
//! Template  = "/" [ Segments [ Verb ] ] ;
//! Segments  = Segment { "/" Segment } ;
//! Segment   = "*" | "**" | LITERAL | Variable ;
//! Variable  = "{" FieldPath [ "=" Segments ] "}" ;
//! FieldPath = IDENT { "." IDENT } ;
//! IDENT     = [A-Za-z_] { [A-Za-z0-9_] } ;
//! Verb      = ":" LITERAL ;
//! LITERAL   = 1*pchar                               ; RFC 3986, escapes included
//! ```
//!
//! `{a}` is `{a=*}`. Beyond the published grammar: `/` alone is a template, and `**` may be followed by
//! segments (a tail), as Envoy and grpc-gateway take it. A second `**` is refused, since then the split
//! of a path would not be unique; so are variables inside variables, a field bound twice, and `.` or
//! `..`, which no accepted request path contains. In the last segment the verb starts at the last
//! colon; a colon elsewhere is part of its literal.

use std::fmt;

use super::path;

/// A parsed path template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    segments: Vec<Segment>,
    variables: Vec<Variable>,
    verb: Option<String>,
}

/// One segment of a template, with variables dissolved into what they match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Matches this text, with the escapes of unreserved characters decoded.
    Literal(String),
    /// Matches exactly one segment that is not empty.
    Star,
    /// Matches zero or more segments.
    DoubleStar,
}

/// A variable of a template: a field path and the segments it captures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    field_path: Vec<String>,
    pub(super) start: usize,
    pub(super) end: usize,
    multi: bool,
}

/// Why a text is no path template, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("path template `{template}`, offset {offset}: {kind}")]
pub struct TemplateError {
    /// The template as written.
    pub template: String,
    /// Byte offset into it.
    pub offset: usize,
    /// What was expected and what was found.
    pub kind: TemplateErrorKind,
}

/// What is wrong with a path template.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplateErrorKind {
    /// The template does not begin with a slash.
    NoSlash,
    /// The template is longer than [`MAX_BYTES`].
    TooLong(usize),
    /// Two slashes in a row, a slash at the end, or nothing before a verb.
    EmptySegment,
    /// A segment `.` or `..`.
    DotSegment,
    /// A star or a variable that is not a whole segment.
    NotWhole(&'static str),
    /// A character that a path cannot hold unescaped.
    BadCharacter(char),
    /// `%` without two hexadecimal digits.
    BadEscape,
    /// A field path was expected.
    NoIdent(Option<char>),
    /// A variable without its `}`.
    Unclosed,
    /// A variable inside a variable.
    Nested,
    /// A second `**`.
    SecondDoubleStar,
    /// A verb that is empty or holds a slash, a colon or a wildcard.
    BadVerb,
    /// A field path bound by two variables, or one that holds another.
    BoundTwice(String),
}

impl Template {
    /// Parses `text`.
    ///
    /// # Errors
    /// A [`TemplateError`] with the byte offset of the first fault.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parser = Parser { text, at: 0, segments: Vec::new(), variables: Vec::new() };
        match parser.template() {
            Ok(verb) => Ok(Self {
                text: text.to_owned(),
                segments: parser.segments,
                variables: parser.variables,
                verb,
            }),
            Err((offset, kind)) => Err(TemplateError { template: text.to_owned(), offset, kind }),
        }
    }

    /// The template as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its segments, without the variables' names.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Its variables in the order written; a [`Capture`](super::Capture) names one by index.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The verb after the last colon, without the colon.
    pub fn verb(&self) -> Option<&str> {
        self.verb.as_deref()
    }

    /// Where segment `index` of the template begins in a path of `len` segments.
    ///
    /// Segments before `**` count from the left, those after it from the right.
    pub(super) fn project(&self, index: usize, len: usize) -> usize {
        match self.segments.iter().position(|segment| *segment == Segment::DoubleStar) {
            Some(star) if index > star => (len + index).saturating_sub(self.segments.len()),
            Some(_) | None => index,
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Variable {
    /// The path of field names from the request message down: `a.b` is `["a", "b"]`.
    pub fn field_path(&self) -> &[String] {
        &self.field_path
    }

    /// Whether it may capture other than exactly one segment: its pattern is longer than one segment
    /// or is `**`. Such a capture keeps `%2F` encoded (http.proto), since a decoded one could not be
    /// told from a separator.
    pub fn is_multi(&self) -> bool {
        self.multi
    }
}

impl fmt::Display for TemplateErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSlash => f.write_str("expected `/` at the start"),
            Self::TooLong(len) => write!(f, "template is {len} bytes, limit is {MAX_BYTES}"),
            Self::EmptySegment => f.write_str("expected a segment, found none (`//`, or a slash at the end)"),
            Self::DotSegment => {
                f.write_str("`.` and `..` segments never match: request paths with them are refused")
            }
            Self::NotWhole(what) => write!(f, "{what} must be a whole segment, found text beside it"),
            Self::BadCharacter(c) => write!(f, "{c:?} cannot stand in a path, write it percent-encoded"),
            Self::BadEscape => f.write_str("expected two hexadecimal digits after `%`"),
            Self::NoIdent(Some(c)) => write!(f, "expected a field name, found {c:?}"),
            Self::NoIdent(None) => f.write_str("expected a field name, found the end"),
            Self::Unclosed => f.write_str("expected `}` to close the variable"),
            Self::Nested => f.write_str("a variable cannot stand inside a variable"),
            Self::SecondDoubleStar => f.write_str("expected at most one `**`, found a second"),
            Self::BadVerb => {
                f.write_str("expected a verb, plain text without `/`, `:`, `*` and braces, after `:`")
            }
            Self::BoundTwice(field) => write!(f, "field `{field}` is bound by another variable as well"),
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    segments: Vec<Segment>,
    variables: Vec<Variable>,
}

type Fault = (usize, TemplateErrorKind);

impl<'t> Parser<'t> {
    fn template(&mut self) -> Result<Option<String>, Fault> {
        if self.text.len() > MAX_BYTES {
            return Err((MAX_BYTES, TemplateErrorKind::TooLong(self.text.len())));
        }
        if !self.eat('/') {
            return Err((0, TemplateErrorKind::NoSlash));
        }
        if self.rest().is_empty() {
            return Ok(None);
        }
        loop {
            match self.peek() {
                Some('{') => self.variable()?,
                Some('*') => self.star()?,
                _ => {
                    if let Some(verb) = self.literal_or_verb()? {
                        return Ok(Some(verb));
                    }
                }
            }
            match self.peek() {
                None => return Ok(None),
                Some('/') => self.bump('/'),
                // Only a wildcard or a variable leaves a colon unread.
                Some(':') => {
                    self.bump(':');
                    return self.verb(self.rest(), self.at).map(Some);
                }
                Some(_) => return Err((self.at, TemplateErrorKind::NotWhole("a wildcard or variable"))),
            }
        }
    }

    /// A literal of the template's own level; in the last segment the verb is cut off and returned.
    fn literal_or_verb(&mut self) -> Result<Option<String>, Fault> {
        let start = self.at;
        let rest = self.rest();
        let end = rest.find('/').unwrap_or(rest.len());
        let text = rest.get(..end).unwrap_or_default();
        self.at += end;
        if end == rest.len()
            && let Some((head, verb)) = text.rsplit_once(':')
        {
            self.literal(head, start)?;
            return self.verb(verb, start + head.len() + 1).map(Some);
        }
        self.literal(text, start)?;
        Ok(None)
    }

    fn literal(&mut self, text: &str, start: usize) -> Result<(), Fault> {
        if text.is_empty() {
            return Err((start, TemplateErrorKind::EmptySegment));
        }
        let mut chars = text.char_indices();
        while let Some((offset, c)) = chars.next() {
            let fault = match c {
                '{' | '}' => TemplateErrorKind::NotWhole("a variable"),
                '*' => TemplateErrorKind::NotWhole("a wildcard"),
                '%' => {
                    let digits = [chars.next(), chars.next()];
                    if digits.iter().all(|d| d.is_some_and(|(_, c)| c.is_ascii_hexdigit())) {
                        continue;
                    }
                    TemplateErrorKind::BadEscape
                }
                c if c.is_ascii() && !path::is_pchar(c as u8) => TemplateErrorKind::BadCharacter(c),
                _ => continue,
            };
            return Err((start + offset, fault));
        }
        let normal = path::normalise(text).into_owned();
        if matches!(normal.as_str(), "." | "..") {
            return Err((start, TemplateErrorKind::DotSegment));
        }
        self.segments.push(Segment::Literal(normal));
        Ok(())
    }

    fn star(&mut self) -> Result<(), Fault> {
        let start = self.at;
        self.bump('*');
        if !self.eat('*') {
            self.segments.push(Segment::Star);
            return Ok(());
        }
        if self.segments.contains(&Segment::DoubleStar) {
            return Err((start, TemplateErrorKind::SecondDoubleStar));
        }
        self.segments.push(Segment::DoubleStar);
        Ok(())
    }

    fn variable(&mut self) -> Result<(), Fault> {
        let opened = self.at;
        self.bump('{');
        let field_path = self.field_path()?;
        let overlaps = |other: &Variable| {
            let shorter = other.field_path.len().min(field_path.len());
            other.field_path.iter().take(shorter).eq(field_path.iter().take(shorter))
        };
        if self.variables.iter().any(overlaps) {
            return Err((opened + 1, TemplateErrorKind::BoundTwice(field_path.join("."))));
        }
        let start = self.segments.len();
        if self.eat('=') {
            self.inner_segments()?;
        } else {
            self.segments.push(Segment::Star);
        }
        if !self.eat('}') {
            return match self.peek() {
                Some(c) => Err((self.at, TemplateErrorKind::BadCharacter(c))),
                None => Err((opened, TemplateErrorKind::Unclosed)),
            };
        }
        let end = self.segments.len();
        let captured = self.segments.get(start..).unwrap_or_default();
        let multi = captured.len() > 1 || captured.contains(&Segment::DoubleStar);
        self.variables.push(Variable { field_path, start, end, multi });
        Ok(())
    }

    fn inner_segments(&mut self) -> Result<(), Fault> {
        loop {
            match self.peek() {
                Some('{') => return Err((self.at, TemplateErrorKind::Nested)),
                Some('*') => self.star()?,
                _ => {
                    let start = self.at;
                    let rest = self.rest();
                    let Some(end) = rest.find(['/', '}']) else {
                        return Err((start, TemplateErrorKind::Unclosed));
                    };
                    self.at += end;
                    self.literal(rest.get(..end).unwrap_or_default(), start)?;
                }
            }
            match self.peek() {
                Some('/') => self.bump('/'),
                Some('}') | None => return Ok(()),
                Some(_) => return Err((self.at, TemplateErrorKind::NotWhole("a wildcard"))),
            }
        }
    }

    fn field_path(&mut self) -> Result<Vec<String>, Fault> {
        let mut names = Vec::new();
        loop {
            let rest = self.rest();
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let name = rest.get(..end).unwrap_or_default();
            if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
                return Err((self.at, TemplateErrorKind::NoIdent(self.peek())));
            }
            names.push(name.to_owned());
            self.at += end;
            if !self.eat('.') {
                return Ok(names);
            }
        }
    }

    fn verb(&self, text: &str, start: usize) -> Result<String, Fault> {
        let plain = |c: char| c.is_ascii() && path::is_pchar(c as u8) && !matches!(c, ':' | '*' | '%');
        if text.is_empty() || !text.chars().all(plain) {
            return Err((start, TemplateErrorKind::BadVerb));
        }
        Ok(text.to_owned())
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    /// Steps over a character that was just peeked.
    fn bump(&mut self, c: char) {
        self.at += c.len_utf8();
    }
}

/// Longest template taken. A request line is at most 8 KiB, and the search descends once per segment.
pub const MAX_BYTES: usize = 4096;

#[cfg(test)]
mod tests;
