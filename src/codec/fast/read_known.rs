//! JSON of the well-known types to wire bytes.

use std::borrow::Cow;

use super::{Bail, read::Reader};
use crate::codec::{
    table::{Field, Kind, Label, Message, Shape, wire_key},
    wkt::{self, Spelling},
};

impl<'t, 'j> Reader<'t, 'j, '_> {
    pub(super) fn known(&mut self, shape: Shape, message: &'t Message) -> Result<(), Bail> {
        match shape {
            Shape::Timestamp => {
                let parts = wkt::timestamp_from_text(&self.known_text()?);
                self.seconds_and_nanos(parts)
            }
            Shape::Duration => {
                let parts = wkt::duration_from_text(&self.known_text()?);
                self.seconds_and_nanos(parts)
            }
            Shape::FieldMask => {
                let paths = wkt::paths_from_text(&self.known_text()?, Spelling::Json).map_err(|_| Bail)?;
                for path in paths {
                    self.out.key(wire_key(1, Kind::String));
                    self.out.bytes(path.as_bytes());
                }
                Ok(())
            }
            Shape::Struct => {
                let field = only(message)?;
                match field.label {
                    Label::Map { key, explicit } => self.map(field, key, explicit),
                    Label::Implicit | Label::Explicit | Label::List { .. } => Err(Bail),
                }
            }
            Shape::ListValue => self.list(only(message)?),
            Shape::Value => self.value(message),
            Shape::Wrapper => {
                let field = only(message)?;
                self.single(field.kind, wire_key(1, field.kind), true)
            }
            Shape::Any => self.any(),
            Shape::Object | Shape::Foreign => Err(Bail),
        }
    }

    /// Any JSON, as the member of the oneof that its shape names.
    fn value(&mut self, message: &Message) -> Result<(), Bail> {
        let number = match self.cursor.peek() {
            b'n' => 1,
            b'"' => 3,
            b't' | b'f' => 4,
            b'{' => 5,
            b'[' => 6,
            _ => 2,
        };
        // Fields 1 to 6 in the order of their numbers.
        let field = message.fields.get(number - 1).ok_or(Bail)?;
        self.single(field.kind, wire_key(field.number, field.kind), false)
    }

    fn known_text(&mut self) -> Result<Cow<'j, str>, Bail> {
        if self.cursor.peek() != b'"' {
            return Err(Bail);
        }
        Ok(match self.cursor.text()? {
            Cow::Borrowed(text) => Cow::Borrowed(std::str::from_utf8(text).map_err(|_| Bail)?),
            Cow::Owned(text) => Cow::Owned(String::from_utf8(text).map_err(|_| Bail)?),
        })
    }

    fn seconds_and_nanos(&mut self, parts: Option<(i64, i32)>) -> Result<(), Bail> {
        let (seconds, nanos) = parts.ok_or(Bail)?;
        for (number, value) in [(1, seconds), (2, i64::from(nanos))] {
            if value != 0 {
                self.out.key(wire_key(number, Kind::Int64));
                self.out.varint(value.cast_unsigned());
            }
        }
        Ok(())
    }
}

/// The field of a message that stands for nothing but its field.
fn only(message: &Message) -> Result<&Field, Bail> {
    message.fields.first().ok_or(Bail)
}
