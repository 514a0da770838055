//! The reply of a stream: envelopes, and exactly one end.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Frame;
use tonic::Status;

use super::{Format, end, message};
use crate::{
    call::{Body, CallError},
    grpc::{
        frame::{self, Decoder, Message, Scanner},
        status,
    },
    plan::MethodPlan,
};

/// The body of a reply, as it comes.
///
/// An error becomes the end of the stream where an envelope may stand. Inside of one it cannot: there the transport is
/// aborted, so that a cut message never passes for a whole one.
pub(super) struct Reply {
    method: Arc<MethodPlan>,
    body: Body,
    way: Way,
    /// What was written and not handed on.
    out: BytesMut,
    state: State,
}

enum Way {
    /// Frames are envelopes already.
    Pass(Scanner),
    /// Messages are taken out, and written in another form.
    Rewrite { decoder: Decoder, format: Format, deflates: bool },
}

enum State {
    Open,
    /// The status is known; messages that came before it go first.
    Ending(Status, HeaderMap),
    /// The transport is to be aborted for this.
    Broken(CallError),
    Closed,
}

impl Reply {
    pub(super) fn new(method: &Arc<MethodPlan>, format: Format, body: Body, deflates: bool) -> Self {
        let limit = method.policy.max_response_bytes;
        let way = match (format, deflates) {
            (Format::Proto, false) => Way::Pass(Scanner::new(usize::MAX)),
            _ => Way::Rewrite { decoder: Decoder::new(limit), format, deflates },
        };
        Self { method: Arc::clone(method), body, way, out: BytesMut::new(), state: State::Open }
    }

    /// Takes a frame of the answer; gives it back where it may pass as it is.
    fn frame(&mut self, frame: Option<Result<Frame<Bytes>, CallError>>) -> Option<Bytes> {
        let cut = matches!(&self.way, Way::Pass(scanner) if !scanner.at_boundary());
        match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => match self.data(data) {
                    Ok(passed) => return passed,
                    // Nothing of this piece goes out.
                    Err(error) => self.fail(error, cut),
                },
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    let status = status::read_or_unknown(&trailers);
                    if cut {
                        self.fail(CallError::reply_lost("it ended inside a message"), cut);
                    } else {
                        self.state = State::Ending(status, trailers);
                    }
                }
            },
            Some(Err(error)) => self.fail(error, cut),
            None => self.fail(CallError::reply_lost("the answer ended without a status"), cut),
        }
        None
    }

    fn data(&mut self, data: Bytes) -> Result<Option<Bytes>, CallError> {
        match &mut self.way {
            Way::Pass(scanner) => {
                scanner.feed(&data).map_err(CallError::response_frame)?;
                if scanner.compressed() {
                    return Err(CallError::reply_lost("the backend compressed it, which was not asked for"));
                }
                Ok(Some(data))
            }
            Way::Rewrite { decoder, .. } => {
                decoder.push(&data);
                Ok(None)
            }
        }
    }

    /// Ends the stream with an error; `cut` says that the client has a part of a message.
    fn fail(&mut self, error: CallError, cut: bool) {
        // Nothing more of it can be written, and the backend need not go on while the client reads what was.
        self.body = Body::empty();
        self.state =
            if cut { State::Broken(error) } else { State::Ending(error.rpc_status(), HeaderMap::new()) };
    }

    /// Writes the messages that are complete, up to a piece that is worth sending.
    fn messages(&mut self) {
        while self.out.len() < CHUNK {
            let Way::Rewrite { decoder, format, deflates } = &mut self.way else { return };
            let (format, deflates) = (*format, *deflates);
            let written = match decoder.next_message() {
                Ok(None) => return,
                Ok(Some(message)) => write(&self.method, format, deflates, message, &mut self.out),
                Err(error) => Err(CallError::response_frame(error)),
            };
            if let Err(error) = written {
                // What is behind the message that cannot be written is not told either.
                self.way = Way::Pass(Scanner::new(usize::MAX));
                self.fail(error, false);
                return;
            }
        }
    }

    fn hand_on(&mut self) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        Poll::Ready(Some(Ok(Frame::data(self.out.split().freeze()))))
    }
}

/// Appends a message as an envelope.
fn write(
    method: &MethodPlan,
    format: Format,
    deflates: bool,
    message: Message,
    out: &mut BytesMut,
) -> Result<(), CallError> {
    let message = message::plain(message)?;
    if !deflates {
        return frame::put_with(out, |out| message::write(method, format, message, out));
    }
    let mut written = BytesMut::new();
    message::write(method, format, message, &mut written)?;
    let deflated = message::deflate(&written);
    let flags = if deflated.is_some() { frame::COMPRESSED } else { 0 };
    frame::put_flagged(out, flags, |out| {
        out.extend_from_slice(deflated.as_ref().unwrap_or(&written));
        Ok(())
    })
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
            match std::mem::replace(&mut this.state, State::Closed) {
                State::Open => {
                    this.state = State::Open;
                    match Pin::new(&mut this.body).poll_frame(cx) {
                        // What there is goes out: a message is not held back for the next.
                        Poll::Pending if !this.out.is_empty() => return this.hand_on(),
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(frame) => {
                            if let Some(passed) = this.frame(frame).filter(|passed| !passed.is_empty()) {
                                return Poll::Ready(Some(Ok(Frame::data(passed))));
                            }
                        }
                    }
                    if matches!(this.state, State::Broken(_)) {
                        // Pending once: the server then writes out what it was given, which an abort would discard.
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                State::Ending(status, trailers) => {
                    let end = end::envelope(&this.method.pool, &status, &trailers);
                    this.out.extend_from_slice(&end);
                    return this.hand_on();
                }
                State::Broken(error) => return Poll::Ready(Some(Err(error))),
                State::Closed => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Closed) && self.out.is_empty()
    }
}

/// Bytes after which what was written is handed on.
const CHUNK: usize = 16 << 10;
