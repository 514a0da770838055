//! Many messages to a reply that is written as they come.
//!
//! | format | asked for by `Accept` | messages | an error after the first message |
//! |---|---|---|---|
//! | JSON array | the default | `[` m `,` m `]` | `,{"error":Status}` and an aborted transport, never a `]` |
//! | NDJSON | `application/x-ndjson` | m LF m LF | `{"error":Status}` LF |
//!
//! The HTTP status waits for the first message or the status, so that a call that fails at once is answered with its
//! own HTTP status and not with 200.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{body::Body as HttpBody, response::Response};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};
use http_body::Frame;
use http_body_util::BodyExt;
use tonic::Status;

use super::{dress, refuse, refuse::Refusal, unary};
use crate::{
    call::{self, Body, CallError},
    codec::WriteOptions,
    grpc::{
        Code,
        frame::{Decoder, Message},
        status,
    },
    plan::Binding,
};

/// How messages are put one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Array,
    Lines,
}

impl Format {
    /// The first format that `Accept` names; a client that names none of them gets an array.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT).iter();
        let types = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        for media_type in
            types.map(|part| part.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii())
        {
            let lines = [b"application/x-ndjson".as_slice(), b"application/ndjson", b"application/jsonl"];
            if lines.iter().any(|name| media_type.eq_ignore_ascii_case(name)) {
                return Self::Lines;
            }
            if media_type.eq_ignore_ascii_case(b"application/json") {
                return Self::Array;
            }
        }
        Self::Array
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Array => "application/json",
            Self::Lines => "application/x-ndjson",
        }
    }
}

/// Waits for the first message or the status.
pub(super) async fn reply(
    binding: &Binding,
    answer: call::Response,
    format: Format,
) -> Result<Response, Refusal> {
    let method = &binding.method;
    let (head, mut body) = answer.into_parts();
    let mut headers = head.headers;
    if let Some(status) = status::read(&headers)
        && status.code() != Code::Ok
    {
        return Err(Refusal::backend(method, status, headers));
    }
    let mut decoder = Decoder::new(method.policy.max_response_bytes);
    let mut ended = headers.contains_key(crate::grpc::GRPC_STATUS);
    let mut first = None;
    while first.is_none() && !ended {
        match body.frame().await {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    decoder.push(&data);
                    let next = decoder.next_message().map_err(CallError::response_frame);
                    first = next.map_err(|error| Refusal::of(method, &error))?;
                }
                Err(frame) => {
                    ended = true;
                    let status =
                        frame.trailers_ref().and_then(status::read).unwrap_or_else(|| Status::unknown(""));
                    if status.code() != Code::Ok {
                        return Err(Refusal::backend(method, status, headers));
                    }
                }
            },
            Some(Err(error)) => return Err(Refusal::of(method, &error)),
            None => {
                return Err(Refusal::of(method, &CallError::reply_lost("the answer ended without a status")));
            }
        }
    }
    // An element is one line, whatever the method's replies look like elsewhere.
    let write = WriteOptions { add_whitespace: false, ..method.write.clone() };
    let next = match first {
        None => None,
        Some(message) => {
            let mut out = BytesMut::new();
            let written = unary::write(binding, &write, &message, &mut out);
            written.map_err(|error| Refusal::of(method, &error))?;
            Some(out.freeze())
        }
    };
    dress(&mut headers, format.content_type());
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    let state = if ended { State::Ended } else { State::Open };
    let binding = Binding { method: Arc::clone(method), ..binding.clone() };
    let mut response = Response::new(HttpBody::new(Reply {
        binding,
        write,
        format,
        body,
        decoder,
        next,
        written: 0,
        state,
    }));
    *response.headers_mut() = headers;
    Ok(response)
}

/// The body of the reply.
struct Reply {
    binding: Binding,
    write: WriteOptions,
    format: Format,
    body: Body,
    decoder: Decoder,
    /// The first message, which was taken and written to learn the HTTP status.
    next: Option<Bytes>,
    written: u64,
    state: State,
}

/// A message of the answer.
enum Next {
    Written(Bytes),
    Read(Message),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Messages may follow.
    Open,
    /// The status was OK and is to be written.
    Ended,
    /// An array broke off; its last bytes are to be flushed.
    Broken,
    /// An array broke off; the transport is to be aborted.
    Aborting,
    Closed,
}

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let this = &mut *self;
        match this.state {
            State::Open => {}
            State::Ended => {
                let mut out = BytesMut::new();
                this.end(&mut out);
                return Poll::Ready((!out.is_empty()).then(|| Ok(Frame::data(out.freeze()))));
            }
            State::Broken => {
                // Pending once: the server then writes out what it was given, which an abort would discard.
                this.state = State::Aborting;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            State::Aborting => {
                this.state = State::Closed;
                return Poll::Ready(Some(Err(CallError::reply_lost("the stream broke off"))));
            }
            State::Closed => return Poll::Ready(None),
        }
        let mut out = BytesMut::new();
        loop {
            this.messages(&mut out);
            if this.state != State::Open || out.len() >= CHUNK {
                break;
            }
            match Pin::new(&mut this.body).poll_frame(cx) {
                // What there is goes out: a message is not held back for the next.
                Poll::Pending if !out.is_empty() => break,
                frame => this.frame(ready!(frame), &mut out),
            }
            if this.state != State::Open {
                break;
            }
        }
        if out.is_empty() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(Frame::data(out.freeze()))))
    }
}

impl Reply {
    /// Writes the messages that are complete.
    fn messages(&mut self, out: &mut BytesMut) {
        while self.state == State::Open && out.len() < CHUNK {
            let message = match self.next.take() {
                Some(written) => Ok(Some(Next::Written(written))),
                None => self
                    .decoder
                    .next_message()
                    .map(|message| message.map(Next::Read))
                    .map_err(CallError::response_frame),
            };
            match message {
                Ok(None) => return,
                Ok(Some(message)) => {
                    let before = out.len();
                    self.separate(out);
                    let written = match message {
                        Next::Written(json) => {
                            out.extend_from_slice(&json);
                            Ok(())
                        }
                        Next::Read(message) => unary::write(&self.binding, &self.write, &message, out),
                    };
                    if let Err(error) = written {
                        out.truncate(before);
                        return self.fail(error.status(), out);
                    }
                    if self.format == Format::Lines {
                        out.extend_from_slice(b"\n");
                    }
                    self.written += 1;
                }
                Err(error) => return self.fail(error.status(), out),
            }
        }
    }

    fn frame(&mut self, frame: Option<Result<Frame<Bytes>, CallError>>, out: &mut BytesMut) {
        match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => self.decoder.push(&data),
                Err(frame) => match frame.trailers_ref().and_then(status::read) {
                    Some(status) if status.code() == Code::Ok => self.end(out),
                    Some(status) => self.fail(&status, out),
                    None => self.fail(&Status::unknown("the answer ended without a status"), out),
                },
            },
            Some(Err(error)) => self.fail(error.status(), out),
            None => self.fail(&Status::unknown("the answer ended without a status"), out),
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        self.messages(out);
        if self.state == State::Closed {
            return;
        }
        if self.format == Format::Array {
            out.extend_from_slice(if self.written == 0 { b"[]" } else { b"]" });
        }
        self.state = State::Closed;
    }

    fn fail(&mut self, status: &Status, out: &mut BytesMut) {
        // Nothing more of it can be written, and the backend need not go on while the client reads what was.
        self.body = Body::empty();
        self.separate(out);
        out.extend_from_slice(b"{\"error\":");
        out.extend_from_slice(&refuse::json(&self.binding.method.pool, &self.write, status));
        out.extend_from_slice(b"}");
        self.state = match self.format {
            Format::Array => State::Broken,
            Format::Lines => {
                out.extend_from_slice(b"\n");
                State::Closed
            }
        };
    }

    /// What stands before a message.
    fn separate(&self, out: &mut BytesMut) {
        if self.format == Format::Array {
            out.extend_from_slice(if self.written == 0 { b"[" } else { b"," });
        }
    }
}

/// Bytes after which what was written is handed on.
const CHUNK: usize = 16 << 10;
