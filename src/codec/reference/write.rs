//! A message to JSON, its fields in the order of their numbers, maps in the order of their keys.

use std::{borrow::Cow, io::Write as _};

use base64::{display::Base64Display, engine::general_purpose::STANDARD};
use bytes::BytesMut;
use prost_reflect::{DynamicMessage, EnumDescriptor, Kind, MapKey, ReflectMessage as _, Value};

use crate::codec::{
    error::{Unprintable, WriteError},
    options::{MAX_DEPTH, WriteOptions},
    path::At,
    reference::{encode::sorted, enums::Enums, slot::Slot, survey::Room},
    scalar,
    wkt::WellKnown,
};

/// JSON that is being written to the end of a buffer.
pub(crate) struct Writer<'o> {
    out: Out<'o>,
    pub(super) options: &'o WriteOptions,
    indent: usize,
    enums: Enums,
    /// For the messages inside of `Any`.
    pub(super) room: Room,
}

/// What `{"@type": url, ..}` is written from.
pub(crate) struct Any<'a> {
    pub(crate) url: &'a str,
    pub(crate) payload: bytes::Bytes,
    /// Where the type is looked up.
    pub(crate) pool: &'a prost_reflect::DescriptorPool,
}

impl<'o> Writer<'o> {
    pub(crate) fn new(out: &'o mut BytesMut, options: &'o WriteOptions, room: Room) -> Self {
        let end = out.len().saturating_add(options.max_bytes);
        Self { out: Out { buffer: out, end }, options, indent: 0, enums: Enums::default(), room }
    }

    /// A message in whatever form its type has in JSON.
    pub(crate) fn message(&mut self, message: &DynamicMessage, at: At<'_>) -> Result<(), WriteError> {
        if at.messages > MAX_DEPTH {
            return Err(WriteError::new(Unprintable::TooDeep { limit: MAX_DEPTH }, &at));
        }
        match WellKnown::of(&message.descriptor()) {
            Some(known) => self.known(known, message, at),
            None => self.object(message, at, None),
        }
    }

    /// A message as an object of its fields, behind its type if it stands in an `Any`.
    pub(super) fn object(
        &mut self,
        message: &DynamicMessage,
        at: At<'_>,
        url: Option<&str>,
    ) -> Result<(), WriteError> {
        self.open(b'{', &at)?;
        let mut first = true;
        if let Some(url) = url {
            self.key("@type", &mut first, &at)?;
            self.string(url, &at)?;
        }
        for (slot, value) in Slot::of(message, self.options.always_print_primitive_fields) {
            let name = slot.name(self.options.preserve_proto_field_names);
            let here = at.field(name);
            self.key(name, &mut first, &here)?;
            self.value(&slot.kind(), &value, here)?;
        }
        self.close(b'}', first, &at)
    }

    /// A value of a field; a list or map of them by the value itself.
    pub(crate) fn value(&mut self, kind: &Kind, value: &Value, at: At<'_>) -> Result<(), WriteError> {
        match value {
            Value::Message(message) => self.message(message, at.message()),
            Value::List(list) => self.list(kind, list, at),
            Value::Map(map) => {
                let kind = match kind {
                    Kind::Message(entry) => entry.map_entry_value_field().kind(),
                    other => other.clone(),
                };
                self.open(b'{', &at)?;
                let mut first = true;
                for (key, value) in sorted(map) {
                    let key = key_text(key);
                    let here = at.key(&key);
                    self.key(&key, &mut first, &here)?;
                    self.value(&kind, value, here)?;
                }
                self.close(b'}', first, &at)
            }
            Value::Bool(value) => self.put(if *value { b"true" } else { b"false" }, &at),
            Value::I32(value) => self.display(value, &at),
            Value::U32(value) => self.display(value, &at),
            Value::I64(value) if self.options.print_int64_as_numbers => self.display(value, &at),
            Value::U64(value) if self.options.print_int64_as_numbers => self.display(value, &at),
            Value::I64(value) => self.display(&format_args!("\"{value}\""), &at),
            Value::U64(value) => self.display(&format_args!("\"{value}\""), &at),
            Value::F32(value) => self.float(*value, f64::from(*value), &at),
            Value::F64(value) => self.float(*value, *value, &at),
            Value::String(text) => self.string(text, &at),
            Value::Bytes(bytes) => self.base64(bytes, &at),
            Value::EnumNumber(number) => match kind {
                Kind::Enum(_) if scalar::is_null_value(kind) => self.put(b"null", &at),
                Kind::Enum(enumeration) => self.enumeration(enumeration, *number, &at),
                _ => self.display(number, &at),
            },
        }
    }

    pub(super) fn list(&mut self, kind: &Kind, list: &[Value], at: At<'_>) -> Result<(), WriteError> {
        self.open(b'[', &at)?;
        let mut first = true;
        for (index, value) in list.iter().enumerate() {
            let here = at.index(index);
            self.next(&mut first, &here)?;
            self.value(kind, value, here)?;
        }
        self.close(b']', first, &at)
    }

    /// The name, or the number where there is none.
    fn enumeration(
        &mut self,
        enumeration: &EnumDescriptor,
        number: i32,
        at: &At<'_>,
    ) -> Result<(), WriteError> {
        let options = self.options;
        if options.always_print_enums_as_ints {
            return self.display(&number, at);
        }
        if options.strip_enum_prefixes {
            return match self.enums.table(enumeration).quoted_name(number, true) {
                Some(name) => self.out.write_all(name).map_err(|_| self.full(at)),
                None => self.display(&number, at),
            };
        }
        match scalar::enum_name(enumeration, number) {
            Some(name) => self.string(name, at),
            None => self.display(&number, at),
        }
    }

    /// The shortest digits that read back as the same value of its own width.
    fn float(&mut self, value: impl serde::Serialize, wide: f64, at: &At<'_>) -> Result<(), WriteError> {
        if wide.is_nan() {
            return self.put(b"\"NaN\"", at);
        }
        if wide.is_infinite() {
            return self.put(if wide > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" }, at);
        }
        let digits = serde_json::to_string(&value).unwrap_or_default();
        self.put(digits.strip_suffix(".0").unwrap_or(&digits).as_bytes(), at)
    }

    pub(super) fn string(&mut self, text: &str, at: &At<'_>) -> Result<(), WriteError> {
        serde_json::to_writer(&mut self.out, text).map_err(|_| self.full(at))
    }

    pub(super) fn base64(&mut self, bytes: &[u8], at: &At<'_>) -> Result<(), WriteError> {
        self.display(&format_args!("\"{}\"", Base64Display::new(bytes, &STANDARD)), at)
    }

    pub(super) fn put(&mut self, text: &[u8], at: &At<'_>) -> Result<(), WriteError> {
        self.out.write_all(text).map_err(|_| self.full(at))
    }

    pub(super) fn open(&mut self, bracket: u8, at: &At<'_>) -> Result<(), WriteError> {
        self.indent += 1;
        self.put(&[bracket], at)
    }

    pub(super) fn close(&mut self, bracket: u8, empty: bool, at: &At<'_>) -> Result<(), WriteError> {
        self.indent -= 1;
        if !empty {
            self.line(at)?;
        }
        self.put(&[bracket], at)
    }

    pub(super) fn key(&mut self, key: &str, first: &mut bool, at: &At<'_>) -> Result<(), WriteError> {
        self.next(first, at)?;
        self.string(key, at)?;
        self.put(if self.options.add_whitespace { b": " } else { b":" }, at)
    }

    /// Between two elements or entries, and in front of the first.
    fn next(&mut self, first: &mut bool, at: &At<'_>) -> Result<(), WriteError> {
        if !std::mem::replace(first, false) {
            self.put(b",", at)?;
        }
        self.line(at)
    }

    fn line(&mut self, at: &At<'_>) -> Result<(), WriteError> {
        if !self.options.add_whitespace {
            return Ok(());
        }
        self.display(&format_args!("\n{:1$}", "", 2 * self.indent), at)
    }

    fn display(&mut self, value: &impl std::fmt::Display, at: &At<'_>) -> Result<(), WriteError> {
        write!(self.out, "{value}").map_err(|_| self.full(at))
    }

    fn full(&self, at: &At<'_>) -> WriteError {
        WriteError::new(Unprintable::TooLarge { limit: self.options.max_bytes }, at)
    }
}

/// A buffer that grows to its end and no further: the only way a write fails.
struct Out<'b> {
    buffer: &'b mut BytesMut,
    end: usize,
}

impl std::io::Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.len() > self.end - self.buffer.len() {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn key_text(key: &MapKey) -> Cow<'_, str> {
    match key {
        MapKey::Bool(key) => Cow::Borrowed(if *key { "true" } else { "false" }),
        MapKey::I32(key) => Cow::Owned(key.to_string()),
        MapKey::I64(key) => Cow::Owned(key.to_string()),
        MapKey::U32(key) => Cow::Owned(key.to_string()),
        MapKey::U64(key) => Cow::Owned(key.to_string()),
        MapKey::String(key) => Cow::Borrowed(key),
    }
}
