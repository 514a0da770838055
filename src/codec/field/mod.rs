//! Text bound to a field: what a path capture or a query parameter names.

//!
//! | file | idea |
//! |---|---|
//! | `resolve` | a name to the fields that it leads through |
//! | `wire` | text straight to wire bytes |

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use prost_reflect::{DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, Value};

use crate::codec::{
    ReadOptions,
    error::{ReadError, Reason},
    reference::{self, from_text},
    scalar,
    table::Enum,
    wkt::{Spelling, WellKnown},
};

mod resolve;

mod wire;

pub use resolve::PathError;

/// A path such as `order.items` resolved against a message: every step but the last a single
/// message. Two paths are the same if they go through the same fields, however they were spelled.
#[derive(Clone, Debug)]
pub struct FieldPath {
    text: String,
    /// The fields from the root down to the leaf, never empty.
    steps: Vec<Step>,
    /// The enum at the end, compiled when a value of it is not spelled as in its `.proto` file.
    enumeration: Option<Arc<OnceLock<Enum>>>,
}

/// One field on the way, or one entry of it if it is a map.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    field: FieldDescriptor,
    key: Option<MapKey>,
}

impl FieldPath {
    /// The path as it was given to [`resolve`](Self::resolve).
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The field at the end; the map, if that is one entry of it.
    pub fn leaf(&self) -> &FieldDescriptor {
        &self.last().field
    }

    fn last(&self) -> &Step {
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
        let leaf = self.last();
        let found = match leaf.kind() {
            _ if leaf.field.is_map() && leaf.key.is_none() => "a map".to_owned(),
            Kind::Message(message) => match WellKnown::of(&message) {
                Some(WellKnown::Any) | None => format!("message {}", message.full_name()),
                Some(_) => return Ok(()),
            },
            _ => return Ok(()),
        };
        Err(PathError::NotText { name: leaf.field.name().to_owned(), found })
    }

    /// Whether both bind the same place: one path is the other or leads through it, or both set a
    /// member of the same oneof. Two entries of a map are two places.
    pub fn overlaps(&self, other: &Self) -> bool {
        for (mine, theirs) in self.steps.iter().zip(&other.steps) {
            if mine.field.number() != theirs.field.number() {
                let oneof = mine.field.containing_oneof();
                return oneof.is_some() && oneof == theirs.field.containing_oneof();
            }
            if mine.key.is_some() && theirs.key.is_some() && mine.key != theirs.key {
                return false;
            }
        }
        true
    }

    /// Whether the other path leads through the field at the end of this one.
    pub fn is_above(&self, other: &Self) -> bool {
        self.steps.len() < other.steps.len()
            && self.steps.iter().zip(&other.steps).all(|(mine, theirs)| mine == theirs)
    }

    /// The value that `message` holds at this place, if any was set. A list or map is there when it
    /// has elements, a field without presence when it differs from its default.
    pub fn value<'m>(&self, message: &'m DynamicMessage) -> Option<&'m Value> {
        let (leaf, parents) = self.steps.split_last()?;
        let at = parents.iter().try_fold(message, |at, parent| parent.find(at)?.as_message())?;
        leaf.find(at)
    }

    /// Whether `message` holds another value than this at the place. NaN is the same as itself here.
    pub fn contradicts(&self, message: &DynamicMessage, value: &Value) -> bool {
        self.value(message).is_some_and(|given| {
            let wire = |value| reference::encode_field(self.leaf(), value);
            given != value && wire(given) != wire(value)
        })
    }

    /// A field that `message` holds in place of one on this path: another member of its oneof.
    pub fn rival(&self, message: &DynamicMessage) -> Option<FieldDescriptor> {
        let mut at = message;
        for step in &self.steps {
            if let Some(oneof) = step.field.containing_oneof() {
                let other =
                    oneof.fields().find(|other| other.number() != step.field.number() && at.has_field(other));
                if other.is_some() {
                    return other;
                }
            }
            at = step.find(at)?.as_message()?;
        }
        None
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
        let message = match self.last().kind() {
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
            let Some(child) = parent.enter(at) else { return Ok(()) };
            at = child;
        }
        leaf.put(at, value);
        Ok(())
    }
}

impl Step {
    /// The type of the value at this place.
    fn kind(&self) -> Kind {
        match self.field.kind() {
            Kind::Message(entry) if self.key.is_some() => entry.map_entry_value_field().kind(),
            kind => kind,
        }
    }

    /// The value, if one was set.
    fn find<'m>(&self, message: &'m DynamicMessage) -> Option<&'m Value> {
        if !message.has_field(&self.field) {
            return None;
        }
        let Cow::Borrowed(value) = message.get_field(&self.field) else { return None };
        match &self.key {
            Some(key) => value.as_map()?.get(key),
            None => Some(value),
        }
    }

    /// The message at this place, which comes into being.
    fn enter<'m>(&self, message: &'m mut DynamicMessage) -> Option<&'m mut DynamicMessage> {
        let kind = self.kind();
        let value = message.get_field_mut(&self.field);
        match &self.key {
            None => value.as_message_mut(),
            Some(key) => {
                let entry = value.as_map_mut()?.entry(key.clone());
                entry.or_insert_with(|| Value::default_value(&kind)).as_message_mut()
            }
        }
    }

    fn put(&self, message: &mut DynamicMessage, value: Value) {
        if let Some(key) = &self.key {
            if let Some(map) = message.get_field_mut(&self.field).as_map_mut() {
                map.insert(key.clone(), value);
            }
        } else if !self.field.is_list() {
            message.set_field(&self.field, value);
        } else if let Some(list) = message.get_field_mut(&self.field).as_list_mut() {
            list.push(value);
        }
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
