//! The request body of the RPC doors.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body as HttpBody;
use bytes::Bytes;
use http_body::{Body as _, Frame};

use crate::call::{Body, CallError, Chunks, Whole};

/// Takes a body that holds one message: complete if it is small, as a stream if not.
///
/// Nearly all requests are small. Complete, they can be sent in one piece, sent again without a copy, and need no task
/// that moves their bytes.
///
/// # Errors
/// A client that goes away, or stops sending, before its request is there.
pub(super) async fn gather(mut body: HttpBody, time: Duration) -> Result<Body, CallError> {
    let mut pieces = Vec::new();
    let mut length = 0;
    let collected = tokio::time::timeout(time, async {
        while !body.is_end_stream() && length <= MOST {
            match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                None => return Ok(true),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        length += data.len();
                        pieces.push(data);
                    }
                    Err(_) => return Ok(true),
                },
                Some(Err(_)) => return Err(CallError::client_gone()),
            }
        }
        Ok(body.is_end_stream())
    });
    match collected.await {
        Ok(Ok(true)) => Ok(Body::whole(Whole { chunks: Chunks::new(pieces), trailers: None })),
        Ok(Ok(false)) => {
            pieces.reverse();
            Ok(Body::stream(Inbound { first: pieces, rest: body }))
        }
        Ok(Err(error)) => Err(error),
        Err(_) => Err(late(time)),
    }
}

/// The end of a call whose request did not come in time.
pub(super) fn late(time: Duration) -> CallError {
    let message = format!("the request body did not come within {time:?}");
    CallError::refused(tonic::Code::DeadlineExceeded, crate::call::reason::NOT_EXECUTED, message)
}

/// Takes a body as it comes.
pub(super) fn stream(body: HttpBody) -> Body {
    Body::stream(Inbound { first: Vec::new(), rest: body })
}

/// A client's bytes: what was read already, last piece first, and the rest.
struct Inbound {
    first: Vec<Bytes>,
    rest: HttpBody,
}

impl http_body::Body for Inbound {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        if let Some(piece) = self.first.pop() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        Pin::new(&mut self.rest).poll_frame(cx).map_err(|_| CallError::client_gone())
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.rest.is_end_stream()
    }
}

/// What is waited for in full: one stream window, so that the client never waits for credit that nobody grants.
const MOST: usize = 64 << 10;
