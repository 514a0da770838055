//! The body of an answer.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Body as HttpBody;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Frame;

use super::{Encoding, encode, trailers};
use crate::{
    call::{Body, CallError, Whole},
    grpc::{
        frame::{COMPRESSED, Scanner},
        status, text,
    },
};

/// Frames, then the trailer frame.
///
/// `compresses` says that the head names a compression, so that the client knows of it.
pub(super) fn body(body: Body, encoding: Encoding, compresses: bool) -> HttpBody {
    match body.into_whole() {
        Ok(whole) => complete(whole, encoding, compresses),
        Err(body) => HttpBody::new(Reply {
            body,
            encoding,
            encoder: text::Encoder::default(),
            scanner: Scanner::new(usize::MAX),
            compresses,
            broken: None,
            ended: false,
        }),
    }
}

/// One piece, so that small answers leave in one write.
fn complete(whole: Whole, encoding: Encoding, compresses: bool) -> HttpBody {
    let mut last = trailers::frame(&whole.trailers.unwrap_or_default());
    let mut out = BytesMut::with_capacity(whole.chunks.len() + last.len());
    for chunk in whole.chunks.iter() {
        out.extend_from_slice(chunk);
    }
    // The flag stands in the first byte: a body that is complete has one message at most.
    if !compresses && out.first() == Some(&COMPRESSED) {
        out.clear();
        let mut trailers = HeaderMap::new();
        status::write(&undeclared().rpc_status(), &mut trailers);
        last = trailers::frame(&trailers);
    }
    let message_end = out.len();
    out.extend_from_slice(&last);
    match encoding {
        Encoding::Binary => HttpBody::from(out.freeze()),
        Encoding::Text => {
            // Padded where the message ends: clients decode what has come so far.
            let last = text::encode(&out.split_off(message_end));
            let mut text = BytesMut::from(text::encode(&out));
            text.extend_from_slice(&last);
            HttpBody::from(text.freeze())
        }
    }
}

/// An answer as it comes.
///
/// An error becomes the trailer frame where a frame may stand. Inside a message it cannot: there the transport is
/// aborted, so that a cut message never passes for a whole one.
struct Reply {
    body: Body,
    encoding: Encoding,
    encoder: text::Encoder,
    scanner: Scanner,
    compresses: bool,
    /// The transport is to be aborted for this.
    broken: Option<CallError>,
    ended: bool,
}

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        if let Some(error) = this.broken.take() {
            this.ended = true;
            return Poll::Ready(Some(Err(error)));
        }
        loop {
            let frame = match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return this.error(error, cx),
                None => return this.error(CallError::reply_lost("the answer ended without a status"), cx),
            };
            let boundary = this.scanner.at_boundary();
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(frame) => {
                    return Poll::Ready(Some(this.last(&frame.into_trailers().unwrap_or_default())));
                }
            };
            // The waist has checked these frames. If one was wrong all the same, nothing after it would be a boundary.
            this.scanner.follow(&data);
            if this.scanner.compressed() && !this.compresses {
                return this.end(undeclared(), boundary, cx);
            }
            match this.data(&data) {
                // Text of one or two bytes waits for the third; an empty frame in its place would count against the
                // connection at clients that bound them.
                data if data.is_empty() => {}
                data => return Poll::Ready(Some(Ok(Frame::data(data)))),
            }
        }
    }
}

impl Reply {
    fn data(&mut self, data: &Bytes) -> Bytes {
        match self.encoding {
            Encoding::Binary => data.clone(),
            Encoding::Text => self.encoder.encode(data, self.scanner.at_boundary()),
        }
    }

    fn last(&mut self, last: &HeaderMap) -> Result<Frame<Bytes>, CallError> {
        self.ended = true;
        Ok(Frame::data(encode(self.encoding, trailers::frame(last))))
    }

    fn error(
        &mut self,
        error: CallError,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let boundary = self.scanner.at_boundary();
        self.end(error, boundary, cx)
    }

    /// Ends the answer with an error; `boundary` says whether a frame may stand where the client's bytes end.
    fn end(
        &mut self,
        error: CallError,
        boundary: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        if !boundary {
            // Pending once: the server then writes out what it was given, which an abort would discard.
            self.broken = Some(error);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut last = HeaderMap::new();
        status::write(&error.rpc_status(), &mut last);
        Poll::Ready(Some(self.last(&last)))
    }
}

/// A message that is flagged as compressed where no header says how.
fn undeclared() -> CallError {
    CallError::reply_lost("the backend compressed it and does not say how")
}
