//! Sets that make no schema.

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, MessageOptions,
};

use super::{build, compile, faults, only, orders, raw};
use crate::schema::DescriptorSet;

fn plain(name: &str, imports: &[&str]) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(name.to_owned()),
        syntax: Some("proto3".to_owned()),
        dependency: imports.iter().map(|import| (*import).to_owned()).collect(),
        ..Default::default()
    }
}

/// A length-delimited field.
fn delimited(field: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    prost::encoding::encode_varint(u64::try_from(content.len()).unwrap(), &mut bytes);
    bytes.extend(content);
    bytes
}

#[test]
fn a_syntax_that_no_one_knows_is_refused() {
    let odd = FileDescriptorProto { syntax: Some("proto4".to_owned()), ..plain("odd.proto", &[]) };
    assert_eq!(
        faults(&[raw("s", vec![odd])]),
        ["odd.proto of s has syntax \"proto4\", expected proto2, proto3 or editions"]
    );
}

#[test]
fn options_by_a_descriptor_proto_of_a_backend_never_panic() {
    // What is a bool to all others is a message to this one, which the pool sees too late to complain itself.
    let own = "syntax = \"proto2\"; package google.protobuf; \
               message MethodOptions { optional MethodOptions deprecated = 33; extensions 1000 to max; }";
    let own = compile("own", &[("google/protobuf/descriptor.proto", own)], true);
    let text = "syntax = \"proto3\"; message M {} \
                service S { rpc A(M) returns (M) { option deprecated = true; } }";
    let file = only(&compile("s", &[("a.proto", text)], true), &["a.proto"]);
    assert_eq!(
        faults(&[own, file]),
        ["a.proto of s: the options of S.A do not fit the google/protobuf/descriptor.proto given"]
    );
}

#[test]
fn all_faults_are_told_at_once_and_cycles_end() {
    let clash = |name: &str| FileDescriptorProto {
        message_type: vec![DescriptorProto { name: Some("A".to_owned()), ..Default::default() }],
        ..plain(name, &[])
    };
    let set = raw(
        "s",
        vec![
            plain("a.proto", &["b.proto"]),
            plain("b.proto", &["c.proto"]),
            plain("c.proto", &["b.proto"]),
            plain("self.proto", &["self.proto"]),
            plain("d.proto", &["lost.proto"]),
            plain("e.proto", &["d.proto"]),
            clash("x.proto"),
            clash("y.proto"),
        ],
    );
    let junk = DescriptorSet::new("junk", vec![0xff; 8]);
    assert_eq!(
        faults(&[set, junk]),
        [
            "junk: expected a google.protobuf.FileDescriptorSet",
            "d.proto imports lost.proto, which is in none of the sources: compile with --include_imports",
            "files import each other: b.proto -> c.proto -> b.proto",
            "files import each other: self.proto -> self.proto",
            "y.proto of s: name 'A' is already defined in file 'x.proto'",
        ]
    );
}

#[test]
fn a_backend_cannot_redefine_a_well_known_type() {
    let timestamp = "syntax = \"proto3\"; package google.protobuf; message Timestamp { string text = 1; }";
    let own = compile("s", &[("google/protobuf/timestamp.proto", timestamp)], true);
    let schema = build(&[own]).unwrap();
    let message = schema.pool().get_message_by_name("google.protobuf.Timestamp").unwrap();
    assert!(message.get_field_by_name("seconds").is_some());

    let other = compile("s", &[("evil.proto", timestamp)], true);
    let told = faults(&[other]).join("\n");
    assert!(told.contains("google.protobuf.Timestamp"), "{told}");
}

#[test]
fn limits_hold() {
    let many =
        (0..=crate::schema::build::MAX_FILES).map(|index| plain(&format!("f{index}.proto"), &[])).collect();
    assert_eq!(faults(&[raw("s", many)]), ["descriptor sets are 2001 files together, limit is 2000"]);
    let large = DescriptorSet::new("s", vec![0; crate::schema::build::MAX_BYTES + 1]);
    assert_eq!(faults(&[large]), ["descriptor sets are 16777217 bytes together, limit is 16777216"]);

    let value = |number: i32| EnumValueDescriptorProto {
        name: Some(format!("V{number}")),
        number: Some(number),
        ..Default::default()
    };
    let values = |count| FileDescriptorProto {
        enum_type: vec![EnumDescriptorProto {
            name: Some("E".to_owned()),
            value: (0..count).map(value).collect(),
            ..Default::default()
        }],
        ..plain("e.proto", &[])
    };
    assert!(build(&[raw("s", vec![values(65_536)])]).is_ok());
    assert_eq!(
        faults(&[raw("s", vec![values(65_537)])]),
        ["e.proto of s: enum E is 65537 long, limit is 65536"]
    );

    let named = |len: usize| FileDescriptorProto {
        message_type: vec![DescriptorProto { name: Some("M".repeat(len)), ..Default::default() }],
        ..plain("n.proto", &[])
    };
    assert!(build(&[raw("s", vec![named(1_024)])]).is_ok());
    assert!(faults(&[raw("s", vec![named(1_025)])])[0].contains("the name of a message is 1025 long"));
}

#[test]
fn deep_nesting_and_broken_descriptors_are_faults() {
    // Written from the inside out: encoding such a message would recurse as deep as reading it.
    let mut message = b"\x0a\x01M".to_vec();
    for _ in 0..10_000 {
        message = [b"\x0a\x01M".to_vec(), delimited(3, &message)].concat();
    }
    let file = [plain("deep.proto", &[]).encode_to_vec(), delimited(4, &message)].concat();
    let deep = DescriptorSet::new("s", delimited(1, &file));
    let told = faults(&[deep]).join(
        "
",
    );
    assert!(told.starts_with("deep.proto of s: ") && told.contains("recursion limit"), "{told}");

    let field = |name: &str, number| FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(Type::String.into()),
        ..Default::default()
    };
    let message = |fields: Vec<FieldDescriptorProto>| DescriptorProto {
        name: Some("M".to_owned()),
        field: fields,
        ..Default::default()
    };
    let entry = |fields| DescriptorProto {
        options: Some(MessageOptions { map_entry: Some(true), ..Default::default() }),
        ..message(fields)
    };
    let broken = [
        message(vec![field("a", 1), field("b", 1)]),
        message(vec![field("a_b", 1), field("aB", 2)]),
        message(vec![field("a", 0)]),
        message(vec![FieldDescriptorProto {
            type_name: Some(".no.Such".to_owned()),
            r#type: None,
            ..field("a", 1)
        }]),
        message(vec![FieldDescriptorProto { oneof_index: Some(7), ..field("a", 1) }]),
        entry(vec![]),
        entry(vec![field("key", 1)]),
        entry(vec![field("key", 3), field("value", 2)]),
        entry(vec![
            FieldDescriptorProto { r#type: Some(Type::Bytes.into()), ..field("key", 1) },
            field("value", 2),
        ]),
    ];
    for (index, message) in broken.into_iter().enumerate() {
        let built = build(&[raw(
            "s",
            vec![FileDescriptorProto { message_type: vec![message], ..plain("m.proto", &[]) }],
        )]);
        match built {
            Err(error) => assert!(error.to_string().starts_with("m.proto of s: "), "{index}: {error}"),
            Ok(_) => panic!("{index} is no schema"),
        }
    }
}

proptest::proptest! {
    #[test]
    fn damaged_sets_never_panic(at in 0_usize..4_096, with in proptest::prelude::any::<u8>(), cut in 0_usize..4_096) {
        let mut bytes = orders().bytes.to_vec();
        let len = bytes.len();
        bytes[at % len] = with;
        bytes.truncate(len - if cut % 4 == 0 { cut % len } else { 0 });
        let set = DescriptorSet::new("damaged", bytes);
        let _ = set.digest();
        let _ = build(&[set]);
    }
}
