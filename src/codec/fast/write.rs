//! Wire bytes to JSON: messages and their fields.

use bytes::{BufMut, BytesMut};

use super::{Bail, arrange::arrange, wire::Wire};
use crate::codec::{
    options::{MAX_DEPTH, WriteOptions},
    table::{Field, Kind, Label, Message, Shape, Tables},
};

/// Appends the JSON of a message to `out`; after a [`Bail`] there is something of it in `out`.
///
/// The first attempt takes it that fields come in the order of their numbers, as nearly all senders
/// write them. The second looks at each message before it is printed.
pub(crate) fn to_json(
    tables: &Tables,
    id: u32,
    wire: &[u8],
    options: &WriteOptions,
    out: &mut BytesMut,
) -> Result<(), Bail> {
    let start = out.len();
    // Names make about two bytes of one.
    out.reserve(wire.len().saturating_mul(2).min(options.max_bytes));
    let mut writer = Writer {
        tables,
        options,
        limit: start.saturating_add(options.max_bytes),
        out,
        entries: Vec::new(),
        arrange: None,
        indent: 0,
        anys: 0,
    };
    let mut written = writer.message(id, wire, 0);
    if written == Err(Stop::Disorder) {
        writer.out.truncate(start);
        writer.entries.clear();
        writer.indent = 0;
        writer.anys = 0;
        writer.arrange = Some(wire.len().saturating_mul(2));
        written = writer.message(id, wire, 0);
    }
    match written {
        Ok(()) if writer.out.len() <= writer.limit => Ok(()),
        _ => Err(Bail),
    }
}

/// Why a message is not printed, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The reference has to do it.
    Bail,
    /// A field comes behind one of a higher number, or again.
    Disorder,
}

impl From<Bail> for Stop {
    fn from(_: Bail) -> Self {
        Self::Bail
    }
}

/// JSON that is being written to the end of a buffer.
pub(super) struct Writer<'t, 'o> {
    pub(super) tables: &'t Tables,
    pub(super) options: &'t WriteOptions,
    pub(super) out: &'o mut BytesMut,
    /// Where the buffer may end.
    pub(super) limit: usize,
    /// Where the entries of all open maps stand, one map behind the other.
    pub(super) entries: Vec<u32>,
    /// Whether each message is to be put in order before it is printed, and what that may still copy.
    arrange: Option<usize>,
    /// Brackets around this place, as far as they are told by white space.
    indent: usize,
    /// `Any` messages around this place.
    pub(super) anys: usize,
}

impl<'t> Writer<'t, '_> {
    /// A message in whatever form its type has in JSON, with so many messages around it.
    pub(super) fn message(&mut self, id: u32, bytes: &[u8], depth: usize) -> Result<(), Stop> {
        // One less than the reference prints: at its last level it knows no unknown fields.
        if depth >= MAX_DEPTH {
            return Err(Stop::Bail);
        }
        let message = self.tables.message(id).ok_or(Stop::Bail)?;
        if message.shape != Shape::Object {
            return self.known(message, bytes, depth);
        }
        self.in_order(message, bytes, depth, None)
    }

    /// The fields of a message inside of an `Any`, behind its type.
    pub(super) fn fields_behind(
        &mut self,
        id: u32,
        bytes: &[u8],
        depth: usize,
        url: &[u8],
    ) -> Result<(), Stop> {
        if depth >= MAX_DEPTH {
            return Err(Stop::Bail);
        }
        let message = self.tables.message(id).ok_or(Stop::Bail)?;
        self.in_order(message, bytes, depth, Some(url))
    }

    #[inline]
    fn in_order(
        &mut self,
        message: &'t Message,
        bytes: &[u8],
        depth: usize,
        url: Option<&[u8]>,
    ) -> Result<(), Stop> {
        if let Some(budget) = &mut self.arrange
            && let Some(arranged) = arrange(message, bytes, budget)?
        {
            return self.object(message, &arranged, depth, url);
        }
        self.object(message, bytes, depth, url)
    }

    fn object(
        &mut self,
        message: &'t Message,
        bytes: &[u8],
        depth: usize,
        url: Option<&[u8]>,
    ) -> Result<(), Stop> {
        let mut first = match url {
            Some(url) => self.open_any(url)?,
            None => {
                self.open(b'{');
                true
            }
        };
        let mut wire = Wire::new(bytes);
        let mut next = 0;
        let mut oneofs = 0_u64;
        while !wire.is_empty() {
            let (number, wire_type) = wire.key()?;
            let Some((index, field)) = find(message, number, next) else {
                if message.extended {
                    return Err(Stop::Bail);
                }
                wire.skip(wire_type)?;
                continue;
            };
            if index < next {
                return Err(Stop::Disorder);
            }
            if self.options.always_print_primitive_fields {
                self.defaults(message, next..index, &mut first, depth)?;
            }
            next = index + 1;
            if let Some(oneof) = field.oneof {
                let bit = u32::try_from(oneof).ok().and_then(|oneof| 1_u64.checked_shl(oneof));
                let bit = bit.ok_or(Stop::Bail)?;
                if oneofs & bit != 0 {
                    return Err(Stop::Bail);
                }
                oneofs |= bit;
            }
            match field.label {
                Label::Implicit => {
                    let default = self.options.always_print_primitive_fields;
                    self.single(field, wire_type, &mut wire, !default, &mut first, depth)?;
                }
                Label::Explicit => self.single(field, wire_type, &mut wire, false, &mut first, depth)?,
                Label::List { .. } => self.list_field(field, wire_type, &mut wire, &mut first, depth)?,
                Label::Map { key, .. } => {
                    self.key(field, &mut first)?;
                    self.map(field, key, wire_type, &mut wire, depth)?;
                }
            }
        }
        if self.options.always_print_primitive_fields {
            self.defaults(message, next..message.fields.len(), &mut first, depth)?;
        }
        self.close(b'}', first);
        Ok(())
    }

    /// A field of one value; nothing if it is `implicit` and holds its default.
    #[inline]
    fn single(
        &mut self,
        field: &Field,
        wire_type: u8,
        wire: &mut Wire<'_>,
        implicit: bool,
        first: &mut bool,
        depth: usize,
    ) -> Result<(), Stop> {
        if wire_type != field.kind.wire_type() {
            return Err(Stop::Bail);
        }
        match field.kind {
            Kind::String | Kind::Bytes | Kind::Message(_) => {
                let block = wire.block()?;
                if implicit && block.is_empty() {
                    return Ok(());
                }
                self.key(field, first)?;
                self.block(field.kind, block, depth)
            }
            kind => {
                let bits = wire.bits(kind)?;
                if implicit && bits == 0 {
                    return Ok(());
                }
                self.key(field, first)?;
                self.number(kind, bits)
            }
        }
    }

    /// All elements of a list that stand together; no field at all if there is none.
    fn list_field(
        &mut self,
        field: &Field,
        wire_type: u8,
        wire: &mut Wire<'_>,
        first: &mut bool,
        depth: usize,
    ) -> Result<(), Stop> {
        let (start, was_first) = (self.out.len(), *first);
        self.key(field, first)?;
        let any = self.list(field, wire_type, wire, depth)?;
        if !any && !self.options.always_print_primitive_fields {
            self.out.truncate(start);
            *first = was_first;
        }
        Ok(())
    }

    /// The fields of a range that print although they are not there.
    fn defaults(
        &mut self,
        message: &Message,
        range: std::ops::Range<usize>,
        first: &mut bool,
        depth: usize,
    ) -> Result<(), Stop> {
        for field in message.fields.get(range).unwrap_or_default() {
            match field.label {
                Label::Explicit => {}
                Label::Implicit => {
                    self.key(field, first)?;
                    self.default(field.kind, depth)?;
                }
                Label::List { .. } => {
                    self.key(field, first)?;
                    self.out.extend_from_slice(b"[]");
                }
                Label::Map { .. } => {
                    self.key(field, first)?;
                    self.out.extend_from_slice(b"{}");
                }
            }
        }
        Ok(())
    }

    /// The name of a field, behind a comma unless it is the first.
    #[inline]
    fn key(&mut self, field: &Field, first: &mut bool) -> Result<(), Stop> {
        let key = if self.options.preserve_proto_field_names { &field.proto_key } else { &field.json_key };
        if self.options.add_whitespace {
            self.next(first);
            self.out.extend_from_slice(key.get(1..).unwrap_or_default());
            self.out.put_u8(b' ');
        } else {
            let from = usize::from(std::mem::replace(first, false));
            self.out.extend_from_slice(key.get(from..).unwrap_or_default());
        }
        self.check()
    }

    #[inline]
    pub(super) fn open(&mut self, bracket: u8) {
        self.out.put_u8(bracket);
        self.indent += 1;
    }

    #[inline]
    pub(super) fn close(&mut self, bracket: u8, empty: bool) {
        self.indent -= 1;
        if self.options.add_whitespace && !empty {
            self.line();
        }
        self.out.put_u8(bracket);
    }

    /// What stands in front of an element or entry.
    #[inline]
    pub(super) fn next(&mut self, first: &mut bool) {
        if !std::mem::replace(first, false) {
            self.out.put_u8(b',');
        }
        if self.options.add_whitespace {
            self.line();
        }
    }

    fn line(&mut self) {
        self.out.put_u8(b'\n');
        self.out.put_bytes(b' ', 2 * self.indent);
    }

    /// Whether there is room for more. What is written between two checks is a few bytes.
    #[inline]
    pub(super) fn check(&self) -> Result<(), Stop> {
        if self.out.len() > self.limit { Err(Stop::Bail) } else { Ok(()) }
    }
}

/// The field of a number; the next one in order is tried first.
#[inline]
fn find(message: &Message, number: u32, next: usize) -> Option<(usize, &Field)> {
    match message.fields.get(next) {
        Some(field) if field.number == number => Some((next, field)),
        _ => message.by_number(number).and_then(|index| Some((index, message.fields.get(index)?))),
    }
}
