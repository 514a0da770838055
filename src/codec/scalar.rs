//! One scalar value from its text: a quoted or bare JSON number, a map key, a path capture, a query
//! parameter.

use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use prost::Message as _;
use prost_reflect::{EnumDescriptor, Kind, MapKey, Syntax, Value};

use crate::codec::{
    error::{Reason, quoted},
    number::{self, Misfit},
};

/// A scalar in its ProtoJSON form without quotes; enums by name or number.
///
/// # Errors
/// [`Reason::Mismatch`] for messages, too: they have no such form.
pub(crate) fn parse(kind: &Kind, text: &str) -> Result<Value, Reason> {
    match kind {
        Kind::Bool => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(Reason::mismatch("true or false", text)),
        },
        Kind::String => Ok(Value::String(text.to_owned())),
        Kind::Bytes => bytes(text),
        Kind::Enum(enumeration) => match enum_by_name(enumeration, text) {
            Err(_) if text.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) => {
                enum_by_number(enumeration, text)
            }
            named => named,
        },
        numeric => parse_number(numeric, text),
    }
}

/// A value of a numeric kind.
pub(crate) fn parse_number(kind: &Kind, text: &str) -> Result<Value, Reason> {
    let value = match kind {
        Kind::Double => number::float(text).map(Value::F64),
        Kind::Float => number::float(text).map(Value::F32),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => number::integer(text).map(Value::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => number::integer(text).map(Value::I64),
        Kind::Uint32 | Kind::Fixed32 => number::integer(text).map(Value::U32),
        Kind::Uint64 | Kind::Fixed64 => number::integer(text).map(Value::U64),
        Kind::Bool | Kind::String | Kind::Bytes | Kind::Enum(_) | Kind::Message(_) => Err(Misfit::Form),
    };
    value.map_err(|misfit| match misfit {
        Misfit::Range => Reason::OutOfRange { kind: name(kind), found: quoted(text) },
        Misfit::Form => Reason::mismatch(expected(kind), text),
    })
}

/// The key of a map entry.
pub(crate) fn map_key(kind: &Kind, text: &str) -> Result<MapKey, Reason> {
    let value = parse(kind, text)?;
    value.into_map_key().ok_or_else(|| Reason::mismatch("a key of a map", text))
}

/// Base64 in the standard or the URL alphabet, with padding or without, never both alphabets.
pub(crate) fn bytes(text: &str) -> Result<Value, Reason> {
    match base64_engine(text.as_bytes()).decode(text) {
        Ok(bytes) => Ok(Value::Bytes(bytes.into())),
        Err(_) => Err(Reason::mismatch("base64", text)),
    }
}

/// The alphabet that a text is written in.
pub(crate) fn base64_engine(text: &[u8]) -> &'static GeneralPurpose {
    if text.iter().any(|byte| matches!(byte, b'-' | b'_')) { &BASE64_URL } else { &BASE64 }
}

/// An enum value by the name that its `.proto` file gives it.
pub(crate) fn enum_by_name(enumeration: &EnumDescriptor, name: &str) -> Result<Value, Reason> {
    match enumeration.get_value_by_name(name) {
        Some(value) => Ok(Value::EnumNumber(value.number())),
        None => Err(unknown_enum(enumeration, name)),
    }
}

/// An enum value by number; an open enum takes numbers that it has no name for.
pub(crate) fn enum_by_number(enumeration: &EnumDescriptor, text: &str) -> Result<Value, Reason> {
    let number = match number::integer(text) {
        Ok(number) => number,
        Err(Misfit::Range) => return Err(Reason::OutOfRange { kind: "enum", found: quoted(text) }),
        Err(Misfit::Form) => return Err(unknown_enum(enumeration, text)),
    };
    if is_outside(enumeration, number) {
        return Err(unknown_enum(enumeration, text));
    }
    Ok(Value::EnumNumber(number))
}

/// The first declared name of an enum number; `get_value` picks any of its aliases.
pub(crate) fn enum_name(enumeration: &EnumDescriptor, number: i32) -> Option<&str> {
    let values = &enumeration.enum_descriptor_proto().value;
    values.iter().find(|value| value.number() == number).map(|value| value.name())
}

/// `google.protobuf.NullValue`, whose only JSON form is null.
pub(crate) fn is_null_value(kind: &Kind) -> bool {
    matches!(kind, Kind::Enum(enumeration) if enumeration.full_name() == "google.protobuf.NullValue")
}

/// The form that a kind takes, as an error says it.
pub(crate) fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Double | Kind::Float => format!("a number of type {}", name(kind)),
        Kind::Bool => "true or false".to_owned(),
        Kind::String => "a string".to_owned(),
        Kind::Bytes => "a base64 string".to_owned(),
        Kind::Message(message) => format!("an object of {}", message.full_name()),
        Kind::Enum(enumeration) => format!("a name or number of enum {}", enumeration.full_name()),
        integer => format!("a whole number of type {}", name(integer)),
    }
}

fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Double => "double",
        Kind::Float => "float",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Uint32 => "uint32",
        Kind::Uint64 => "uint64",
        Kind::Sint32 => "sint32",
        Kind::Sint64 => "sint64",
        Kind::Fixed32 => "fixed32",
        Kind::Fixed64 => "fixed64",
        Kind::Sfixed32 => "sfixed32",
        Kind::Sfixed64 => "sfixed64",
        Kind::Bool => "bool",
        Kind::String => "string",
        Kind::Bytes => "bytes",
        Kind::Message(_) => "message",
        Kind::Enum(_) => "enum",
    }
}

/// Whether a closed enum does not have a number. On the wire such a value is an unknown field
/// (`https://protobuf.dev/programming-guides/enum/`).
pub(crate) fn is_outside(enumeration: &EnumDescriptor, number: i32) -> bool {
    enumeration.get_value(number).is_none() && is_closed(enumeration)
}

/// Whether an enum has no numbers but those that it names: by the feature that it states itself, as every
/// enum of a file in editions does once `schema` has lowered that file, else by the syntax of its file.
pub(crate) fn is_closed(enumeration: &EnumDescriptor) -> bool {
    // As bytes, since descriptor.proto may or may not be one that has features.
    let options = enumeration.options().encode_to_vec();
    let features = EnumOptions::decode(&*options).ok().and_then(|options| options.features);
    match features.and_then(|features| features.enum_type) {
        Some(OPEN) => false,
        Some(CLOSED) => true,
        _ => enumeration.parent_file().syntax() == Syntax::Proto2,
    }
}

/// The part of `google.protobuf.EnumOptions` that counts here.
#[derive(Clone, PartialEq, prost::Message)]
struct EnumOptions {
    #[prost(message, optional, tag = "7")]
    features: Option<FeatureSet>,
}

/// The part of `google.protobuf.FeatureSet` that counts here.
#[derive(Clone, PartialEq, prost::Message)]
struct FeatureSet {
    #[prost(int32, optional, tag = "2")]
    enum_type: Option<i32>,
}

const OPEN: i32 = 1;

const CLOSED: i32 = 2;

fn unknown_enum(enumeration: &EnumDescriptor, found: &str) -> Reason {
    Reason::UnknownEnum { enumeration: enumeration.full_name().to_owned(), found: quoted(found) }
}

/// Trailing bits are taken because conformance wants `-_` read as one byte.
const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

static BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);

static BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, CONFIG);
