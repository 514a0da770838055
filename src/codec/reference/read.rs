//! JSON to a message, led by its descriptor.
//!
//! The text has been surveyed before (one JSON value, within its bounds), so this pass knows that
//! the syntax holds and recursion ends; what is left is meaning. A message costs up to 2 KB for each
//! of its values, and most of what comes here is wrong in some place: so a text of many values is
//! read twice, and the first time nothing is kept of it.

use std::collections::{HashMap, HashSet};

use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
};

use crate::codec::{
    error::{ReadError, Reason, quoted},
    options::{MAX_DEPTH, ReadOptions},
    path::At,
    reference::{
        enums::Enums,
        slot::{Slot, takes_null},
    },
    scalar,
    scan::{Bounds, ScanError, Scanner, Shape},
    wkt::WellKnown,
};

/// One message from the whole of `json`.
pub(crate) fn read_message(
    desc: &MessageDescriptor,
    json: &[u8],
    options: &ReadOptions,
) -> Result<DynamicMessage, ReadError> {
    let mut reader = Reader::new(json, options)?;
    if let Some(mut check) = reader.check() {
        check.message(desc, At::root())?;
    }
    reader.message(desc, At::root())
}

/// The value of one field from the whole of `json`. An ignored enum name leaves it unset; null, which
/// beside other keys would mean that, is no value here.
pub(crate) fn read_field(
    message: &mut DynamicMessage,
    field: &FieldDescriptor,
    json: &[u8],
    options: &ReadOptions,
) -> Result<(), ReadError> {
    let slot = Slot::Field(field.clone());
    let root = At::root();
    let at = root.field(field.json_name());
    let mut reader = Reader::new(json, options)?;
    if reader.shape(&at)? == Shape::Null && !slot.takes_null() {
        let expected = match slot.kind() {
            _ if slot.is_map() => "an object".to_owned(),
            _ if slot.is_list() => "an array".to_owned(),
            kind => scalar::expected(&kind),
        };
        return Err(reader.mismatch(expected, &at));
    }
    if let Some(mut check) = reader.check() {
        check.slot(message, &slot, at)?;
    }
    reader.slot(message, &slot, at)
}

/// A cursor with what it may let pass.
pub(super) struct Reader<'a> {
    pub(super) scan: Scanner<'a>,
    pub(super) options: &'a ReadOptions,
    enums: Enums,
    /// Values of the text.
    nodes: usize,
    /// Whether what is read goes into the message; if not, it is only looked at.
    keep: bool,
}

impl<'a> Reader<'a> {
    fn new(json: &'a [u8], options: &'a ReadOptions) -> Result<Self, ReadError> {
        let fault = |scan: Option<Scanner<'_>>, error: ScanError| {
            let position = scan.map(|scan| scan.position(error.offset));
            ReadError::new(error.reason, &At::root(), position)
        };
        let scan = Scanner::new(json).map_err(|error| fault(None, error))?;
        let nodes = scan.survey(Bounds::new(options)).map_err(|error| fault(Some(scan), error))?;
        Ok(Self { scan, options, enums: Enums::default(), nodes, keep: true })
    }

    /// One that builds nothing, where the tree may cost more than another pass.
    fn check(&self) -> Option<Self> {
        let Self { scan, options, nodes, .. } = *self;
        (nodes > FEW).then(|| Self { scan, options, enums: Enums::default(), nodes, keep: false })
    }

    /// A message in whatever form its type has in JSON.
    pub(super) fn message(
        &mut self,
        desc: &MessageDescriptor,
        at: At<'_>,
    ) -> Result<DynamicMessage, ReadError> {
        if at.messages > MAX_DEPTH {
            return Err(self.refuse(Reason::TooDeep { limit: MAX_DEPTH }, &at));
        }
        match WellKnown::of(desc) {
            Some(known) => self.known(known, desc, at),
            None => self.object(desc, at, None),
        }
    }

    /// A message as an object of its fields; `beside` is a key that is not one of them.
    pub(super) fn object(
        &mut self,
        desc: &MessageDescriptor,
        at: At<'_>,
        beside: Option<&str>,
    ) -> Result<DynamicMessage, ReadError> {
        self.enter(Shape::Object, &at, || scalar::expected(&Kind::Message(desc.clone())))?;
        let mut message = DynamicMessage::new(desc.clone());
        let mut seen = HashSet::new();
        let mut oneofs: HashMap<String, Slot> = HashMap::new();
        let mut first = true;
        loop {
            let mark = self.scan;
            let Some(key) = self.step(&at, |scan| scan.key(&mut first))? else { return Ok(message) };
            if beside == Some(&*key) {
                self.step(&at, Scanner::pass)?;
                continue;
            }
            let here = at.field(&key);
            let Some(slot) = Slot::named(desc, &key) else {
                if self.options.reject_unknown_fields {
                    let message = desc.full_name().to_owned();
                    return Err(self.refuse_at(mark, Reason::UnknownField { message }, &here));
                }
                self.step(&here, Scanner::pass)?;
                continue;
            };
            if !seen.insert(slot.number()) && self.options.reject_duplicate_keys {
                return Err(self.refuse_at(mark, Reason::Duplicate, &here));
            }
            let given = self.shape(&here)? != Shape::Null || slot.takes_null();
            if given && let Some(oneof) = slot.oneof() {
                let other = oneofs.insert(oneof.name().to_owned(), slot.clone());
                if let Some(other) = other.filter(|other| other.number() != slot.number()) {
                    let (oneof, other) = (oneof.name().to_owned(), other.name(false).to_owned());
                    return Err(self.refuse_at(mark, Reason::Oneof { oneof, other }, &here));
                }
            }
            self.slot(&mut message, &slot, here)?;
        }
    }

    /// The value of a field, list or map.
    fn slot(&mut self, message: &mut DynamicMessage, slot: &Slot, at: At<'_>) -> Result<(), ReadError> {
        if self.shape(&at)? == Shape::Null && !slot.takes_null() {
            self.step(&at, Scanner::pass)?;
            if self.keep {
                slot.clear(message);
            }
            return Ok(());
        }
        let value = match slot.kind() {
            Kind::Message(entry) if slot.is_map() => Some(Value::Map(self.map(&entry, at)?)),
            kind if slot.is_list() => Some(Value::List(self.list(&kind, at)?)),
            kind => self.single(&kind, at)?,
        };
        if let Some(value) = value.filter(|_| self.keep) {
            slot.set(message, value);
        }
        Ok(())
    }

    /// The elements of an array.
    pub(super) fn list(&mut self, kind: &Kind, at: At<'_>) -> Result<Vec<Value>, ReadError> {
        self.enter(Shape::Array, &at, || format!("an array, each element {}", scalar::expected(kind)))?;
        let mut list = Vec::new();
        let mut first = true;
        let mut index = 0;
        while self.step(&at, |scan| scan.element(&mut first))? {
            let element = self.element(kind, at.index(index))?;
            list.extend(element.filter(|_| self.keep));
            index += 1;
        }
        Ok(list)
    }

    /// The entries of an object that stands for a map.
    pub(super) fn map(
        &mut self,
        entry: &MessageDescriptor,
        at: At<'_>,
    ) -> Result<HashMap<MapKey, Value>, ReadError> {
        let (key_kind, kind) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
        self.enter(Shape::Object, &at, || format!("an object, each value {}", scalar::expected(&kind)))?;
        let mut map = HashMap::new();
        let mut first = true;
        loop {
            let mark = self.scan;
            let Some(text) = self.step(&at, |scan| scan.key(&mut first))? else { break };
            let here = at.key(&text);
            let key =
                scalar::map_key(&key_kind, &text).map_err(|reason| self.refuse_at(mark, reason, &here))?;
            if map.contains_key(&key) && self.options.reject_duplicate_keys {
                return Err(self.refuse_at(mark, Reason::Duplicate, &here));
            }
            if let Some(value) = self.element(&kind, here)? {
                map.insert(key, if self.keep { value } else { Value::Bool(true) });
            }
        }
        // Its keys were all that was needed.
        Ok(if self.keep { map } else { HashMap::new() })
    }

    /// One value of a list or map, which may not be null.
    fn element(&mut self, kind: &Kind, at: At<'_>) -> Result<Option<Value>, ReadError> {
        if self.shape(&at)? == Shape::Null && !takes_null(kind) {
            return Err(self.refuse(Reason::Null, &at));
        }
        self.single(kind, at)
    }

    /// One value; `None` for an enum name that is let pass.
    pub(super) fn single(&mut self, kind: &Kind, at: At<'_>) -> Result<Option<Value>, ReadError> {
        if let Kind::Message(desc) = kind {
            return self.message(desc, at.message()).map(|message| Some(Value::Message(message)));
        }
        let mark = self.scan;
        let shape = self.shape(&at)?;
        let value = match (kind, shape) {
            (Kind::Bool, Shape::True | Shape::False) => {
                self.step(&at, |scan| scan.literal(shape))?;
                Ok(Value::Bool(shape == Shape::True))
            }
            (Kind::Enum(_), Shape::Null) if scalar::is_null_value(kind) => {
                self.step(&at, |scan| scan.literal(shape))?;
                Ok(Value::EnumNumber(0))
            }
            (Kind::Enum(desc), Shape::String) => {
                let name = self.step(&at, Scanner::string)?;
                self.enum_by_name(desc, &name)
            }
            (Kind::Enum(desc), Shape::Number) => {
                scalar::enum_by_number(desc, self.step(&at, Scanner::number)?)
            }
            (Kind::String, Shape::String) => Ok(Value::String(self.step(&at, Scanner::string)?.into_owned())),
            (Kind::Bytes, Shape::String) => scalar::bytes(&self.step(&at, Scanner::string)?),
            (Kind::Bool | Kind::Enum(_) | Kind::String | Kind::Bytes, _) => {
                return Err(self.mismatch(scalar::expected(kind), &at));
            }
            (_, Shape::Number) => scalar::parse_number(kind, self.step(&at, Scanner::number)?),
            (_, Shape::String) => scalar::parse_number(kind, &self.step(&at, Scanner::string)?),
            _ => return Err(self.mismatch(scalar::expected(kind), &at)),
        };
        match value {
            Ok(value) => Ok(Some(value)),
            Err(Reason::UnknownEnum { .. }) if !self.options.reject_unknown_enums => Ok(None),
            Err(reason) => Err(self.refuse_at(mark, reason, &at)),
        }
    }

    fn enum_by_name(&mut self, desc: &EnumDescriptor, name: &str) -> Result<Value, Reason> {
        let options = self.options;
        scalar::enum_by_name(desc, name).or_else(|unknown| {
            let other = options.knows_other_enum_names().then(|| self.enums.table(desc));
            let number = other.and_then(|table| table.number(name.as_bytes(), options));
            number.map(Value::EnumNumber).ok_or(unknown)
        })
    }

    /// Steps into an object or array.
    pub(super) fn enter(
        &mut self,
        shape: Shape,
        at: &At<'_>,
        expected: impl FnOnce() -> String,
    ) -> Result<(), ReadError> {
        if self.shape(at)? != shape {
            return Err(self.mismatch(expected(), at));
        }
        self.scan.enter();
        Ok(())
    }

    pub(super) fn shape(&mut self, at: &At<'_>) -> Result<Shape, ReadError> {
        self.step(at, Scanner::shape)
    }

    /// One move of the cursor. The survey has seen this text, so it does not fail; if it did, the
    /// place would be told.
    pub(super) fn step<T>(
        &mut self,
        at: &At<'_>,
        step: impl FnOnce(&mut Scanner<'a>) -> Result<T, ScanError>,
    ) -> Result<T, ReadError> {
        step(&mut self.scan)
            .map_err(|error| ReadError::new(error.reason, at, Some(self.scan.position(error.offset))))
    }

    /// An error about the value that the cursor is in front of.
    pub(super) fn mismatch(&self, expected: String, at: &At<'_>) -> ReadError {
        let mut scan = self.scan;
        let found = match scan.shape() {
            Ok(Shape::Object) => "an object".to_owned(),
            Ok(Shape::Array) => "an array".to_owned(),
            Ok(Shape::String) => scan.string().map_or_else(|_| "a string".to_owned(), |text| quoted(&text)),
            Ok(Shape::Number) => scan.number().map_or("a number", |text| text).chars().take(64).collect(),
            Ok(Shape::True) => "true".to_owned(),
            Ok(Shape::False) => "false".to_owned(),
            Ok(Shape::Null) => "null".to_owned(),
            Err(_) => "something else".to_owned(),
        };
        self.refuse(Reason::Mismatch { expected, found }, at)
    }

    pub(super) fn refuse(&self, reason: Reason, at: &At<'_>) -> ReadError {
        self.refuse_at(self.scan, reason, at)
    }

    /// An error about what stands at `mark`: a key that has been read since, or a value.
    pub(super) fn refuse_at(&self, mark: Scanner<'_>, reason: Reason, at: &At<'_>) -> ReadError {
        ReadError::new(reason, at, Some(self.scan.position(mark.offset())))
    }
}

/// Values of a text that is not read twice: what they cost as a message is no more than a buffer.
const FEW: usize = 100;
