//! What only wire bytes can say, and how it looks.

use bytes::BytesMut;
use prost_reflect::{DynamicMessage, Value};

use super::{desc, print, print_as, print_wire, read};
use crate::codec::{WriteOptions, field_to_json};

#[test]
fn defaults_are_printed_on_demand() {
    let options = WriteOptions { always_print_primitive_fields: true, ..WriteOptions::default() };
    let json = print_as(&DynamicMessage::new(desc("Kinds")), &options).expect("defaults");
    for part in [
        r#""dbl":0,"#,
        r#""i64":"0","#,
        r#""flag":false"#,
        r#""color":"COLOR_UNSPECIFIED""#,
        r#""i32s":[]"#,
        r#""textMap":{}"#,
        r#""data":"""#,
        r#""anys":[]"#,
    ] {
        assert!(json.contains(part), "{part} in {json}");
    }
    for part in ["optI32", "pick", "\"child\"", "\"any\"", "\"ts\"", "wI32", "\"val\""] {
        assert!(!json.contains(part), "{part} in {json}");
    }
    let json = print_as(&DynamicMessage::new(desc("Legacy")), &options).expect("defaults");
    assert_eq!(json, r#"{"sizes":[],"sizeMap":{},"packed":[],"plain":[]}"#);
    let json =
        print_as(&read("Kinds", r#"{"any":{"@type":"x/codec.test.Legacy"}}"#).expect("an Any"), &options);
    assert!(json.expect("defaults").contains(r#""any":{"@type":"x/codec.test.Legacy","sizes":[],"#));
}

#[test]
fn whitespace_is_two_spaces_a_level() {
    let options = WriteOptions { add_whitespace: true, ..WriteOptions::default() };
    let message = read("Kinds", r#"{"i32s":[1,2],"child":{},"textMap":{"a":"b"}}"#).expect("a message");
    let json = print_as(&message, &options).expect("printed");
    assert_eq!(
        json,
        "{\n  \"child\": {},\n  \"i32s\": [\n    1,\n    2\n  ],\n  \"textMap\": {\n    \"a\": \"b\"\n  }\n}"
    );
}

#[test]
fn unknown_enum_numbers_print_as_numbers() {
    assert_eq!(print_wire("Kinds", "8001 63").expect("an enum"), r#"{"color":99}"#);
    assert_eq!(print_wire("Legacy", "10 63").expect("an enum"), r#"{"size":99}"#);
}

#[test]
fn unknown_fields_are_not_printed_and_not_lost() {
    assert_eq!(print_wire("Kinds", "9a3f 02 0805 18 01").expect("a message"), r#"{"i32":1}"#);
}

#[test]
fn bytes_that_are_no_message_are_an_error_without_json() {
    // A cut length, a string that is no UTF-8, a group that does not end.
    for hex in ["72 05 61", "72 01 ff", "1b"] {
        let error = print_wire("Kinds", hex).expect_err(hex);
        assert_eq!(error.to_string(), "message codec.test.Kinds does not decode");
        let source = std::error::Error::source(&error).expect("prost says why");
        assert!(!error.to_string().contains(&source.to_string()));
    }
}

#[test]
fn bytes_in_an_any_that_are_not_its_message_are_an_error() {
    // 84: { 1: "x/codec.test.Kinds", 2: 72 01 ff }
    let error = print_wire("Kinds", "a205 19 0a12 782f636f6465632e746573742e4b696e6473 1203 7201ff")
        .expect_err("no UTF-8");
    assert_eq!(error.to_string(), "anys[0]: message codec.test.Kinds does not decode");
}

#[test]
fn a_value_without_a_kind_is_null() {
    assert_eq!(print_wire("Kinds", "9204 00").expect("a Value"), r#"{"val":null}"#);
}

#[test]
fn a_value_that_json_has_no_number_for_is_an_error() {
    for number in [f64::NAN, f64::INFINITY] {
        let mut value = DynamicMessage::new(desc("google.protobuf.Value"));
        value.set_field_by_number(2, Value::F64(number));
        let mut message = DynamicMessage::new(desc("Kinds"));
        message.set_field_by_name("vals", Value::List(vec![Value::Message(value)]));
        assert_eq!(print(&message).expect_err("no JSON number").field_path(), "vals[0]");
    }
}

#[test]
fn a_message_that_only_borrows_a_well_known_name_is_a_plain_one() {
    use prost_reflect::{DescriptorPool, prost_types::*};
    let field = FieldDescriptorProto {
        name: Some("seconds".into()),
        number: Some(1),
        r#type: Some(field_descriptor_proto::Type::String.into()),
        label: Some(field_descriptor_proto::Label::Optional.into()),
        ..Default::default()
    };
    let names = ["Timestamp", "Any", "Value", "Struct", "ListValue", "FieldMask", "Int32Value", "Duration"];
    let file = FileDescriptorProto {
        name: Some("fake.proto".into()),
        package: Some("google.protobuf".into()),
        syntax: Some("proto3".into()),
        message_type: names
            .iter()
            .map(|name| DescriptorProto {
                name: Some((*name).into()),
                field: vec![field.clone()],
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    let pool =
        DescriptorPool::from_file_descriptor_set(FileDescriptorSet { file: vec![file] }).expect("a pool");
    for name in names {
        let desc = pool.get_message_by_name(&format!("google.protobuf.{name}")).expect(name);
        let json = r#"{"seconds":"x"}"#;
        let message = crate::codec::json_to_message(&desc, json.as_bytes(), &Default::default()).expect(name);
        assert_eq!(print(&message).expect(name), json);
    }
}

/// What `response_body` names, given and absent.
#[test]
fn one_field_of_a_message() {
    let json = r#"{"i64":"-7","text":"a\nb","data":"AAE=","color":"COLOR_BLUE","child":{"fooBar":"x"},"optI32":0,
        "i32s":[1,2],"children":[{},{"i32":1}],"textMap":{"b":"2","a":"1"},"childMap":{"k":{"flag":true}},
        "ts":"2025-01-01T00:00:00Z","wI64":"9","val":null,"st":{"a":[1]},"pickText":""}"#;
    let message = read("Kinds", json).expect("a message");
    let check = |message: &DynamicMessage, name: &str, expect: &str| {
        let field = desc("Kinds").get_field_by_name(name).expect("a field");
        let mut out = BytesMut::from("before");
        field_to_json(message, &field, &WriteOptions::default(), &mut out).expect("printed");
        assert_eq!(out, format!("before{expect}"), "{name}");
    };
    for (name, given, absent) in [
        ("i64", "\"-7\"", "\"0\""),
        ("text", "\"a\\nb\"", "\"\""),
        ("data", "\"AAE=\"", "\"\""),
        ("color", "\"COLOR_BLUE\"", "\"COLOR_UNSPECIFIED\""),
        ("child", "{\"fooBar\":\"x\"}", "null"),
        ("opt_i32", "0", "null"),
        ("i32s", "[1,2]", "[]"),
        ("children", "[{},{\"i32\":1}]", "[]"),
        ("text_map", "{\"a\":\"1\",\"b\":\"2\"}", "{}"),
        ("child_map", "{\"k\":{\"flag\":true}}", "{}"),
        ("ts", "\"2025-01-01T00:00:00Z\"", "null"),
        ("w_i64", "\"9\"", "null"),
        ("val", "null", "null"),
        ("st", "{\"a\":[1]}", "null"),
        ("pick_text", "\"\"", "null"),
        ("pick_i32", "null", "null"),
    ] {
        check(&message, name, given);
        check(&DynamicMessage::new(desc("Kinds")), name, absent);
    }
}
