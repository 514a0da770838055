//! A failed call as JSON, with its details resolved.
//!
//! | shape | members |
//! |---|---|
//! | status | `code`, `message`, `details`: `google.rpc.Status` |
//! | AIP-193 | `error`: `code` (HTTP's), `message`, `status` (the code's name), `details` |
//! | problem | `type`, `title`, `status` (HTTP's), `detail` (RFC 9457), and `code`, `details` of the status |

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

/// The members that an error is told with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusShape {
    /// `google.rpc.Status`.
    Status,
    /// The `error` object of <https://google.aip.dev/193>.
    Aip193 {
        /// The HTTP status of the reply.
        http: u16,
        /// The code's name, such as `NOT_FOUND`.
        name: &'static str,
    },
    /// Problem details (RFC 9457). Their type is `about:blank`, so that the title says what HTTP says.
    Problem {
        /// The HTTP status of the reply.
        http: u16,
        /// The phrase of that status, such as `Not Found`.
        title: &'static str,
    },
}

/// The JSON of an error: every member of its shape, always. Of `Status`
/// `{"code":5,"message":"...","details":[{"@type":"...", ...}]}`.
///
/// Nothing here fails, since an error about an error would hide the first one. Details that do not
/// decode, or whose code is not the call's, are left out. A detail whose type is not in `pool`, or
/// that has no JSON form, keeps its bytes: `{"@type": url, "value": base64}`. The message of the
/// details holds before that of the header, and is cut at 8 KiB; details that would go beyond
/// 1 MiB, or [`WriteOptions::max_bytes`] if less, are left out.
pub fn status_to_json(
    pool: &DescriptorPool,
    status: StatusParts<'_>,
    shape: StatusShape,
    options: &WriteOptions,
) -> Bytes {
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
    let code = status.code;
    let (head, tail) = match shape {
        StatusShape::Status => (format!(r#"{{"code":{code},"message":{message}"#), "]}"),
        StatusShape::Aip193 { http, name } => {
            (format!(r#"{{"error":{{"code":{http},"message":{message},"status":"{name}""#), "]}}")
        }
        StatusShape::Problem { http, title } => {
            let blank = r#"{"type":"about:blank","title":"#;
            (format!(r#"{blank}"{title}","status":{http},"detail":{message},"code":{code}"#), "]}")
        }
    };
    let mut json = BytesMut::from(head.as_bytes());
    json.extend_from_slice(br#","details":["#);
    json.extend_from_slice(&items);
    json.extend_from_slice(tail.as_bytes());
    json.freeze()
}

/// Bytes of a message that are worth sending: what fits into headers anyway.
const MAX_MESSAGE: usize = 8 << 10;

/// Bytes of JSON for all details. Header lists carry some KiB; the rest is what JSON and `Any` add.
const MAX_DETAILS: usize = 1 << 20;
