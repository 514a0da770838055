//! Descriptors to tables.

use std::collections::HashMap;

use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind as Described, MessageDescriptor, Value};

use super::{Enum, Field, InAny, Kind, Label, Message, Names, Shape, Tables};
use crate::codec::wkt::{self, WellKnown};

pub(super) fn compile<'d>(roots: impl IntoIterator<Item = &'d MessageDescriptor>) -> Tables {
    let mut builder = Builder::default();
    for root in roots {
        builder.id(root);
    }
    // Each message may add others behind it.
    let mut messages = Vec::new();
    while let Some(desc) = builder.found.get(messages.len()).cloned() {
        messages.push(builder.message(&desc));
    }
    let ids = builder.ids;
    Tables { messages, enums: builder.enums, ids }
}

/// Messages in the order in which they were found, which is their place in the tables.
#[derive(Default)]
struct Builder {
    found: Vec<MessageDescriptor>,
    ids: HashMap<String, u32>,
    enums: Vec<Enum>,
    enum_ids: HashMap<String, u32>,
}

impl Builder {
    fn id(&mut self, desc: &MessageDescriptor) -> u32 {
        if let Some(id) = self.ids.get(desc.full_name()) {
            return *id;
        }
        let id = next_id(self.found.len());
        self.found.push(desc.clone());
        self.ids.insert(desc.full_name().to_owned(), id);
        id
    }

    fn enum_id(&mut self, desc: &EnumDescriptor) -> u32 {
        if let Some(id) = self.enum_ids.get(desc.full_name()) {
            return *id;
        }
        let id = next_id(self.enums.len());
        self.enums.push(Enum::of(desc));
        self.enum_ids.insert(desc.full_name().to_owned(), id);
        id
    }

    fn message(&mut self, desc: &MessageDescriptor) -> Message {
        // What may be inside is every message that the schema has.
        if WellKnown::of(desc) == Some(WellKnown::Any) {
            for other in desc.parent_pool().all_messages().filter(|other| !other.is_map_entry()) {
                self.id(&other);
            }
        }
        let oneofs: Vec<_> = desc.oneofs().filter(|oneof| !oneof.is_synthetic()).collect();
        let mut described: Vec<FieldDescriptor> = desc.fields().collect();
        described.sort_unstable_by_key(FieldDescriptor::number);
        let fields: Vec<Field> = described
            .iter()
            .map(|field| {
                let oneof = field.containing_oneof();
                let oneof = oneof.and_then(|oneof| oneofs.iter().position(|other| *other == oneof));
                self.field(field, oneof)
            })
            .collect();
        let json = described.iter().map(|field| field.json_name().to_owned()).zip(0..);
        let proto = described.iter().map(|field| field.name().to_owned()).zip(0..);
        let mut low = vec![0; fields.last().map_or(0, |last| super::index(last.number) + 1).min(LOW)];
        for (index, field) in fields.iter().enumerate() {
            if let (Some(slot), Ok(index)) = (low.get_mut(super::index(field.number)), u16::try_from(index)) {
                *slot = index + 1;
            }
        }
        let shape = shape(desc, &described);
        Message {
            shape,
            names: Names::new(json.chain(proto)),
            low: low.into(),
            extended: desc.extensions().next().is_some(),
            in_any: in_any(desc, shape),
            words: (fields.len() + oneofs.len()).div_ceil(64),
            fields,
        }
    }

    fn field(&mut self, desc: &FieldDescriptor, oneof: Option<usize>) -> Field {
        let mut kind = desc.kind();
        let mut label = if desc.supports_presence() { Label::Explicit } else { Label::Implicit };
        if let Some(entry) = kind.as_message().filter(|_| desc.is_map()).cloned() {
            let value = entry.map_entry_value_field();
            let key = self.kind(&entry.map_entry_key_field().kind(), false);
            label = Label::Map { key, explicit: value.supports_presence() };
            kind = value.kind();
        } else if desc.is_list() {
            label = Label::List { packed: desc.is_packed() };
        }
        let key = |name: &str| {
            let quoted = serde_json::to_string(name).unwrap_or_default();
            format!(",{quoted}:").into_bytes().into_boxed_slice()
        };
        Field {
            number: desc.number(),
            kind: self.kind(&kind, desc.is_group()),
            label,
            oneof,
            takes_null: crate::codec::reference::takes_null(&kind),
            json_name: desc.json_name().into(),
            json_key: key(desc.json_name()),
            proto_key: key(desc.name()),
        }
    }

    fn kind(&mut self, kind: &Described, group: bool) -> Kind {
        match kind {
            Described::Double => Kind::Double,
            Described::Float => Kind::Float,
            Described::Int32 => Kind::Int32,
            Described::Int64 => Kind::Int64,
            Described::Uint32 => Kind::Uint32,
            Described::Uint64 => Kind::Uint64,
            Described::Sint32 => Kind::Sint32,
            Described::Sint64 => Kind::Sint64,
            Described::Fixed32 => Kind::Fixed32,
            Described::Fixed64 => Kind::Fixed64,
            Described::Sfixed32 => Kind::Sfixed32,
            Described::Sfixed64 => Kind::Sfixed64,
            Described::Bool => Kind::Bool,
            Described::String => Kind::String,
            Described::Bytes => Kind::Bytes,
            Described::Enum(desc) => Kind::Enum(self.enum_id(desc)),
            Described::Message(_) if group => Kind::Group,
            Described::Message(desc) => Kind::Message(self.id(desc)),
        }
    }
}

/// A well-known type only in its standard form: a schema may define one with more fields, or with
/// presence where the real one has none, and such a one is left to the reference.
fn shape(desc: &MessageDescriptor, fields: &[FieldDescriptor]) -> Shape {
    let Some(known) = WellKnown::of(desc) else {
        // Absence means zero to the fast codec.
        let odd = |field: &FieldDescriptor| {
            let zero = match field.kind() {
                Described::Enum(_) => Value::EnumNumber(0),
                kind => Value::default_value(&kind),
            };
            !field.supports_presence() && !field.is_list() && !field.is_map() && field.default_value() != zero
        };
        return if fields.iter().any(odd) { Shape::Foreign } else { Shape::Object };
    };
    let plain = |count| fields.len() == count && !fields.iter().any(FieldDescriptor::supports_presence);
    let (shape, standard) = match known {
        WellKnown::Any => (Shape::Any, plain(2)),
        WellKnown::Timestamp => (Shape::Timestamp, plain(2)),
        WellKnown::Duration => (Shape::Duration, plain(2)),
        WellKnown::FieldMask => (Shape::FieldMask, plain(1)),
        WellKnown::Struct => (Shape::Struct, plain(1)),
        WellKnown::ListValue => (Shape::ListValue, plain(1)),
        WellKnown::Wrapper => (Shape::Wrapper, plain(1)),
        WellKnown::Value => (Shape::Value, fields.len() == 6),
    };
    if standard && desc.extensions().next().is_none() { shape } else { Shape::Foreign }
}

fn in_any(desc: &MessageDescriptor, shape: Shape) -> InAny {
    match shape {
        _ if desc.is_map_entry() => InAny::Never,
        _ if wkt::is_empty(desc) => InAny::Nothing,
        Shape::Object => InAny::Fields,
        Shape::Foreign => InAny::Foreign,
        _ => InAny::Value,
    }
}

fn next_id(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Field numbers below this are looked up by position.
const LOW: usize = 1_024;
