//! A message as the fields that stand on the wire, to change a few of them and keep the rest to the byte.

use bytes::{Buf, Bytes};
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

/// The fields of a message in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Raw(Vec<(u32, Content)>);

#[derive(Clone, Debug)]
enum Content {
    Varint(u64),
    Fixed64(u64),
    Block(Bytes),
    Fixed32(u32),
}

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

impl Raw {
    /// Cuts a message into fields. Groups are damage here: no descriptor has one.
    pub(super) fn read(mut bytes: Bytes) -> Result<Self, Damaged> {
        let mut fields = Vec::new();
        while bytes.has_remaining() {
            let (number, wire_type) = decode_key(&mut bytes).map_err(|_| Damaged)?;
            let content = match wire_type {
                WireType::Varint => Content::Varint(decode_varint(&mut bytes).map_err(|_| Damaged)?),
                WireType::SixtyFourBit => Content::Fixed64(bytes.try_get_u64_le().map_err(|_| Damaged)?),
                WireType::ThirtyTwoBit => Content::Fixed32(bytes.try_get_u32_le().map_err(|_| Damaged)?),
                WireType::LengthDelimited => {
                    let length = decode_varint(&mut bytes).map_err(|_| Damaged)?;
                    let length = usize::try_from(length).map_err(|_| Damaged)?;
                    if length > bytes.remaining() {
                        return Err(Damaged);
                    }
                    Content::Block(bytes.split_to(length))
                }
                WireType::StartGroup | WireType::EndGroup => return Err(Damaged),
            };
            fields.push((number, content));
        }
        Ok(Self(fields))
    }

    /// The bytes of the message.
    pub(super) fn write(&self) -> Bytes {
        let mut out = Vec::new();
        for (number, content) in &self.0 {
            match content {
                Content::Varint(value) => {
                    encode_key(*number, WireType::Varint, &mut out);
                    encode_varint(*value, &mut out);
                }
                Content::Fixed64(value) => {
                    encode_key(*number, WireType::SixtyFourBit, &mut out);
                    out.extend_from_slice(&value.to_le_bytes());
                }
                Content::Block(block) => {
                    encode_key(*number, WireType::LengthDelimited, &mut out);
                    encode_varint(u64::try_from(block.len()).unwrap_or(u64::MAX), &mut out);
                    out.extend_from_slice(block);
                }
                Content::Fixed32(value) => {
                    encode_key(*number, WireType::ThirtyTwoBit, &mut out);
                    out.extend_from_slice(&value.to_le_bytes());
                }
            }
        }
        out.into()
    }

    /// The varint of a field that is given once; the last one holds.
    pub(super) fn varint(&self, field: u32) -> Option<u64> {
        self.0.iter().rev().find_map(|(number, content)| match content {
            Content::Varint(value) if *number == field => Some(*value),
            _ => None,
        })
    }

    /// The text of a field that is given once, empty if it is not there.
    pub(super) fn text(&self, field: u32) -> String {
        let last = self.blocks(field).last().map(|block| String::from_utf8_lossy(block).into_owned());
        last.unwrap_or_default()
    }

    /// Every length-delimited value of a field.
    pub(super) fn blocks(&self, field: u32) -> impl Iterator<Item = &Bytes> {
        self.0.iter().filter_map(move |(number, content)| match content {
            Content::Block(block) if *number == field => Some(block),
            _ => None,
        })
    }

    /// The one message of a field. On the wire it may be in pieces, which are the fields of one message.
    pub(super) fn message(&self, field: u32) -> Result<Self, Damaged> {
        let mut pieces = self.blocks(field);
        let whole = match (pieces.next(), pieces.next()) {
            (None, _) => return Ok(Self::default()),
            (Some(only), None) => only.clone(),
            _ => self.blocks(field).flatten().copied().collect(),
        };
        Self::read(whole)
    }

    /// The varints of every field, each with its number.
    pub(super) fn varints(&self) -> impl Iterator<Item = (u32, u64)> {
        self.0.iter().filter_map(|(number, content)| match content {
            Content::Varint(value) => Some((*number, *value)),
            _ => None,
        })
    }

    pub(super) fn set_varint(&mut self, field: u32, value: u64) {
        self.remove(field);
        self.0.push((field, Content::Varint(value)));
    }

    /// Sets a string or message field to one value.
    pub(super) fn set_block(&mut self, field: u32, block: impl Into<Bytes>) {
        self.remove(field);
        self.0.push((field, Content::Block(block.into())));
    }

    pub(super) fn remove(&mut self, field: u32) {
        self.0.retain(|(number, _)| *number != field);
    }

    /// Changes each length-delimited value of a field where it stands.
    pub(super) fn change<E>(
        &mut self,
        field: u32,
        mut change: impl FnMut(Bytes) -> Result<Bytes, E>,
    ) -> Result<(), E> {
        for (number, content) in &mut self.0 {
            if let Content::Block(block) = content
                && *number == field
            {
                *block = change(std::mem::take(block))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Damaged, Raw};

    #[test]
    fn what_is_not_changed_stays_to_the_byte() {
        let bytes = Bytes::from_static(b"\x08\x96\x01\x12\x03abc\x1d\x01\x02\x03\x04\x21abcdefgh\x12\x00");
        let mut raw = Raw::read(bytes.clone()).unwrap();
        assert_eq!(raw.write(), bytes);
        assert_eq!((raw.varint(1), raw.varint(2)), (Some(150), None));
        assert_eq!(raw.blocks(2).count(), 2);
        raw.change(2, |block| Ok::<_, Damaged>(if block.is_empty() { "x".into() } else { block })).unwrap();
        raw.set_varint(1, 1);
        assert_eq!(&*raw.write(), b"\x12\x03abc\x1d\x01\x02\x03\x04\x21abcdefgh\x12\x01x\x08\x01");
    }

    #[test]
    fn a_message_in_pieces_is_one_message() {
        let raw = Raw::read(Bytes::from_static(b"\x0a\x02\x08\x01\x0a\x04\x10\x02\x08\x03")).unwrap();
        let message = raw.message(1).unwrap();
        assert_eq!((message.varint(1), message.varint(2)), (Some(3), Some(2)));
        assert_eq!(raw.message(9).unwrap().write(), "");
    }

    #[test]
    fn damage_is_told() {
        for bytes in
            [&b"\x08"[..], b"\x12\x05abc", b"\x0b", b"\x0c", b"\x1d\x01", b"\x21\x01", b"\x00\x01", b"\xff"]
        {
            assert_eq!(Raw::read(Bytes::from_static(bytes)).err(), Some(Damaged), "{bytes:?}");
        }
    }
}
