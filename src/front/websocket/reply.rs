//! What the answer of a call becomes on a WebSocket.
//!
//! | | `grpc-websockets` | `edgeway.json.v1` |
//! |---|---|---|
//! | the head | a frame with flag 0x80 and the headers | kept for the end |
//! | a message | bytes of frames as they come | its JSON |
//! | the end | a frame with flag 0x80 and the trailers | `{"status":Status,"headers":{..},"trailers":{..}}` |
//! | an end before a head | one frame with flag 0x80 | the same |
//!
//! What a client of `grpc-websockets` gets is one stream of bytes, wherever the messages are cut. A status can follow
//! only where a frame ends; inside of one there is no end that would not pass for the rest of it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use prost_reflect::DescriptorPool;
use serde_json::{Map, Value};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::intake::Subprotocol;
use crate::{
    call::CallError,
    codec::{StatusParts, StatusShape, Unprintable, WriteOptions, status_to_json},
    front::grpc_web,
    grpc::{
        GRPC_ACCEPT_ENCODING, GRPC_ENCODING, Status,
        frame::{Decoder, Scanner},
        status,
    },
    plan::{MethodPlan, Plan},
};

/// The answer of one call, on its way to the client.
#[derive(Debug)]
pub(super) enum Reply {
    /// Protobuf in frames.
    Frames {
        /// Where in a frame the client is.
        scanner: Scanner,
        /// What came last.
        bytes: Bytes,
    },
    /// JSON.
    Json(Box<Json>),
}

/// An answer in JSON.
#[derive(Debug)]
pub(super) struct Json {
    /// None where no schema lists it; then no message comes.
    method: Option<Arc<MethodPlan>>,
    pool: DescriptorPool,
    write: WriteOptions,
    decoder: Decoder,
    headers: HeaderMap,
}

impl Reply {
    pub(super) fn new(subprotocol: Subprotocol, plan: &Plan, method: Option<&Arc<MethodPlan>>) -> Self {
        if subprotocol == Subprotocol::Frames {
            return Self::Frames { scanner: Scanner::new(usize::MAX), bytes: Bytes::new() };
        }
        let (pool, write) =
            method.map_or((&plan.builtin, &plan.write), |method| (&method.pool, &method.write));
        Self::Json(Box::new(Json {
            method: method.cloned(),
            pool: pool.clone(),
            // A message of the WebSocket is one of the call, and has no reader that lines would help.
            write: WriteOptions { add_whitespace: false, ..write.clone() },
            decoder: Decoder::new(method.map_or(0, |method| method.policy.max_response_bytes)),
            headers: HeaderMap::new(),
        }))
    }

    /// Takes the head of an answer whose status comes later.
    pub(super) fn head(&mut self, mut headers: HeaderMap) -> Option<Message> {
        headers.remove(GRPC_ACCEPT_ENCODING);
        match self {
            Self::Frames { .. } => {
                if headers.get(GRPC_ENCODING).is_some_and(|encoding| encoding == "identity") {
                    headers.remove(GRPC_ENCODING);
                }
                Some(Message::Binary(grpc_web::header_frame(&headers)))
            }
            Self::Json(json) => {
                json.headers = headers;
                None
            }
        }
    }

    /// Takes bytes of the body, once [`next_message`](Self::next_message) has nothing more to give.
    pub(super) fn push(&mut self, data: Bytes) {
        match self {
            Self::Frames { scanner, bytes } => {
                // The waist has checked these frames. If one was wrong all the same, nothing after it would be a boundary.
                scanner.follow(&data);
                *bytes = data;
            }
            Self::Json(json) => json.decoder.push(&data),
        }
    }

    /// The next message for the client.
    ///
    /// # Errors
    /// A reply that cannot be brought into JSON.
    pub(super) fn next_message(&mut self) -> Result<Option<Message>, CallError> {
        match self {
            Self::Frames { bytes, .. } if bytes.is_empty() => Ok(None),
            Self::Frames { bytes, .. } => Ok(Some(Message::Binary(std::mem::take(bytes)))),
            Self::Json(json) => json.next_message(),
        }
    }

    /// The last message: trailers with the status of the call, or a head that has it. `None` where it could not be
    /// told from the message before.
    pub(super) fn end(&mut self, trailers: &HeaderMap) -> Option<Message> {
        match self {
            Self::Frames { scanner, .. } => {
                scanner.at_boundary().then(|| Message::Binary(grpc_web::header_frame(trailers)))
            }
            Self::Json(json) => text(json.end(trailers)).ok(),
        }
    }
}

impl Json {
    fn next_message(&mut self) -> Result<Option<Message>, CallError> {
        let message = self.decoder.next_message().map_err(CallError::response_frame)?;
        let (Some(message), Some(method)) = (message, &self.method) else { return Ok(None) };
        if message.compressed {
            return Err(CallError::reply_lost("the backend compressed it, which was not asked for"));
        }
        let mut out = BytesMut::new();
        method.output.to_json(message.bytes, &self.write, &mut out).map_err(|error| {
            match error.reason() {
                Unprintable::TooLarge { .. } | Unprintable::TooManyValues { .. } => {
                    CallError::reply_too_large(error)
                }
                _ => CallError::reply_lost(error),
            }
        })?;
        text(out.freeze()).map(Some)
    }

    fn end(&self, trailers: &HeaderMap) -> Bytes {
        let status =
            status::read(trailers).unwrap_or_else(|| Status::unknown("the answer ended without a status"));
        let details = Some(status.details()).filter(|details| !details.is_empty());
        let parts = StatusParts { code: status.code() as i32, message: status.message(), details };
        let status = status_to_json(&self.pool, parts, StatusShape::Status, &self.write);
        let (headers, trailers) = (metadata(&self.headers), metadata(trailers));
        let mut out = BytesMut::from(&br#"{"status":"#[..]);
        out.extend_from_slice(&status);
        out.extend_from_slice(format!(r#","headers":{headers},"trailers":{trailers}}}"#).as_bytes());
        out.freeze()
    }
}

fn text(json: Bytes) -> Result<Message, CallError> {
    Utf8Bytes::try_from(json).map(Message::Text).map_err(CallError::reply_lost)
}

/// Metadata as an object: a name with several values has an array of them.
fn metadata(headers: &HeaderMap) -> Value {
    let mut object = Map::new();
    for name in headers.keys() {
        if name.as_str().starts_with("grpc-") || *name == header::CONTENT_TYPE {
            continue;
        }
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let mut values: Vec<Value> = values.map(Value::from).collect();
        let value = if values.len() > 1 { Some(Value::from(values)) } else { values.pop() };
        object.extend(value.map(|value| (name.as_str().to_owned(), value)));
    }
    Value::from(object)
}
