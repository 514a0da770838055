//! Wire bytes of the well-known types to JSON.

use super::{
    Bail, print,
    wire::{Wire, low_half},
    write::{Stop, Writer},
};
use crate::codec::{
    table::{Kind, LENGTH, Label, Message, Shape, VARINT},
    wkt,
};

impl Writer<'_, '_> {
    pub(super) fn known(&mut self, message: &Message, bytes: &[u8], depth: usize) -> Result<(), Stop> {
        let mut wire = Wire::new(bytes);
        match message.shape {
            Shape::Timestamp => {
                let (seconds, nanos) = seconds_and_nanos(wire)?;
                print::timestamp(seconds, nanos, self.out)?;
            }
            Shape::Duration => {
                let (seconds, nanos) = seconds_and_nanos(wire)?;
                print::duration(seconds, nanos, self.out)?;
            }
            Shape::FieldMask => self.mask(wire)?,
            Shape::Wrapper => self.wrapper(message, wire, depth)?,
            Shape::Value => self.value(message, wire, depth)?,
            Shape::Struct | Shape::ListValue => {
                let field = message.fields.first().ok_or(Stop::Bail)?;
                match (wire.again(field.number)?, field.label) {
                    (Some(wire_type), Label::Map { key, .. }) => {
                        self.map(field, key, wire_type, &mut wire, depth)?;
                    }
                    (Some(wire_type), _) => self.list(field, wire_type, &mut wire, depth).map(drop)?,
                    (None, Label::Map { .. }) => self.out.extend_from_slice(b"{}"),
                    (None, _) => self.out.extend_from_slice(b"[]"),
                }
                // Another field, and perhaps more of this one behind it.
                if !wire.is_empty() {
                    return Err(Stop::Bail);
                }
            }
            Shape::Any => self.any(wire, depth)?,
            Shape::Object | Shape::Foreign => return Err(Stop::Bail),
        }
        self.check()
    }

    /// The paths of all elements, which are few.
    fn mask(&mut self, mut wire: Wire<'_>) -> Result<(), Stop> {
        let mut paths = Vec::new();
        while !wire.is_empty() {
            let (number, wire_type) = wire.key()?;
            if number != 1 {
                return Err(Stop::Bail);
            }
            paths.push(std::str::from_utf8(wire.block_of(wire_type)?).map_err(|_| Stop::Bail)?);
        }
        let text = wkt::paths_to_text(paths).map_err(|_| Stop::Bail)?;
        Ok(print::string(text.as_bytes(), self.limit, self.out)?)
    }

    /// The value of the only field; the last one holds, as for any scalar.
    fn wrapper(&mut self, message: &Message, mut wire: Wire<'_>, depth: usize) -> Result<(), Stop> {
        let kind = message.fields.first().ok_or(Stop::Bail)?.kind;
        let (mut block, mut bits) = (&b""[..], 0);
        while !wire.is_empty() {
            let (number, wire_type) = wire.key()?;
            if number != 1 || wire_type != kind.wire_type() {
                return Err(Stop::Bail);
            }
            if wire_type == LENGTH {
                // A value that does not hold has to be text all the same.
                if !block.is_empty() {
                    return Err(Stop::Bail);
                }
                block = wire.block()?;
            } else {
                bits = wire.bits(kind)?;
            }
        }
        if kind.wire_type() == LENGTH { self.block(kind, block, depth) } else { self.number(kind, bits) }
    }

    /// The one member of the oneof that is set, null if none is.
    fn value(&mut self, message: &Message, mut wire: Wire<'_>, depth: usize) -> Result<(), Stop> {
        if wire.is_empty() {
            self.out.extend_from_slice(b"null");
            return Ok(());
        }
        let (number, wire_type) = wire.key()?;
        let index = message.by_number(number).ok_or(Stop::Bail)?;
        let kind = message.fields.get(index).ok_or(Stop::Bail)?.kind;
        if wire_type != kind.wire_type() {
            return Err(Stop::Bail);
        }
        if wire_type == LENGTH {
            let block = wire.block()?;
            self.block(kind, block, depth)?;
        } else {
            let bits = wire.bits(kind)?;
            if kind == Kind::Double && !f64::from_bits(bits).is_finite() {
                return Err(Stop::Bail);
            }
            self.number(kind, bits)?;
        }
        if wire.is_empty() { Ok(()) } else { Err(Stop::Bail) }
    }
}

fn seconds_and_nanos(mut wire: Wire<'_>) -> Result<(i64, i32), Bail> {
    let (mut seconds, mut nanos) = (0, 0);
    while !wire.is_empty() {
        match wire.key()? {
            (1, VARINT) => seconds = wire.varint()?.cast_signed(),
            (2, VARINT) => nanos = low_half(wire.varint()?).cast_signed(),
            _ => return Err(Bail),
        }
    }
    Ok((seconds, nanos))
}
