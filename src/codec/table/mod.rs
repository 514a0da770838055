//! Message types compiled to tables: what the fast codec asks of a descriptor, answered by an index.
//!
//! A descriptor of prost-reflect is a handle into its pool, and each question to it costs a reference
//! count, a lock or a string comparison. The tables hold the answers side by side: messages and enums
//! in one arena, addressed by `u32`, so that a recursive type is an index and nothing else; keys as
//! the JSON bytes to be copied; names in a hash table.
//!
//! | file | idea |
//! |---|---|
//! | `build` | descriptors to tables |
//! | `names` | names to indices |
//! | `enums` | enum values both ways |
//! | `short` | enum names without the name of their type |

mod build;
mod enums;
mod names;
mod short;

use prost_reflect::MessageDescriptor;

pub(crate) use self::{enums::Enum, names::Names};

/// Everything that can be reached from some messages.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    messages: Vec<Message>,
    enums: Vec<Enum>,
    /// Full names of the messages.
    ids: std::collections::HashMap<String, u32>,
}

/// One message type.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) shape: Shape,
    /// In the order of their numbers, which is the order that JSON is printed in.
    pub(crate) fields: Vec<Field>,
    /// JSON names, and proto names where no JSON name is the same.
    pub(crate) names: Names,
    /// Field index by number, plus one, for the low numbers that nearly all fields have.
    low: Box<[u16]>,
    /// Whether a number that no field has may be that of an extension.
    pub(crate) extended: bool,
    /// Words of 64 bits that hold one bit for each field and each oneof.
    pub(crate) words: usize,
    pub(crate) in_any: InAny,
}

/// What a message is in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// An object of its fields.
    Object,
    Timestamp,
    Duration,
    FieldMask,
    Struct,
    Value,
    ListValue,
    Wrapper,
    /// A message by the name of its type.
    Any,
    /// Something that only the reference knows.
    Foreign,
}

/// How a message stands inside of an `Any`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InAny {
    /// As its fields.
    Fields,
    /// As it is, below `"value"`.
    Value,
    /// As nothing: `google.protobuf.Empty`.
    Nothing,
    /// Not at all: it is no message of its own, but the entry of a map.
    Never,
    /// As the reference has it.
    Foreign,
}

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    /// Of the element of a list, or of the value of a map.
    pub(crate) kind: Kind,
    pub(crate) label: Label,
    /// Position among the oneofs that the `.proto` file writes.
    pub(crate) oneof: Option<usize>,
    /// Whether JSON null is a value of it and not its absence.
    pub(crate) takes_null: bool,
    pub(crate) json_name: Box<str>,
    /// `,"jsonName":` as it is printed behind another field.
    pub(crate) json_key: Box<[u8]>,
    /// `,"proto_name":`
    pub(crate) proto_key: Box<[u8]>,
}

/// How often a field may be there, and what its absence means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// Absent is the same as its default.
    Implicit,
    /// Absent is not the same.
    Explicit,
    List {
        packed: bool,
    },
    Map {
        key: Kind,
        /// Whether a value that is its default is still written.
        explicit: bool,
    },
}

/// A type of field; messages and enums by their place in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    Enum(u32),
    Message(u32),
    /// A message between two tags, which only the reference reads.
    Group,
}

impl Tables {
    /// Compiles these messages and all that are reached through their fields, which for an `Any` is the whole
    /// pool.
    pub(crate) fn compile<'d>(roots: impl IntoIterator<Item = &'d MessageDescriptor>) -> Self {
        build::compile(roots)
    }

    /// Where a message stands, by its full name.
    pub(crate) fn id(&self, full_name: &str) -> Option<u32> {
        self.ids.get(full_name).copied()
    }

    pub(crate) fn message(&self, id: u32) -> Option<&Message> {
        self.messages.get(index(id))
    }

    pub(crate) fn enumeration(&self, id: u32) -> Option<&Enum> {
        self.enums.get(index(id))
    }
}

impl Message {
    /// The index of the field that a JSON key names; `expected` is tried first, since most senders
    /// keep to the order of the `.proto` file.
    pub(crate) fn by_name(&self, key: &[u8], expected: usize) -> Option<usize> {
        match self.fields.get(expected) {
            Some(field) if field.json_name.as_bytes() == key => Some(expected),
            _ => self.names.find(key).map(index),
        }
    }

    /// The index of the field that has a number.
    pub(crate) fn by_number(&self, number: u32) -> Option<usize> {
        match self.low.get(index(number)) {
            Some(0) => None,
            Some(field) => Some(usize::from(*field) - 1),
            None => self.fields.binary_search_by_key(&number, |field| field.number).ok(),
        }
    }
}

impl Kind {
    pub(crate) fn wire_type(self) -> u8 {
        match self {
            Self::Double | Self::Fixed64 | Self::Sfixed64 => FIXED64,
            Self::Float | Self::Fixed32 | Self::Sfixed32 => FIXED32,
            Self::String | Self::Bytes | Self::Message(_) => LENGTH,
            Self::Group => START_GROUP,
            Self::Int32
            | Self::Int64
            | Self::Uint32
            | Self::Uint64
            | Self::Sint32
            | Self::Sint64
            | Self::Bool
            | Self::Enum(_) => VARINT,
        }
    }
}

/// The key of a field on the wire.
pub(crate) fn wire_key(number: u32, kind: Kind) -> u32 {
    number << 3 | u32::from(kind.wire_type())
}

fn index(id: u32) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}

/// Wire types (`https://protobuf.dev/programming-guides/encoding/#structure`).
pub(crate) const VARINT: u8 = 0;
pub(crate) const FIXED64: u8 = 1;
pub(crate) const LENGTH: u8 = 2;
pub(crate) const START_GROUP: u8 = 3;
pub(crate) const FIXED32: u8 = 5;
