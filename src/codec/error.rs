//! What can be wrong with JSON that came in, and with a message that has to go out.

use std::fmt;

use crate::codec::path::{At, Excerpt};

/// A value from the client that does not fit the request message: INVALID_ARGUMENT.
///
/// [`field_path`](Self::field_path) and [`description`](Self::description) are the two members of
/// `google.rpc.BadRequest.FieldViolation`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    reason: Reason,
    field: String,
    position: Option<Position>,
}

/// A place in JSON text, both counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line, ended by `\n`.
    pub line: usize,
    /// Character within the line.
    pub column: usize,
}

/// Why a value was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The text is not JSON.
    #[error("expected {expected}, found {found}")]
    Syntax {
        /// What the grammar allows here.
        expected: &'static str,
        /// The character that stands here.
        found: String,
    },
    /// The bytes are not text.
    #[error("expected UTF-8 text, found the byte 0x{byte:02x} that cannot stand here")]
    NotUtf8 {
        /// The first byte that breaks the encoding.
        byte: u8,
    },
    /// A value of another type or form than the field has.
    #[error("expected {expected}, found {found}")]
    Mismatch {
        /// The form that the field takes.
        expected: String,
        /// An excerpt of the value.
        found: String,
    },
    /// A number that the type of the field cannot hold exactly.
    #[error("expected a number in the range of {kind}, found {found}")]
    OutOfRange {
        /// The scalar type, by its proto name.
        kind: &'static str,
        /// An excerpt of the number.
        found: String,
    },
    /// A key that names no field.
    #[error("message {message} has no such field, check the spelling or leave it out")]
    UnknownField {
        /// Full name of the message.
        message: String,
    },
    /// A name or number that the enum does not have.
    #[error("expected a value of enum {enumeration}, found {found}")]
    UnknownEnum {
        /// Full name of the enum.
        enumeration: String,
        /// An excerpt of the value.
        found: String,
    },
    /// A field or map key that was given before, under this name or its other one.
    #[error("expected each field once, found it a second time")]
    Duplicate,
    /// A second member of a oneof.
    #[error("expected one member of oneof {oneof}, found it beside {other}, send only one of them")]
    Oneof {
        /// Name of the oneof.
        oneof: String,
        /// The member that was set before.
        other: String,
    },
    /// A null in a list or map.
    #[error("expected a value, found null, which a list or map cannot hold")]
    Null,
    /// Objects, arrays or messages nested too far.
    #[error("expected at most {limit} levels of nesting, found more")]
    TooDeep {
        /// The limit that was crossed.
        limit: usize,
    },
    /// Too many values in one document.
    #[error("expected at most {limit} values in one message, found more, send several smaller messages")]
    TooManyNodes {
        /// The limit that was crossed.
        limit: usize,
    },
    /// A body that sets more fields than the mask of an update names.
    #[error("expected at most {limit} fields in an update without a mask, found more, send the mask")]
    TooManyPaths {
        /// The limit that was crossed.
        limit: usize,
    },
    /// `Any` inside `Any` too often.
    #[error("expected at most {limit} levels of google.protobuf.Any, found more")]
    AnyTooDeep {
        /// The limit that was crossed.
        limit: usize,
    },
    /// An `@type` that the schema does not have.
    #[error("expected the type of a message that the schema has, found {type_url}")]
    UnknownType {
        /// An excerpt of the type URL.
        type_url: String,
    },
}

impl ReadError {
    pub(crate) fn new(reason: Reason, at: &At<'_>, position: Option<Position>) -> Self {
        Self { reason, field: at.to_string(), position }
    }

    pub(crate) fn of_field(reason: Reason, field: impl Into<String>) -> Self {
        Self { reason, field: field.into(), position: None }
    }

    /// The same error inside of a field: the path goes on from there.
    pub(crate) fn below(mut self, field: &str) -> Self {
        let dot = !self.field.is_empty() && !self.field.starts_with('[');
        self.field = format!("{field}{}{}", if dot { "." } else { "" }, self.field);
        self
    }

    /// The field in the client's own spelling, as `items[2].quantity`; empty for the message itself
    /// and for text that is not JSON.
    pub fn field_path(&self) -> &str {
        &self.field
    }

    /// What was expected and what was found, with line and column where the value came as JSON.
    pub fn description(&self) -> String {
        match self.position {
            Some(Position { line, column }) => {
                format!("{} (line {line}, column {column})", self.reason)
            }
            None => self.reason.to_string(),
        }
    }

    /// Why it was refused.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// Where in the JSON text, unless the value came from a path or query.
    pub fn position(&self) -> Option<Position> {
        self.position
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.description())
    }
}

impl std::error::Error for ReadError {}

impl Reason {
    /// A value of another form, `found` quoted and cut.
    pub(crate) fn mismatch(expected: impl Into<String>, found: &str) -> Self {
        Self::Mismatch { expected: expected.into(), found: quoted(found) }
    }
}

impl Position {
    /// The place of byte `offset` in `text`.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..text.floor_char_boundary(offset)).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").chars().count() + 1,
        }
    }
}

/// A message that cannot be printed as JSON: INTERNAL, the client did nothing wrong.
#[derive(Debug)]
pub struct WriteError {
    reason: Unprintable,
    field: String,
}

/// Why a message has no JSON form.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unprintable {
    /// The bytes are not the message they should be.
    #[error("message {message} does not decode")]
    Decode {
        /// Full name of the message.
        message: String,
        /// What prost says about the bytes.
        source: prost::DecodeError,
    },
    /// More JSON than [`WriteOptions::max_bytes`](crate::codec::WriteOptions::max_bytes).
    #[error("response too large: more than {limit} bytes as JSON")]
    TooLarge {
        /// The limit that was crossed.
        limit: usize,
    },
    /// A message that would have to be decoded as a whole, and that has too many values for that.
    #[error("response too large: more than {limit} bytes of memory as a tree of its values")]
    TooManyValues {
        /// The limit that was crossed.
        limit: usize,
    },
    /// Messages nested too far.
    #[error("more than {limit} levels of messages")]
    TooDeep {
        /// The limit that was crossed.
        limit: usize,
    },
    /// `Any` inside `Any` too often.
    #[error("more than {limit} levels of google.protobuf.Any")]
    AnyTooDeep {
        /// The limit that was crossed.
        limit: usize,
    },
    /// A well-known type with a value outside of its JSON form.
    #[error("{message} {why}")]
    Value {
        /// Name of the well-known type.
        message: &'static str,
        /// What its JSON form cannot say.
        why: String,
    },
}

impl WriteError {
    pub(crate) fn new(reason: Unprintable, at: &At<'_>) -> Self {
        Self { reason, field: at.to_string() }
    }

    /// The field in the message, as `items[2].created`; empty for the message itself.
    pub fn field_path(&self) -> &str {
        &self.field
    }

    /// Why the message has no JSON form.
    pub fn reason(&self) -> &Unprintable {
        &self.reason
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        self.reason.fmt(f)
    }
}

/// The reason is part of the sentence already, so the chain goes on behind it.
impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.reason.source()
    }
}

/// Text from outside in quotes, cut, with control characters escaped.
pub(crate) fn quoted(text: &str) -> String {
    format!("{:?}", Excerpt(text).to_string())
}
