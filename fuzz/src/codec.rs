//! What has to hold between JSON and wire bytes, whatever the input.
//!
//! All three targets read the same input: two bytes that pick the message type and the switches, then JSON, wire
//! bytes, or something else.

use std::sync::LazyLock;

use bytes::BytesMut;
use edgeway::codec::{
    Codecs, MessageCodec, ReadOptions, WriteOptions, json_to_message, message_to_json, message_to_wire,
    wire_to_json,
};
use prost_reflect::{DescriptorPool, DynamicMessage};
use protox::{
    Compiler, Error,
    file::{ChainFileResolver, File, FileResolver, GoogleFileResolver},
};

/// Every kind of field of proto3 and proto2, and the smallest messages for the fuzzer to find its way.
static CODECS: LazyLock<Vec<MessageCodec>> = LazyLock::new(|| {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Protos);
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    compiler.open_files(["kinds.proto", "legacy.proto"]).expect("the protos compile");
    let pool = DescriptorPool::from_file_descriptor_set(compiler.file_descriptor_set());
    let pool = pool.expect("the protos resolve");
    let messages = MESSAGES.map(|name| pool.get_message_by_name(name).expect("a message of the protos"));
    let codecs = Codecs::compile(&messages);
    messages.iter().map(|message| codecs.codec(message)).collect()
});

/// The protos of the codec's own tests.
struct Protos;

impl FileResolver for Protos {
    fn open_file(&self, name: &str) -> Result<File, Error> {
        let source = match name {
            "kinds.proto" => include_str!("../../tests/data/json/kinds.proto"),
            "legacy.proto" => include_str!("../../tests/data/json/legacy.proto"),
            _ => return Err(Error::file_not_found(name)),
        };
        File::from_source(name, source)
    }
}

/// The message type and the switches, with the rest of the input.
struct Input<'a> {
    codec: &'static MessageCodec,
    read: ReadOptions,
    write: WriteOptions,
    data: &'a [u8],
}

impl<'a> Input<'a> {
    /// `None` for less than two bytes.
    fn new(input: &'a [u8]) -> Option<Self> {
        let (switches, data) = input.split_first_chunk::<2>()?;
        let [message, _] = *switches;
        let switches = u16::from_le_bytes(*switches);
        let on = |bit: u16| switches >> bit & 1 == 1;
        let read = ReadOptions {
            reject_unknown_fields: !on(3),
            reject_unknown_enums: !on(4),
            reject_duplicate_keys: !on(5),
            case_insensitive_enum_parsing: on(6),
            strip_enum_prefixes: on(7),
            max_nodes: 500,
            ..ReadOptions::default()
        };
        let write = WriteOptions {
            always_print_primitive_fields: on(8),
            always_print_enums_as_ints: on(9),
            preserve_proto_field_names: on(10),
            add_whitespace: on(11),
            print_int64_as_numbers: on(12),
            strip_enum_prefixes: on(7),
            max_bytes: 1 << 20,
            ..WriteOptions::default()
        };
        Some(Self { codec: CODECS.get(usize::from(message & 7))?, read, write, data })
    }
}

/// Any text is answered: with wire bytes that decode and print, or with an error and an untouched buffer.
pub fn read(input: &[u8]) {
    let Some(input) = Input::new(input) else { return };
    let mut wire = BytesMut::new();
    match input.codec.to_wire(input.data, &input.read, &mut wire) {
        Ok(()) => {
            let mut json = BytesMut::new();
            if input.codec.to_json(wire.freeze(), &input.write, &mut json).is_ok() {
                let again = input.codec.to_wire(&json, &input.read, &mut BytesMut::new());
                // Printed defaults are more values than were read.
                assert!(again.is_ok() || input.write.always_print_primitive_fields, "{again:?}");
            }
        }
        Err(error) => assert!(wire.is_empty() && !error.to_string().is_empty()),
    }
}

/// Any bytes are answered: with JSON that is text within its bound, or with an error and an untouched buffer.
pub fn print(input: &[u8]) {
    let Some(input) = Input::new(input) else { return };
    let mut json = BytesMut::new();
    match input.codec.to_json(input.data, &input.write, &mut json) {
        Ok(()) => {
            assert!(std::str::from_utf8(&json).is_ok() && json.len() <= input.write.max_bytes);
            let _ = input.codec.to_wire(&json, &input.read, &mut BytesMut::new());
        }
        Err(error) => assert!(json.is_empty() && !error.to_string().is_empty()),
    }
}

/// Both codecs on the same input, taken for JSON and for wire bytes.
pub fn differential(input: &[u8]) {
    if let Some(input) = Input::new(input) {
        json_agrees(&input);
        wire_agrees(&input);
    }
}

/// What the fast codec reads means what it means to the reference.
fn json_agrees(input: &Input<'_>) {
    let mut wire = BytesMut::new();
    if !input.codec.fast_to_wire(input.data, &input.read, &mut wire) {
        assert!(wire.is_empty());
        return;
    }
    let desc = input.codec.descriptor();
    let message = json_to_message(desc, input.data, &input.read).expect("the reference reads it, too");
    let fast = DynamicMessage::decode(desc.clone(), &*wire).expect("what was read decodes");
    if message_to_wire(&fast) != message_to_wire(&message) {
        // What is in an `Any` is bytes, and there fields may come in any order.
        let [fast, message] = [&fast, &message].map(|message| {
            let mut json = BytesMut::new();
            message_to_json(message, &WriteOptions::default(), &mut json).expect("what was read prints");
            json
        });
        assert!(fast.windows(5).any(|key| key == b"@type"));
        assert_eq!(fast, message);
    }
}

/// What the fast codec prints is what the reference prints.
fn wire_agrees(input: &Input<'_>) {
    let (mut fast, mut reference) = (BytesMut::new(), BytesMut::new());
    if input.codec.fast_to_json(input.data, &input.write, &mut fast) {
        wire_to_json(input.codec.descriptor(), input.data, &input.write, &mut reference)
            .expect("the reference prints it, too");
        assert_eq!(fast, reference);
    } else {
        assert!(fast.is_empty());
    }
}

const MESSAGES: [&str; 8] = [
    "codec.test.Kinds",
    "codec.test.Legacy",
    "google.protobuf.Value",
    "google.protobuf.Timestamp",
    "google.protobuf.Any",
    "google.protobuf.FieldMask",
    "google.protobuf.Duration",
    "google.protobuf.DoubleValue",
];
