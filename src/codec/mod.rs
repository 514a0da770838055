//! JSON to and from protobuf messages, by descriptors that are known at run time only.
//!
//! What ProtoJSON leaves open is decided here towards strictness: what is unknown, doubled, out of
//! range or too deep is refused with the path of the field, and nothing is ever rounded, clamped or
//! dropped silently. The way in works within [`ReadOptions`], the way out within [`WriteOptions`],
//! both within a bounded stack whatever a client or a backend sends.
//!
//! Callers see four pairs: JSON with a message tree, JSON with wire bytes, text with one field
//! ([`FieldPath`]), and a failed call with its `google.rpc.Status` ([`status_to_json`]). Behind them
//! stand two codecs: `reference`, which builds a tree of `prost_reflect` messages and knows all there
//! is to know, and `fast`, which goes from bytes to bytes and leaves to the first one whatever is out
//! of the ordinary. A [`MessageCodec`] is both.
//!
//! | file | idea |
//! |---|---|
//! | `scan` | JSON text as a cursor |
//! | `elements` | many JSON values in one text that comes in pieces |
//! | `number`, `scalar`, `wkt` | the text of one value, for JSON, paths and queries alike |
//! | `path` | where in a message we are |
//! | `message` | both codecs as one |
//! | `reference` | descriptor-led reading and writing |
//! | `table`, `fast` | descriptors compiled to tables, and JSON to and from wire bytes led by them |
//! | `field` | text bound to a field path |
//! | `update_mask` | the fields that a JSON body names, as a FieldMask |
//! | `raw` | `google.api.HttpBody`, which is no JSON |
//! | `status` | the JSON of an error |

use bytes::{Buf, BytesMut};
use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor};

mod elements;

mod error;

mod fast;

mod field;

mod message;

mod number;

mod options;

mod path;

mod raw;

mod reference;

mod scalar;

mod scan;

mod status;

mod table;

mod update_mask;

mod wkt;

pub use elements::{ElementError, Elements, Layout};
pub use error::{Position, ReadError, Reason, Unprintable, WriteError};
pub use field::{FieldPath, PathError};
pub use message::{Codecs, MessageCodec};
pub use options::{ReadOptions, WriteOptions};
pub use raw::RawBody;
pub use status::{StatusParts, StatusShape, status_to_json};
pub use update_mask::{UpdateMask, fields_of_json};

/// Reads a message from the whole of `json`. An empty body is not JSON: a caller for whom it means
/// the empty message says so itself.
///
/// # Errors
/// Text that is not one JSON value, or one that does not fit the message or the options.
pub fn json_to_message(
    desc: &MessageDescriptor,
    json: &[u8],
    options: &ReadOptions,
) -> Result<DynamicMessage, ReadError> {
    reference::read_message(desc, json, options)
}

/// Reads one field of `message` from the whole of `json`: an object, array, string or whatever the
/// field takes. This is `body: "field"` of `google.api.http`. Null is refused but by
/// fields that have it among their values.
///
/// # Errors
/// As [`json_to_message`], the field path beginning with the field.
pub fn json_to_field(
    message: &mut DynamicMessage,
    field: &FieldDescriptor,
    json: &[u8],
    options: &ReadOptions,
) -> Result<(), ReadError> {
    reference::read_field(message, field, json, options)
}

/// Reads wire bytes of a message from the whole of `json`.
///
/// # Errors
/// As [`json_to_message`].
pub fn json_to_wire(
    desc: &MessageDescriptor,
    json: &[u8],
    options: &ReadOptions,
) -> Result<Vec<u8>, ReadError> {
    Ok(message_to_wire(&json_to_message(desc, json, options)?))
}

/// The wire bytes of a message, the same bytes for the same message. To be preferred over
/// `prost::Message::encode`, which loses `-0.0` and shuffles maps.
pub fn message_to_wire(message: &DynamicMessage) -> Vec<u8> {
    reference::encode(message)
}

/// Appends a message to `out` as JSON.
///
/// # Errors
/// A value that JSON cannot say, or more of it than the options allow; `out` is then as before.
pub fn message_to_json(
    message: &DynamicMessage,
    options: &WriteOptions,
    out: &mut BytesMut,
) -> Result<(), WriteError> {
    let start = out.len();
    let written =
        reference::Writer::new(out, options, reference::Room::new()).message(message, path::At::root());
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Appends one field of a message to `out` as JSON: what `response_body` of `google.api.http` names. A field
/// with presence that is not set prints as `null`, any other as its default.
///
/// An absent message as `{}`, or an absent Timestamp as 1970, would be a value that nobody gave.
///
/// # Errors
/// As [`message_to_json`].
pub fn field_to_json(
    message: &DynamicMessage,
    field: &FieldDescriptor,
    options: &WriteOptions,
    out: &mut BytesMut,
) -> Result<(), WriteError> {
    if field.supports_presence() && !message.has_field(field) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    let start = out.len();
    let at = path::At::root();
    let at = at.field(field.json_name());
    let mut writer = reference::Writer::new(out, options, reference::Room::new());
    let written = writer.value(&field.kind(), &message.get_field(field), at);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Appends the message in `wire` to `out` as JSON.
///
/// # Errors
/// Bytes that are not the message, and all of [`message_to_json`]; `out` is then as before.
pub fn wire_to_json(
    desc: &MessageDescriptor,
    mut wire: impl Buf,
    options: &WriteOptions,
    out: &mut BytesMut,
) -> Result<(), WriteError> {
    let (start, root) = (out.len(), path::At::root());
    let wire = wire.copy_to_bytes(wire.remaining());
    let (message, room) = reference::decode(desc, wire, reference::Room::new(), &root)?;
    let written = reference::Writer::new(out, options, room).message(&message, root);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// The message in `wire` as a tree.
///
/// # Errors
/// Bytes that are not the message, or that would take more than 64 MiB as a tree.
pub fn wire_to_message(desc: &MessageDescriptor, mut wire: impl Buf) -> Result<DynamicMessage, WriteError> {
    let wire = wire.copy_to_bytes(wire.remaining());
    Ok(reference::decode(desc, wire, reference::Room::new(), &path::At::root())?.0)
}

#[cfg(test)]
mod tests;
