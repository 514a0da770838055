//! Over HTTP/1.1 no answer ends before its request.
//!
//! A server that has answered closes the connection of a request that it did not read to its end, and a client that is
//! still sending finds a broken pipe where the answer should be. So what is left of a request is read and thrown away,
//! within bounds, and the end of the answer waits for that. HTTP/2 has a word for it, RST_STREAM with NO_ERROR.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    response::Response,
};
use http::{Version, header, request::Parts};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::{
    sync::oneshot::{self, Receiver, Sender},
    time::{Timeout, timeout},
};

/// Tells when a request has ended, one way or another.
#[derive(Debug)]
pub(super) struct Linger(Receiver<()>);

/// Watches the body of a request that may still be under way when its answer is there.
///
/// A short one came with its head, or is in the connection's buffer by then.
pub(super) fn watch(head: &Parts, body: Body) -> (Body, Option<Linger>) {
    if head.version >= Version::HTTP_2 || body.is_end_stream() || is_short(head) {
        return (body, None);
    }
    let (ended, linger) = oneshot::channel();
    (Body::new(Watched(Some((body, ended)))), Some(Linger(linger)))
}

fn is_short(head: &Parts) -> bool {
    let length = head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    length.and_then(|value| value.parse().ok()).is_some_and(|length: u64| length <= SHORT)
}

/// Gives out an answer whose end waits for the end of its request.
pub(super) async fn hold(linger: Option<Linger>, response: Response) -> Response {
    let Some(Linger(ended)) = linger else { return response };
    let ended = timeout(LONGEST, ended);
    // The length of a complete body is told in the head, and with its last byte it has ended.
    if response.body().is_end_stream() || response.body().size_hint().exact().is_some() {
        let _ = ended.await;
        return response;
    }
    response.map(|body| Body::new(Held { body, ended: Box::pin(ended), done: false }))
}

/// The body of a request; what a door leaves of it is read when the door drops it.
struct Watched(Option<(Body, Sender<()>)>);

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Some((body, _)) = &mut self.0 else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.0 = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |(body, _)| body.size_hint())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let Some((body, ended)) = self.0.take()
            && !body.is_end_stream()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(drain(body, ended));
        }
    }
}

/// Reads to the end, or as far as is sensible; `ended` is dropped behind it.
async fn drain(mut body: Body, ended: Sender<()>) {
    let read = async {
        let mut left = MOST;
        while let Some(Ok(frame)) = body.frame().await {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let Some(less) = left.checked_sub(length) else { return };
            left = less;
        }
    };
    let _ = timeout(PATIENCE, read).await;
    drop(body);
    drop(ended);
}

/// An answer whose bytes pass and whose end waits.
struct Held {
    body: Body,
    ended: Pin<Box<Timeout<Receiver<()>>>>,
    /// The body has ended.
    done: bool,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.done {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
            if frame.is_some() {
                return Poll::Ready(frame);
            }
            self.done = true;
            // What the call held of its request is let go of here.
            self.body = Body::empty();
        }
        let _ = ready!(self.ended.as_mut().poll(cx));
        Poll::Ready(None)
    }
}

/// What comes with the head of a request, or right behind it.
const SHORT: u64 = 16 << 10;

/// What is read of a request that was answered already.
const MOST: usize = 1 << 20;

/// How long.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an answer waits, come what may.
const LONGEST: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http::Request;
    use http_body_util::StreamBody;
    use tokio::time::Instant;

    use super::*;

    /// A request of pieces that come a second apart, and whether its body was seen to its end.
    fn request(version: Version, pieces: Vec<&'static str>) -> (Parts, Body) {
        let pieces = stream::unfold(pieces.into_iter(), |mut pieces| async {
            let piece = pieces.next()?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, axum::Error>(Frame::data(Bytes::from(piece))), pieces))
        });
        let request = Request::builder().version(version).body(()).unwrap();
        (request.into_parts().0, Body::new(StreamBody::new(Box::pin(pieces))))
    }

    /// Seconds that an answer takes to its end, whose door reads no byte of the request.
    async fn check(version: Version, pieces: Vec<&'static str>, answer: Body, expect: u64) {
        let (head, body) = request(version, pieces);
        let started = Instant::now();
        let (body, linger) = watch(&head, body);
        drop(body);
        let response = hold(linger, Response::new(answer)).await;
        response.into_body().collect().await.unwrap();
        assert_eq!(started.elapsed().as_secs(), expect);
    }

    fn streamed() -> Body {
        let piece = Ok::<_, axum::Error>(Frame::data(Bytes::from("answer")));
        Body::new(StreamBody::new(stream::iter([piece])))
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_ends_after_its_request() {
        check(Version::HTTP_11, vec!["a"], Body::from("answer"), 1).await;
        check(Version::HTTP_11, vec!["a"], Body::empty(), 1).await;
        check(Version::HTTP_11, vec!["a"], streamed(), 1).await;
        check(Version::HTTP_2, vec!["a"], streamed(), 0).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_without_end_is_not_waited_for() {
        check(Version::HTTP_11, vec!["a"; 100], Body::empty(), 2).await;
        check(Version::HTTP_11, vec!["a"; 100], streamed(), 2).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_read_to_its_end_is_not_waited_for() {
        let (head, body) = request(Version::HTTP_11, vec!["a"]);
        let (body, linger) = watch(&head, body);
        body.collect().await.unwrap();
        let started = Instant::now();
        hold(linger, Response::new(Body::empty())).await;
        assert_eq!(started.elapsed(), Duration::ZERO);
    }
}
