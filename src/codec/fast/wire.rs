//! Wire bytes as a cursor that takes what prost takes and bails on the rest.

use std::ops::Range;

use super::Bail;
use crate::codec::table::{FIXED32, FIXED64, Kind, LENGTH, VARINT};

/// A place in the bytes of one message.
#[derive(Clone, Copy)]
pub(super) struct Wire<'w> {
    bytes: &'w [u8],
    at: usize,
}

impl<'w> Wire<'w> {
    pub(super) fn new(bytes: &'w [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// Another place in the same bytes.
    pub(super) fn from(self, offset: usize) -> Self {
        Self { at: offset, ..self }
    }

    pub(super) fn slice(&self, range: Range<usize>) -> &'w [u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// The number and wire type of the next field.
    #[inline]
    pub(super) fn key(&mut self) -> Result<(u32, u8), Bail> {
        let key = u32::try_from(self.varint()?).map_err(|_| Bail)?;
        if key < 8 {
            return Err(Bail);
        }
        Ok((key >> 3, key.to_le_bytes()[0] & 7))
    }

    /// Whether another element of the same field follows, with its wire type; steps over its key if so.
    #[inline]
    pub(super) fn again(&mut self, number: u32) -> Result<Option<u8>, Bail> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut ahead = *self;
        let (next, wire_type) = ahead.key()?;
        if next != number {
            return Ok(None);
        }
        *self = ahead;
        Ok(Some(wire_type))
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Bail> {
        match self.bytes.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, Bail> {
        let mut value = 0;
        let mut shift = 0;
        for byte in self.bytes.get(self.at..).unwrap_or_default().iter().take(10) {
            self.at += 1;
            // The tenth byte holds the highest bit and no other.
            if shift == 63 && *byte > 1 {
                return Err(Bail);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Ok(value);
            }
            shift += 7;
        }
        Err(Bail)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Bail> {
        let array = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>()).ok_or(Bail)?;
        self.at += N;
        Ok(*array)
    }

    /// The content of a length-delimited field.
    #[inline]
    pub(super) fn block(&mut self) -> Result<&'w [u8], Bail> {
        let length = usize::try_from(self.varint()?).map_err(|_| Bail)?;
        let end = self.at.checked_add(length).ok_or(Bail)?;
        let block = self.bytes.get(self.at..end).ok_or(Bail)?;
        self.at = end;
        Ok(block)
    }

    /// The content of a field that has to be length-delimited.
    #[inline]
    pub(super) fn block_of(&mut self, wire_type: u8) -> Result<&'w [u8], Bail> {
        if wire_type == LENGTH { self.block() } else { Err(Bail) }
    }

    /// A number, bool or enum as bits: signed integers extended to 64 bits, floats as they are stored;
    /// zero for the default and nothing else.
    #[inline]
    pub(super) fn bits(&mut self, kind: Kind) -> Result<u64, Bail> {
        Ok(match kind {
            Kind::Int64 | Kind::Uint64 => self.varint()?,
            Kind::Int32 | Kind::Enum(_) => extend(low_half(self.varint()?)),
            Kind::Uint32 => u64::from(low_half(self.varint()?)),
            Kind::Bool => u64::from(self.varint()? != 0),
            Kind::Sint32 => {
                let half = low_half(self.varint()?);
                extend((half >> 1) ^ (half & 1).wrapping_neg())
            }
            Kind::Sint64 => {
                let value = self.varint()?;
                (value >> 1) ^ (value & 1).wrapping_neg()
            }
            Kind::Float | Kind::Fixed32 => u64::from(u32::from_le_bytes(self.array()?)),
            Kind::Sfixed32 => extend(u32::from_le_bytes(self.array()?)),
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => u64::from_le_bytes(self.array()?),
            Kind::String | Kind::Bytes | Kind::Message(_) | Kind::Group => return Err(Bail),
        })
    }

    /// Passes a field that no one knows.
    pub(super) fn skip(&mut self, wire_type: u8) -> Result<(), Bail> {
        match wire_type {
            VARINT => self.varint().map(drop),
            FIXED64 => self.array::<8>().map(drop),
            LENGTH => self.block().map(drop),
            FIXED32 => self.array::<4>().map(drop),
            _ => Err(Bail),
        }
    }
}

/// The lower four bytes, which is what a 32-bit field takes of a varint.
pub(super) fn low_half(bits: u64) -> u32 {
    let [a, b, c, d, ..] = bits.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The sign carried to the upper four bytes.
fn extend(half: u32) -> u64 {
    i64::from(half.cast_signed()).cast_unsigned()
}
