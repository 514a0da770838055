//! The room from outside: vectors from `tests/data/json`, and what cannot be said as JSON text.

use std::{path::Path, sync::LazyLock};

use bytes::BytesMut;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde::Deserialize;

use crate::codec::{
    Codecs, ReadError, ReadOptions, WriteError, WriteOptions, json_to_message, message_to_json,
    message_to_wire, wire_to_json,
};

mod bind;

mod bounds;

mod elements;

mod fast;

mod known_faults;

mod print;

mod round_trip;

mod status;

mod switches;

/// The messages of `tests/data/json/*.proto`.
static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/json");
    let files = protox::compile(["kinds.proto", "legacy.proto"], [folder]).expect("the protos compile");
    DescriptorPool::from_file_descriptor_set(files).expect("the protos resolve")
});

fn desc(name: &str) -> MessageDescriptor {
    let full = if name.contains('.') { name.to_owned() } else { format!("codec.test.{name}") };
    POOL.get_message_by_name(&full).expect("the message is in the protos")
}

/// Of all messages in the protos, and those that they use.
static CODECS: LazyLock<Codecs> = LazyLock::new(|| {
    let messages: Vec<_> = POOL.all_messages().collect();
    Codecs::compile(&messages)
});

/// Whether the fast codec reads it; what it reads means what it means to the reference.
#[track_caller]
fn agree_on_json(name: &str, json: &[u8], options: &ReadOptions) -> bool {
    let mut wire = BytesMut::from("before");
    if !CODECS.codec(&desc(name)).fast_to_wire(json, options, &mut wire) {
        assert_eq!(wire, "before");
        return false;
    }
    let text = json.escape_ascii();
    let message = json_to_message(&desc(name), json, options)
        .unwrap_or_else(|error| panic!("only the fast codec takes {text}: {error}"));
    let fast = DynamicMessage::decode(desc(name), wire.strip_prefix(b"before").expect("what was there"))
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    if message_to_wire(&fast) != message_to_wire(&message) {
        // What is in an `Any` is bytes, and there fields may come in any order.
        let [fast, message] = [&fast, &message].map(|message| {
            let mut json = BytesMut::new();
            message_to_json(message, &WriteOptions::default(), &mut json).expect("what was read prints");
            json
        });
        assert!(json.windows(5).any(|key| key == b"@type"), "{text}");
        assert_eq!(fast, message, "{text}");
    }
    true
}

/// Whether the fast codec prints it, to the byte as the reference does.
#[track_caller]
fn agree_on_wire(name: &str, wire: &[u8], options: &WriteOptions) -> bool {
    let mut fast = BytesMut::from("before");
    if !CODECS.codec(&desc(name)).fast_to_json(wire, options, &mut fast) {
        assert_eq!(fast, "before");
        return false;
    }
    let bytes = wire.escape_ascii();
    let mut out = BytesMut::from("before");
    wire_to_json(&desc(name), wire, options, &mut out)
        .unwrap_or_else(|error| panic!("only the fast codec prints {bytes}: {error}"));
    assert_eq!(fast, out, "{bytes}");
    true
}

fn read(name: &str, json: &str) -> Result<DynamicMessage, ReadError> {
    read_as(name, json, &ReadOptions::default())
}

fn read_as(name: &str, json: &str, options: &ReadOptions) -> Result<DynamicMessage, ReadError> {
    agree_on_json(name, json.as_bytes(), options);
    json_to_message(&desc(name), json.as_bytes(), options)
}

/// JSON of a message; whether it went by its tree or by its bytes must not show.
fn print(message: &DynamicMessage) -> Result<String, WriteError> {
    print_as(message, &WriteOptions::default())
}

fn print_as(message: &DynamicMessage, options: &WriteOptions) -> Result<String, WriteError> {
    use prost_reflect::ReflectMessage as _;
    let (mut tree, mut wire) = (BytesMut::from("before"), BytesMut::from("before"));
    let result = message_to_json(message, options, &mut tree);
    agree_on_wire(message.descriptor().full_name(), &message_to_wire(message), options);
    let by_wire = wire_to_json(&message.descriptor(), &*message_to_wire(message), options, &mut wire);
    assert_eq!(result.is_ok(), by_wire.is_ok());
    assert_eq!(tree, wire);
    let json = String::from_utf8(tree.to_vec()).expect("JSON is UTF-8");
    let json = json.strip_prefix("before").expect("what was there stays").to_owned();
    assert!(result.is_ok() || json.is_empty(), "a failure leaves {json}");
    result.map(|()| json)
}

/// JSON of wire bytes given as hexadecimal digits.
fn print_wire(name: &str, hex: &str) -> Result<String, WriteError> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let wire: Vec<u8> = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("two digits"))
        .collect();
    let mut out = BytesMut::new();
    wire_to_json(&desc(name), &*wire, &WriteOptions::default(), &mut out)?;
    Ok(String::from_utf8(out.to_vec()).expect("JSON is UTF-8"))
}

/// `json` is refused with the error at `at`, saying `says`.
#[track_caller]
fn check_refused(name: &str, json: &str, at: &str, says: &str) {
    let error = read(name, json).expect_err(json);
    assert_eq!(error.field_path(), at, "{json}: {error}");
    assert!(error.description().contains(says), "{json}: {error}");
}

/// `json` is read and printed as `canonical`.
#[track_caller]
fn check_accepted(name: &str, json: &str, canonical: &str) {
    let message = read(name, json).unwrap_or_else(|error| panic!("{json}: {error}"));
    assert_eq!(print(&message).unwrap_or_else(|error| panic!("{json}: {error}")), canonical, "{json}");
    let again = read(name, canonical).unwrap_or_else(|error| panic!("{canonical}: {error}"));
    assert_eq!(print(&again).expect("printed before"), canonical);
}

#[derive(Deserialize)]
struct Accept {
    why: String,
    r#type: String,
    json: String,
    out: String,
}

#[derive(Deserialize)]
struct Refuse {
    why: String,
    r#type: String,
    json: String,
    at: String,
    says: String,
}

#[test]
fn accepted_vectors() {
    let cases: Vec<Accept> =
        serde_json::from_str(include_str!("../../../tests/data/json/accept.json")).expect("a list of cases");
    assert!(cases.len() > 80);
    for case in cases {
        println!("{}", case.why);
        check_accepted(&case.r#type, &case.json, &case.out);
    }
}

#[test]
fn refused_vectors() {
    let cases: Vec<Refuse> =
        serde_json::from_str(include_str!("../../../tests/data/json/refuse.json")).expect("a list of cases");
    assert!(cases.len() > 130);
    for case in cases {
        println!("{}", case.why);
        check_refused(&case.r#type, &case.json, &case.at, &case.says);
    }
}

#[test]
fn bytes_that_are_no_utf8_are_refused() {
    for json in [
        &b"{\"text\":\"\xff\"}"[..],
        b"{\"text\":\"\xc3\"}",
        b"\xff\xfe{\0}\0",
        b"{\"text\":\"\xed\xa0\x80\"}",
    ] {
        let error = json_to_message(&desc("Kinds"), json, &ReadOptions::default()).expect_err("no UTF-8");
        assert!(error.description().contains("expected UTF-8 text"), "{error}");
    }
}

#[test]
fn what_may_be_let_pass_is_let_pass() {
    let options = ReadOptions {
        reject_unknown_fields: false,
        reject_unknown_enums: false,
        reject_duplicate_keys: false,
        ..ReadOptions::default()
    };
    for (name, json, out) in [
        ("Kinds", r#"{"nope":{"a":[1,{}]},"i32":1,"nope":null}"#, r#"{"i32":1}"#),
        (
            "Kinds",
            r#"{"any":{"@type":"x/google.protobuf.Duration","a":1,"value":"1s"}}"#,
            r#"{"any":{"@type":"x/google.protobuf.Duration","value":"1s"}}"#,
        ),
        (
            "Kinds",
            r#"{"color":"X","colors":["X",1,"Y"],"colorMap":{"1":"X","2":"COLOR_RED"}}"#,
            r#"{"colors":["COLOR_RED"],"colorMap":{"2":"COLOR_RED"}}"#,
        ),
        ("Legacy", r#"{"size":9,"sizes":[9,1]}"#, r#"{"sizes":["SIZE_SMALL"]}"#),
        (
            "Kinds",
            r#"{"i32":1,"i32":2,"child":{"i32":1},"child":{"text":"a"},"textMap":{"a":"1","a":"2"}}"#,
            r#"{"i32":2,"child":{"text":"a"},"textMap":{"a":"2"}}"#,
        ),
        ("Kinds", r#"{"i32":1,"i32":null}"#, "{}"),
    ] {
        let message = json_to_message(&desc(name), json.as_bytes(), &options).expect(json);
        assert_eq!(print(&message).expect(json), out);
    }
    // A oneof set twice has no meaning to fall back on, and bad text stays bad text.
    for json in [r#"{"pickI32":1,"pickText":"a"}"#, r#"{"nope":tru}"#, r#"{"color":true}"#] {
        json_to_message(&desc("Kinds"), json.as_bytes(), &options).expect_err(json);
    }
}

#[test]
fn one_field_from_json() {
    for (field, json, out) in [
        ("i32", "5", r#"{"i32":5}"#),
        ("texts", r#"["a","b"]"#, r#"{"texts":["a","b"]}"#),
        ("text_map", r#"{"a":"b"}"#, r#"{"textMap":{"a":"b"}}"#),
        ("child", r#"{"i32":1}"#, r#"{"child":{"i32":1}}"#),
        ("data", r#""AA==""#, r#"{"data":"AA=="}"#),
        ("val", "null", r#"{"val":null}"#),
    ] {
        let mut message = DynamicMessage::new(desc("Kinds"));
        let field = desc("Kinds").get_field_by_name(field).expect(field);
        crate::codec::json_to_field(&mut message, &field, json.as_bytes(), &ReadOptions::default())
            .expect(json);
        assert_eq!(print(&message).expect(json), out);
    }
    let mut message = DynamicMessage::new(desc("Kinds"));
    let field = desc("Kinds").get_field_by_name("children").expect("a field");
    let error =
        crate::codec::json_to_field(&mut message, &field, b"[{\"i32\":\"x\"}]", &ReadOptions::default());
    assert_eq!(error.expect_err("no number").field_path(), "children[0].i32");
}
