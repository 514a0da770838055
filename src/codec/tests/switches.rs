//! Each switch of the JSON mapping on its own, in both codecs.

use bytes::BytesMut;
use prost_reflect::DynamicMessage;

use super::{CODECS, agree_on_json, agree_on_wire, desc, print, print_as, read};
use crate::codec::{
    FieldPath, ReadOptions, Reason, WriteOptions, json_to_message, json_to_wire, message_to_wire,
    wire_to_json,
};

/// The strict default with something else in it.
fn reading(change: impl FnOnce(&mut ReadOptions)) -> ReadOptions {
    let mut options = ReadOptions::default();
    change(&mut options);
    options
}

fn writing(change: impl FnOnce(&mut WriteOptions)) -> WriteOptions {
    let mut options = WriteOptions::default();
    change(&mut options);
    options
}

/// `json` means `canonical`, and the fast codec reads it.
#[track_caller]
fn check_read(json: &str, options: &ReadOptions, canonical: &str) {
    let message = json_to_message(&desc("Kinds"), json.as_bytes(), options)
        .unwrap_or_else(|error| panic!("{json}: {error}"));
    assert_eq!(print(&message).expect(json), canonical);
    assert!(agree_on_json("Kinds", json.as_bytes(), options), "{json} is left to the reference");
}

#[track_caller]
fn check_refused(json: &str, options: &ReadOptions, reason: impl FnOnce(&Reason) -> bool) {
    let error = json_to_message(&desc("Kinds"), json.as_bytes(), options).expect_err(json);
    assert!(reason(error.reason()), "{json}: {error}");
    assert!(!agree_on_json("Kinds", json.as_bytes(), options), "{json}");
}

/// `json` prints as `printed`, and the fast codec prints it.
#[track_caller]
fn check_printed(json: &str, options: &WriteOptions, printed: &str) {
    let wire = json_to_wire(&desc("Kinds"), json.as_bytes(), &ReadOptions::default()).expect(json);
    let mut out = BytesMut::new();
    wire_to_json(&desc("Kinds"), &*wire, options, &mut out).expect(json);
    assert_eq!(out, printed);
    assert!(agree_on_wire("Kinds", &wire, options), "{json} is left to the reference");
}

fn is_unknown_enum(reason: &Reason) -> bool {
    matches!(reason, Reason::UnknownEnum { .. })
}

#[test]
fn enum_names_in_any_case_are_let_pass() {
    let options = reading(|options| options.case_insensitive_enum_parsing = true);
    for name in ["COLOR_BLUE", "color_blue", "Color_Blue", "cOLOR_bLUE"] {
        check_read(&format!(r#"{{"color":"{name}"}}"#), &options, r#"{"color":"COLOR_BLUE"}"#);
    }
    check_read(
        r#"{"colors":["color_red"],"colorMap":{"1":"color_crimson"}}"#,
        &options,
        r#"{"colors":["COLOR_RED"],"colorMap":{"1":"COLOR_RED"}}"#,
    );
    for name in ["BLUE", "color-blue", "color_blu", " color_blue", "\u{212a}olor_blue", "2", ""] {
        check_refused(&format!(r#"{{"color":"{name}"}}"#), &options, is_unknown_enum);
    }
    check_refused(r#"{"color":"color_blue"}"#, &ReadOptions::default(), is_unknown_enum);
}

#[test]
fn enum_names_are_read_with_and_without_their_prefix() {
    let options = reading(|options| options.strip_enum_prefixes = true);
    for name in ["COLOR_BLUE", "BLUE"] {
        check_read(&format!(r#"{{"color":"{name}"}}"#), &options, r#"{"color":"COLOR_BLUE"}"#);
    }
    for name in ["blue", "color_blue", "_BLUE", "COLOR_", ""] {
        check_refused(&format!(r#"{{"color":"{name}"}}"#), &options, is_unknown_enum);
    }
    let options = reading(|options| {
        options.strip_enum_prefixes = true;
        options.case_insensitive_enum_parsing = true;
    });
    for name in ["COLOR_BLUE", "BLUE", "blue", "color_blue"] {
        check_read(&format!(r#"{{"color":"{name}"}}"#), &options, r#"{"color":"COLOR_BLUE"}"#);
    }
    check_refused(r#"{"color":"BLUE"}"#, &ReadOptions::default(), is_unknown_enum);
}

#[test]
fn enum_names_are_printed_without_their_prefix() {
    let options = writing(|options| options.strip_enum_prefixes = true);
    let json = r#"{"color":"COLOR_CRIMSON","colors":["COLOR_UNSPECIFIED",7],"colorMap":{"1":"COLOR_BLUE"},"nulls":[null]}"#;
    let printed = r#"{"color":"RED","colors":["UNSPECIFIED",7],"colorMap":{"1":"BLUE"},"nulls":[null]}"#;
    check_printed(json, &options, printed);
    // Numbers go first where both are asked for.
    let options = writing(|options| {
        options.strip_enum_prefixes = true;
        options.always_print_enums_as_ints = true;
    });
    check_printed(r#"{"color":"COLOR_BLUE"}"#, &options, r#"{"color":2}"#);
    let options = writing(|options| {
        options.strip_enum_prefixes = true;
        options.always_print_primitive_fields = true;
    });
    let mut out = BytesMut::new();
    assert!(CODECS.codec(&desc("Kinds")).fast_to_json(b"", &options, &mut out));
    assert!(out.windows(21).any(|part| part == br#""color":"UNSPECIFIED""#));
}

#[test]
fn what_is_printed_without_a_prefix_is_read_back() {
    let write = writing(|options| options.strip_enum_prefixes = true);
    let read = reading(|options| options.strip_enum_prefixes = true);
    for (name, values) in [("Kinds", ["0", "1", "2"]), ("Legacy", ["1", "2", "1"])] {
        let field = if name == "Kinds" { "colors" } else { "sizes" };
        let json = format!(r#"{{"{field}":[{}]}}"#, values.join(","));
        let message = super::read(name, &json).expect("numbers");
        let printed = print_as(&message, &write).expect("names");
        let back = json_to_message(&desc(name), printed.as_bytes(), &read).expect(&printed);
        assert_eq!(message_to_wire(&back), message_to_wire(&message), "{printed}");
    }
}

#[test]
fn enums_in_path_and_query_follow_the_same_switches() {
    let strict = ReadOptions::default();
    let folded = reading(|options| options.case_insensitive_enum_parsing = true);
    let short = reading(|options| options.strip_enum_prefixes = true);
    for (name, text, options, number) in [
        ("color", "COLOR_BLUE", &strict, Some(2)),
        ("color", "color_blue", &strict, None),
        ("color", "BLUE", &strict, None),
        ("color", "color_blue", &folded, Some(2)),
        ("color", "2", &folded, Some(2)),
        ("color", "blue", &folded, None),
        ("color", "BLUE", &short, Some(2)),
        ("color", "COLOR_BLUE", &short, Some(2)),
        ("color", "color_blue", &short, None),
        ("colors", "BLUE", &short, Some(2)),
        ("child.color", "BLUE", &short, Some(2)),
    ] {
        let path = FieldPath::resolve(&desc("Kinds"), name).expect(name);
        let value = path.parse(text.as_bytes(), options).ok().and_then(|value| value.as_enum_number());
        assert_eq!(value, number, "{name}={text}");
        let mut wire = BytesMut::new();
        let direct = path.to_wire(text.as_bytes(), options, &mut wire).is_some();
        // A packed list is left to the tree.
        assert_eq!(direct, number.is_some() && name != "colors", "{name}={text}");
    }
    // JSON in a query goes by the options as well.
    let path = FieldPath::resolve(&desc("Kinds"), "st").expect("a path");
    let last = reading(|options| options.reject_duplicate_keys = false);
    path.parse(br#"{"a":1,"a":2}"#, &strict).expect_err("a doubled key");
    path.parse(br#"{"a":1,"a":2}"#, &last).expect("the last one holds");
}

#[test]
fn int64_is_printed_as_a_number_on_demand_and_read_in_both_forms() {
    let options = writing(|options| options.print_int64_as_numbers = true);
    let json = r#"{"i64":"-9223372036854775808","u64":"18446744073709551615","s64":"-1","f64":"7","sf64":"-8","s64s":["1","-2"],"i32Map":{"-5":"6"},"wI64":"0","wU64":"9"}"#;
    let printed = r#"{"i64":-9223372036854775808,"u64":18446744073709551615,"s64":-1,"f64":7,"sf64":-8,"s64s":[1,-2],"i32Map":{"-5":6},"wI64":0,"wU64":9}"#;
    check_printed(json, &options, printed);
    check_printed(json, &WriteOptions::default(), json);
    check_read(printed, &ReadOptions::default(), json);
    // A key is a string in JSON, whatever it holds.
    check_printed(
        r#"{"colorMap":{"18446744073709551615":"COLOR_RED"}}"#,
        &options,
        r#"{"colorMap":{"18446744073709551615":"COLOR_RED"}}"#,
    );
    // Seconds are no number in JSON.
    check_printed(r#"{"dur":"5s"}"#, &options, r#"{"dur":"5s"}"#);
}

#[test]
fn unknown_fields_enums_and_doubled_keys_are_three_switches() {
    let field = r#"{"nope":1}"#;
    let name = r#"{"color":"PUCE"}"#;
    let twice = r#"{"i32":1,"i32":2}"#;
    let twice_by_other_name = r#"{"fooBar":"a","foo_bar":"b"}"#;
    for (options, passes) in [
        (ReadOptions::default(), [false, false, false]),
        (reading(|options| options.reject_unknown_fields = false), [true, false, false]),
        (reading(|options| options.reject_unknown_enums = false), [false, true, false]),
        (reading(|options| options.reject_duplicate_keys = false), [false, false, true]),
    ] {
        for (json, passes) in
            [(field, passes[0]), (name, passes[1]), (twice, passes[2]), (twice_by_other_name, passes[2])]
        {
            let read = json_to_message(&desc("Kinds"), json.as_bytes(), &options);
            assert_eq!(read.is_ok(), passes, "{json} by {options:?}");
            agree_on_json("Kinds", json.as_bytes(), &options);
        }
    }
}

#[test]
fn depth_and_values_of_a_document_are_options() {
    let json = r#"{"child":{"i32s":[1,2,3]}}"#;
    for (max_depth, max_nodes, passes) in [(3, 6, true), (2, 6, false), (3, 5, false), (100, 50_000, true)] {
        let options = ReadOptions { max_depth, max_nodes, ..ReadOptions::default() };
        let read = json_to_message(&desc("Kinds"), json.as_bytes(), &options);
        assert_eq!(read.is_ok(), passes, "{max_depth} levels, {max_nodes} values");
        assert_eq!(agree_on_json("Kinds", json.as_bytes(), &options), passes);
    }
}

#[test]
fn white_space_is_printed_by_the_fast_codec() {
    let options = writing(|options| options.add_whitespace = true);
    check_printed(
        r#"{"child":{},"i32s":[1,2],"children":[{"i32":1}],"textMap":{"a":"b","c":"d"},"st":{"x":[],"y":{}}}"#,
        &options,
        "{\n  \"child\": {},\n  \"i32s\": [\n    1,\n    2\n  ],\n  \"children\": [\n    {\n      \"i32\": 1\n    }\n  ],\n  \"textMap\": {\n    \"a\": \"b\",\n    \"c\": \"d\"\n  },\n  \"st\": {\n    \"x\": [],\n    \"y\": {}\n  }\n}",
    );
    let wire = message_to_wire(&DynamicMessage::new(desc("Kinds")));
    assert!(agree_on_wire("Kinds", &wire, &WriteOptions { always_print_primitive_fields: true, ..options }));
    read("Kinds", "{\n}").expect("and read");
}
