//! Files of `tests/data/editions`, as protoc compiled them, and damage to them.

use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use prost_reflect::{Cardinality, MessageDescriptor, Syntax};
use serde::Deserialize;

use super::{Raw, Refused, lower};
use crate::codec::{self, MessageCodec, ReadOptions, WriteOptions};
use crate::schema::{DescriptorSet, Schema, set};

fn compiled() -> DescriptorSet {
    let bytes = include_bytes!("../../../tests/data/editions/editions.binpb");
    DescriptorSet::new("editions.binpb", bytes.as_slice())
}

static SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| Schema::build(&[compiled()], |_| true).expect("the files can be lowered"));

fn message(name: &str) -> MessageDescriptor {
    let name = format!("codec.test.editions.{name}");
    SCHEMA.pool().get_message_by_name(&name).expect("the files have it")
}

#[test]
fn features_become_what_the_pool_knows() {
    let field = |name: &str, field: &str| message(name).get_field_by_name(field).expect("the message has it");
    for (name, one, presence) in [
        ("Explicit", "number", true),
        ("Explicit", "required", true),
        ("Explicit", "pick_number", true),
        ("Explicit", "prefixed", true),
        ("Implicit", "number", false),
        ("Implicit", "text", false),
        ("Implicit", "level", false),
        ("Implicit", "explicit", true),
        ("Implicit", "pick", true),
        ("Implicit", "child", true),
        ("Later", "number", true),
    ] {
        assert_eq!(field(name, one).supports_presence(), presence, "{name}.{one}");
        let synthetic = field(name, one).containing_oneof().is_some_and(|oneof| oneof.is_synthetic());
        assert!(!synthetic, "{name}.{one}");
    }
    for (name, one, packed) in [
        ("Explicit", "packed", true),
        ("Explicit", "expanded", false),
        ("Explicit", "closeds", true),
        ("Implicit", "packed", true),
        ("Implicit", "expanded", false),
    ] {
        assert_eq!(field(name, one).is_packed(), packed, "{name}.{one}");
    }
    for (name, one, group) in [
        ("Explicit", "delimited", true),
        ("Explicit", "delimiteds", true),
        ("Explicit", "pick_delimited", true),
        ("Explicit", "prefixed", false),
        ("Explicit", "map", false),
        ("Implicit", "child", true),
        ("Implicit", "prefixed", false),
        ("Implicit", "map", false),
        ("Later", "hidden", true),
    ] {
        assert_eq!(field(name, one).is_group(), group, "{name}.{one}");
    }
    assert_eq!(field("Explicit", "required").cardinality(), Cardinality::Required);
    assert_eq!(field("Explicit", "defaulted").default_value().as_i32(), Some(7));
    let extension = |name: &str| {
        let name = format!("codec.test.editions.{name}");
        SCHEMA.pool().get_extension_by_name(&name).expect("the files have it")
    };
    assert!(extension("group").is_group() && extension("marks").is_packed() && !extension("note").is_group());
    let syntax = |name| message(name).parent_file().syntax();
    assert_eq!((syntax("Explicit"), syntax("Implicit")), (Syntax::Proto2, Syntax::Proto3));
}

#[test]
fn rules_survive_and_the_files_are_given_out_as_they_came() {
    let rules = SCHEMA.methods().flat_map(|method| &method.rules).map(|rule| rule.template.as_str());
    assert_eq!(rules.collect::<Vec<_>>(), ["/v1/editions/{text}", "/v1/editions/{number}", "/v1/later"]);
    let given = set::files(SCHEMA.set()).expect("a set");
    for file in set::files(&compiled().bytes).expect("a set") {
        assert!(given.iter().any(|given| given.bytes == file.bytes), "{}", file.name);
    }
    let again = Schema::build(&[DescriptorSet::new("again", SCHEMA.set().clone())], |_| true);
    assert_eq!(again.expect("a complete set").digest(), SCHEMA.digest());
}

#[derive(Deserialize)]
struct Case {
    why: String,
    r#type: String,
    json: String,
    #[serde(flatten)]
    then: Then,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Then {
    Accepted { out: String, wire: String },
    Refused { at: String, says: String },
}

#[test]
fn vectors_mean_the_same_to_both_codecs() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../../tests/data/editions/json.json"))
        .expect("a list of cases");
    for Case { why, r#type, json, then } in cases {
        let (desc, mut fast) = (message(&r#type), BytesMut::new());
        let codec = MessageCodec::new(&desc);
        let is_fast = codec.fast_to_wire(json.as_bytes(), &ReadOptions::default(), &mut fast);
        let read = codec::json_to_wire(&desc, json.as_bytes(), &ReadOptions::default());
        match (then, read) {
            (Then::Accepted { out, wire }, Ok(bytes)) => {
                let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                assert_eq!(hex, wire, "{why}");
                assert!(!is_fast || fast == bytes, "{why}: {fast:02x?}");
                let (mut slow, mut fast) = (BytesMut::new(), BytesMut::new());
                codec::wire_to_json(&desc, &*bytes, &WriteOptions::default(), &mut slow).expect("printed");
                assert_eq!(slow, out, "{why}");
                if codec.fast_to_json(&bytes, &WriteOptions::default(), &mut fast) {
                    assert_eq!(fast, out, "{why}");
                }
            }
            (Then::Refused { at, says }, Err(error)) => {
                assert!(!is_fast, "{why}");
                assert_eq!(error.field_path(), at, "{why}: {error}");
                assert!(error.description().contains(&says), "{why}: {error}");
            }
            (_, read) => panic!("{why}: {read:?}"),
        }
    }
}

#[test]
fn unknown_numbers_of_a_closed_enum_are_unknown_fields() {
    for (name, wire, json) in [
        ("Explicit", &b"\x58\x09"[..], "{}"),
        ("Explicit", b"\x50\x09", r#"{"open":9}"#),
        ("Explicit", b"\x62\x02\x09\x01", r#"{"closeds":["CLOSED_ONE"]}"#),
        ("Implicit", b"\x50\x09", "{}"),
    ] {
        let mut out = BytesMut::new();
        let codec = MessageCodec::new(&message(name));
        codec.to_json(wire, &WriteOptions::default(), &mut out).expect("printed");
        assert_eq!(out, json, "{wire:?}");
    }
}

/// A message of text or message fields, by their numbers.
fn raw(blocks: &[(u32, &[u8])], varints: &[(u32, u64)]) -> Vec<u8> {
    let mut raw = Raw::default();
    for (field, block) in blocks {
        raw.set_block(*field, block.to_vec());
    }
    for (field, value) in varints {
        raw.set_varint(*field, *value);
    }
    raw.write().to_vec()
}

fn refused(file: &[u8]) -> Vec<String> {
    let set = DescriptorSet::new("s", raw(&[(1, file)], &[]));
    let error = Schema::build(&[set], |_| true).expect_err("refused");
    error.faults.iter().map(ToString::to_string).collect()
}

/// `a.proto` in package `p`, with more fields of a `FileDescriptorProto`.
fn file(more: &[(u32, &[u8])], edition: u64) -> Vec<u8> {
    let head: [(u32, &[u8]); 3] = [(1, b"a.proto"), (2, b"p"), (12, b"editions")];
    raw(&[&head, more].concat(), &[(14, edition)])
}

#[test]
fn editions_that_are_not_known_are_refused_by_name() {
    for (edition, name) in [(1002, "2026"), (0, "of no number"), (9999, "number 9999"), (998, "proto2")] {
        assert_eq!(
            refused(&file(&[], edition)),
            [format!(
                "a.proto of s is written in edition {name}, which is not supported: expected proto2, proto3, \
                 edition 2023 or edition 2024"
            )]
        );
    }
}

#[test]
fn features_that_cannot_be_kept_are_refused_by_name() {
    let features = |field, number, value| raw(&[(field, &raw(&[], &[(number, value)]))], &[]);
    let field = raw(&[(1, b"f"), (8, &features(21, 5, 7))], &[(3, 1), (4, 1), (5, 5)]);
    let message = raw(&[(1, b"M"), (2, &field)], &[]);
    let way_out = "which is not supported: compile the file with a feature of edition 2023 or 2024";
    assert_eq!(
        refused(&file(&[(4, &message)], 1000)),
        [format!("a.proto of s: p.M.f has features.message_encoding number 7, {way_out}")]
    );
    assert_eq!(
        refused(&file(&[(8, &features(50, 9, 1))], 1001)),
        [format!("a.proto of s: p has feature number 9, {way_out}")]
    );

    let value = raw(&[(1, b"ONE")], &[(2, 1)]);
    let closed = raw(&[(1, b"E"), (2, &value), (3, &features(7, 2, 2))], &[]);
    let field = raw(&[(1, b"f"), (8, &features(21, 1, 2))], &[(3, 1), (4, 1), (5, 5)]);
    let message = raw(&[(1, b"M"), (2, &field)], &[]);
    assert_eq!(
        refused(&file(&[(4, &message), (5, &closed)], 1000)),
        [
            "a.proto of s: p.E has a first value other than 0 in the file of p.M.f, which has implicit presence, \
          which is not supported: move the enum to a file of its own"
        ]
    );
}

#[test]
fn damage_and_depth_are_faults() {
    assert_eq!(lower(Bytes::from_static(b"\x22\x05abc")), Err(Refused::Damaged));
    assert_eq!(
        refused(&file(&[(4, &raw(&[(1, b"M"), (7, b"\x08")], &[]))], 1000)),
        ["a.proto of s: expected a google.protobuf.FileDescriptorProto"]
    );
    let mut message = raw(&[(1, b"M")], &[]);
    for _ in 0..10_000 {
        message = raw(&[(1, b"M"), (3, &message)], &[]);
    }
    assert_eq!(
        refused(&file(&[(4, &message)], 1000)),
        ["a.proto of s: messages inside of messages beyond the recursion limit of 100"]
    );
}

proptest! {
    #[test]
    fn damaged_editions_never_panic(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = compiled().bytes.to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(schema) = Schema::build(&[DescriptorSet::new("damaged", bytes)], |_| true) {
            let messages: Vec<_> = schema.pool().all_messages().collect();
            let _ = codec::Codecs::compile(&messages);
        }
    }
}
