//! JSON of `google.protobuf.Any` to wire bytes.

use super::{Bail, read::Reader};
use crate::codec::{
    options::MAX_ANY_DEPTH,
    table::{InAny, Kind, wire_key},
    wkt,
};

impl Reader<'_, '_, '_> {
    /// `{"@type": url, ...}`, if the type is the first key: it says how the others are read.
    pub(super) fn any(&mut self) -> Result<(), Bail> {
        if self.anys == MAX_ANY_DEPTH {
            return Err(Bail);
        }
        if !self.cursor.enter(b'{', b'}')? {
            return Ok(());
        }
        if &*self.cursor.key()?.text()? != TYPE {
            return Err(Bail);
        }
        let url = self.cursor.text()?;
        let name = std::str::from_utf8(&url).ok().and_then(wkt::type_name).ok_or(Bail)?;
        let id = self.tables.id(name).ok_or(Bail)?;
        let message = self.tables.message(id).ok_or(Bail)?;
        self.out.key(wire_key(1, Kind::String));
        self.out.bytes(&url);
        self.anys += 1;
        let start = self.out.len();
        self.out.key(wire_key(2, Kind::Bytes));
        let block = self.enter()?;
        let more = self.cursor.more(b'}')?;
        match message.in_any {
            InAny::Fields => self.fields(message, more)?,
            // It alone may leave its value out.
            InAny::Nothing if !more => {}
            InAny::Value | InAny::Nothing if more => {
                if &*self.cursor.key()?.text()? != VALUE {
                    return Err(Bail);
                }
                self.message(id)?;
                if self.cursor.more(b'}')? {
                    return Err(Bail);
                }
            }
            InAny::Value | InAny::Nothing | InAny::Never | InAny::Foreign => return Err(Bail),
        }
        let empty = self.out.is_empty(&block);
        self.leave(block);
        if empty {
            self.out.truncate(start);
        }
        self.anys -= 1;
        Ok(())
    }
}

const TYPE: &[u8] = b"@type";

const VALUE: &[u8] = b"value";
