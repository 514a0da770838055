//! Many messages to a reply that is written as they come.
//!
//! The HTTP status waits for the first message or the status, so that a call that fails at once is answered with its
//! own HTTP status and not with 200. For the same reason nothing keeps an event stream alive before its first message:
//! there is no head yet that a comment could follow.
//!
//! Messages of JSON are framed as [`format`] says. The data of `google.api.HttpBody` follow one another as they are, and
//! an error among them can only be told by breaking the transport.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::{body::Body as HttpBody, response::Response};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, header};
use http_body::Frame;
use http_body_util::BodyExt;
use tonic::Status;

use super::{dress, format::Framing, keep_alive, keep_alive::KeepAlive, raw, refuse, refuse::Refusal, unary};
use crate::{
    call::{self, Body, CallError},
    codec::WriteOptions,
    config::StreamFormat,
    front::X_ACCEL_BUFFERING,
    grpc::{
        Code,
        frame::{Decoder, Message},
        status,
    },
    plan::Binding,
};

/// Waits for the first message or the status.
pub(super) async fn reply(
    binding: &Binding,
    answer: call::Response,
    format: StreamFormat,
) -> Result<Response, Refusal> {
    let method = &binding.method;
    let failed = |error| Refusal::of(method, &error);
    let (head, body) = answer.into_parts();
    let mut headers = head.headers;
    if let Some(status) = status::read(&headers)
        && status.code() != Code::Ok
    {
        return Err(Refusal::backend(method, status, headers));
    }
    let mut reply = Reply {
        binding: binding.clone(),
        // An element is one line, whatever the method's replies look like elsewhere.
        write: WriteOptions { add_whitespace: false, ..method.write.clone() },
        shape: Shape::Raw,
        body,
        decoder: Decoder::new(method.policy.max_response_bytes),
        out: BytesMut::new(),
        keep_alive: None,
        state: State::Open,
    };
    let first = if headers.contains_key(crate::grpc::GRPC_STATUS) {
        reply.state = State::Ended;
        None
    } else {
        match reply.first().await.map_err(failed)? {
            First::Message(message) => Some(message),
            First::Status(status) if status.code() == Code::Ok => None,
            First::Status(status) => return Err(Refusal::backend(method, status, headers)),
        }
    };
    if binding.raw_response {
        let first = first.map(|message| raw::read(binding, message)).transpose().map_err(failed)?;
        raw::dress(&mut headers, first.as_ref().map(|body| &*body.content_type));
        reply.out.extend_from_slice(first.map(|body| body.data).unwrap_or_default().as_ref());
    } else {
        let rest = &method.rest;
        let framing = Framing::new(format, rest);
        dress(&mut headers, framing.content_type());
        reply.shape = Shape::Framed(framing);
        if let Some(message) = first {
            reply.write(message).map_err(failed)?;
        }
        if format == StreamFormat::Sse {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            reply.keep_alive = rest.sse_keep_alive.map(KeepAlive::new);
        }
    }
    headers.insert(X_ACCEL_BUFFERING, HeaderValue::from_static("no"));
    let mut response = Response::new(HttpBody::new(reply));
    *response.headers_mut() = headers;
    Ok(response)
}

/// The body of the reply.
struct Reply {
    binding: Binding,
    write: WriteOptions,
    shape: Shape,
    body: Body,
    decoder: Decoder,
    /// What was written and not handed on.
    out: BytesMut,
    keep_alive: Option<KeepAlive>,
    state: State,
}

/// What becomes of messages.
enum Shape {
    /// JSON, with something around it.
    Framed(Framing),
    /// The data of an HttpBody.
    Raw,
}

/// What the HTTP status waits for.
enum First {
    Message(Message),
    Status(Status),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Messages may follow.
    Open,
    /// The status was OK; messages that came with it are to be written, and the end.
    Ended,
    /// The reply broke off; its last bytes are to be flushed.
    Broken,
    /// The reply broke off; the transport is to be aborted.
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
        loop {
            this.messages();
            if this.out.len() >= CHUNK {
                return this.hand_on();
            }
            match this.state {
                State::Open => match Pin::new(&mut this.body).poll_frame(cx) {
                    Poll::Ready(frame) => this.frame(frame),
                    // What there is goes out: a message is not held back for the next.
                    Poll::Pending if !this.out.is_empty() => return this.hand_on(),
                    Poll::Pending => {
                        let Some(keep_alive) = &mut this.keep_alive else { return Poll::Pending };
                        std::task::ready!(keep_alive.poll(cx));
                        return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(keep_alive::COMMENT)))));
                    }
                },
                _ if !this.out.is_empty() => return this.hand_on(),
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
                State::Ended | State::Closed => return Poll::Ready(None),
            }
        }
    }
}

impl Reply {
    async fn first(&mut self) -> Result<First, CallError> {
        loop {
            if let Some(message) = self.decoder.next_message().map_err(CallError::response_frame)? {
                return Ok(First::Message(message));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.decoder.push(&data),
                    Err(frame) => {
                        self.state = State::Ended;
                        let status = frame.trailers_ref().and_then(status::read);
                        return Ok(First::Status(status.unwrap_or_else(|| Status::unknown(""))));
                    }
                },
                Some(Err(error)) => return Err(error),
                None => return Err(CallError::reply_lost("the answer ended without a status")),
            }
        }
    }

    /// Hands on what was written.
    fn hand_on(&mut self) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        if let Some(keep_alive) = &mut self.keep_alive {
            keep_alive.sent();
        }
        Poll::Ready(Some(Ok(Frame::data(self.out.split().freeze()))))
    }

    /// Writes the messages that are complete, and the end behind the last.
    fn messages(&mut self) {
        while matches!(self.state, State::Open | State::Ended) && self.out.len() < CHUNK {
            let message = self.decoder.next_message().map_err(CallError::response_frame);
            let written = match message {
                Ok(Some(message)) => self.write(message),
                Ok(None) if self.state == State::Ended => {
                    self.state = State::Closed;
                    if let Shape::Framed(framing) = &self.shape {
                        framing.end(&mut self.out);
                    }
                    return;
                }
                Ok(None) => return,
                Err(error) => Err(error),
            };
            if let Err(error) = written {
                self.fail(error.status());
            }
        }
    }

    fn write(&mut self, message: Message) -> Result<(), CallError> {
        let (binding, write) = (&self.binding, &self.write);
        match &mut self.shape {
            Shape::Framed(framing) => {
                framing.message(&mut self.out, |out| unary::write(binding, write, message, out))
            }
            Shape::Raw => {
                self.out.extend_from_slice(&raw::read(binding, message)?.data);
                Ok(())
            }
        }
    }

    fn frame(&mut self, frame: Option<Result<Frame<Bytes>, CallError>>) {
        match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => self.decoder.push(&data),
                Err(frame) => match frame.trailers_ref().and_then(status::read) {
                    Some(status) if status.code() == Code::Ok => self.state = State::Ended,
                    Some(status) => self.fail(&status),
                    None => self.fail(&Status::unknown("the answer ended without a status")),
                },
            },
            Some(Err(error)) => self.fail(error.status()),
            None => self.fail(&Status::unknown("the answer ended without a status")),
        }
    }

    fn fail(&mut self, status: &Status) {
        // Nothing more of it can be written, and the backend need not go on while the client reads what was.
        self.body = Body::empty();
        let breaks = match &self.shape {
            Shape::Framed(framing) => {
                let status = refuse::json(&self.binding.method.pool, &self.write, status);
                framing.error(&status, &mut self.out)
            }
            Shape::Raw => true,
        };
        self.state = if breaks { State::Broken } else { State::Closed };
    }
}

/// Bytes after which what was written is handed on.
const CHUNK: usize = 16 << 10;
