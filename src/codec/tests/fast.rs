//! The fast codec beside the reference: what it accepts means the same, and what it should be fast at
//! it does not leave to the other.

use bytes::BytesMut;
use proptest::{collection::vec, prelude::*};
use prost_reflect::DynamicMessage;

use super::{Accept, CODECS, Refuse, agree_on_json, agree_on_wire, desc, round_trip};
use crate::codec::{MessageCodec, ReadOptions, WriteOptions, json_to_wire, message_to_wire, wire_to_json};

fn codec(name: &str) -> MessageCodec {
    CODECS.codec(&desc(name))
}

/// Lenient in one way or another.
fn read_options() -> impl Strategy<Value = ReadOptions> {
    any::<[bool; 5]>().prop_map(|[fields, enums, keys, case, strip]| ReadOptions {
        reject_unknown_fields: fields,
        reject_unknown_enums: enums,
        reject_duplicate_keys: keys,
        case_insensitive_enum_parsing: case,
        strip_enum_prefixes: strip,
        ..ReadOptions::default()
    })
}

#[test]
fn vectors_mean_the_same_to_both() {
    let accepted: Vec<Accept> =
        serde_json::from_str(include_str!("../../../tests/data/json/accept.json")).expect("a list of cases");
    let refused: Vec<Refuse> =
        serde_json::from_str(include_str!("../../../tests/data/json/refuse.json")).expect("a list of cases");
    let (mut read, mut printed) = (0, 0);
    for case in &accepted {
        read += usize::from(agree_on_json(&case.r#type, case.json.as_bytes(), &ReadOptions::default()));
        let wire = json_to_wire(&desc(&case.r#type), case.json.as_bytes(), &ReadOptions::default());
        let wire = wire.expect("accepted");
        printed += usize::from(agree_on_wire(&case.r#type, &wire, &WriteOptions::default()));
    }
    // The rest are groups, extensions, and Any whose type is not the first key.
    assert!(read * 10 >= accepted.len() * 7, "{read} of {} read fast", accepted.len());
    assert!(printed * 10 >= accepted.len() * 9, "{printed} of {} printed fast", accepted.len());
    for case in &refused {
        let fast = agree_on_json(&case.r#type, case.json.as_bytes(), &ReadOptions::default());
        assert!(!fast, "{}: {}", case.why, case.json);
    }
}

/// What the fast codec is there for, it does.
#[test]
fn ordinary_messages_are_not_left_to_the_reference() {
    for json in [
        r#"{}"#,
        r#" { "i32" : -1 , "text" : "a\n\u00e9\ud83d\ude00\/" } "#,
        r#"{"dbl":1.5,"flt":0.1,"i32":1,"i64":"2","u32":3,"u64":4,"s32":-5,"s64":"-6","f32":7,"f64":"8","sf32":-9,"sf64":"-10"}"#,
        r#"{"flag":true,"text":"é","data":"AAECAw==","color":"COLOR_CRIMSON","colors":[0,"COLOR_BLUE",7]}"#,
        r#"{"dbl":"NaN","flt":"-Infinity","dbls":[1e300,-0.0,"Infinity",1E5],"i32":1.0,"i64":1e3}"#,
        r#"{"child":{"child":{"child":{"i32":1}}},"children":[{},{"foo_bar":"a"}]}"#,
        r#"{"optI32":0,"optDbl":-0.0,"dbl":-0.0,"pickI32":0}"#,
        r#"{"i32s":[1,2,3],"s64s":["-1"],"texts":["","a"],"datas":["","-_"],"unpacked":[1,2]}"#,
        r#"{"textMap":{"b":"","a\"":"x","":"y"},"i32Map":{"-1":"1","0":0,"10":"2"},"flagMap":{"true":true,"false":false}}"#,
        r#"{"colorMap":{"18446744073709551615":"COLOR_RED","1":0},"childMap":{"x":{},"a":{"i32":1}},"dblMap":{"a":-0.0}}"#,
        r#"{"ts":"2024-02-29T12:00:00.000001+01:00","dur":"-1.5s","mask":"fooBar,baz.quxQuux","tss":["1970-01-01T00:00:00Z"]}"#,
        r#"{"st":{"b":[null,true,1,"x",{"c":{}}],"a":1.5},"val":null,"lst":[[],{}],"vals":[null,"a"],"valMap":{"a":null}}"#,
        r#"{"empty":{},"wBool":false,"wText":"","wData":"AA==","wI32":0,"wI64":"1","wU32":2,"wU64":"3","wFlt":0,"wDbl":-0.0}"#,
        r#"{"pickNull":null,"nulls":[null,null]}"#,
        r#"{"te\u0078t":"a","c\u006flor":"COLOR_\u0052ED","data":"\/\/8=","i64":"\u0031","ts":"2024-01-01T00\u003a00:00Z"}"#,
        r#"{"any":{"@type":"x/codec.test.Kinds","i32":1,"child":{"text":"a"}},"anys":[{},{"@type":"x/google.protobuf.Empty"}]}"#,
        r#"{"any":{"@type":"x/google.protobuf.Any","value":{"@type":"x/google.protobuf.Duration","value":"1s"}}}"#,
        r#"{"anys":[{"@type":"x/google.protobuf.Value","value":[{"a":1}]},{"@type":"x/codec.test.Legacy"}]}"#,
        r#"{"i32":null,"child":null,"i32s":null,"textMap":null,"ts":null,"wI32":null,"i32s":null}"#,
    ] {
        // The last holds a key twice, which the fast codec leaves alone; without it, it does not.
        let json = json.replace(r#","i32s":null}"#, "}");
        assert!(agree_on_json("Kinds", json.as_bytes(), &ReadOptions::default()), "{json}");
        let wire = json_to_wire(&desc("Kinds"), json.as_bytes(), &ReadOptions::default()).expect("read");
        assert!(agree_on_wire("Kinds", &wire, &WriteOptions::default()), "{json}");
    }
    let lenient = ReadOptions { reject_unknown_fields: false, ..ReadOptions::default() };
    let unknown = r#"{"a":{"b":[1,-2.5e3,true,null,"x\n"]},"i32":1,"a":{}}"#;
    assert!(agree_on_json("Kinds", unknown.as_bytes(), &lenient));
    let legacy = r#"{"i32":0,"size":"SIZE_LARGE","sizes":[1],"sizeMap":{"a":2},"packed":[1],"plain":[2]}"#;
    assert!(agree_on_json("Legacy", legacy.as_bytes(), &ReadOptions::default()));
}

/// The members of a oneof where its first one stands, lists in pieces: JSON does not tell.
#[test]
fn fields_out_of_order_are_printed_in_order() {
    let wire = |json: &str| {
        let wire = json_to_wire(&desc("Kinds"), json.as_bytes(), &ReadOptions::default());
        wire.unwrap_or_else(|error| panic!("{json}: {error}"))
    };
    let pieces = [
        wire(r#"{"texts":["a"]}"#),
        wire(r#"{"pickI32":5}"#),
        wire(r#"{"i32s":[1,2]}"#),
        wire(r#"{"textMap":{"b":"2"}}"#),
        wire(r#"{"texts":["b"]}"#),
        wire(r#"{"i32s":[3]}"#),
        wire(r#"{"textMap":{"a":"1"}}"#),
        wire(r#"{"i32":1}"#),
    ]
    .concat();
    let expect = r#"{"i32":1,"i32s":[1,2,3],"texts":["a","b"],"textMap":{"a":"1","b":"2"},"pickI32":5}"#;
    let mut out = BytesMut::new();
    assert!(codec("Kinds").fast_to_json(&pieces, &WriteOptions::default(), &mut out));
    assert_eq!(out, expect);
    // Inside of others as well, but not at any price.
    let mut nested = pieces;
    for level in 0..40 {
        let mut parent = Vec::new();
        prost::encoding::bytes::encode(37, &nested, &mut parent);
        parent.extend(wire(r#"{"i32":1}"#));
        nested = parent;
        let fast = agree_on_wire("Kinds", &nested, &WriteOptions::default());
        assert!(fast || level > 0, "{level}");
    }
}

/// One field given twice: merged or replaced by the reference, never by the fast codec.
#[test]
fn doubled_fields_are_left_to_the_reference() {
    let wire = |json: &str| json_to_wire(&desc("Kinds"), json.as_bytes(), &ReadOptions::default());
    for (first, second) in [
        (r#"{"i32":1}"#, r#"{"i32":2}"#),
        (r#"{"child":{"i32":1}}"#, r#"{"child":{"text":"a"}}"#),
        (r#"{"pickI32":1}"#, r#"{"pickText":"a"}"#),
        (r#"{"textMap":{"a":"1"}}"#, r#"{"textMap":{"a":"2"}}"#),
        (r#"{"val":1}"#, r#"{"val":"a"}"#),
        (r#"{"st":{"a":1}}"#, r#"{"st":{"a":2}}"#),
    ] {
        let both = [wire(first).expect("read"), wire(second).expect("read")].concat();
        assert!(!agree_on_wire("Kinds", &both, &WriteOptions::default()), "{first} {second}");
    }
}

#[test]
fn the_bounds_are_those_of_the_reference() {
    let json = r#"{"children":[{"i32":1},{"text":"a"}],"st":{"a":[1]}}"#;
    for max_nodes in 0..12 {
        let options = ReadOptions { max_nodes, ..ReadOptions::default() };
        let fast = agree_on_json("Kinds", json.as_bytes(), &options);
        assert_eq!(fast, max_nodes >= 9, "{max_nodes}");
    }
    for max_depth in 0..6 {
        let options = ReadOptions { max_depth, ..ReadOptions::default() };
        assert_eq!(agree_on_json("Kinds", json.as_bytes(), &options), max_depth >= 3, "{max_depth}");
    }
    for (levels, fits) in [(1, true), (49, true), (50, true), (51, false), (90, false)] {
        let json = format!(r#"{{"st":{}1{}}}"#, r#"{"a":"#.repeat(levels), "}".repeat(levels));
        assert_eq!(agree_on_json("Kinds", json.as_bytes(), &ReadOptions::default()), fits, "{levels}");
    }
    let wire = json_to_wire(&desc("Kinds"), json.as_bytes(), &ReadOptions::default()).expect("read");
    let mut out = BytesMut::new();
    wire_to_json(&desc("Kinds"), &*wire, &WriteOptions::default(), &mut out).expect("printed");
    for (max_bytes, fits) in [(0, false), (out.len() - 1, false), (out.len(), true), (out.len() + 1, true)] {
        let options = WriteOptions { max_bytes, ..WriteOptions::default() };
        assert_eq!(agree_on_wire("Kinds", &wire, &options), fits, "{max_bytes}");
    }
    let mut deep = Vec::new();
    for levels in 1..=102 {
        let mut parent = Vec::new();
        prost::encoding::bytes::encode(17, &deep, &mut parent);
        deep = parent;
        assert_eq!(agree_on_wire("Kinds", &deep, &WriteOptions::default()), levels < 100, "{levels}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_message_prints_the_same(
        message in round_trip::message(desc("Kinds"), 3),
        options in round_trip::options(),
    ) {
        agree_on_wire("Kinds", &message_to_wire(&message), &options);
    }

    #[test]
    fn any_message_reads_the_same(
        message in round_trip::message(desc("Kinds"), 3),
        options in round_trip::options(),
        read in read_options(),
    ) {
        let json = super::print_as(&message, &options).expect("printed");
        agree_on_json("Kinds", json.as_bytes(), &read);
    }

    #[test]
    fn proto2_messages_are_the_same(
        message in round_trip::message(desc("Legacy"), 3),
        options in round_trip::options(),
        read in read_options(),
    ) {
        agree_on_wire("Legacy", &message_to_wire(&message), &options);
        let json = super::print_as(&message, &options).expect("printed");
        agree_on_json("Legacy", json.as_bytes(), &read);
    }

    /// JSON that was right, with a few bytes of it changed, or pieces of it twice.
    #[test]
    fn damaged_json_reads_the_same(
        message in round_trip::message(desc("Kinds"), 2),
        edits in vec((any::<prop::sample::Index>(), prop::sample::select(b"\"\\{}[]:,0123456789-+.eEntfusab \n\x00\xff".to_vec())), 1..4),
        copy in proptest::option::of((any::<prop::sample::Index>(), any::<prop::sample::Index>())),
        read in read_options(),
    ) {
        let mut json = super::print_as(&message, &WriteOptions::default()).expect("printed").into_bytes();
        if let Some((from, to)) = copy {
            let (from, to) = (from.index(json.len()), to.index(json.len()));
            let piece = json[from.min(to)..from.max(to)].to_vec();
            json.splice(to..to, piece);
        }
        for (at, byte) in edits {
            let at = at.index(json.len());
            json[at] = byte;
        }
        agree_on_json("Kinds", &json, &read);
    }

    #[test]
    fn any_text_reads_the_same(json in "[-+.eE0-9{}\\[\\]:,\"\\\\ untrlsfai3]{0,60}", read in read_options()) {
        agree_on_json("Kinds", json.as_bytes(), &read);
    }

    /// Bytes of a message, its fields moved about, a few bytes changed.
    #[test]
    fn damaged_wire_bytes_print_the_same(
        messages in vec(round_trip::message(desc("Kinds"), 2), 1..3),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        options in round_trip::options(),
    ) {
        let mut wire: Vec<u8> = messages.iter().flat_map(message_to_wire).collect();
        for (at, byte) in edits {
            if !wire.is_empty() {
                let at = at.index(wire.len());
                wire[at] = byte;
            }
        }
        agree_on_wire("Kinds", &wire, &options);
        agree_on_wire("Legacy", &wire, &options);
    }

    #[test]
    fn any_bytes_print_the_same(wire: Vec<u8>, options in round_trip::options()) {
        agree_on_wire("Kinds", &wire, &options);
    }
}

#[test]
fn a_failure_leaves_the_buffer_and_the_error_of_the_reference() {
    let mut out = BytesMut::from("before");
    let error = codec("Kinds").to_wire(br#"{"child":{"i32":"x"}}"#, &ReadOptions::default(), &mut out);
    assert_eq!(error.expect_err("no number").field_path(), "child.i32");
    let error = codec("Kinds").to_json(&b"\x72\x01\xff"[..], &WriteOptions::default(), &mut out);
    assert!(error.expect_err("no text").to_string().contains("does not decode"));
    assert_eq!(out, "before");
    codec("Kinds").to_wire(br#"{"i32":1}"#, &ReadOptions::default(), &mut out).expect("read");
    let wire = out.split_off(6);
    assert_eq!(
        DynamicMessage::decode(desc("Kinds"), &*wire).expect("a message"),
        super::read("Kinds", r#"{"i32":1}"#).expect("read")
    );
}
