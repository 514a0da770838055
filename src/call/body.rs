//! The body of a call.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::CallError;

/// Frames on their way through the waist.
///
/// Most calls are unary and small: their body is complete in memory before anyone reads it. That case is a value,
/// [`Whole`], so that every layer can look at it at once and none has to wrap it; all others are a boxed stream.
pub struct Body(Inner);

/// A body that is complete.
#[derive(Clone, Debug, Default)]
pub struct Whole {
    /// The frames, cut anywhere.
    pub chunks: Chunks,
    /// What follows them.
    pub trailers: Option<HeaderMap>,
}

/// Chunks of a complete body; one in nearly all cases, which then costs no allocation.
#[derive(Clone, Debug, Default)]
pub enum Chunks {
    /// No bytes.
    #[default]
    None,
    /// One piece.
    One(Bytes),
    /// Several, in reverse order, so that taking the first is `pop`.
    Reversed(Vec<Bytes>),
}

enum Inner {
    Whole(Whole),
    Stream(Pin<Box<dyn HttpBody<Data = Bytes, Error = CallError> + Send>>),
}

impl Body {
    /// No frames and no trailers.
    pub fn empty() -> Self {
        Self(Inner::Whole(Whole::default()))
    }

    /// A complete body.
    pub fn whole(whole: Whole) -> Self {
        Self(Inner::Whole(whole))
    }

    /// A complete body of one piece, as requests have it.
    pub fn full(bytes: Bytes) -> Self {
        Self::whole(Whole { chunks: Chunks::One(bytes), trailers: None })
    }

    /// A body that comes piece by piece.
    pub fn stream(body: impl HttpBody<Data = Bytes, Error = CallError> + Send + 'static) -> Self {
        Self(Inner::Stream(Box::pin(body)))
    }

    /// The complete body, or this one back.
    #[expect(clippy::result_large_err, reason = "no error: the other half of a body's two shapes")]
    pub fn into_whole(self) -> Result<Whole, Self> {
        match self.0 {
            Inner::Whole(whole) => Ok(whole),
            Inner::Stream(_) => Err(self),
        }
    }
}

impl Chunks {
    /// From pieces in order.
    pub fn new(mut pieces: Vec<Bytes>) -> Self {
        match pieces.len() {
            0 => Self::None,
            1 => pieces.pop().map_or(Self::None, Self::One),
            _ => {
                pieces.reverse();
                Self::Reversed(pieces)
            }
        }
    }

    /// The pieces in order.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        let (one, several) = match self {
            Self::None => (None, &[][..]),
            Self::One(bytes) => (Some(bytes), &[][..]),
            Self::Reversed(pieces) => (None, pieces.as_slice()),
        };
        one.into_iter().chain(several.iter().rev())
    }

    /// Bytes in all pieces.
    pub fn len(&self) -> usize {
        self.iter().map(Bytes::len).sum()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All pieces as one; copies only when there are several.
    pub fn join(self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Reversed(pieces) => pieces.iter().rev().flatten().copied().collect(),
        }
    }

    /// Takes the first piece.
    pub fn pop(&mut self) -> Option<Bytes> {
        match self {
            Self::None => None,
            Self::One(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::None;
                Some(bytes)
            }
            Self::Reversed(pieces) => pieces.pop(),
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        match &mut self.0 {
            Inner::Whole(whole) => {
                if let Some(bytes) = whole.chunks.pop() {
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Poll::Ready(whole.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
            }
            Inner::Stream(body) => {
                let frame = ready!(body.as_mut().poll_frame(cx));
                if !matches!(&frame, Some(Ok(frame)) if frame.is_data()) {
                    // An outcome is the last thing a body says; a stream that is asked again has nothing more.
                    self.0 = Inner::Whole(Whole::default());
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Whole(whole) => matches!(whole.chunks, Chunks::None) && whole.trailers.is_none(),
            Inner::Stream(body) => body.is_end_stream(),
        }
    }

    /// Never exact: a length here would become a `content-length` that is wrong once a door re-frames the body.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Whole(whole) => f.debug_tuple("Whole").field(&whole.chunks.len()).finish(),
            Inner::Stream(_) => f.write_str("Stream"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn pieces_come_in_order_then_trailers() {
        let pieces: Vec<_> = ["a", "b", "c"].map(Bytes::from).into();
        let chunks = Chunks::new(pieces);
        assert_eq!(chunks.clone().join(), "abc");
        let trailers = HeaderMap::from_iter([(crate::grpc::GRPC_STATUS, "0".parse().unwrap())]);
        let body = Body::whole(Whole { chunks, trailers: Some(trailers) });
        let collected = body.collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap().len(), 1);
        assert_eq!(collected.to_bytes(), "abc");
    }
}
