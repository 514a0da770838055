//! The messages of `google/protobuf/*.proto` whose JSON is not an object of their fields.

use prost_reflect::{Kind, MessageDescriptor, Value};

mod mask;

mod time;

pub(crate) use mask::{MAX_PATHS, Spelling, paths_from_text, paths_to_text};
pub(crate) use time::{
    Moment, duration_from_text, duration_to_text, moment, timestamp_from_text, timestamp_to_text,
};

/// Which of them a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WellKnown {
    /// `{"@type": url, ...}`
    Any,
    /// RFC 3339 text.
    Timestamp,
    /// Seconds with an `s`.
    Duration,
    /// Paths in lowerCamelCase, comma separated.
    FieldMask,
    /// Any object.
    Struct,
    /// Any JSON.
    Value,
    /// Any array.
    ListValue,
    /// The bare value, null when unset.
    Wrapper,
}

impl WellKnown {
    /// By full name, and only if the fields are those of the real one: a schema from outside may
    /// define a message of that name as it likes, and such a one is a plain message.
    pub(crate) fn of(message: &MessageDescriptor) -> Option<Self> {
        let name = message.full_name().strip_prefix("google.protobuf.")?;
        let kind = |number| message.get_field(number).filter(|f| !f.is_list()).map(|f| f.kind());
        let list = |number| message.get_field(number).filter(|f| f.is_list()).map(|f| f.kind());
        let known = match name {
            "Any" => Self::Any,
            "Timestamp" => Self::Timestamp,
            "Duration" => Self::Duration,
            "FieldMask" => Self::FieldMask,
            "Struct" => Self::Struct,
            "Value" => Self::Value,
            "ListValue" => Self::ListValue,
            _ if wrapped(name).is_some() => Self::Wrapper,
            _ => return None,
        };
        let genuine = match known {
            Self::Any => kind(1) == Some(Kind::String) && kind(2) == Some(Kind::Bytes),
            Self::Timestamp | Self::Duration => kind(1) == Some(Kind::Int64) && kind(2) == Some(Kind::Int32),
            Self::FieldMask => list(1) == Some(Kind::String),
            Self::Struct => message.get_field(1).is_some_and(|f| {
                f.is_map() && matches!(f.kind(), Kind::Message(entry)
                    if entry.map_entry_key_field().kind() == Kind::String
                        && entry.map_entry_value_field().kind().as_message().and_then(Self::of) == Some(Self::Value))
            }),
            Self::Value => {
                kind(1).is_some_and(|kind| matches!(kind, Kind::Enum(_)))
                    && kind(2) == Some(Kind::Double)
                    && kind(3) == Some(Kind::String)
                    && kind(4) == Some(Kind::Bool)
                    && is_named(kind(5), "google.protobuf.Struct")
                    && is_named(kind(6), "google.protobuf.ListValue")
                    && message.oneofs().any(|oneof| oneof.fields().len() == 6)
            }
            Self::ListValue => is_named(list(1), "google.protobuf.Value"),
            Self::Wrapper => kind(1) == wrapped(name),
        };
        genuine.then_some(known)
    }
}

/// Whether the message stands under `"value"` inside an `Any`.
pub(crate) fn is_special_in_any(message: &MessageDescriptor) -> bool {
    is_empty(message) || WellKnown::of(message).is_some()
}

/// `google.protobuf.Empty`: a plain message on its own, special inside `Any`.
pub(crate) fn is_empty(message: &MessageDescriptor) -> bool {
    message.full_name() == "google.protobuf.Empty"
}

/// The message type behind a type URL such as `type.googleapis.com/pkg.Name`.
pub(crate) fn type_name(url: &str) -> Option<&str> {
    url.rsplit_once('/').map(|(_, name)| name).filter(|name| !name.is_empty())
}

/// Seconds and nanos of a Timestamp or Duration, zero where unset.
pub(crate) fn seconds_and_nanos(message: &prost_reflect::DynamicMessage) -> (i64, i32) {
    let seconds = message.get_field_by_number(1).and_then(|value| value.as_i64());
    let nanos = message.get_field_by_number(2).and_then(|value| value.as_i32());
    (seconds.unwrap_or(0), nanos.unwrap_or(0))
}

/// The two fields of a Timestamp or Duration.
pub(crate) fn with_seconds_and_nanos(
    desc: MessageDescriptor,
    (seconds, nanos): (i64, i32),
) -> prost_reflect::DynamicMessage {
    let mut message = prost_reflect::DynamicMessage::new(desc);
    message.set_field_by_number(1, Value::I64(seconds));
    message.set_field_by_number(2, Value::I32(nanos));
    message
}

fn is_named(kind: Option<Kind>, name: &str) -> bool {
    matches!(kind, Some(Kind::Message(message)) if message.full_name() == name)
}

fn wrapped(name: &str) -> Option<Kind> {
    Some(match name {
        "BoolValue" => Kind::Bool,
        "StringValue" => Kind::String,
        "BytesValue" => Kind::Bytes,
        "Int32Value" => Kind::Int32,
        "Int64Value" => Kind::Int64,
        "UInt32Value" => Kind::Uint32,
        "UInt64Value" => Kind::Uint64,
        "FloatValue" => Kind::Float,
        "DoubleValue" => Kind::Double,
        _ => return None,
    })
}
