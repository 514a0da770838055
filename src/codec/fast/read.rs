//! JSON to wire bytes: objects and their fields.

use bytes::BytesMut;

use super::{
    Bail,
    blocks::{Block, Blocks},
    cursor::Cursor,
};
use crate::codec::{
    options::{MAX_DEPTH, ReadOptions},
    table::{Field, Kind, LENGTH, Label, Message, Shape, Tables, wire_key},
};

/// Appends the wire bytes of a message to `out`; after a [`Bail`] there is something of it in `out`.
pub(crate) fn to_wire(
    tables: &Tables,
    id: u32,
    json: &[u8],
    options: &ReadOptions,
    out: &mut BytesMut,
) -> Result<(), Bail> {
    let mut reader = Reader::new(tables, json, options, out)?;
    reader.message(id)?;
    reader.cursor.end()
}

/// Appends one field of a message to `out`, of which the text is the value; as [`to_wire`].
pub(crate) fn field_to_wire(
    tables: &Tables,
    id: u32,
    number: u32,
    json: &[u8],
    options: &ReadOptions,
    out: &mut BytesMut,
) -> Result<(), Bail> {
    let message = tables.message(id).filter(|message| message.shape == Shape::Object).ok_or(Bail)?;
    let field = message.by_number(number).and_then(|index| message.fields.get(index)).ok_or(Bail)?;
    let mut reader = Reader::new(tables, json, options, out)?;
    reader.seen.resize(message.words, 0);
    // Null is no value of it, and the reference says so.
    if reader.cursor.peek() == b'n' {
        return Err(Bail);
    }
    reader.field(message, field, 0)?;
    reader.cursor.end()
}

/// A text that is being read into wire bytes.
pub(super) struct Reader<'t, 'j, 'o> {
    pub(super) tables: &'t Tables,
    pub(super) cursor: Cursor<'j>,
    pub(super) options: &'t ReadOptions,
    pub(super) out: Blocks<'o>,
    /// A bit for each field and oneof that was given, for all open objects one behind the other.
    seen: Vec<u64>,
    /// Hashes of the keys of all open maps, one map behind the other.
    pub(super) keys: Vec<u64>,
    /// Messages around this place.
    messages: usize,
    /// `Any` messages around this place.
    pub(super) anys: usize,
}

impl<'t, 'j, 'o> Reader<'t, 'j, 'o> {
    fn new(
        tables: &'t Tables,
        json: &'j [u8],
        options: &'t ReadOptions,
        out: &'o mut BytesMut,
    ) -> Result<Self, Bail> {
        let cursor = Cursor::new(json, options)?;
        out.reserve(json.len() / 2);
        let out = Blocks::new(out);
        Ok(Self { tables, cursor, options, out, seen: Vec::new(), keys: Vec::new(), messages: 0, anys: 0 })
    }

    /// A message in whatever form its type has in JSON.
    pub(super) fn message(&mut self, id: u32) -> Result<(), Bail> {
        let message = self.tables.message(id).ok_or(Bail)?;
        match message.shape {
            Shape::Object => self.object(message),
            shape => self.known(shape, message),
        }
    }

    /// A message inside of a message, behind its key.
    pub(super) fn nested(&mut self, id: u32) -> Result<(), Bail> {
        let block = self.enter()?;
        self.message(id)?;
        self.leave(block);
        Ok(())
    }

    /// Opens the block of a message.
    pub(super) fn enter(&mut self) -> Result<Block, Bail> {
        if self.messages == MAX_DEPTH {
            return Err(Bail);
        }
        self.messages += 1;
        Ok(self.out.open())
    }

    pub(super) fn leave(&mut self, block: Block) {
        self.messages -= 1;
        self.out.close(block);
    }

    fn object(&mut self, message: &'t Message) -> Result<(), Bail> {
        let more = self.cursor.enter(b'{', b'}')?;
        self.fields(message, more)
    }

    /// What an object holds behind its brace.
    #[inline]
    pub(super) fn fields(&mut self, message: &'t Message, mut more: bool) -> Result<(), Bail> {
        let base = self.seen.len();
        self.seen.resize(base + message.words, 0);
        let mut expected = 0;
        while more {
            let key = self.cursor.key()?.text()?;
            match message.by_name(&key, expected) {
                Some(index) => {
                    expected = index + 1;
                    let field = message.fields.get(index).ok_or(Bail)?;
                    self.mark(base, index)?;
                    self.field(message, field, base)?;
                }
                // It may name an extension.
                None if self.options.reject_unknown_fields || key.starts_with(b"[") => return Err(Bail),
                None => self.cursor.pass()?,
            }
            more = self.cursor.more(b'}')?;
        }
        self.seen.truncate(base);
        Ok(())
    }

    /// Sets a bit of the innermost object that is not set yet.
    #[inline]
    fn mark(&mut self, base: usize, bit: usize) -> Result<(), Bail> {
        let word = self.seen.get_mut(base + bit / 64).ok_or(Bail)?;
        let mask = 1 << (bit % 64);
        if *word & mask != 0 {
            return Err(Bail);
        }
        *word |= mask;
        Ok(())
    }

    /// The value of a field, list or map; null leaves it unset.
    #[inline]
    fn field(&mut self, message: &Message, field: &Field, base: usize) -> Result<(), Bail> {
        let many = matches!(field.label, Label::List { .. } | Label::Map { .. });
        if self.cursor.peek() == b'n' && (many || !field.takes_null) {
            return self.cursor.word(b"null");
        }
        if let Some(oneof) = field.oneof {
            self.mark(base, message.fields.len() + oneof)?;
        }
        let key = wire_key(field.number, field.kind);
        match field.label {
            Label::Implicit => self.single(field.kind, key, true),
            Label::Explicit => self.single(field.kind, key, false),
            Label::List { packed: true } => self.packed(field),
            Label::List { packed: false } => self.list(field),
            Label::Map { key, explicit } => self.map(field, key, explicit),
        }
    }

    /// The elements of an array, each with its key.
    pub(super) fn list(&mut self, field: &Field) -> Result<(), Bail> {
        let key = wire_key(field.number, field.kind);
        let mut more = self.cursor.enter(b'[', b']')?;
        while more {
            self.element(field, key)?;
            more = self.cursor.more(b']')?;
        }
        Ok(())
    }

    /// The elements of an array of numbers, in one block.
    fn packed(&mut self, field: &Field) -> Result<(), Bail> {
        let start = self.out.len();
        self.out.key(field.number << 3 | u32::from(LENGTH));
        let block = self.out.open();
        let mut more = self.cursor.enter(b'[', b']')?;
        while more {
            if self.cursor.peek() == b'n' && !field.takes_null {
                return Err(Bail);
            }
            let bits = self.bits(field.kind)?;
            self.bare(field.kind, bits);
            more = self.cursor.more(b']')?;
        }
        if self.out.is_empty(&block) {
            self.out.truncate(start);
        } else {
            self.out.close(block);
        }
        Ok(())
    }

    /// One value of a list or map, which may not be null.
    #[inline]
    pub(super) fn element(&mut self, field: &Field, key: u32) -> Result<(), Bail> {
        if self.cursor.peek() == b'n' && !field.takes_null {
            return Err(Bail);
        }
        self.single(field.kind, key, false)
    }

    /// A value behind its key; `implicit` leaves out both where the value is the default.
    #[inline]
    pub(super) fn single(&mut self, kind: Kind, key: u32, implicit: bool) -> Result<(), Bail> {
        match kind {
            Kind::Message(id) => {
                self.out.key(key);
                self.nested(id)
            }
            Kind::String => self.string(key, implicit),
            Kind::Bytes => self.base64(key, implicit),
            Kind::Group => Err(Bail),
            number => {
                let bits = self.bits(number)?;
                if implicit && bits == 0 {
                    return Ok(());
                }
                self.out.key(key);
                self.bare(number, bits);
                Ok(())
            }
        }
    }
}
