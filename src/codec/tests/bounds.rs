//! Input that costs more than it weighs: refused with an error, on the stack that a worker has.

use std::fmt::Write as _;

use bytes::BytesMut;
use prost::Message as _;
use prost_reflect::{DynamicMessage, Value};

use super::{check_refused, desc, print, read};
use crate::codec::{
    ReadOptions, Reason, Unprintable, WriteOptions, json_to_message, message_to_json, wire_to_json,
};

/// `open` and `close` around `core`, so many times.
fn nested(open: &str, core: &str, close: &str, times: usize) -> String {
    format!("{}{core}{}", open.repeat(times), close.repeat(times))
}

#[test]
fn json_depth_stops_at_one_hundred() {
    // The outermost braces are a level, too.
    let deep = |times| nested(r#"{"child":"#, "{}", "}", times);
    read("Kinds", &deep(99)).expect("100 levels");
    check_refused("Kinds", &deep(100), "", "at most 100 levels");
    check_refused("Kinds", &deep(127), "", "at most 100 levels");
    check_refused("Kinds", &"[".repeat(1_000_000), "", "at most 100 levels");
    check_refused("Kinds", &r#"{"child":"#.repeat(1_000_000), "", "at most 100 levels");
    let skipped = format!(r#"{{"nope":{}}}"#, nested("[", "", "]", 100_000));
    let lenient = ReadOptions { reject_unknown_fields: false, ..ReadOptions::default() };
    let error = json_to_message(&desc("Kinds"), skipped.as_bytes(), &lenient).expect_err("too deep to skip");
    assert_eq!(error.reason(), &Reason::TooDeep { limit: 100 });
}

#[test]
fn messages_nest_as_deep_as_a_backend_decodes() {
    // Each level of a Struct is two messages: a Value and the Struct in it.
    let deep = |times| format!(r#"{{"st":{}}}"#, nested(r#"{"a":"#, "1", "}", times));
    let message = read("Kinds", &deep(50)).expect("100 messages");
    let wire = crate::codec::message_to_wire(&message);
    DynamicMessage::decode(desc("Kinds"), &*wire).expect("prost decodes what we send");
    print(&message).expect("what was read is printed");
    let error = read("Kinds", &deep(51)).expect_err("102 messages");
    assert_eq!(error.reason(), &Reason::TooDeep { limit: 100 });
    // And as deep as prost decodes, so is printed.
    let mut message = DynamicMessage::new(desc("Kinds"));
    for _ in 0..100 {
        let mut parent = DynamicMessage::new(desc("Kinds"));
        parent.set_field_by_name("child", Value::Message(message));
        message = parent;
    }
    print(&message).expect("100 messages in a message");
}

#[test]
fn nodes_are_counted_before_anything_is_built() {
    let list = |items: usize| format!(r#"{{"children":[{}{{}}]}}"#, "{},".repeat(items - 1));
    read("Kinds", &list(49_998)).expect("with the list and the message 50,000 values");
    let error = read("Kinds", &list(49_999)).expect_err("one more");
    assert_eq!(error.reason(), &Reason::TooManyNodes { limit: 50_000 });
    let values = format!(r#"{{"st":{{"a":[{}[]]}}}}"#, "[],".repeat(350_000));
    check_refused("Kinds", &values, "", "at most 50000 values");
    let mut map = String::from(r#"{"i32Map":{"0":0"#);
    for key in 1..60_000 {
        let _ = write!(map, r#","{key}":0"#);
    }
    check_refused("Kinds", &(map + "}}"), "", "at most 50000 values");
}

#[test]
fn long_tokens_cost_one_pass() {
    let long = "1".repeat(1 << 20);
    check_refused("Kinds", &format!(r#"{{"i64":{long}}}"#), "i64", "range of int64");
    check_refused("Kinds", &format!(r#"{{"i64":"{long}"}}"#), "i64", "range of int64");
    check_refused("Kinds", &format!(r#"{{"dbl":{long}}}"#), "dbl", "range of double");
    check_refused("Kinds", &format!(r#"{{"mask":"{long}"}}"#), "mask", "lowerCamelCase");
    check_refused("Kinds", &format!(r#"{{"mask":"{}"}}"#, "a,".repeat(100_000)), "mask", "at most 1024");
    check_refused("Kinds", &format!(r#"{{"any":{{"@type":"x/{long}"}}}}"#), "any.@type", "type of a message");
    let error = read("Kinds", &format!(r#"{{"{long}":1}}"#)).expect_err("no such field");
    assert!(error.to_string().len() < 300, "an error stays short: {} bytes", error.to_string().len());
    let data = base64_of(3 << 20);
    read("Kinds", &format!(r#"{{"data":"{data}"}}"#)).expect("3 MiB of bytes");
}

fn base64_of(bytes: usize) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(vec![7; bytes])
}

#[test]
fn any_in_json_stops_at_eight_levels() {
    let any = r#"{"value":"#;
    let close = r#","@type":"x/google.protobuf.Any"}"#;
    let deep = |times| format!(r#"{{"any":{}}}"#, nested(any, "{}", close, times));
    read("Kinds", &deep(7)).expect("8 levels with the innermost");
    for times in [8, 60] {
        let error = read("Kinds", &deep(times)).expect_err("9 levels");
        assert_eq!(error.reason(), &Reason::AnyTooDeep { limit: 8 });
    }
    check_refused("Kinds", &deep(200), "", "at most 100 levels");
}

/// `levels` of `Any` in the field `any`, each the whole content of the one around it.
fn any_bomb(levels: usize) -> Vec<u8> {
    let mut any = prost_types::Any::default();
    for _ in 1..levels {
        any = prost_types::Any { type_url: "x/google.protobuf.Any".into(), value: any.encode_to_vec() };
    }
    let mut wire = Vec::new();
    prost::encoding::message::encode(61, &any, &mut wire);
    wire
}

#[test]
fn any_in_a_reply_stops_at_eight_levels() {
    let wire_to_json = |levels| {
        let mut out = BytesMut::new();
        let result = wire_to_json(&desc("Kinds"), &*any_bomb(levels), &WriteOptions::default(), &mut out);
        assert!(result.is_ok() || out.is_empty());
        result
    };
    wire_to_json(8).expect("8 levels");
    for levels in [9, 100, 8_000] {
        let error = wire_to_json(levels).expect_err("too many levels");
        assert!(matches!(error.reason(), Unprintable::AnyTooDeep { limit: 8 }), "{error}");
    }
}

#[test]
fn any_restarts_neither_depth_nor_stack() {
    // Each Any holds as many messages as one decode allows.
    let chain = |mut wire: Vec<u8>, messages: usize| {
        for _ in 0..messages {
            let mut parent = Vec::new();
            prost::encoding::bytes::encode(17, &wire, &mut parent);
            wire = parent;
        }
        wire
    };
    let mut wire = Vec::new();
    for _ in 0..8 {
        let value = chain(wire, 98);
        let any = prost_types::Any { type_url: "x/codec.test.Kinds".into(), value };
        wire = Vec::new();
        prost::encoding::message::encode(61, &any, &mut wire);
    }
    let error = wire_to_json(&desc("Kinds"), &*wire, &WriteOptions::default(), &mut BytesMut::new());
    assert!(matches!(error.expect_err("too deep").reason(), Unprintable::TooDeep { limit: 100 }));
}

#[test]
fn any_depth_is_an_option_within_the_depth_of_messages() {
    let options = WriteOptions { max_any_depth: usize::MAX, ..WriteOptions::default() };
    let error = wire_to_json(&desc("Kinds"), &*any_bomb(8_000), &options, &mut BytesMut::new());
    assert!(matches!(error.expect_err("too deep").reason(), Unprintable::TooDeep { limit: 100 }));
}

#[test]
fn output_stops_at_its_budget() {
    let message = read("Kinds", r#"{"texts":["aaaa","bbbb"]}"#).expect("a message");
    let size = print(&message).expect("printed").len();
    for (max_bytes, fits) in [(size + 1, true), (size, true), (size - 1, false), (0, false)] {
        let options = WriteOptions { max_bytes, ..WriteOptions::default() };
        let mut out = BytesMut::from("before");
        let result = message_to_json(&message, &options, &mut out);
        assert_eq!(result.is_ok(), fits, "{max_bytes} bytes");
        if let Err(error) = result {
            assert!(matches!(error.reason(), Unprintable::TooLarge { .. }));
            assert_eq!(&*out, b"before");
        }
    }
}

#[test]
fn two_bytes_on_the_wire_do_not_become_a_kilobyte_in_json() {
    let wire: Vec<u8> = [0xaa, 0x02, 0x00].repeat(200_000);
    let options = WriteOptions { always_print_primitive_fields: true, ..WriteOptions::default() };
    let mut out = BytesMut::new();
    let error = wire_to_json(&desc("Kinds"), &*wire, &options, &mut out).expect_err("more than 16 MiB");
    assert!(error.to_string().contains("response too large: more than 16777216 bytes"), "{error}");
    assert!(out.is_empty() && error.field_path().starts_with("children["), "{error}");
}

#[test]
fn odd_text_never_panics() {
    let seed =
        r#"{"i32":-1.5e+3,"st":{"a":[null,true,"\u00e9\ud83d\ude00"]},"any":{"@type":"x/codec.test.Kinds"}}"#;
    let bytes = seed.as_bytes();
    for at in 0..bytes.len() {
        let _ = json_to_message(&desc("Kinds"), &bytes[..at], &ReadOptions::default()).expect_err("cut");
        for byte in [0, b'"', b'\\', b'{', b'}', b'[', b']', b',', b':', b'9', 0xff] {
            let mut changed = bytes.to_vec();
            changed[at] = byte;
            let _ = json_to_message(&desc("Kinds"), &changed, &ReadOptions::default());
        }
    }
}
