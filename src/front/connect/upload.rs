//! What a client streams: its envelopes to the frames of a call.
//!
//! Envelopes that are protobuf and not compressed are frames already, and pass by. Others are taken apart: no more of
//! the body is read than one message, what came with its end, and what the backend takes.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame};
use tonic::Code;

use super::{Format, message};
use crate::{
    call::{Body, CallError, reason},
    grpc::{
        frame::{Decoder, FrameError, Message, Scanner},
        gzip,
    },
    plan::MethodPlan,
};

/// Reads envelopes.
pub(super) struct Envelopes {
    method: Arc<MethodPlan>,
    format: Format,
    is_gzip: bool,
    way: Way,
}

enum Way {
    /// As they are.
    Pass(Scanner),
    /// One by one.
    Rewrite(Decoder),
}

impl Envelopes {
    pub(super) fn new(method: &Arc<MethodPlan>, format: Format, is_gzip: bool) -> Self {
        let limit = method.policy.max_request_bytes;
        let way = match (format, is_gzip) {
            (Format::Proto, false) => Way::Pass(Scanner::new(limit)),
            (_, true) => Way::Rewrite(Decoder::new(gzip::longest(limit))),
            (_, false) => Way::Rewrite(Decoder::new(limit)),
        };
        Self { method: Arc::clone(method), format, is_gzip, way }
    }

    /// The frames of a body that is there.
    pub(super) fn all(mut self, bytes: Bytes) -> Result<Bytes, CallError> {
        let mut out = BytesMut::new();
        if let Some(passed) = self.push(bytes)? {
            return Ok(passed);
        }
        while self.next(&mut out)? {}
        self.finish()?;
        Ok(out.freeze())
    }

    /// The frames of a body as it comes.
    pub(super) fn over(self, body: Body) -> Frames {
        Frames { envelopes: self, body: Some(body), error: None }
    }

    /// Takes the next piece of the body; gives it back where it is frames already.
    fn push(&mut self, bytes: Bytes) -> Result<Option<Bytes>, CallError> {
        match &mut self.way {
            Way::Pass(scanner) => {
                scanner.feed(&bytes).map_err(CallError::request_frame)?;
                if scanner.compressed() { Err(uncalled()) } else { Ok(Some(bytes)) }
            }
            Way::Rewrite(decoder) => {
                decoder.push(&bytes);
                Ok(None)
            }
        }
    }

    /// Appends the next message that is whole as a frame; false when there is none.
    fn next(&mut self, out: &mut BytesMut) -> Result<bool, CallError> {
        let Way::Rewrite(decoder) = &mut self.way else { return Ok(false) };
        let limit = self.method.policy.max_request_bytes;
        let next = decoder.next_message().map_err(|error| match error {
            // The limit is on what a message is, and not on what gzip may make of it.
            FrameError::TooLarge { length, .. } => FrameError::TooLarge { length, limit },
            other => other,
        });
        let Some(Message { compressed, bytes }) = next.map_err(CallError::request_frame)? else {
            return Ok(false);
        };
        if compressed && !self.is_gzip {
            return Err(uncalled());
        }
        let bytes = if compressed && !bytes.is_empty() { message::inflate(&bytes, limit)? } else { bytes };
        message::read(&self.method, self.format, &bytes, out)?;
        Ok(true)
    }

    /// Checks that the body may end here.
    fn finish(&self) -> Result<(), CallError> {
        match &self.way {
            Way::Pass(scanner) => scanner.finish(),
            Way::Rewrite(decoder) => decoder.finish(),
        }
        .map_err(CallError::request_frame)
    }
}

/// An envelope that is compressed where no compression was named.
fn uncalled() -> CallError {
    let message = "expected connect-content-encoding for a compressed envelope, found none";
    CallError::refused(Code::Internal, reason::BAD_REQUEST, message)
}

/// The frames of a stream.
pub(super) struct Frames {
    envelopes: Envelopes,
    body: Option<Body>,
    error: Option<CallError>,
}

impl Frames {
    fn poll_frames(&mut self, cx: &mut Context<'_>, out: &mut BytesMut) -> Poll<Result<Bytes, CallError>> {
        loop {
            while out.len() < CHUNK && self.envelopes.next(out)? {}
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(Bytes::new())) };
            if out.len() >= CHUNK {
                return Poll::Ready(Ok(Bytes::new()));
            }
            match ready!(Pin::new(body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    match self.envelopes.push(data)? {
                        Some(passed) if !passed.is_empty() => return Poll::Ready(Ok(passed)),
                        Some(_) | None => {}
                    }
                }
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => {
                    self.body = None;
                    self.envelopes.finish()?;
                }
            }
        }
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let mut out = BytesMut::new();
        let polled = self.poll_frames(cx, &mut out);
        if out.is_empty() {
            return match ready!(polled) {
                Ok(passed) if passed.is_empty() => Poll::Ready(None),
                Ok(passed) => Poll::Ready(Some(Ok(Frame::data(passed)))),
                Err(error) => {
                    self.body = None;
                    Poll::Ready(Some(Err(error)))
                }
            };
        }
        // What came before an error goes first.
        if let Poll::Ready(Err(error)) = polled {
            self.body = None;
            self.error = Some(error);
        }
        Poll::Ready(Some(Ok(Frame::data(out.freeze()))))
    }
}

/// Bytes after which what was written is handed on.
const CHUNK: usize = 16 << 10;
