//! A message to its wire bytes.
//!
//! Beside prost-reflect's own encoder for two reasons: that one drops `-0.0` from fields without
//! presence, and writes map entries in a different order each time.

use prost::encoding::{self, WireType, encode_key, encode_varint};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};

use crate::codec::reference::{is_negative_zero, slot::Slot};

/// The wire bytes, fields in the order of their numbers, extensions and unknown fields behind them.
pub(crate) fn encode(message: &DynamicMessage) -> Vec<u8> {
    let mut out = Vec::new();
    fields(message, &mut out);
    out
}

/// The wire bytes of a field that holds one value; none if it has no presence and holds its default.
pub(crate) fn encode_field(field: &FieldDescriptor, value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    if field.supports_presence() || !value.is_default_for_field(field) || is_negative_zero(value) {
        single(field.number(), &field.kind(), field.is_group(), value, &mut out);
    }
    out
}

fn fields(message: &DynamicMessage, out: &mut Vec<u8>) {
    for (slot, value) in Slot::of(message, false) {
        let (number, kind) = (slot.number(), slot.kind());
        match (&*value, &kind) {
            (Value::Map(map), Kind::Message(entry)) => {
                for (key, value) in sorted(map) {
                    block(number, out, |out| map_entry(entry, key, value, out));
                }
            }
            (Value::List(list), _) if slot.is_packed() => block(number, out, |out| {
                for value in list {
                    bare(&kind, value, out);
                }
            }),
            (Value::List(list), _) => {
                for value in list {
                    single(number, &kind, slot.is_group(), value, out);
                }
            }
            (value, kind) => single(number, kind, slot.is_group(), value, out),
        }
    }
    for unknown in message.unknown_fields() {
        unknown.encode(out);
    }
}

/// Entries of a map in the order of their keys.
pub(super) fn sorted<'m>(
    map: impl IntoIterator<Item = (&'m MapKey, &'m Value)>,
) -> Vec<(&'m MapKey, &'m Value)> {
    let mut entries: Vec<_> = map.into_iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    entries
}

fn map_entry(entry: &MessageDescriptor, key: &MapKey, value: &Value, out: &mut Vec<u8>) {
    let (key_kind, value_field) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field());
    let key = Value::from(key.clone());
    if !key.is_default(&key_kind) {
        single(1, &key_kind, false, &key, out);
    }
    let kind = value_field.kind();
    if value_field.supports_presence() || !value.is_default_for_field(&value_field) || is_negative_zero(value)
    {
        single(2, &kind, false, value, out);
    }
}

/// A field of one value with its key.
fn single(number: u32, kind: &Kind, group: bool, value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Message(message) if group => {
            encode_key(number, WireType::StartGroup, out);
            fields(message, out);
            encode_key(number, WireType::EndGroup, out);
        }
        Value::Message(message) => block(number, out, |out| fields(message, out)),
        Value::String(text) => encoding::string::encode(number, text, out),
        Value::Bytes(bytes) => encoding::bytes::encode(number, bytes, out),
        scalar => {
            encode_key(number, kind.wire_type(), out);
            bare(kind, scalar, out);
        }
    }
}

/// A number, bool or enum without its key. A negative `int32` or enum is sign-extended to 64 bits;
/// zigzag moves the sign to the lowest bit.
fn bare(kind: &Kind, value: &Value, out: &mut Vec<u8>) {
    match (value, kind) {
        (Value::F64(value), _) => out.extend_from_slice(&value.to_le_bytes()),
        (Value::F32(value), _) => out.extend_from_slice(&value.to_le_bytes()),
        (Value::I32(value), Kind::Sfixed32) => out.extend_from_slice(&value.to_le_bytes()),
        (Value::I64(value), Kind::Sfixed64) => out.extend_from_slice(&value.to_le_bytes()),
        (Value::U32(value), Kind::Fixed32) => out.extend_from_slice(&value.to_le_bytes()),
        (Value::U64(value), Kind::Fixed64) => out.extend_from_slice(&value.to_le_bytes()),
        (Value::I32(value), Kind::Sint32) => zigzag(i64::from(*value), out),
        (Value::I64(value), Kind::Sint64) => zigzag(*value, out),
        (Value::I32(value) | Value::EnumNumber(value), _) => {
            encode_varint(i64::from(*value).cast_unsigned(), out);
        }
        (Value::I64(value), _) => encode_varint(value.cast_unsigned(), out),
        (Value::U32(value), _) => encode_varint(u64::from(*value), out),
        (Value::U64(value), _) => encode_varint(*value, out),
        (Value::Bool(value), _) => encode_varint(u64::from(*value), out),
        // Lists and maps do not nest, the rest has a key: `fields` and `single` take them before.
        (Value::String(_) | Value::Bytes(_) | Value::Message(_) | Value::List(_) | Value::Map(_), _) => {}
    }
}

fn zigzag(value: i64, out: &mut Vec<u8>) {
    encode_varint(((value << 1) ^ (value >> 63)).cast_unsigned(), out);
}

/// A length-delimited field, its length known once its content is.
fn block(number: u32, out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let mut block = Vec::new();
    content(&mut block);
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(u64::try_from(block.len()).unwrap_or(u64::MAX), out);
    out.append(&mut block);
}
