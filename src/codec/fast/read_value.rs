//! JSON to wire bytes: scalars, and the maps whose keys they are.

use base64::Engine as _;

use super::{Bail, number, read::Reader, text, wire::low_half};
use crate::codec::{
    scalar,
    table::{Field, Kind, LENGTH, wire_key},
};

impl Reader<'_, '_, '_> {
    /// A number, bool or enum as bits that are zero for the default and nothing else: signed integers
    /// extended to 64 bits, floats as they are stored.
    #[inline]
    pub(super) fn bits(&mut self, kind: Kind) -> Result<u64, Bail> {
        match kind {
            Kind::Bool => self.cursor.bool().map(u64::from),
            Kind::Enum(id) => self.enumeration(id),
            _ if self.cursor.peek() == b'"' => bits_of(kind, &self.cursor.text()?),
            _ => bits_of(kind, self.cursor.digits()?),
        }
    }

    fn enumeration(&mut self, id: u32) -> Result<u64, Bail> {
        let table = self.tables.enumeration(id).ok_or(Bail)?;
        let number = match self.cursor.peek() {
            b'"' => table.number(&self.cursor.text()?, self.options).ok_or(Bail)?,
            b'n' if table.null => self.cursor.word(b"null").map(|()| 0)?,
            _ => {
                let number = number::integer(self.cursor.digits()?)?;
                if table.closed && table.quoted_name(number, false).is_none() {
                    return Err(Bail);
                }
                number
            }
        };
        Ok(i64::from(number).cast_unsigned())
    }

    /// The wire form of [`bits`](Self::bits).
    #[inline]
    pub(super) fn bare(&mut self, kind: Kind, bits: u64) {
        match kind {
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => self.out.fixed64(bits),
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => self.out.fixed32(low_half(bits)),
            Kind::Sint32 | Kind::Sint64 => {
                let value = bits.cast_signed();
                self.out.varint(((value << 1) ^ (value >> 63)).cast_unsigned());
            }
            _ => self.out.varint(bits),
        }
    }

    #[inline]
    pub(super) fn string(&mut self, key: u32, implicit: bool) -> Result<(), Bail> {
        let raw = self.cursor.string()?;
        if implicit && raw.bytes.is_empty() {
            return Ok(());
        }
        self.out.key(key);
        self.text(raw)
    }

    /// A string behind its key.
    #[inline]
    fn text(&mut self, raw: text::Raw<'_>) -> Result<(), Bail> {
        if !raw.escaped {
            self.out.bytes(raw.bytes);
            return Ok(());
        }
        let block = self.out.open();
        text::unescape(raw.bytes, |piece| self.out.raw(piece))?;
        self.out.close(block);
        Ok(())
    }

    pub(super) fn base64(&mut self, key: u32, implicit: bool) -> Result<(), Bail> {
        let text = self.cursor.text()?;
        if implicit && text.is_empty() {
            return Ok(());
        }
        let engine = scalar::base64_engine(&text);
        let start = self.out.len();
        self.out.key(key);
        let block = self.out.open();
        let room = base64::decoded_len_estimate(text.len());
        self.out.fill(room, |room| engine.decode_slice(&text, room)).map_err(|_| Bail)?;
        // Padding alone decodes to nothing.
        if implicit && self.out.is_empty(&block) {
            self.out.truncate(start);
            return Ok(());
        }
        self.out.close(block);
        Ok(())
    }

    /// The entries of a map in the order in which they came.
    pub(super) fn map(&mut self, field: &Field, key: Kind, explicit: bool) -> Result<(), Bail> {
        let base = self.keys.len();
        let value_key = wire_key(2, field.kind);
        let mut more = self.cursor.enter(b'{', b'}')?;
        while more {
            self.out.key(field.number << 3 | u32::from(LENGTH));
            let block = self.out.open();
            let hash = self.map_key(key)?;
            self.keys.push(hash);
            if self.cursor.peek() == b'n' && !field.takes_null {
                return Err(Bail);
            }
            self.single(field.kind, value_key, !explicit)?;
            self.out.close(block);
            more = self.cursor.more(b'}')?;
        }
        self.distinct(base)
    }

    /// Writes the key of an entry unless it is the default; returns what tells it from others.
    fn map_key(&mut self, kind: Kind) -> Result<u64, Bail> {
        let raw = self.cursor.key()?;
        let key = wire_key(1, kind);
        let bits = match kind {
            Kind::String if raw.bytes.is_empty() => return Ok(0),
            Kind::String => {
                self.out.key(key);
                let start = self.out.len();
                self.text(raw)?;
                return Ok(hash(self.out.since(start)));
            }
            Kind::Bool => match &*raw.text()? {
                b"true" => 1,
                b"false" => 0,
                _ => return Err(Bail),
            },
            kind => bits_of(kind, &raw.text()?)?,
        };
        if bits != 0 {
            self.out.key(key);
            self.bare(kind, bits);
        }
        Ok(bits)
    }

    /// Whether all keys since `base` differ; if two hashes are equal, so may be their keys.
    fn distinct(&mut self, base: usize) -> Result<(), Bail> {
        let keys = self.keys.get_mut(base..).unwrap_or_default();
        keys.sort_unstable();
        if keys.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(Bail);
        }
        self.keys.truncate(base);
        Ok(())
    }
}

/// A number from its digits, as in [`Reader::bits`].
#[inline]
fn bits_of(kind: Kind, digits: &[u8]) -> Result<u64, Bail> {
    Ok(match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            i64::from(number::integer::<i32>(digits)?).cast_unsigned()
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => number::integer::<i64>(digits)?.cast_unsigned(),
        Kind::Uint32 | Kind::Fixed32 => u64::from(number::integer::<u32>(digits)?),
        Kind::Uint64 | Kind::Fixed64 => number::integer::<u64>(digits)?,
        Kind::Double => number::double(digits)?.to_bits(),
        Kind::Float => u64::from(number::float(digits)?.to_bits()),
        Kind::Bool | Kind::String | Kind::Bytes | Kind::Enum(_) | Kind::Message(_) | Kind::Group => {
            return Err(Bail);
        }
    })
}

/// Equal bytes have equal hashes. That others may be made to have them, too, only costs speed.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
