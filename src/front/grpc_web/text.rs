//! A request in text mode.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};

use crate::{
    call::{Body, CallError},
    grpc::text::Decoder,
};

/// A request body in text mode, decoded as it comes.
#[derive(Debug)]
pub(super) struct Decoded {
    text: Body,
    decoder: Decoder,
}

impl Decoded {
    pub(super) fn new(text: Body) -> Self {
        Self { text, decoder: Decoder::default() }
    }
}

impl HttpBody for Decoded {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        let this = &mut *self;
        let frame = match ready!(Pin::new(&mut this.text).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => return Poll::Ready(this.decoder.finish().err().map(|error| Err(super::bad_text(error)))),
        };
        Poll::Ready(
            frame
                .into_data()
                .ok()
                .map(|text| this.decoder.decode(&text).map(Frame::data).map_err(super::bad_text)),
        )
    }
}
