//! The well-known types to JSON.

use bytes::Bytes;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, ReflectMessage as _, Value};

use crate::codec::{
    error::{Unprintable, WriteError, quoted},
    options::MAX_TREE_BYTES,
    path::At,
    reference::{
        survey::Room,
        write::{Any, Writer},
    },
    wkt::{self, WellKnown},
};

impl Writer<'_> {
    pub(super) fn known(
        &mut self,
        known: WellKnown,
        message: &DynamicMessage,
        at: At<'_>,
    ) -> Result<(), WriteError> {
        let wrong = |message, why| WriteError::new(Unprintable::Value { message, why }, &at);
        let (seconds, nanos) = wkt::seconds_and_nanos(message);
        match known {
            WellKnown::Timestamp => {
                let text = wkt::timestamp_to_text(seconds, nanos).map_err(|why| wrong("Timestamp", why))?;
                self.string(&text, &at)
            }
            WellKnown::Duration => {
                let text = wkt::duration_to_text(seconds, nanos).map_err(|why| wrong("Duration", why))?;
                self.string(&text, &at)
            }
            WellKnown::FieldMask => {
                let paths = message.get_field_by_number(1);
                let paths = paths.as_deref().and_then(Value::as_list).unwrap_or_default();
                let text = wkt::paths_to_text(paths.iter().filter_map(Value::as_str)).map_err(|path| {
                    let path = quoted(path);
                    wrong("FieldMask", format!("path {path} does not come back from lowerCamelCase"))
                })?;
                self.string(&text, &at)
            }
            WellKnown::Struct | WellKnown::ListValue | WellKnown::Wrapper => self.only_field(message, at),
            WellKnown::Value => self.any_json(message, at),
            WellKnown::Any => {
                let (url, payload) = (message.get_field_by_number(1), message.get_field_by_number(2));
                let desc = message.descriptor();
                let any = Any {
                    url: url.as_deref().and_then(Value::as_str).unwrap_or_default(),
                    payload: payload.as_deref().and_then(Value::as_bytes).cloned().unwrap_or_default(),
                    pool: desc.parent_pool(),
                };
                self.any(&any, at)
            }
        }
    }

    /// `{"@type": url, ...}`. What cannot be resolved keeps its bytes, as base64 under `value`: the
    /// message around it is worth more than a complaint about a type we were never told of.
    pub(crate) fn any(&mut self, any: &Any<'_>, at: At<'_>) -> Result<(), WriteError> {
        let at = at.any();
        if at.anys > self.options.max_any_depth {
            let limit = self.options.max_any_depth;
            return Err(WriteError::new(Unprintable::AnyTooDeep { limit }, &at));
        }
        if any.url.is_empty() && any.payload.is_empty() {
            self.open(b'{', &at)?;
            return self.close(b'}', true, &at);
        }
        let desc = wkt::type_name(any.url).and_then(|name| any.pool.get_message_by_name(name));
        let Some(desc) = desc.filter(|desc| !desc.is_map_entry()) else {
            return self.opaque(any, &at);
        };
        let around = self.room;
        let (message, room) = decode(&desc, any.payload.clone(), around, &at)?;
        self.room = room;
        self.any_of(any.url, &message, at)?;
        self.room = around;
        Ok(())
    }

    fn any_of(&mut self, url: &str, message: &DynamicMessage, at: At<'_>) -> Result<(), WriteError> {
        let desc = message.descriptor();
        if !wkt::is_special_in_any(&desc) {
            return self.object(message, at.message(), Some(url));
        }
        self.open(b'{', &at)?;
        let mut first = true;
        self.key("@type", &mut first, &at)?;
        self.string(url, &at)?;
        // `Empty` has no value to print, and the C++ parser refuses one.
        if !wkt::is_empty(&desc) {
            self.key("value", &mut first, &at)?;
            self.message(message, at.field("value").message())?;
        }
        self.close(b'}', first, &at)
    }

    /// An `Any` by its bytes.
    pub(crate) fn opaque(&mut self, any: &Any<'_>, at: &At<'_>) -> Result<(), WriteError> {
        self.open(b'{', at)?;
        let mut first = true;
        self.key("@type", &mut first, at)?;
        self.string(any.url, at)?;
        self.key("value", &mut first, at)?;
        self.base64(&any.payload, at)?;
        self.close(b'}', first, at)
    }

    /// A Value: the member of its oneof that is set, null if none is.
    fn any_json(&mut self, message: &DynamicMessage, at: At<'_>) -> Result<(), WriteError> {
        let set = message.fields().next();
        match set {
            None => self.put(b"null", &at),
            Some((field, value)) => {
                if let Value::F64(number) = value
                    && !number.is_finite()
                {
                    let why = format!("holds {number}, which JSON has no number for");
                    return Err(WriteError::new(Unprintable::Value { message: "Value", why }, &at));
                }
                self.value(&field.kind(), value, at)
            }
        }
    }

    /// A message that is written as its field 1: Struct, ListValue and the wrappers.
    fn only_field(&mut self, message: &DynamicMessage, at: At<'_>) -> Result<(), WriteError> {
        let kind = message.descriptor().get_field(1).map_or(Kind::Bool, |field| field.kind());
        match message.get_field_by_number(1) {
            Some(value) => self.value(&kind, &value, at),
            None => self.put(b"null", &at),
        }
    }
}

/// A message from its bytes, and the room that it leaves.
pub(crate) fn decode(
    desc: &MessageDescriptor,
    wire: Bytes,
    room: Room,
    at: &At<'_>,
) -> Result<(DynamicMessage, Room), WriteError> {
    let room = room
        .without(desc, &wire)
        .map_err(|_| WriteError::new(Unprintable::TooManyValues { limit: MAX_TREE_BYTES }, at))?;
    let message = DynamicMessage::decode(desc.clone(), wire).map_err(|source| {
        let message = desc.full_name().to_owned();
        WriteError::new(Unprintable::Decode { message, source }, at)
    })?;
    Ok((message, room))
}
