//! What has to hold of any query: it is read or refused, what was read can be written and read again, and its
//! parameters make the same message by the tree and by its bytes.
//!
//! Also a module of `tests/query_seeds.rs`, which replays the seeds without a fuzzer.

use std::sync::LazyLock;

use bytes::BytesMut;
use edgeway::{
    codec::{FieldPath, ReadOptions, message_to_wire},
    route::{Pair, parse_query},
};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

/// Every kind of field.
static KINDS: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = if root.join("proto").exists() { root.to_owned() } else { root.join("..") };
    let folders = [root.join("tests/data/binding"), root.join("proto")];
    let files = protox::compile(["binding.proto"], folders).expect("the proto compiles");
    let pool = DescriptorPool::from_file_descriptor_set(files).expect("the proto resolves");
    pool.get_message_by_name("binding.test.Kinds").expect("the message is in it")
});

/// Takes the first byte for switches and the rest for a query.
pub fn holds(input: &[u8]) {
    let Some((switches, text)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let plus = switches & 1 == 1;
    let Ok(pairs) = parse_query(text, plus) else { return };
    let written: Vec<String> = pairs.iter().map(|pair| write(pair, plus)).collect();
    let written = written.join("&");
    assert_eq!(parse_query(&written, plus).as_ref(), Ok(&pairs), "{written}");
    bind(&pairs, &ReadOptions { max_nodes: 500, ..ReadOptions::default() });
}

fn write(pair: &Pair<'_>, plus: bool) -> String {
    format!("{}={}", escape(pair.key.as_bytes(), plus), escape(&pair.value, plus))
}

fn escape(bytes: &[u8], plus: bool) -> String {
    let one = |byte: &u8| match byte {
        b' ' if plus => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        byte => format!("%{byte:02x}"),
    };
    bytes.iter().map(one).collect()
}

/// Sets what the parameters name, as far as they name something, in a tree and in wire bytes.
fn bind(pairs: &[Pair<'_>], options: &ReadOptions) {
    let mut tree = DynamicMessage::new(KINDS.clone());
    let mut wire = Some(BytesMut::from("before"));
    let mut set: Vec<FieldPath> = Vec::new();
    for pair in pairs {
        let Ok(path) = FieldPath::of_parameter(&KINDS, &pair.key) else { continue };
        assert_eq!(path.as_str(), pair.key);
        if set.iter().any(|other| other.overlaps(&path) && !(path.is_repeated() && *other == path)) {
            continue;
        }
        let text = path.check_text().is_ok();
        let result = path.set(&mut tree, &pair.value, options);
        assert!(text || result.is_err(), "{path} takes no text and took {:?}", pair.value);
        let inserted = wire.as_mut().and_then(|wire| path.insert(&pair.value, options, wire, 6));
        match result {
            Ok(()) => {
                // Left to the tree, and with it the whole message.
                if inserted.is_none() {
                    wire = None;
                }
                set.push(path);
            }
            Err(error) => {
                assert!(inserted.is_none(), "{path} was put into the bytes but not into the tree: {error}");
                assert!(!error.to_string().is_empty());
            }
        }
    }
    if let Some(wire) = wire {
        let bytes = wire.strip_prefix(b"before").expect("what was there stays");
        let message = DynamicMessage::decode(KINDS.clone(), bytes).expect("what was written decodes");
        assert_eq!(message_to_wire(&message), message_to_wire(&tree));
    }
}
