//! Wire bytes to JSON: maps, their entries in the order of their keys.
//!
//! Of an entry nothing is kept but where it stands, four bytes: an entry may be two on the wire, and a map is
//! to cost no multiple of that. Whoever looks at it reads it again.

use std::cmp::Ordering;

use super::{
    Bail, print,
    wire::Wire,
    write::{Stop, Writer},
};
use crate::codec::table::{Field, Kind, LENGTH};

/// The parts of an entry.
#[derive(Default)]
struct Entry<'w> {
    /// A key that is a number.
    bits: u64,
    /// A key that is a string.
    text: &'w [u8],
    /// The value behind its key on the wire; empty where it is the default.
    value: &'w [u8],
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
        self.entries.reserve_exact(count(field.number, wire_type, *wire)?);
        let mut more = Some(wire_type);
        while more.is_some() {
            let at = u32::try_from(wire.offset()).map_err(|_| Stop::Bail)?;
            entry(field, key, wire.block()?)?;
            self.entries.push(at);
            more = wire.again(field.number)?;
        }
        let wire = *wire;
        self.sort(base, field, key, wire)?;
        self.open(b'{');
        let mut first = true;
        let mut at = base;
        while let Some(entry) = self.entries.get(at).copied() {
            let entry = entry_at(field, key, wire, entry)?;
            self.next(&mut first);
            self.check()?;
            self.map_key(key, &entry)?;
            self.out.extend_from_slice(if self.options.add_whitespace { b": " } else { b":" });
            let mut value = Wire::new(entry.value);
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
        self.close(b'}', first);
        Ok(())
    }

    /// Puts the entries in order; of two equal keys the reference knows which one holds.
    fn sort(&mut self, base: usize, field: &Field, key: Kind, wire: Wire<'_>) -> Result<(), Stop> {
        let order = |a: &u32, b: &u32| {
            // Each was read before, so each can be read again.
            let [a, b] = [a, b].map(|at| entry_at(field, key, wire, *at).unwrap_or_default());
            match key {
                Kind::String => a.text.cmp(b.text),
                kind if is_signed(kind) => a.bits.cast_signed().cmp(&b.bits.cast_signed()),
                _ => a.bits.cmp(&b.bits),
            }
        };
        let entries = self.entries.get_mut(base..).unwrap_or_default();
        let rises = |pair: &[u32]| match pair {
            [a, b] => order(a, b) == Ordering::Less,
            _ => true,
        };
        if entries.windows(2).all(rises) {
            return Ok(());
        }
        entries.sort_unstable_by(order);
        if entries.windows(2).all(rises) { Ok(()) } else { Err(Stop::Bail) }
    }

    fn map_key(&mut self, key: Kind, entry: &Entry<'_>) -> Result<(), Stop> {
        let out = &mut *self.out;
        match key {
            Kind::String => print::string(entry.text, self.limit, out)?,
            Kind::Bool => {
                out.extend_from_slice(if entry.bits == 0 { b"\"false\"" } else { b"\"true\"" });
            }
            kind if is_signed(kind) => print::quoted(entry.bits.cast_signed(), out),
            _ => print::quoted(entry.bits, out),
        }
        Ok(())
    }
}

/// How many entries stand together.
fn count(number: u32, wire_type: u8, mut wire: Wire<'_>) -> Result<usize, Bail> {
    let mut count = 0;
    let mut more = Some(wire_type);
    while let Some(wire_type) = more {
        wire.block_of(wire_type)?;
        count += 1;
        more = wire.again(number)?;
    }
    Ok(count)
}

/// The entry whose length stands at `at`.
fn entry_at<'w>(field: &Field, key: Kind, wire: Wire<'w>, at: u32) -> Result<Entry<'w>, Bail> {
    entry(field, key, wire.from(usize::try_from(at).map_err(|_| Bail)?).block()?)
}

/// An entry from its bytes.
fn entry<'w>(field: &Field, key: Kind, block: &'w [u8]) -> Result<Entry<'w>, Bail> {
    let mut entry = Entry::default();
    let mut wire = Wire::new(block);
    let (mut keys, mut values) = (0, 0);
    while !wire.is_empty() {
        let (number, wire_type) = wire.key()?;
        let at = wire.offset();
        match number {
            1 if wire_type != key.wire_type() => return Err(Bail),
            1 => {
                keys += 1;
                if key == Kind::String {
                    entry.text = wire.block()?;
                } else {
                    entry.bits = wire.bits(key)?;
                }
            }
            2 if wire_type != field.kind.wire_type() => return Err(Bail),
            2 => {
                values += 1;
                wire.skip(wire_type)?;
                entry.value = wire.slice(at..wire.offset());
            }
            _ => wire.skip(wire_type)?,
        }
    }
    if keys > 1 || values > 1 { Err(Bail) } else { Ok(entry) }
}

fn is_signed(kind: Kind) -> bool {
    matches!(kind, Kind::Int32 | Kind::Int64 | Kind::Sint32 | Kind::Sint64 | Kind::Sfixed32 | Kind::Sfixed64)
}
