//! Wire bytes to JSON: maps, their entries in the order of their keys.

use std::{cmp::Ordering, ops::Range};

use bytes::BufMut;

use super::{
    print,
    wire::Wire,
    write::{Stop, Writer},
};
use crate::codec::table::{Field, Kind, LENGTH};

/// An entry, its parts as places in the bytes of the message around the map.
#[derive(Clone)]
pub(super) struct Entry {
    /// A key that is a number.
    bits: u64,
    /// A key that is a string.
    text: Range<usize>,
    /// The value behind its key on the wire; empty where it is the default.
    value: Range<usize>,
}

impl Writer<'_, '_> {
    /// The entries that stand together, behind the key of the first.
    pub(super) fn map(
        &mut self,
        field: &Field,
        key: Kind,
        wire_type: u8,
        wire: &mut Wire<'_>,
        depth: usize,
    ) -> Result<(), Stop> {
        let base = self.entries.len();
        let mut wire_type = Some(wire_type);
        while let Some(next) = wire_type {
            if next != LENGTH {
                return Err(Stop::Bail);
            }
            let block = wire.block()?;
            let end = wire.offset();
            self.entries.push(entry(field, key, block, end - block.len())?);
            wire_type = wire.again(field.number)?;
        }
        let wire = *wire;
        self.sort(base, key, wire)?;
        self.out.put_u8(b'{');
        let mut at = base;
        while let Some(entry) = self.entries.get(at).cloned() {
            if at > base {
                self.out.put_u8(b',');
            }
            self.check()?;
            self.map_key(key, &entry, wire)?;
            self.out.put_u8(b':');
            let mut value = Wire::new(wire.slice(entry.value));
            if value.is_empty() {
                self.default(field.kind, depth)?;
            } else if field.kind.wire_type() == LENGTH {
                let block = value.block()?;
                self.block(field.kind, block, depth)?;
            } else {
                let bits = value.bits(field.kind)?;
                self.number(field.kind, bits)?;
            }
            at += 1;
        }
        self.entries.truncate(base);
        self.out.put_u8(b'}');
        Ok(())
    }

    /// Puts the entries in order; of two equal keys the reference knows which one holds.
    fn sort(&mut self, base: usize, key: Kind, wire: Wire<'_>) -> Result<(), Stop> {
        let order = |a: &Entry, b: &Entry| match key {
            Kind::String => wire.slice(a.text.clone()).cmp(wire.slice(b.text.clone())),
            kind if is_signed(kind) => a.bits.cast_signed().cmp(&b.bits.cast_signed()),
            _ => a.bits.cmp(&b.bits),
        };
        let entries = self.entries.get_mut(base..).unwrap_or_default();
        let rises = |pair: &[Entry]| match pair {
            [a, b] => order(a, b) == Ordering::Less,
            _ => true,
        };
        if entries.windows(2).all(rises) {
            return Ok(());
        }
        entries.sort_unstable_by(order);
        if entries.windows(2).all(rises) { Ok(()) } else { Err(Stop::Bail) }
    }

    fn map_key(&mut self, key: Kind, entry: &Entry, wire: Wire<'_>) -> Result<(), Stop> {
        let out = &mut *self.out;
        match key {
            Kind::String => print::string(wire.slice(entry.text.clone()), self.limit, out)?,
            Kind::Bool => {
                out.extend_from_slice(if entry.bits == 0 { b"\"false\"" } else { b"\"true\"" });
            }
            kind if is_signed(kind) => print::quoted(entry.bits.cast_signed(), out),
            _ => print::quoted(entry.bits, out),
        }
        Ok(())
    }
}

/// The parts of an entry that stands at `start`.
fn entry(field: &Field, key: Kind, block: &[u8], start: usize) -> Result<Entry, Stop> {
    let mut entry = Entry { bits: 0, text: 0..0, value: 0..0 };
    let mut wire = Wire::new(block);
    let (mut keys, mut values) = (0, 0);
    while !wire.is_empty() {
        let (number, wire_type) = wire.key()?;
        let at = start + wire.offset();
        match number {
            1 if wire_type != key.wire_type() => return Err(Stop::Bail),
            1 => {
                keys += 1;
                if key == Kind::String {
                    let text = wire.block()?;
                    let end = start + wire.offset();
                    entry.text = end - text.len()..end;
                } else {
                    entry.bits = wire.bits(key)?;
                }
            }
            2 if wire_type != field.kind.wire_type() => return Err(Stop::Bail),
            2 => {
                values += 1;
                wire.skip(wire_type)?;
                entry.value = at..start + wire.offset();
            }
            _ => wire.skip(wire_type)?,
        }
    }
    if keys > 1 || values > 1 { Err(Stop::Bail) } else { Ok(entry) }
}

fn is_signed(kind: Kind) -> bool {
    matches!(kind, Kind::Int32 | Kind::Int64 | Kind::Sint32 | Kind::Sint64 | Kind::Sfixed32 | Kind::Sfixed64)
}
