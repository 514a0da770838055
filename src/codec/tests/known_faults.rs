//! What prost-reflect's own JSON does wrong, one test for each fault.

use prost_reflect::{DynamicMessage, Value};

use super::{check_accepted, check_refused, desc, print, print_wire};
use crate::codec::{ReadOptions, WriteOptions, json_to_message, message_to_wire};

#[test]
fn duplicate_keys_do_not_let_the_last_win() {
    check_refused("Kinds", r#"{"i32":1,"i32":2}"#, "i32", "each field once");
    check_refused("Kinds", r#"{"fooBar":"1","foo_bar":"2"}"#, "foo_bar", "each field once");
    check_refused("Kinds", r#"{"textMap":{"a":"1","a":"2"}}"#, r#"textMap["a"]"#, "each field once");
    check_refused("Kinds", r#"{"child":{},"child":{}}"#, "child", "each field once");
}

#[test]
fn duplicate_keys_of_optional_fields_are_no_oneof_error() {
    check_refused("Kinds", r#"{"optI32":1,"optI32":2}"#, "optI32", "each field once");
    check_refused("Kinds", r#"{"pickI32":1,"pickI32":2}"#, "pickI32", "each field once");
}

#[test]
fn quoted_exponents_are_numbers() {
    check_accepted("Kinds", r#"{"i32":"1e3"}"#, r#"{"i32":1000}"#);
    check_accepted("Kinds", r#"{"i32":"1.0"}"#, r#"{"i32":1}"#);
}

#[test]
fn quoted_numbers_obey_the_json_grammar() {
    check_refused("Kinds", r#"{"i32":"+5"}"#, "i32", "whole number");
    check_refused("Kinds", r#"{"i32":"007"}"#, "i32", "whole number");
}

#[test]
fn int64_is_not_clamped() {
    check_refused("Kinds", r#"{"i64":-9223372036854775809}"#, "i64", "range of int64");
    check_refused("Kinds", r#"{"u64":18446744073709551616}"#, "u64", "range of uint64");
    check_accepted("Kinds", r#"{"i64":9.223372036854775807e18}"#, r#"{"i64":"9223372036854775807"}"#);
    check_refused("Kinds", r#"{"i64":9.223372036854775808e18}"#, "i64", "range of int64");
}

#[test]
fn float_names_have_one_spelling() {
    for text in ["nan", "inf", "infinity"] {
        check_refused("Kinds", &format!(r#"{{"dbl":"{text}"}}"#), "dbl", "a number of type double");
    }
}

#[test]
fn quoted_floats_do_not_overflow_to_infinity() {
    check_refused("Kinds", r#"{"flt":"3.5e38"}"#, "flt", "range of float");
    check_refused("Kinds", r#"{"dbl":"1e400"}"#, "dbl", "range of double");
}

#[test]
fn wrappers_print_nan_and_infinity() {
    check_accepted("Kinds", r#"{"wDbl":"NaN","wFlt":"Infinity"}"#, r#"{"wFlt":"Infinity","wDbl":"NaN"}"#);
}

#[test]
fn minus_zero_survives_both_ways() {
    check_accepted("Kinds", r#"{"dbl":-0.0}"#, r#"{"dbl":-0}"#);
    let message =
        json_to_message(&desc("Kinds"), b"{\"dbl\":-0.0,\"child\":{\"flt\":-0}}", &ReadOptions::default())
            .expect("two zeros");
    // 1: fixed64 with the sign bit; 17: a message with 2: fixed32 with the sign bit.
    let wire = [0x09, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x8a, 0x01, 5, 0x15, 0, 0, 0, 0x80];
    assert_eq!(message_to_wire(&message), wire);
    assert_eq!(print_wire("Kinds", "09 0000000000000080").expect("a double"), r#"{"dbl":-0}"#);
}

#[test]
fn value_prints_whole_numbers_without_a_point() {
    check_accepted("Kinds", r#"{"val":1.0}"#, r#"{"val":1}"#);
    // 2^53 + 1 is no double: the one rounding that the type itself asks for.
    check_accepted("Kinds", r#"{"val":9007199254740993}"#, r#"{"val":9007199254740992}"#);
}

#[test]
fn empty_any_is_an_empty_object() {
    check_accepted("Kinds", r#"{"any":{}}"#, r#"{"any":{}}"#);
    assert_eq!(print_wire("Kinds", "ea03 00").expect("an empty Any"), r#"{"any":{}}"#);
}

#[test]
fn any_of_empty_needs_no_value() {
    let json = r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Empty"}}"#;
    check_accepted("Kinds", json, json);
}

#[test]
fn any_of_an_unknown_type_keeps_its_bytes() {
    // 61: { 1: "x/a.B", 2: 08 05 }
    let json = print_wire("Kinds", "ea03 0b 0a05 782f612e42 1202 0805").expect("an opaque Any");
    assert_eq!(json, r#"{"any":{"@type":"x/a.B","value":"CAU="}}"#);
}

#[test]
fn field_masks_that_do_not_come_back_are_named() {
    // 64: { 1: "a_1" } and { 1: "aB" }
    for hex in ["8204 05 0a03 615f31", "8204 04 0a02 6142"] {
        let error = print_wire("Kinds", hex).expect_err("a mask without a JSON form");
        assert_eq!(error.field_path(), "mask");
        assert!(error.to_string().contains("does not come back from lowerCamelCase"), "{error}");
    }
}

#[test]
fn field_masks_are_read_in_camel_case_only() {
    check_refused("Kinds", r#"{"mask":"foo_bar"}"#, "mask", "lowerCamelCase");
}

#[test]
fn enums_are_names_or_whole_numbers() {
    for text in [r#""color_red""#, r#""RED""#, r#""1""#] {
        check_refused("Kinds", &format!(r#"{{"color":{text}}}"#), "color", "value of enum codec.test.Color");
    }
    check_accepted("Kinds", r#"{"color":1.0}"#, r#"{"color":"COLOR_RED"}"#);
}

#[test]
fn unknown_fields_and_unknown_enums_have_a_switch_each() {
    let json = br#"{"nope":1,"color":"X"}"#;
    let strict = ReadOptions::default();
    let fields = ReadOptions { reject_unknown_fields: false, ..strict.clone() };
    let enums = ReadOptions { reject_unknown_enums: false, ..strict.clone() };
    let at = |options| {
        json_to_message(&desc("Kinds"), json, options).expect_err("one is left").field_path().to_owned()
    };
    assert_eq!(at(&fields), "color");
    assert_eq!(at(&enums), "nope");
}

#[test]
fn closed_enums_have_no_unknown_numbers() {
    check_refused("Legacy", r#"{"size":9}"#, "size", "value of enum codec.test.Size");
    // On the wire it is an unknown field.
    assert_eq!(print_wire("Legacy", "10 09 08 01").expect("a message"), r#"{"i32":1}"#);
}

#[test]
fn nesting_stops_where_backends_stop() {
    let deep = |levels: usize| format!("{}{{}}{}", r#"{"child":"#.repeat(levels - 1), "}".repeat(levels - 1));
    check_accepted("Kinds", &deep(100), &deep(100));
    for levels in [101, 127, 128] {
        check_refused("Kinds", &deep(levels), "", "at most 100 levels");
    }
}

#[test]
fn null_in_a_list_or_map_is_refused() {
    check_refused("Kinds", r#"{"i32s":[null]}"#, "i32s[0]", "found null");
    check_refused("Kinds", r#"{"textMap":{"a":null}}"#, r#"textMap["a"]"#, "found null");
}

#[test]
fn leap_seconds_and_long_fractions_are_refused() {
    check_refused("Kinds", r#"{"ts":"2016-12-31T23:59:60Z"}"#, "ts", "RFC 3339");
    check_refused("Kinds", r#"{"ts":"2016-12-31T23:59:59.1234567890Z"}"#, "ts", "RFC 3339");
    check_refused("Kinds", r#"{"dur":"0.1234567890s"}"#, "dur", "duration in seconds");
}

#[test]
fn timestamps_and_durations_out_of_range_are_not_printed() {
    // 62: { 2: 2000000000 }, 63: { 1: 1, 2: -5 }
    for (hex, at) in [("f203 06 1080a8d6b907", "ts"), ("fa03 0d 0801 10fbffffffffffffffff01", "dur")] {
        assert_eq!(print_wire("Kinds", hex).expect_err("out of range").field_path(), at);
    }
}

#[test]
fn bytes_take_either_alphabet_but_not_both() {
    for text in ["+/8=", "+/8", "-_8=", "-_8"] {
        check_accepted("Kinds", &format!(r#"{{"data":"{text}"}}"#), r#"{"data":"+/8="}"#);
    }
    check_refused("Kinds", r#"{"data":"+_8="}"#, "data", "base64");
}

#[test]
fn scalars_of_another_type_are_refused() {
    check_refused("Kinds", r#"{"flag":"true"}"#, "flag", "true or false");
    check_refused("Kinds", r#"{"text":1}"#, "text", "a string");
    check_refused("Kinds", r#"{"FooBar":"a"}"#, "FooBar", "no such field");
}

#[test]
fn maps_print_in_the_order_of_their_keys() {
    let keys: Vec<String> = (0..100).map(|key| format!("{:02}", (key * 37) % 100)).collect();
    let map = |keys: &[String]| {
        let entries: Vec<_> = keys.iter().map(|key| format!(r#""{key}":"""#)).collect();
        format!(r#"{{"textMap":{{{}}}}}"#, entries.join(","))
    };
    let mut sorted = keys.clone();
    sorted.sort();
    check_accepted("Kinds", &map(&keys), &map(&sorted));
}

#[test]
fn errors_know_the_field_and_the_place() {
    let json = "{\n  \"children\": [\n    {},\n    {\"i32\": \"x\"}\n  ]\n}";
    check_refused("Kinds", json, "children[1].i32", "(line 4, column 13)");
}

#[test]
fn options_change_the_print() {
    let json = br#"{"fooBar":"a","color":"COLOR_BLUE","pickNull":null}"#;
    let message = json_to_message(&desc("Kinds"), json, &ReadOptions::default()).expect("a message");
    let as_written = WriteOptions { preserve_proto_field_names: true, ..WriteOptions::default() };
    let as_ints = WriteOptions { always_print_enums_as_ints: true, ..WriteOptions::default() };
    assert_eq!(print(&message).expect("printed"), r#"{"color":"COLOR_BLUE","fooBar":"a","pickNull":null}"#);
    assert_eq!(
        super::print_as(&message, &as_written).expect("printed"),
        r#"{"color":"COLOR_BLUE","foo_bar":"a","pick_null":null}"#
    );
    assert_eq!(
        super::print_as(&message, &as_ints).expect("printed"),
        r#"{"color":2,"fooBar":"a","pickNull":null}"#
    );
}

#[test]
fn an_encoder_without_our_rules_would_lose_minus_zero() {
    use prost::Message as _;
    let mut message = DynamicMessage::new(desc("Kinds"));
    message.set_field_by_name("dbl", Value::F64(-0.0));
    assert!(message.encode_to_vec().is_empty(), "prost-reflect keeps -0.0: our own encoder may go");
}
