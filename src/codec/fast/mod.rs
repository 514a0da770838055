//! The fast codec: JSON bytes to wire bytes and back in one pass, led by the tables, without a tree.
//!
//! It knows what nearly all messages are made of and nothing else. Whatever is out of the ordinary, an
//! error in the input above all, is a [`Bail`]: the caller then asks the reference, which has an answer
//! to everything and is the only one that words errors. So this codec has to be right in one respect:
//! what it accepts means the same to both, and printed JSON is the same to the byte.
//!
//! | left to the reference | why |
//! |---|---|
//! | groups, extensions | rare |
//! | `Any` whose type is not its first key | rare, and read by looking ahead |
//! | fields given twice, two members of a oneof, equal keys of a map | refused or merged, by option |
//! | unknown enum names that are let pass | rare |
//! | every error | the reference says where and why |
//!
//! | file | idea |
//! |---|---|
//! | `read`, `read_value`, `read_known`, `read_any` | JSON to wire bytes |
//! | `cursor`, `text`, `number` | JSON as bytes: punctuation, strings, numbers |
//! | `blocks` | wire bytes with lengths known afterwards |
//! | `write`, `write_value`, `write_map`, `write_known`, `write_any` | wire bytes to JSON |
//! | `wire`, `locate` | a cursor over wire bytes, and one field in them |
//! | `arrange` | fields that came out of order |
//! | `print` | strings, numbers and times as JSON bytes |

mod arrange;
mod blocks;
mod cursor;
mod locate;
mod number;
mod print;
mod read;
mod read_any;
mod read_known;
mod read_value;
mod text;
mod wire;
mod write;
mod write_any;
mod write_known;
mod write_map;
mod write_value;

pub(crate) use self::{
    locate::{Place, locate},
    read::{field_to_wire, to_wire},
    write::to_json,
};

/// The fast codec does not do this; nothing is said about whether it is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bail;
