//! The codec of one message type: fast where it can be, the reference where it must.

use std::{fmt, sync::Arc};

use bytes::{Buf, BytesMut};
use prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor};

use crate::codec::{
    ReadError, ReadOptions, WriteError, WriteOptions, fast, json_to_field, json_to_message, message_to_wire,
    table::Tables, wire_to_json,
};

/// The tables of many message types, compiled once and shared by their codecs.
#[derive(Clone)]
pub struct Codecs(Arc<Tables>);

/// Reads and prints the messages of one type.
#[derive(Clone)]
pub struct MessageCodec {
    desc: MessageDescriptor,
    /// The tables and the place of the message in them.
    table: Option<(Arc<Tables>, u32)>,
}

impl Codecs {
    /// Compiles some messages, all of one pool, and those that their fields lead to; where one of them is
    /// `google.protobuf.Any`, that is every message of the pool.
    pub fn compile<'d>(messages: impl IntoIterator<Item = &'d MessageDescriptor>) -> Self {
        Self(Arc::new(Tables::compile(messages)))
    }

    /// The codec of a message; one that was not compiled is left to the reference.
    pub fn codec(&self, desc: &MessageDescriptor) -> MessageCodec {
        let table = self.0.id(desc.full_name()).map(|id| (Arc::clone(&self.0), id));
        MessageCodec { desc: desc.clone(), table }
    }
}

impl MessageCodec {
    /// A codec with tables of its own.
    pub fn new(desc: &MessageDescriptor) -> Self {
        Codecs::compile([desc]).codec(desc)
    }

    /// The message type.
    pub fn descriptor(&self) -> &MessageDescriptor {
        &self.desc
    }

    /// Appends the wire bytes of the message in `json` to `out`.
    ///
    /// # Errors
    /// As [`json_to_message`]; `out` is then as before.
    pub fn to_wire(&self, json: &[u8], options: &ReadOptions, out: &mut BytesMut) -> Result<(), ReadError> {
        if self.fast_to_wire(json, options, out) {
            return Ok(());
        }
        out.extend_from_slice(&message_to_wire(&json_to_message(&self.desc, json, options)?));
        Ok(())
    }

    /// Appends the wire bytes of a message of which one field is set, by the value in `json`.
    ///
    /// # Errors
    /// As [`json_to_field`](crate::codec::json_to_field); `out` is then as before.
    pub fn field_to_wire(
        &self,
        field: &FieldDescriptor,
        json: &[u8],
        options: &ReadOptions,
        out: &mut BytesMut,
    ) -> Result<(), ReadError> {
        if self.fast_field_to_wire(field, json, options, out) {
            return Ok(());
        }
        let mut message = DynamicMessage::new(self.desc.clone());
        json_to_field(&mut message, field, json, options)?;
        out.extend_from_slice(&message_to_wire(&message));
        Ok(())
    }

    /// Appends the message in `wire` to `out` as JSON.
    ///
    /// # Errors
    /// As [`wire_to_json`]; `out` is then as before.
    pub fn to_json(
        &self,
        wire: impl Buf + AsRef<[u8]>,
        options: &WriteOptions,
        out: &mut BytesMut,
    ) -> Result<(), WriteError> {
        if self.fast_to_json(wire.as_ref(), options, out) {
            return Ok(());
        }
        wire_to_json(&self.desc, wire, options, out)
    }

    /// [`to_wire`](Self::to_wire) without the reference. False if the fast codec left it to that one,
    /// which says nothing about the text; `out` is then as before.
    #[doc(hidden)]
    pub fn fast_to_wire(&self, json: &[u8], options: &ReadOptions, out: &mut BytesMut) -> bool {
        let start = out.len();
        let read = self.table.as_ref().map(|(tables, id)| fast::to_wire(tables, *id, json, options, out));
        if read != Some(Ok(())) {
            out.truncate(start);
        }
        read == Some(Ok(()))
    }

    /// [`field_to_wire`](Self::field_to_wire) without the reference, as [`fast_to_wire`](Self::fast_to_wire).
    #[doc(hidden)]
    pub fn fast_field_to_wire(
        &self,
        field: &FieldDescriptor,
        json: &[u8],
        options: &ReadOptions,
        out: &mut BytesMut,
    ) -> bool {
        let start = out.len();
        let read = self
            .table
            .as_ref()
            .map(|(tables, id)| fast::field_to_wire(tables, *id, field.number(), json, options, out));
        if read != Some(Ok(())) {
            out.truncate(start);
        }
        read == Some(Ok(()))
    }

    /// [`to_json`](Self::to_json) without the reference, as [`fast_to_wire`](Self::fast_to_wire).
    #[doc(hidden)]
    pub fn fast_to_json(&self, wire: &[u8], options: &WriteOptions, out: &mut BytesMut) -> bool {
        let start = out.len();
        let written = self.table.as_ref().map(|(tables, id)| fast::to_json(tables, *id, wire, options, out));
        if written != Some(Ok(())) {
            out.truncate(start);
        }
        written == Some(Ok(()))
    }
}

impl fmt::Debug for Codecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codecs")
    }
}

impl fmt::Debug for MessageCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MessageCodec").field(&self.desc.full_name()).finish()
    }
}
