//! Text bound to field paths.

use bytes::BytesMut;
use prost_reflect::DynamicMessage;

use super::{desc, print};
use crate::codec::{FieldPath, PathError, ReadOptions, message_to_wire};

/// As every parameter is read unless a test says otherwise.
static STRICT: std::sync::LazyLock<ReadOptions> = std::sync::LazyLock::new(ReadOptions::default);

fn path(text: &str) -> FieldPath {
    FieldPath::of_parameter(&desc("Kinds"), text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn check_set(name: &str, texts: &[&str], json: &str) {
    let mut message = DynamicMessage::new(desc("Kinds"));
    for text in texts {
        path(name)
            .set(&mut message, text.as_bytes(), &STRICT)
            .unwrap_or_else(|error| panic!("{name}={text}: {error}"));
    }
    assert_eq!(print(&message).expect("what was set prints"), json);
    // A field of one value goes the short way, to the same bytes.
    let mut wire = BytesMut::new();
    if let [text] = texts
        && path(name).to_wire(text.as_bytes(), &STRICT, &mut wire).is_some()
    {
        assert_eq!(wire, message_to_wire(&message), "{name}={text}");
    } else {
        assert!(wire.is_empty(), "{name} is left to the tree");
    }
}

#[track_caller]
fn check_refused(name: &str, text: &[u8], says: &str) {
    let mut message = DynamicMessage::new(desc("Kinds"));
    let error = path(name).set(&mut message, text, &STRICT).expect_err(name);
    assert!(error.field_path().starts_with(name), "{error}");
    assert!(error.to_string().contains(says), "{error}");
    assert_eq!(message, DynamicMessage::new(desc("Kinds")), "{name} changes nothing");
}

#[test]
fn scalars_of_each_type() {
    for (name, text, json) in [
        ("dbl", "1.5e3", r#"{"dbl":1500}"#),
        ("dbl", "-0", r#"{"dbl":-0}"#),
        ("flt", "NaN", r#"{"flt":"NaN"}"#),
        ("i32", "-7", r#"{"i32":-7}"#),
        ("i64", "9223372036854775807", r#"{"i64":"9223372036854775807"}"#),
        ("u32", "1e2", r#"{"u32":100}"#),
        ("u64", "5", r#"{"u64":"5"}"#),
        ("s32", "-1", r#"{"s32":-1}"#),
        ("sf64", "-1", r#"{"sf64":"-1"}"#),
        ("f32", "1", r#"{"f32":1}"#),
        ("flag", "true", r#"{"flag":true}"#),
        ("text", "a b/é", r#"{"text":"a b/é"}"#),
        ("data", "-_8", r#"{"data":"+/8="}"#),
        ("data", "+/8=", r#"{"data":"+/8="}"#),
        ("color", "COLOR_BLUE", r#"{"color":"COLOR_BLUE"}"#),
        ("color", "2", r#"{"color":"COLOR_BLUE"}"#),
        ("color", "-9", r#"{"color":-9}"#),
        ("opt_i32", "0", r#"{"optI32":0}"#),
        ("pick_text", "", r#"{"pickText":""}"#),
        ("text", "", "{}"),
    ] {
        check_set(name, &[text], json);
    }
}

#[test]
fn names_of_json_and_proto_and_paths() {
    check_set("foo_bar", &["a"], r#"{"fooBar":"a"}"#);
    check_set("fooBar", &["a"], r#"{"fooBar":"a"}"#);
    check_set("renamed", &["a"], r#"{"@other.name":"a"}"#);
    check_set("child.pickChild.foo_bar", &["a"], r#"{"child":{"pickChild":{"fooBar":"a"}}}"#);
}

#[test]
fn well_known_types_by_their_text() {
    for (name, text, json) in [
        ("ts", "2024-01-01T00:00:00+05:30", r#"{"ts":"2023-12-31T18:30:00Z"}"#),
        ("dur", "1.5s", r#"{"dur":"1.500s"}"#),
        ("mask", "fooBar,foo_bar,child.i32", r#"{"mask":"fooBar,fooBar,child.i32"}"#),
        ("w_text", "", r#"{"wText":""}"#),
        ("w_i64", "5", r#"{"wI64":"5"}"#),
        ("w_bool", "false", r#"{"wBool":false}"#),
        ("w_data", "AA", r#"{"wData":"AA=="}"#),
        ("st", r#"{"a":1}"#, r#"{"st":{"a":1}}"#),
        ("val", r#""a""#, r#"{"val":"a"}"#),
        ("lst", "[1]", r#"{"lst":[1]}"#),
        ("pick_null", "NULL_VALUE", r#"{"pickNull":null}"#),
        ("ts.seconds", "5", r#"{"ts":"1970-01-01T00:00:05Z"}"#),
    ] {
        check_set(name, &[text], json);
    }
}

#[test]
fn repeated_fields_append() {
    check_set("i32s", &["3", "1", "2"], r#"{"i32s":[3,1,2]}"#);
    check_set("texts", &["a,b", ""], r#"{"texts":["a,b",""]}"#);
    check_set("colors", &["1", "COLOR_BLUE"], r#"{"colors":["COLOR_RED","COLOR_BLUE"]}"#);
    check_set("tss", &["1970-01-01T00:00:00Z"], r#"{"tss":["1970-01-01T00:00:00Z"]}"#);
    check_set("child.child.i32s", &["1", "2"], r#"{"child":{"child":{"i32s":[1,2]}}}"#);
    assert!(path("i32s").is_repeated() && !path("i32").is_repeated());
}

#[test]
fn the_last_of_a_oneof_holds() {
    let mut message = DynamicMessage::new(desc("Kinds"));
    path("pick_i32").set(&mut message, b"1", &STRICT).expect("a member");
    path("pick_child.i32").set(&mut message, b"2", &STRICT).expect("another");
    assert_eq!(print(&message).expect("printed"), r#"{"pickChild":{"i32":2}}"#);
}

#[test]
fn text_that_is_no_value_is_refused() {
    for (name, text, says) in [
        ("i32", "", "whole number"),
        ("i32", "1.5", "whole number"),
        ("i32", "+1", "whole number"),
        ("i32", "2147483648", "range of int32"),
        ("u64", "-1", "range of uint64"),
        ("dbl", "1e400", "range of double"),
        ("dbl", "inf", "a number"),
        ("flag", "1", "true or false"),
        ("flag", "True", "true or false"),
        ("flag", "", "true or false"),
        ("color", "COLOR_PUCE", "value of enum"),
        ("color", "1.5", "value of enum"),
        ("data", "-/", "base64"),
        ("ts", "now", "RFC 3339"),
        ("dur", "1h", "duration in seconds"),
        ("mask", "a..b", "lowerCamelCase"),
        ("w_i32", "x", "whole number"),
        ("st", "[1]", "expected an object"),
        ("st", r#"{"a":1,"a":2}"#, "second time"),
        ("child.child.i32", "x", "whole number"),
        ("child", "{}", "plain text"),
        ("children", "{}", "plain text"),
        ("text_map", "a", "plain text"),
        ("any", "{}", "plain text"),
        ("empty", "{}", "plain text"),
    ] {
        check_refused(name, text.as_bytes(), says);
    }
    for name in ["text", "i32", "data", "st"] {
        check_refused(name, b"a\xff", "UTF-8");
    }
}

#[test]
fn paths_that_name_no_field_are_refused() {
    for (text, says) in [
        ("", r#"message codec.test.Kinds has no field """#),
        ("nope", r#"message codec.test.Kinds has no field "nope""#),
        ("child.nope", "has no field"),
        ("child.", "has no field"),
        (".child", "has no field"),
        ("child..i32", "has no field"),
        ("ts.nope", "message google.protobuf.Timestamp has no field"),
        ("i32.x", r#"expected a message with fields at "i32", found a scalar"#),
        ("children.i32", "found a repeated field"),
        ("child_map.a", "found a map"),
        ("st.fields", "whose fields depend on its value"),
        ("any.type_url", "whose fields depend on its value"),
    ] {
        let error = FieldPath::of_parameter(&desc("Kinds"), text).expect_err(text);
        assert!(error.to_string().contains(says), "{error}");
    }
    let long = vec!["child"; 101].join(".");
    assert_eq!(
        FieldPath::resolve(&desc("Kinds"), &long).expect_err("too long"),
        PathError::TooLong { limit: 100 }
    );
    let longest = format!("{}.i32", vec!["child"; 99].join("."));
    let mut message = DynamicMessage::new(desc("Kinds"));
    path(&longest).set(&mut message, b"1", &STRICT).expect("100 steps");
    print(&message).expect("what was set prints");
}

#[test]
fn paths_overlap_by_fields_and_not_by_names() {
    for (one, other, overlaps) in [
        ("foo_bar", "fooBar", true),
        ("child", "child.i32", true),
        ("child.i32", "child", true),
        ("child.i32", "child.i64", false),
        ("i32", "i64", false),
        ("child.i32", "i32", false),
        ("pick_text", "pickI32", true),
        ("pick_text", "pick_child.i32", true),
        ("child.pick_text", "pick_i32", false),
        ("opt_i32", "opt_dbl", false),
    ] {
        assert_eq!(path(one).overlaps(&path(other)), overlaps, "{one} and {other}");
        assert_eq!(path(other).overlaps(&path(one)), overlaps, "{other} and {one}");
    }
    assert_eq!(path("foo_bar"), path("fooBar"));
    assert_ne!(path("foo_bar"), path("text"));
}

#[test]
fn a_value_is_there_when_it_was_set() {
    let message = super::read("Kinds", r#"{"child":{"i32":5,"optI32":0},"i32s":[1]}"#).expect("a message");
    for (name, text) in [("child.i32", "5"), ("child.optI32", "0")] {
        assert_eq!(path(name).value(&message), path(name).parse(text.as_bytes(), &STRICT).ok().as_ref());
    }
    assert!(path("i32s").value(&message).is_some());
    for name in ["i32", "child.text", "child.child.i32", "ts", "texts"] {
        assert_eq!(path(name).value(&message), None, "{name}");
    }
}
