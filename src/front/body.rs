//! The request body of the RPC doors.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body as HttpBody;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http_body::{Body as _, Frame};

use crate::call::{Body, CallError};

/// Takes a body that holds one message: complete if it is small, as a stream if not.
///
/// Nearly all requests are small. Complete, they can be sent in one piece, sent again without a copy, and need no task
/// that moves their bytes.
///
/// # Errors
/// A client that goes away, or stops sending, before its request is there.
pub(super) async fn gather(mut body: HttpBody, time: Duration) -> Result<Body, CallError> {
    let mut gathered = Bytes::new();
    let mut collecting = pin!(async {
        while !body.is_end_stream() && gathered.len() <= MOST {
            match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                None => return Ok(true),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => gathered = join(std::mem::take(&mut gathered), data),
                    Err(_) => return Ok(true),
                },
                Some(Err(_)) => return Err(CallError::client_gone()),
            }
        }
        Ok(body.is_end_stream())
    });
    // Nearly all are there with their head, and need no timer.
    let collected = match collecting.as_mut().now_or_never() {
        Some(collected) => Ok(collected),
        None => tokio::time::timeout(time, collecting).await,
    };
    match collected {
        Ok(Ok(true)) => Ok(Body::full(gathered)),
        Ok(Ok(false)) => Ok(Body::stream(Inbound { first: gathered, rest: body })),
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
    Body::stream(Inbound { first: Bytes::new(), rest: body })
}

/// A client's bytes: what was read already, and the rest.
struct Inbound {
    first: Bytes,
    rest: HttpBody,
}

impl http_body::Body for Inbound {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.first)))));
        }
        Pin::new(&mut self.rest).poll_frame(cx).map_err(|_| CallError::client_gone())
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty() && self.rest.is_end_stream()
    }
}

/// One piece out of two, without a copy where the first is all there is.
///
/// Pieces kept as they came would each leave as a DATA frame of its own, and a backend of default settings ends its
/// connection, shared by everyone, over a hundred one-byte frames.
fn join(first: Bytes, more: Bytes) -> Bytes {
    if first.is_empty() {
        return more;
    }
    let mut joined = BytesMut::from(first);
    joined.extend_from_slice(&more);
    joined.freeze()
}

/// What is waited for in full: one stream window, so that the client never waits for credit that nobody grants.
const MOST: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    /// Gathers `count` one-byte frames: how many pieces come out, and how many bytes.
    async fn check(count: usize, expect: (Option<usize>, usize)) {
        let frames = (0..count).map(|_| Ok::<_, CallError>(Frame::data(Bytes::from_static(b"x"))));
        let body = gather(HttpBody::new(StreamBody::new(stream::iter(frames))), Duration::from_secs(9))
            .await
            .unwrap();
        let (pieces, body) = match body.into_whole() {
            Ok(whole) => (Some(whole.chunks.iter().count()), Body::whole(whole)),
            Err(body) => (None, body),
        };
        let bytes = body.collect().await.unwrap().to_bytes();
        assert_eq!((pieces, bytes.len()), expect, "{count} frames");
        assert!(bytes.iter().all(|byte| *byte == b'x'));
    }

    #[tokio::test]
    async fn a_body_in_crumbs_leaves_in_one_piece() {
        check(1, (Some(1), 1)).await;
        check(1000, (Some(1), 1000)).await;
        check(MOST + 10, (None, MOST + 10)).await;
    }
}
