//! Any message goes to JSON and back unchanged, and so to wire bytes.

use std::collections::HashMap;

use proptest::{
    collection::{hash_map, vec},
    prelude::*,
};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};

use super::{desc, print_as, read, read_as};
use crate::codec::{ReadOptions, WriteOptions, message_to_wire, wkt::WellKnown};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn messages_survive_json(message in message(desc("Kinds"), 3), options in options()) {
        let json = print_as(&message, &options).expect("every generated message has a JSON form");
        serde_json::from_str::<serde_json::Value>(&json).expect("another parser takes it for JSON");
        let back = read_as("Kinds", &json, &reading(&options)).unwrap_or_else(|error| panic!("{json}: {error}"));
        prop_assert_eq!(message_to_wire(&back), message_to_wire(&message), "{}", json);
    }

    #[test]
    fn proto2_messages_survive_json(message in message(desc("Legacy"), 3), options in options()) {
        let json = print_as(&message, &options).expect("every generated message has a JSON form");
        let back = read_as("Legacy", &json, &reading(&options)).unwrap_or_else(|error| panic!("{json}: {error}"));
        prop_assert_eq!(message_to_wire(&back), message_to_wire(&message), "{}", json);
    }

    #[test]
    fn the_wire_bytes_are_the_message(message in message(desc("Kinds"), 3)) {
        let wire = message_to_wire(&message);
        let back = DynamicMessage::decode(desc("Kinds"), &*wire).expect("prost decodes it");
        prop_assert_eq!(message_to_wire(&back), wire);
    }

    #[test]
    fn any_text_is_answered(json in "[-+.eE0-9{}\\[\\]:,\"\\\\ untrlsfai3]{0,60}") {
        let _ = read("Kinds", &json);
    }
}

pub(super) fn options() -> impl Strategy<Value = WriteOptions> {
    any::<[bool; 6]>().prop_map(|[defaults, ints, names, whitespace, numbers, strip]| WriteOptions {
        always_print_primitive_fields: defaults,
        always_print_enums_as_ints: ints,
        preserve_proto_field_names: names,
        add_whitespace: whitespace,
        print_int64_as_numbers: numbers,
        strip_enum_prefixes: strip,
        ..WriteOptions::default()
    })
}

/// What it takes to read back what was printed so.
fn reading(options: &WriteOptions) -> ReadOptions {
    ReadOptions { strip_enum_prefixes: options.strip_enum_prefixes, ..ReadOptions::default() }
}

/// A message with some of its fields set, nested up to `depth`.
pub(super) fn message(desc: MessageDescriptor, depth: usize) -> BoxedStrategy<DynamicMessage> {
    match WellKnown::of(&desc) {
        Some(WellKnown::Timestamp) => return parts(desc, -62_135_596_800..=253_402_300_799, false),
        Some(WellKnown::Duration) => return parts(desc, -315_575_999_999..=315_575_999_999, true),
        Some(WellKnown::FieldMask) => {
            let paths = vec("[a-z]{1,4}(_[a-z]{1,3}){0,2}(\\.[a-z]{1,3})?".prop_map(Value::String), 0..4);
            return with(desc, 1, paths.prop_map(Value::List));
        }
        Some(WellKnown::Any) => return an_any(desc, depth),
        Some(WellKnown::Value) => return a_value(&desc, depth),
        _ => {}
    }
    let fields: Vec<FieldDescriptor> = desc.fields().collect();
    if fields.is_empty() {
        return Just(DynamicMessage::new(desc)).boxed();
    }
    let few = proptest::sample::subsequence(fields.clone(), 0..=fields.len().min(6));
    few.prop_flat_map(move |fields| {
        let desc = desc.clone();
        let values: Vec<_> = fields.iter().map(|field| value(field, depth)).collect();
        values.prop_map(move |values| {
            let mut message = DynamicMessage::new(desc.clone());
            for (field, value) in fields.iter().zip(values) {
                if let Some(value) = value {
                    message.set_field(field, value);
                }
            }
            message
        })
    })
    .boxed()
}

/// A value of a field; `None` where it would nest too far.
fn value(field: &FieldDescriptor, depth: usize) -> BoxedStrategy<Option<Value>> {
    let kind = field.kind();
    if depth == 0 && matches!(kind, Kind::Message(_)) {
        return Just(None).boxed();
    }
    let some = match &kind {
        Kind::Message(entry) if field.is_map() => {
            let (keys, values) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
            hash_map(key(&keys), single(&values, depth), 0..4)
                .prop_map(|map: HashMap<_, _>| Value::Map(map))
                .boxed()
        }
        kind if field.is_list() => vec(single(kind, depth), 0..4).prop_map(Value::List).boxed(),
        kind => single(kind, depth),
    };
    some.prop_map(Some).boxed()
}

fn single(kind: &Kind, depth: usize) -> BoxedStrategy<Value> {
    match kind {
        Kind::Double => prop_oneof![any::<f64>(), Just(-0.0), Just(f64::MAX), Just(f64::INFINITY)]
            .prop_filter("NaN is no NaN's equal", |float| !float.is_nan())
            .prop_map(Value::F64)
            .boxed(),
        Kind::Float => prop_oneof![any::<f32>(), Just(-0.0), Just(f32::MIN_POSITIVE)]
            .prop_filter("NaN is no NaN's equal", |float| !float.is_nan())
            .prop_map(Value::F32)
            .boxed(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => any::<i32>().prop_map(Value::I32).boxed(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => any::<i64>().prop_map(Value::I64).boxed(),
        Kind::Uint32 | Kind::Fixed32 => any::<u32>().prop_map(Value::U32).boxed(),
        Kind::Uint64 | Kind::Fixed64 => any::<u64>().prop_map(Value::U64).boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::String => any::<String>().prop_map(Value::String).boxed(),
        Kind::Bytes => vec(any::<u8>(), 0..20).prop_map(|bytes| Value::Bytes(bytes.into())).boxed(),
        Kind::Enum(enumeration) => {
            let numbers: Vec<i32> = enumeration.values().map(|value| value.number()).collect();
            proptest::sample::select(numbers).prop_map(Value::EnumNumber).boxed()
        }
        Kind::Message(desc) => {
            message(desc.clone(), depth.saturating_sub(1)).prop_map(Value::Message).boxed()
        }
    }
}

fn key(kind: &Kind) -> BoxedStrategy<MapKey> {
    single(kind, 0).prop_map(|value| value.into_map_key().expect("the kind of a key")).boxed()
}

fn with(
    desc: MessageDescriptor,
    number: u32,
    value: impl Strategy<Value = Value> + 'static,
) -> BoxedStrategy<DynamicMessage> {
    value
        .prop_map(move |value| {
            let mut message = DynamicMessage::new(desc.clone());
            message.set_field_by_number(number, value);
            message
        })
        .boxed()
}

fn parts(
    desc: MessageDescriptor,
    seconds: std::ops::RangeInclusive<i64>,
    signed: bool,
) -> BoxedStrategy<DynamicMessage> {
    (seconds, 0..1_000_000_000_i32)
        .prop_map(move |(seconds, nanos)| {
            let nanos = if signed && seconds < 0 { -nanos } else { nanos };
            crate::codec::wkt::with_seconds_and_nanos(desc.clone(), (seconds, nanos))
        })
        .boxed()
}

fn an_any(desc: MessageDescriptor, depth: usize) -> BoxedStrategy<DynamicMessage> {
    let empty = Just(DynamicMessage::new(desc.clone())).boxed();
    if depth == 0 {
        return empty;
    }
    let names =
        ["codec.test.Kinds", "google.protobuf.Duration", "google.protobuf.Empty", "google.protobuf.Value"];
    let full = proptest::sample::select(names.to_vec()).prop_flat_map(move |name| {
        let desc = desc.clone();
        message(super::desc(name), depth - 1).prop_map(move |inner| {
            let mut any = DynamicMessage::new(desc.clone());
            any.set_field_by_number(1, Value::String(format!("type.googleapis.com/{name}")));
            any.set_field_by_number(2, Value::Bytes(message_to_wire(&inner).into()));
            any
        })
    });
    prop_oneof![empty, full].boxed()
}

/// One kind is set, and no number that JSON has not.
fn a_value(desc: &MessageDescriptor, depth: usize) -> BoxedStrategy<DynamicMessage> {
    let number = any::<f64>().prop_filter("JSON has finite numbers", |number| number.is_finite());
    let scalars = prop_oneof![
        with(desc.clone(), 1, Just(Value::EnumNumber(0))),
        with(desc.clone(), 2, number.prop_map(Value::F64)),
        with(desc.clone(), 3, any::<String>().prop_map(Value::String)),
        with(desc.clone(), 4, any::<bool>().prop_map(Value::Bool)),
    ];
    if depth == 0 {
        return scalars.boxed();
    }
    let nested = |number| {
        let kind = desc.get_field(number).expect("a field of Value").kind();
        with(desc.clone(), number, single(&kind, depth))
    };
    prop_oneof![scalars, nested(5), nested(6)].boxed()
}
