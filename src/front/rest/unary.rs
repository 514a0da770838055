//! One message to a reply.

use axum::{body::Body as HttpBody, response::Response};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use super::{dress, raw, refuse::Refusal};
use crate::{
    call::{self, CallError},
    codec::{self, WriteOptions},
    front::json,
    grpc::{
        Code,
        frame::{Decoder, Message},
        status,
    },
    plan::Binding,
};

/// Waits for the whole answer: a reply whose status is not known yet has no HTTP status.
pub(super) async fn reply(binding: &Binding, answer: call::Response) -> Result<Response, Refusal> {
    let method = &binding.method;
    let (head, body) = answer.into_parts();
    let mut headers = head.headers;
    // Trailers-only.
    if let Some(status) = status::read(&headers) {
        return Err(Refusal::backend(method, status, headers));
    }
    let failed = |error| Refusal::of(method, &error);
    let collected = body.collect().await.map_err(failed)?;
    let status = collected.trailers().and_then(status::read);
    let status = status.ok_or_else(|| failed(CallError::reply_lost("the answer ended without a status")))?;
    if status.code() != Code::Ok {
        return Err(Refusal::backend(method, status, headers));
    }
    let mut decoder = Decoder::new(method.policy.max_response_bytes);
    decoder.push(&collected.to_bytes());
    let message = decoder.next_message().map_err(|error| failed(CallError::response_frame(error)))?;
    let message = message.ok_or_else(|| failed(CallError::reply_lost("the answer has no message")))?;
    if binding.raw_response {
        return raw::reply(binding, message, headers).map_err(failed);
    }
    let mut out = BytesMut::new();
    write(binding, &method.write, message, &mut out).map_err(failed)?;
    dress(&mut headers, "application/json");
    let mut response = Response::new(HttpBody::from(out.freeze()));
    *response.headers_mut() = headers;
    Ok(response)
}

/// Appends a message of the answer as JSON: all of it, or the field that `response_body` names.
pub(super) fn write(
    binding: &Binding,
    options: &WriteOptions,
    message: Message,
    out: &mut BytesMut,
) -> Result<(), CallError> {
    let method = &binding.method;
    let message = plain(message)?;
    let written = match &binding.response_body {
        None => method.output.to_json(message, options, out),
        Some(field) => codec::wire_to_message(&method.method.output, message)
            .and_then(|message| codec::field_to_json(&message, field, options, out)),
    };
    written.map_err(json::unprintable)
}

/// The bytes of a message.
pub(super) fn plain(message: Message) -> Result<Bytes, CallError> {
    if message.compressed {
        return Err(CallError::reply_lost("the backend compressed it, which was not asked for"));
    }
    Ok(message.bytes)
}
