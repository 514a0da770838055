//! The reference codec: JSON to and from a tree of `prost_reflect` messages.
//!
//! prost-reflect gives descriptors, the tree and the wire decoder. Its own JSON is not used: it
//! rounds and clamps numbers, takes the last of two equal keys, knows no field path, prints maps in
//! a random order and follows `Any` without a bound until the stack ends.

mod encode;

mod enums;

mod read;

mod read_known;

mod slot;

mod survey;

mod write;

mod write_known;

pub(crate) use encode::{encode, encode_field};
pub(crate) use enums::Enums;
pub(crate) use read::{read_field, read_message};
pub(crate) use read_known::from_text;
pub(crate) use slot::{Slot, takes_null};
pub(crate) use survey::Room;
pub(crate) use write::{Any, Writer};
pub(crate) use write_known::decode;

/// A float that equals its default and is not: fields without presence are set by it, and
/// prost-reflect would drop it.
fn is_negative_zero(value: &prost_reflect::Value) -> bool {
    use prost_reflect::Value;
    match *value {
        Value::F32(value) => value == 0.0 && value.is_sign_negative(),
        Value::F64(value) => value == 0.0 && value.is_sign_negative(),
        _ => false,
    }
}
