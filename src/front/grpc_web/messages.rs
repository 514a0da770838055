//! Messages that cannot pass as they are: JSON both ways, and what a backend compressed unasked.
//!
//! | direction | found | passed on |
//! |---|---|---|
//! | request, `+json` | JSON, compressed or not | protobuf |
//! | answer, `+json` | protobuf, compressed or not | JSON |
//! | answer | compressed in a way that the client did not ask for | the same, not compressed |

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::Frame;

use crate::{
    call::{Body, CallError, Chunks, Whole, reason},
    front::json,
    grpc::{
        Code,
        coding::{Coding, CodingError},
        frame::{self, Decoder, FrameError, Message},
    },
    plan::MethodPlan,
};

/// What becomes of each message of a body.
#[derive(Clone)]
pub(super) struct Change {
    method: Arc<MethodPlan>,
    to: To,
    coding: Coding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    /// JSON of a request to protobuf.
    Wire,
    /// Protobuf of an answer to JSON.
    Json,
    /// An answer without its compression.
    Plain,
}

impl Change {
    /// A request in JSON.
    pub(super) fn from_json(method: &Arc<MethodPlan>, coding: Coding) -> Self {
        Self { method: Arc::clone(method), to: To::Wire, coding }
    }

    /// An answer in JSON.
    pub(super) fn to_json(method: &Arc<MethodPlan>, coding: Coding) -> Self {
        Self { method: Arc::clone(method), to: To::Json, coding }
    }

    /// An answer that its client could not read.
    pub(super) fn inflate(method: &Arc<MethodPlan>, coding: Coding) -> Self {
        Self { method: Arc::clone(method), to: To::Plain, coding }
    }

    /// A body whose messages are changed: at once if it is there, else as they come.
    pub(super) fn apply(self, body: Body) -> Result<Body, CallError> {
        let mut decoder = Decoder::new(self.limit());
        let whole = match body.into_whole() {
            Ok(whole) => whole,
            Err(body) => return Ok(Body::stream(Changed { change: self, body, decoder, error: None })),
        };
        for chunk in whole.chunks.iter() {
            decoder.push(chunk);
        }
        let mut out = BytesMut::new();
        self.write(&mut decoder, &mut out)?;
        // What comes short is told by those who count messages, in their words.
        decoder.finish().map_err(|error| self.frame_error(error))?;
        Ok(Body::whole(Whole { chunks: Chunks::One(out.freeze()), trailers: whole.trailers }))
    }

    /// Appends the messages that are complete.
    fn write(&self, decoder: &mut Decoder, out: &mut BytesMut) -> Result<(), CallError> {
        while let Some(message) = decoder.next_message().map_err(|error| self.frame_error(error))? {
            self.message(message, out)?;
        }
        Ok(())
    }

    fn message(&self, message: Message, out: &mut BytesMut) -> Result<(), CallError> {
        let bytes = match message.compressed {
            true => {
                self.coding.inflate(&message.bytes, self.limit()).map_err(|error| self.coding_error(error))?
            }
            false => message.bytes,
        };
        let method = &self.method;
        frame::put_with(out, |out| match self.to {
            To::Wire => method.input.to_wire(&bytes, &method.read, out).map_err(|error| json::unfit(&error)),
            To::Json => method.output.to_json(bytes, &method.write, out).map_err(json::unprintable),
            To::Plain => {
                out.extend_from_slice(&bytes);
                Ok(())
            }
        })
    }

    fn limit(&self) -> usize {
        match self.to {
            To::Wire => self.method.policy.max_request_bytes,
            To::Json | To::Plain => self.method.policy.max_response_bytes,
        }
    }

    fn frame_error(&self, error: FrameError) -> CallError {
        match self.to {
            To::Wire => CallError::request_frame(error),
            To::Json | To::Plain => CallError::response_frame(error),
        }
    }

    fn coding_error(&self, error: CodingError) -> CallError {
        match (self.to, error) {
            // Nobody knows how long it would have become.
            (_, CodingError::TooLarge { limit }) => {
                self.frame_error(FrameError::TooLarge { length: limit + 1, limit })
            }
            (To::Wire, error) => {
                // A compression that a server does not have is UNIMPLEMENTED (grpc `doc/compression.md`).
                let unknown = self.coding == Coding::Unknown;
                let code = if unknown { Code::Unimplemented } else { Code::Internal };
                CallError::refused(code, reason::BAD_REQUEST, error.to_string())
            }
            (To::Json | To::Plain, error) => CallError::reply_lost(error),
        }
    }
}

/// A body whose messages are changed as they come.
struct Changed {
    change: Change,
    body: Body,
    decoder: Decoder,
    /// What follows the messages that were whole before it.
    error: Option<CallError>,
}

impl http_body::Body for Changed {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let this = &mut *self;
        if let Some(error) = this.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        loop {
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                None => {
                    let end = this.decoder.finish().map_err(|error| this.change.frame_error(error));
                    return Poll::Ready(end.err().map(Err));
                }
                Some(frame) => frame?,
            };
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            };
            this.decoder.push(&data);
            let mut out = BytesMut::new();
            let written = this.change.write(&mut this.decoder, &mut out);
            match written {
                Err(error) if out.is_empty() => return Poll::Ready(Some(Err(error))),
                Err(error) => this.error = Some(error),
                Ok(()) if out.is_empty() => continue,
                Ok(()) => {}
            }
            return Poll::Ready(Some(Ok(Frame::data(out.freeze()))));
        }
    }
}
