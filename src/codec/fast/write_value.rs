//! Wire bytes to JSON: single values and lists of them.

use super::{
    print,
    wire::{Wire, low_half},
    write::{Stop, Writer},
};
use crate::codec::table::{Field, Kind, LENGTH};

impl Writer<'_, '_> {
    /// A value that is length-delimited.
    #[inline]
    pub(super) fn block(&mut self, kind: Kind, block: &[u8], depth: usize) -> Result<(), Stop> {
        match kind {
            Kind::Message(id) => self.message(id, block, depth + 1),
            Kind::String => Ok(print::string(block, self.limit, self.out)?),
            Kind::Bytes => Ok(print::base64(block, self.limit, self.out)?),
            _ => Err(Stop::Bail),
        }
    }

    /// A number, bool or enum from its [bits](Wire::bits).
    #[inline]
    pub(super) fn number(&mut self, kind: Kind, bits: u64) -> Result<(), Stop> {
        let out = &mut *self.out;
        match kind {
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => print::integer(bits.cast_signed(), out),
            Kind::Uint32 | Kind::Fixed32 => print::integer(bits, out),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 if self.options.print_int64_as_numbers => {
                print::integer(bits.cast_signed(), out);
            }
            Kind::Uint64 | Kind::Fixed64 if self.options.print_int64_as_numbers => print::integer(bits, out),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => print::quoted(bits.cast_signed(), out),
            Kind::Uint64 | Kind::Fixed64 => print::quoted(bits, out),
            Kind::Double => print::double(f64::from_bits(bits), out),
            Kind::Float => print::float(f32::from_bits(low_half(bits)), out),
            Kind::Bool => out.extend_from_slice(if bits == 0 { b"false" } else { b"true" }),
            Kind::Enum(id) => return self.enumeration(id, low_half(bits).cast_signed()),
            Kind::String | Kind::Bytes | Kind::Message(_) | Kind::Group => return Err(Stop::Bail),
        }
        Ok(())
    }

    /// The name, or the number where there is none.
    fn enumeration(&mut self, id: u32, number: i32) -> Result<(), Stop> {
        let table = self.tables.enumeration(id).ok_or(Stop::Bail)?;
        let options = self.options;
        let name = match options.always_print_enums_as_ints {
            true => None,
            false => table.quoted_name(number, options.strip_enum_prefixes),
        };
        match name {
            _ if table.null => self.out.extend_from_slice(b"null"),
            Some(name) => self.out.extend_from_slice(name),
            None => print::integer(number, self.out),
        }
        Ok(())
    }

    /// What is printed for a value that is not there.
    pub(super) fn default(&mut self, kind: Kind, depth: usize) -> Result<(), Stop> {
        match kind {
            Kind::Enum(id) => {
                let default = self.tables.enumeration(id).ok_or(Stop::Bail)?.default;
                self.enumeration(id, default)
            }
            Kind::String | Kind::Bytes | Kind::Message(_) => self.block(kind, b"", depth),
            kind => self.number(kind, 0),
        }
    }

    /// The elements that stand together, packed or not, behind the key of the first. Whether there
    /// was one.
    pub(super) fn list(
        &mut self,
        field: &Field,
        mut wire_type: u8,
        wire: &mut Wire<'_>,
        depth: usize,
    ) -> Result<bool, Stop> {
        let kind = field.kind;
        let own = kind.wire_type();
        let mut first = true;
        self.open(b'[');
        loop {
            if own == LENGTH {
                let block = wire.block_of(wire_type)?;
                self.element(&mut first)?;
                self.block(kind, block, depth)?;
            } else if wire_type == LENGTH {
                let mut packed = Wire::new(wire.block()?);
                while !packed.is_empty() {
                    let bits = packed.bits(kind)?;
                    self.element(&mut first)?;
                    self.number(kind, bits)?;
                }
            } else if wire_type == own {
                let bits = wire.bits(kind)?;
                self.element(&mut first)?;
                self.number(kind, bits)?;
            } else {
                return Err(Stop::Bail);
            }
            match wire.again(field.number)? {
                Some(next) => wire_type = next,
                None => break,
            }
        }
        self.close(b']', first);
        Ok(!first)
    }

    #[inline]
    fn element(&mut self, first: &mut bool) -> Result<(), Stop> {
        self.next(first);
        self.check()
    }
}
