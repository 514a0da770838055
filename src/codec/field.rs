//! Text bound to a field: what a path capture or a query parameter names.

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use bytes::BytesMut;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value};

use crate::codec::{
    ReadOptions,
    error::{ReadError, Reason},
    options::MAX_DEPTH,
    path::Excerpt,
    reference::{self, Slot, from_text},
    scalar,
    table::Enum,
    wkt::{Spelling, WellKnown},
};

/// A path such as `order.items` resolved against a message: every step but the last a single
/// message. Two paths are the same if they go through the same fields, however they were spelled.
#[derive(Clone, Debug)]
pub struct FieldPath {
    text: String,
    /// The fields from the root down to the leaf, never empty.
    steps: Vec<FieldDescriptor>,
    /// The enum at the end, compiled when a value of it is not spelled as in its `.proto` file.
    enumeration: Option<Arc<OnceLock<Enum>>>,
}

/// Why a path names no field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// A step is no field, by JSON name or proto name.
    #[error("message {message} has no field {name:?}")]
    Unknown {
        /// Full name of the message that was searched.
        message: String,
        /// The step, cut.
        name: String,
    },
    /// A step before the last is no single message.
    #[error("expected a message with fields at {name:?}, found {found}")]
    Through {
        /// The step, cut.
        name: String,
        /// What the field is.
        found: &'static str,
    },
    /// More steps than messages may nest.
    #[error("expected at most {limit} steps in a field path, found more")]
    TooLong {
        /// The limit that was crossed.
        limit: usize,
    },
    /// The leaf is a map or message that has no form as plain text.
    #[error("expected a field whose value is plain text, found {found} at {name:?}")]
    NotText {
        /// The leaf.
        name: String,
        /// What the field is.
        found: String,
    },
}

impl FieldPath {
    /// Resolves `a.b.c`, each step by its JSON name or its proto name.
    ///
    /// # Errors
    /// A step that is no field, or one before the last that is a list, map, scalar, `Any`, `Struct`,
    /// `Value` or `ListValue`.
    pub fn resolve(root: &MessageDescriptor, text: &str) -> Result<Self, PathError> {
        let mut steps: Vec<FieldDescriptor> = Vec::new();
        for name in text.split('.') {
            if steps.len() == MAX_DEPTH {
                return Err(PathError::TooLong { limit: MAX_DEPTH });
            }
            let message = match steps.last() {
                None => root.clone(),
                Some(parent) => enter(parent)?,
            };
            match Slot::named(&message, name) {
                Some(Slot::Field(field)) => steps.push(field),
                Some(Slot::Extension(_)) | None => {
                    let name = Excerpt(name).to_string();
                    return Err(PathError::Unknown { message: message.full_name().to_owned(), name });
                }
            }
        }
        let is_enum = steps.last().is_some_and(|leaf| matches!(leaf.kind(), Kind::Enum(_)));
        Ok(Self { text: text.to_owned(), steps, enumeration: is_enum.then(Arc::default) })
    }

    /// The path as it was given to [`resolve`](Self::resolve).
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The field at the end.
    pub fn leaf(&self) -> &FieldDescriptor {
        self.steps.last().expect("a split yields at least one step")
    }

    /// Whether [`set`](Self::set) appends, so that a second value is no contradiction. To a field for
    /// which this is false the caller refuses a second value, or lets it replace the first.
    pub fn is_repeated(&self) -> bool {
        self.leaf().is_list()
    }

    /// Whether the leaf takes plain text at all, so that a rule that binds it can be refused when it
    /// is loaded.
    ///
    /// # Errors
    /// [`PathError::NotText`].
    pub fn check_text(&self) -> Result<(), PathError> {
        let leaf = self.leaf();
        let found = match leaf.kind() {
            _ if leaf.is_map() => "a map".to_owned(),
            Kind::Message(message) => match WellKnown::of(&message) {
                Some(WellKnown::Any) | None => format!("message {}", message.full_name()),
                Some(_) => return Ok(()),
            },
            _ => return Ok(()),
        };
        Err(PathError::NotText { name: leaf.name().to_owned(), found })
    }

    /// Whether both bind the same place: one path is the other or leads through it, or both set a
    /// member of the same oneof.
    pub fn overlaps(&self, other: &Self) -> bool {
        for (mine, theirs) in self.steps.iter().zip(&other.steps) {
            if mine.number() != theirs.number() {
                let oneof = mine.containing_oneof();
                return oneof.is_some() && oneof == theirs.containing_oneof();
            }
        }
        true
    }

    /// The value that `message` holds at this place, if any was set. A list or map is there when it
    /// has elements, a field without presence when it differs from its default.
    pub fn value(&self, message: &DynamicMessage) -> Option<Value> {
        let (leaf, parents) = self.steps.split_last()?;
        let mut at = message;
        for parent in parents {
            match at.get_field(parent) {
                Cow::Borrowed(Value::Message(child)) => at = child,
                _ => return None,
            }
        }
        at.has_field(leaf).then(|| at.get_field(leaf).into_owned())
    }

    /// The value that `text` stands for: ProtoJSON without its quotes. For a repeated field one
    /// element of it.
    ///
    /// | type | text |
    /// |---|---|
    /// | numbers | as in JSON; `NaN`, `Infinity`, `-Infinity` for floats |
    /// | bool | `true`, `false` |
    /// | enum | name or number; a name also in the other forms that the options let pass |
    /// | bytes | base64 in either alphabet |
    /// | Timestamp, Duration, wrappers | the text within their JSON string |
    /// | FieldMask | comma separated, in either case |
    /// | Struct, Value, ListValue | JSON |
    ///
    /// # Errors
    /// Text that is no value of the type, and bytes that are not UTF-8.
    pub fn parse(&self, text: &[u8], options: &ReadOptions) -> Result<Value, ReadError> {
        let refuse = |reason| ReadError::of_field(reason, self.text.as_str());
        let utf8 = std::str::from_utf8(text).map_err(|error| {
            let byte = text.get(error.valid_up_to()).copied().unwrap_or_default();
            refuse(Reason::NotUtf8 { byte })
        })?;
        if let Err(PathError::NotText { found, .. }) = self.check_text() {
            let expected = "a field that plain text can set".to_owned();
            return Err(refuse(Reason::Mismatch { expected, found }));
        }
        let message = match self.leaf().kind() {
            Kind::Message(message) => message,
            scalar => return self.scalar(&scalar, utf8, options).map_err(refuse),
        };
        match WellKnown::of(&message) {
            Some(WellKnown::Struct | WellKnown::Value | WellKnown::ListValue) => {
                reference::read_message(&message, text, options).map_err(|error| error.below(&self.text))
            }
            Some(known) => from_text(known, &message, utf8, Spelling::Either).map_err(refuse),
            None => Err(refuse(Reason::mismatch(scalar::expected(&Kind::Message(message)), utf8))),
        }
        .map(Value::Message)
    }

    /// Appends the field to wire bytes that do not hold it: what [`set`](Self::set) and
    /// [`message_to_wire`](crate::codec::message_to_wire) would make of the text. `None` for a path of
    /// several steps, for a list or message, and for text that is no value of the field; `out` is then
    /// as before.
    pub fn to_wire(&self, text: &[u8], options: &ReadOptions, out: &mut BytesMut) -> Option<()> {
        let [field] = self.steps.as_slice() else { return None };
        let kind = field.kind();
        if field.is_list() || matches!(kind, Kind::Message(_)) {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        if kind == Kind::String && (!text.is_empty() || field.supports_presence()) {
            encode_key(field.number(), WireType::LengthDelimited, out);
            encode_varint(u64::try_from(text.len()).ok()?, out);
            out.extend_from_slice(text.as_bytes());
            return Some(());
        }
        let value = self.scalar(&kind, text, options).ok()?;
        out.extend_from_slice(&reference::encode_field(field, &value));
        Some(())
    }

    /// A value that is no message; an enum also by the other names that the options let pass.
    fn scalar(&self, kind: &Kind, text: &str, options: &ReadOptions) -> Result<Value, Reason> {
        scalar::parse(kind, text).or_else(|reason| match kind {
            Kind::Enum(desc) if options.knows_other_enum_names() => {
                self.enum_number(desc, text, options).map(Value::EnumNumber).ok_or(reason)
            }
            _ => Err(reason),
        })
    }

    fn enum_number(&self, desc: &EnumDescriptor, text: &str, options: &ReadOptions) -> Option<i32> {
        let table = self.enumeration.as_ref()?.get_or_init(|| Enum::of(desc));
        table.number(text.as_bytes(), options)
    }

    /// Sets the field, or appends to it if it is repeated; messages on the way come into being.
    /// A singular field that was set before is replaced, another member of its oneof cleared.
    ///
    /// # Errors
    /// As [`parse`](Self::parse); `message` is then as before.
    pub fn set(
        &self,
        message: &mut DynamicMessage,
        text: &[u8],
        options: &ReadOptions,
    ) -> Result<(), ReadError> {
        let value = self.parse(text, options)?;
        let Some((leaf, parents)) = self.steps.split_last() else { return Ok(()) };
        let mut at = message;
        for parent in parents {
            let Some(child) = at.get_field_mut(parent).as_message_mut() else { return Ok(()) };
            at = child;
        }
        if !leaf.is_list() {
            at.set_field(leaf, value);
        } else if let Some(list) = at.get_field_mut(leaf).as_list_mut() {
            list.push(value);
        }
        Ok(())
    }
}

impl PartialEq for FieldPath {
    fn eq(&self, other: &Self) -> bool {
        self.steps == other.steps
    }
}

impl Eq for FieldPath {}

impl std::fmt::Display for FieldPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// The message of a step that is not the last.
fn enter(field: &FieldDescriptor) -> Result<MessageDescriptor, PathError> {
    let found = match field.kind() {
        _ if field.is_map() => "a map",
        _ if field.is_list() => "a repeated field",
        Kind::Message(message) => match WellKnown::of(&message) {
            Some(WellKnown::Any | WellKnown::Struct | WellKnown::Value | WellKnown::ListValue) => {
                "a message whose fields depend on its value"
            }
            _ => return Ok(message),
        },
        _ => "a scalar",
    };
    Err(PathError::Through { name: field.name().to_owned(), found })
}
