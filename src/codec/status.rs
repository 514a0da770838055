//! A failed call as JSON: `google.rpc.Status` with its details resolved.

use bytes::{Bytes, BytesMut};
use prost::Message as _;
use prost_reflect::DescriptorPool;
use tonic_types::pb;

use crate::codec::{
    options::WriteOptions,
    path::{At, prefix},
    reference::{Any, Room, Writer},
};

/// What a call ended with.
#[derive(Clone, Copy, Debug)]
pub struct StatusParts<'a> {
    /// `grpc-status`.
    pub code: i32,
    /// `grpc-message`, percent-decoded.
    pub message: &'a str,
    /// `grpc-status-details-bin`, base64-decoded: a `google.rpc.Status`.
    pub details: Option<&'a [u8]>,
}

/// `{"code":5,"message":"...","details":[{"@type":"...", ...}]}`, always all three.
///
/// Nothing here fails, since an error about an error would hide the first one. Details that do not
/// decode, or whose code is not the call's, are left out. A detail whose type is not in `pool`, or
/// that has no JSON form, keeps its bytes: `{"@type": url, "value": base64}`. The message of the
/// details holds before that of the header, and is cut at 8 KiB; details that would go beyond
/// 1 MiB, or [`WriteOptions::max_bytes`] if less, are left out.
pub fn status_to_json(pool: &DescriptorPool, status: StatusParts<'_>, options: &WriteOptions) -> Bytes {
    let details = status.details.and_then(|bytes| pb::Status::decode(bytes).ok());
    let details = details.filter(|details| details.code == status.code);
    let message =
        details.as_ref().map(|details| details.message.as_str()).filter(|message| !message.is_empty());

    let max_bytes = options.max_bytes.min(MAX_DETAILS);
    // Whitespace would be indented as if the details stood alone.
    let options = WriteOptions { max_bytes, add_whitespace: false, ..options.clone() };
    let root = At::root();
    let mut items = BytesMut::new();
    for detail in details.iter().flat_map(|details| &details.details) {
        let any = Any { url: &detail.type_url, payload: detail.value.clone().into(), pool };
        let mut item = BytesMut::new();
        let mut written = Writer::new(&mut item, &options, Room::new()).any(&any, root);
        if written.is_err() {
            item.clear();
            written = Writer::new(&mut item, &options, Room::new()).opaque(&any, &root);
        }
        if written.is_err() || items.len() + item.len() > options.max_bytes {
            continue;
        }
        if !items.is_empty() {
            items.extend_from_slice(b",");
        }
        items.extend_from_slice(&item);
    }

    let message = prefix(message.unwrap_or(status.message), MAX_MESSAGE);
    let message = serde_json::Value::from(message);
    let mut json =
        BytesMut::from(format!(r#"{{"code":{},"message":{message},"details":["#, status.code).as_bytes());
    json.extend_from_slice(&items);
    json.extend_from_slice(b"]}");
    json.freeze()
}

/// Bytes of a message that are worth sending: what fits into headers anyway.
const MAX_MESSAGE: usize = 8 << 10;

/// Bytes of JSON for all details. Header lists carry some KiB; the rest is what JSON and `Any` add.
const MAX_DETAILS: usize = 1 << 20;
