//! JSON of the well-known types to messages.

use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, Value};

use crate::codec::{
    error::{ReadError, Reason, quoted},
    options::MAX_ANY_DEPTH,
    path::At,
    reference::{encode, read::Reader},
    scalar,
    scan::{Scanner, Shape},
    wkt::{self, Spelling, WellKnown},
};

impl Reader<'_> {
    pub(super) fn known(
        &mut self,
        known: WellKnown,
        desc: &MessageDescriptor,
        at: At<'_>,
    ) -> Result<DynamicMessage, ReadError> {
        match known {
            WellKnown::Any => self.any(desc, at.any()),
            WellKnown::Timestamp | WellKnown::Duration | WellKnown::FieldMask => {
                let mark = self.scan;
                if self.shape(&at)? != Shape::String {
                    let expected = format!("a string for {}", desc.full_name());
                    return Err(self.mismatch(expected, &at));
                }
                let text = self.step(&at, Scanner::string)?;
                from_text(known, desc, &text, Spelling::Json)
                    .map_err(|reason| self.refuse_at(mark, reason, &at))
            }
            WellKnown::Struct => {
                let fields = match field_kind(desc, 1) {
                    Some(Kind::Message(entry)) => self.map(&entry, at)?,
                    _ => return Err(self.mismatch("an object".to_owned(), &at)),
                };
                // Nothing set is a message of no node, where an empty map in it would be one.
                Ok(if fields.is_empty() {
                    DynamicMessage::new(desc.clone())
                } else {
                    with(desc, 1, Value::Map(fields))
                })
            }
            WellKnown::ListValue => {
                let Some(kind) = field_kind(desc, 1) else {
                    return Err(self.mismatch("an array".to_owned(), &at));
                };
                let values = self.list(&kind, at)?;
                Ok(if values.is_empty() {
                    DynamicMessage::new(desc.clone())
                } else {
                    with(desc, 1, Value::List(values))
                })
            }
            WellKnown::Value => self.value(desc, at),
            WellKnown::Wrapper => {
                let Some(kind) = field_kind(desc, 1) else {
                    return Err(self.mismatch("a value".to_owned(), &at));
                };
                let value = self.single(&kind, at)?;
                Ok(value.map_or_else(|| DynamicMessage::new(desc.clone()), |value| with(desc, 1, value)))
            }
        }
    }

    /// Any JSON, as the member of the oneof that its shape names.
    fn value(&mut self, desc: &MessageDescriptor, at: At<'_>) -> Result<DynamicMessage, ReadError> {
        let number = match self.shape(&at)? {
            Shape::Null => {
                self.step(&at, Scanner::pass)?;
                return Ok(with(desc, 1, Value::EnumNumber(0)));
            }
            // Through its digits: a quoted number is a string here, and NaN is no JSON.
            Shape::Number => 2,
            Shape::String => 3,
            Shape::True | Shape::False => 4,
            Shape::Object => 5,
            Shape::Array => 6,
        };
        let Some(kind) = field_kind(desc, number) else {
            return Err(self.mismatch("a JSON value".to_owned(), &at));
        };
        let value = self.single(&kind, at)?;
        Ok(value.map_or_else(|| DynamicMessage::new(desc.clone()), |value| with(desc, number, value)))
    }

    /// `{"@type": url, ...}`, the type wherever it stands among the keys; `{}` is an empty one.
    fn any(&mut self, desc: &MessageDescriptor, at: At<'_>) -> Result<DynamicMessage, ReadError> {
        if at.anys > MAX_ANY_DEPTH {
            return Err(self.refuse(Reason::AnyTooDeep { limit: MAX_ANY_DEPTH }, &at));
        }
        let mark = self.scan;
        if self.shape(&at)? != Shape::Object {
            return Err(self.mismatch("an object with \"@type\"".to_owned(), &at));
        }
        let Some(url) = self.type_url(&at)? else {
            self.step(&at, Scanner::pass)?;
            return Ok(DynamicMessage::new(desc.clone()));
        };
        let inner = wkt::type_name(&url).and_then(|name| desc.parent_pool().get_message_by_name(name));
        let Some(inner) = inner.filter(|inner| !inner.is_map_entry()) else {
            let here = at.field(TYPE);
            return Err(self.refuse_at(mark, Reason::UnknownType { type_url: quoted(&url) }, &here));
        };
        let message = if wkt::is_special_in_any(&inner) {
            self.any_value(&inner, at.message())?
        } else {
            self.object(&inner, at.message(), Some(TYPE))?
        };
        let mut any = with(desc, 1, Value::String(url));
        any.set_field_by_number(2, Value::Bytes(encode(&message).into()));
        Ok(any)
    }

    /// Looks ahead for the `@type` of the object at the cursor. `None` when it has no keys at all.
    fn type_url(&mut self, at: &At<'_>) -> Result<Option<String>, ReadError> {
        let start = self.scan;
        self.scan.enter();
        let mut url = None;
        let mut keys = 0;
        let mut first = true;
        while let Some(key) = self.step(at, |scan| scan.key(&mut first))? {
            keys += 1;
            if key != TYPE {
                self.step(at, Scanner::pass)?;
                continue;
            }
            let here = at.field(TYPE);
            if url.is_some() {
                return Err(self.refuse(Reason::Duplicate, &here));
            }
            if self.shape(&here)? != Shape::String {
                return Err(self.mismatch("a type URL".to_owned(), &here));
            }
            url = Some(self.step(&here, Scanner::string)?.into_owned());
        }
        self.scan = start;
        if url.is_none() && keys > 0 {
            return Err(
                self.refuse(Reason::mismatch("the key \"@type\" beside the fields", "no such key"), at)
            );
        }
        Ok(url)
    }

    /// `{"@type": url, "value": json}` for the types whose JSON is no object of fields. Only `Empty`
    /// may leave the value out.
    fn any_value(&mut self, inner: &MessageDescriptor, at: At<'_>) -> Result<DynamicMessage, ReadError> {
        let start = self.scan;
        self.scan.enter();
        let mut message = None;
        let mut first = true;
        loop {
            let mark = self.scan;
            let Some(key) = self.step(&at, |scan| scan.key(&mut first))? else { break };
            let here = at.field(&key);
            match &*key {
                TYPE => self.step(&here, Scanner::pass)?,
                VALUE if message.is_some() && self.options.reject_duplicate_keys => {
                    return Err(self.refuse_at(mark, Reason::Duplicate, &here));
                }
                VALUE => message = Some(self.message(inner, here)?),
                _ if self.options.reject_unknown_fields => {
                    let message = inner.full_name().to_owned();
                    return Err(self.refuse_at(mark, Reason::UnknownField { message }, &here));
                }
                _ => self.step(&here, Scanner::pass)?,
            }
        }
        match message {
            Some(message) => Ok(message),
            None if wkt::is_empty(inner) => Ok(DynamicMessage::new(inner.clone())),
            None => {
                let expected = format!("the key \"value\" with the JSON of {}", inner.full_name());
                Err(self.refuse_at(start, Reason::mismatch(expected, "no such key"), &at))
            }
        }
    }
}

/// A Timestamp, Duration or FieldMask from its text; a wrapper from that of its value.
pub(crate) fn from_text(
    known: WellKnown,
    desc: &MessageDescriptor,
    text: &str,
    spelling: Spelling,
) -> Result<DynamicMessage, Reason> {
    match known {
        WellKnown::Timestamp => wkt::timestamp_from_text(text)
            .map(|parts| wkt::with_seconds_and_nanos(desc.clone(), parts))
            .ok_or_else(|| Reason::mismatch("an RFC 3339 time such as \"2024-01-31T09:30:00.5Z\"", text)),
        WellKnown::Duration => wkt::duration_from_text(text)
            .map(|parts| wkt::with_seconds_and_nanos(desc.clone(), parts))
            .ok_or_else(|| Reason::mismatch("a duration in seconds such as \"1.5s\"", text)),
        WellKnown::FieldMask => {
            let paths =
                wkt::paths_from_text(text, spelling).map_err(|expected| Reason::mismatch(expected, text))?;
            Ok(with(desc, 1, Value::List(paths.into_iter().map(Value::String).collect())))
        }
        WellKnown::Wrapper => match field_kind(desc, 1) {
            Some(kind) => Ok(with(desc, 1, scalar::parse(&kind, text)?)),
            None => Err(Reason::mismatch("a value", text)),
        },
        WellKnown::Any | WellKnown::Struct | WellKnown::Value | WellKnown::ListValue => {
            Err(Reason::mismatch(scalar::expected(&Kind::Message(desc.clone())), text))
        }
    }
}

fn field_kind(desc: &MessageDescriptor, number: u32) -> Option<Kind> {
    desc.get_field(number).map(|field| field.kind())
}

fn with(desc: &MessageDescriptor, number: u32, value: Value) -> DynamicMessage {
    let mut message = DynamicMessage::new(desc.clone());
    message.set_field_by_number(number, value);
    message
}

const TYPE: &str = "@type";

const VALUE: &str = "value";
