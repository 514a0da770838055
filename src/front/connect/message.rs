//! One message from the client's format to frames of the waist, and back.
//!
//! JSON is ProtoJSON as it is written, whatever `rest` says of JSON elsewhere: clients are generated, and a switch that
//! prints another form would break them. Fields that the schema does not know are dropped, as Connect's own
//! implementations do, so that a newer client can call an older backend.

use bytes::{Bytes, BytesMut};
use tonic::Code;

use super::Format;
use crate::{
    call::{CallError, reason},
    codec::{ReadOptions, WriteOptions},
    front::json,
    grpc::{
        frame::{self, Message},
        gzip::{self, GzipError},
    },
    plan::MethodPlan,
};

/// Appends a client's message as a frame.
pub(super) fn read(
    method: &MethodPlan,
    format: Format,
    message: &[u8],
    out: &mut BytesMut,
) -> Result<(), CallError> {
    frame::put_with(out, |out| match format {
        Format::Proto => {
            out.extend_from_slice(message);
            Ok(())
        }
        Format::Json => {
            method.input.to_wire(message, &read_options(method), out).map_err(|error| json::unfit(&error))
        }
    })
}

/// Appends a backend's message in a client's format.
pub(super) fn write(
    method: &MethodPlan,
    format: Format,
    message: Bytes,
    out: &mut BytesMut,
) -> Result<(), CallError> {
    match format {
        Format::Proto => {
            out.extend_from_slice(&message);
            Ok(())
        }
        Format::Json => {
            method.output.to_json(message, &write_options(method), out).map_err(json::unprintable)
        }
    }
}

/// The bytes of a backend's message.
pub(super) fn plain(message: Message) -> Result<Bytes, CallError> {
    if message.compressed {
        return Err(CallError::reply_lost("the backend compressed it, which was not asked for"));
    }
    Ok(message.bytes)
}

/// A client's message without its compression.
pub(super) fn inflate(bytes: &[u8], limit: usize) -> Result<Bytes, CallError> {
    gzip::inflate(bytes, limit).map_err(|error| match error {
        GzipError::Malformed => super::bad_request(error.to_string()),
        GzipError::TooLarge { limit } => too_large(limit, " when inflated"),
    })
}

/// A message whose end was not waited for, so that nobody knows how long it is.
pub(super) fn too_large(limit: usize, when: &str) -> CallError {
    let message = format!("request message is over the limit of {limit} bytes{when} (max_request_bytes)");
    CallError::refused(Code::ResourceExhausted, reason::MESSAGE_TOO_LARGE, message)
}

/// A message as gzip, where that is shorter.
pub(super) fn deflate(message: &[u8]) -> Option<BytesMut> {
    if message.len() < WORTH_DEFLATING {
        return None;
    }
    let mut out = BytesMut::with_capacity(message.len() / 4);
    gzip::deflate(message, &mut out);
    (out.len() < message.len()).then_some(out)
}

fn read_options(method: &MethodPlan) -> ReadOptions {
    ReadOptions {
        reject_unknown_fields: false,
        reject_unknown_enums: false,
        max_depth: method.read.max_depth,
        max_nodes: method.read.max_nodes,
        ..ReadOptions::default()
    }
}

fn write_options(method: &MethodPlan) -> WriteOptions {
    WriteOptions { max_bytes: method.write.max_bytes, ..WriteOptions::default() }
}

/// Bytes below which gzip saves no packet and costs all the same.
const WORTH_DEFLATING: usize = 1 << 10;
