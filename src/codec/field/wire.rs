//! Text of a field straight to wire bytes, beside those of a message that is there already.

use bytes::{BufMut, BytesMut};
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::Kind;

use super::{FieldPath, Step};
use crate::codec::{
    ReadOptions,
    fast::{self, Place},
    reference,
};

impl FieldPath {
    /// Appends the field to wire bytes that hold no part of it: what [`set`](Self::set) and
    /// [`message_to_wire`](crate::codec::message_to_wire) would make of the text. `None` for an entry of
    /// a map, a packed list, and text that is no value of the field; `out` is then as before.
    pub fn to_wire(&self, text: &[u8], options: &ReadOptions, out: &mut BytesMut) -> Option<()> {
        self.append(&self.steps, text, options, out)
    }

    /// Puts the field into the message that begins at `start` of `wire` and does not hold it, or one more
    /// element of a list into one that may. `None`
    /// where it holds the field or another member of its oneof, and for all that
    /// [`to_wire`](Self::to_wire) leaves out; `wire` is then as before.
    ///
    /// A message that is there already grows: not every parser merges a second one with the first.
    pub fn insert(
        &self,
        text: &[u8],
        options: &ReadOptions,
        wire: &mut BytesMut,
        start: usize,
    ) -> Option<()> {
        let (first, below) = self.steps.split_first()?;
        // An element more is no second value.
        if below.is_empty() && first.field.is_list() {
            return self.append(&self.steps, text, options, wire);
        }
        match first.locate(wire.get(start..)?)? {
            Place::Absent => self.append(&self.steps, text, options, wire),
            Place::Block { length, content } => {
                let (length, content) =
                    (start + length, start.checked_add(content.start)?..start.checked_add(content.end)?);
                let inner = wire.get(content.clone())?;
                let (next, further) = below.split_first()?;
                let element = further.is_empty() && next.field.is_list();
                if !element && next.locate(inner)? != Place::Absent {
                    return None;
                }
                let mut tail = BytesMut::new();
                self.append(below, text, options, &mut tail)?;
                let grown = [inner, &tail].concat();
                let behind = wire.get(content.end..)?.to_vec();
                wire.truncate(length);
                encode_varint(u64::try_from(grown.len()).ok()?, wire);
                wire.extend_from_slice(&grown);
                wire.extend_from_slice(&behind);
                Some(())
            }
        }
    }

    fn append(&self, steps: &[Step], text: &[u8], options: &ReadOptions, out: &mut BytesMut) -> Option<()> {
        let (leaf, parents) = steps.split_last()?;
        let entries = steps.iter().any(|step| step.key.is_some() || step.field.is_group());
        if entries || leaf.field.is_map() || leaf.field.is_packed() {
            return None;
        }
        if parents.is_empty() {
            return self.leaf_to_wire(text, options, out);
        }
        let mut inner = BytesMut::new();
        self.leaf_to_wire(text, options, &mut inner)?;
        for parent in parents.iter().rev() {
            let mut outer = BytesMut::with_capacity(inner.len() + 16);
            encode_key(parent.field.number(), WireType::LengthDelimited, &mut outer);
            encode_varint(u64::try_from(inner.len()).ok()?, &mut outer);
            outer.extend_from_slice(&inner);
            inner = outer;
        }
        out.extend_from_slice(&inner);
        Some(())
    }

    fn leaf_to_wire(&self, text: &[u8], options: &ReadOptions, out: &mut BytesMut) -> Option<()> {
        let field = self.leaf();
        let kind = field.kind();
        if kind == Kind::String {
            let text = std::str::from_utf8(text).ok()?;
            if !text.is_empty() || field.supports_presence() || field.is_list() {
                encode_key(field.number(), WireType::LengthDelimited, out);
                encode_varint(u64::try_from(text.len()).ok()?, out);
                out.put_slice(text.as_bytes());
            }
            return Some(());
        }
        let value = match kind {
            Kind::Message(_) => self.parse(text, options).ok()?,
            scalar => self.scalar(&scalar, std::str::from_utf8(text).ok()?, options).ok()?,
        };
        out.put_slice(&reference::encode_field(field, &value));
        Some(())
    }
}

impl Step {
    /// Where the wire bytes of a message hold this field. `None` if they hold it twice or as something
    /// that is no block, or another member of its oneof, or are not the bytes of a message.
    fn locate(&self, wire: &[u8]) -> Option<Place> {
        let number = self.field.number();
        match self.field.containing_oneof() {
            None => fast::locate(wire, number, |_| false).ok(),
            Some(oneof) => {
                let others: Vec<u32> = oneof.fields().map(|field| field.number()).collect();
                fast::locate(wire, number, |other| others.contains(&other)).ok()
            }
        }
    }
}
