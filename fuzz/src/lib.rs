//! What the targets share: the messages they go by, options from a byte, and what has to hold.

pub mod route;

use std::sync::LazyLock;

use bytes::BytesMut;
use edgeway::codec::{
    Codecs, MessageCodec, ReadOptions, WriteOptions, json_to_message, message_to_wire, wire_to_json,
};
use prost_reflect::{DescriptorPool, DynamicMessage};

/// Every kind of field of proto3 and proto2, and the smallest messages for the fuzzer to find its way.
static CODECS: LazyLock<Vec<MessageCodec>> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/data/json");
    let files = protox::compile(["kinds.proto", "legacy.proto"], [folder]).expect("the protos compile");
    let pool = DescriptorPool::from_file_descriptor_set(files).expect("the protos resolve");
    let names = ["codec.test.Kinds", "codec.test.Legacy", "google.protobuf.Value", "google.protobuf.Timestamp"];
    let messages = names.map(|name| pool.get_message_by_name(name).expect("a message of the protos"));
    let codecs = Codecs::compile(&messages);
    messages.iter().map(|message| codecs.codec(message)).collect()
});

/// The message type and the switches that the first byte picks, with the rest of the input.
pub struct Input<'a> {
    /// The codec of the message.
    pub codec: &'static MessageCodec,
    /// How JSON is read.
    pub read: ReadOptions,
    /// How it is printed.
    pub write: WriteOptions,
    /// Everything behind the first byte.
    pub data: &'a [u8],
}

impl<'a> Input<'a> {
    /// `None` for no input at all.
    pub fn new(input: &'a [u8]) -> Option<Self> {
        let (switches, data) = input.split_first()?;
        let on = |bit: u8| switches >> bit & 1 == 1;
        let read = ReadOptions {
            reject_unknown_fields: !on(2),
            reject_unknown_enums: !on(3),
            reject_duplicate_keys: !on(4),
            max_nodes: 500,
            ..ReadOptions::default()
        };
        let write = WriteOptions {
            always_print_primitive_fields: on(5),
            always_print_enums_as_ints: on(6),
            preserve_proto_field_names: on(7),
            max_bytes: 1 << 20,
            ..WriteOptions::default()
        };
        Some(Self { codec: CODECS.get(usize::from(switches & 3))?, read, write, data })
    }

    /// What the fast codec reads means what it means to the reference.
    pub fn json_agrees(&self) {
        let mut wire = BytesMut::new();
        if self.codec.fast_to_wire(self.data, &self.read, &mut wire) {
            let desc = self.codec.descriptor();
            let message = json_to_message(desc, self.data, &self.read).expect("the reference reads it, too");
            let fast = DynamicMessage::decode(desc.clone(), &*wire).expect("what was read decodes");
            assert_eq!(message_to_wire(&fast), message_to_wire(&message));
        } else {
            assert!(wire.is_empty());
        }
    }

    /// What the fast codec prints is what the reference prints.
    pub fn wire_agrees(&self) {
        let (mut fast, mut reference) = (BytesMut::new(), BytesMut::new());
        if self.codec.fast_to_json(self.data, &self.write, &mut fast) {
            wire_to_json(self.codec.descriptor(), self.data, &self.write, &mut reference)
                .expect("the reference prints it, too");
            assert_eq!(fast, reference);
        } else {
            assert!(fast.is_empty());
        }
    }
}
