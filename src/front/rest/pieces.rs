//! A client's stream of `google.api.HttpBody`: its upload cut into messages as it comes.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::Body as HttpBody;
use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame};

use super::request::Raw;
use crate::{call::CallError, codec::RawBody};

/// The frames of a call. The first message names the content type and has what path and query bind; it is sent also for
/// a body without a byte, since an empty upload is one.
pub(super) struct Pieces {
    raw: Raw,
    /// For the first message; then empty.
    content_type: String,
    bind_every: bool,
    body: Option<HttpBody>,
    /// What was read and not sent.
    rest: Bytes,
    /// The most data of one message.
    size: usize,
    first: bool,
    error: Option<CallError>,
}

impl Pieces {
    pub(super) fn new(raw: Raw, content_type: String, bind_every: bool, body: HttpBody) -> Self {
        // What stands beside the data: its own fields, and their keys and lengths.
        let beside = raw.fields.len() + content_type.len() + KEYS;
        let size = raw.limit.saturating_sub(beside).clamp(1, PIECE);
        Self {
            raw,
            content_type,
            bind_every,
            body: Some(body),
            rest: Bytes::new(),
            size,
            first: true,
            error: None,
        }
    }

    /// Collects the data of one message: what there is, up to its size.
    fn poll_data(&mut self, cx: &mut Context<'_>, data: &mut BytesMut) -> Poll<Result<(), CallError>> {
        loop {
            let more = self.rest.split_to(self.rest.len().min(self.size - data.len()));
            data.extend_from_slice(&more);
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
            if data.len() == self.size {
                return Poll::Ready(Ok(()));
            }
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => self.rest = frame.into_data().unwrap_or_default(),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(CallError::client_gone())),
                Poll::Ready(None) => self.body = None,
            }
        }
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let this = &mut *self;
        let mut data = BytesMut::new();
        let polled = this.poll_data(cx, &mut data);
        let over = matches!(polled, Poll::Ready(Ok(())));
        if data.is_empty() && !(over && this.first) {
            return polled.map(|read| read.err().map(Err));
        }
        if let Poll::Ready(Err(error)) = polled {
            this.error = Some(error);
        }
        let first = std::mem::take(&mut this.first);
        let body = RawBody { content_type: std::mem::take(&mut this.content_type), data: data.freeze() };
        let mut out = BytesMut::with_capacity(body.data.len() + KEYS);
        this.raw.put(&body, first || this.bind_every, &mut out);
        Poll::Ready(Some(Ok(Frame::data(out.freeze()))))
    }
}

/// The most data of one message: the window of a client's stream over HTTP/2, and far below what backends take.
const PIECE: usize = 64 << 10;

/// Keys and lengths of a message: of the field that holds it, and of its own two.
const KEYS: usize = 64;

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;
    use crate::grpc::frame::Decoder;

    /// The messages of an upload that comes in pieces of these lengths.
    async fn pieces(limit: usize, lengths: &[usize]) -> Vec<(Option<String>, usize, bool)> {
        let frames: Vec<_> = lengths
            .iter()
            .map(|length| Ok::<_, CallError>(Frame::data(Bytes::from(vec![b'x'; *length]))))
            .collect();
        let body = HttpBody::new(StreamBody::new(stream::iter(frames)));
        // 1: "n", beside the body as 2.
        let raw = Raw::new(Some(2), Bytes::from_static(b"\x0a\x01n"), limit);
        let pieces = Pieces::new(raw, "text/plain".into(), false, body);
        let mut decoder = Decoder::new(limit);
        decoder.push(&pieces.collect().await.unwrap().to_bytes());
        let mut found = Vec::new();
        while let Some(message) = decoder.next_message().unwrap() {
            let bound = message.bytes.ends_with(b"\x0a\x01n");
            let body = RawBody::read(message.bytes, Some(2)).unwrap();
            assert!(body.data.iter().all(|byte| *byte == b'x'));
            found.push((Some(body.content_type).filter(|text| !text.is_empty()), body.data.len(), bound));
        }
        found
    }

    #[tokio::test]
    async fn an_upload_is_cut_as_it_comes() {
        let named = Some("text/plain".to_owned());
        assert_eq!(pieces(1 << 20, &[]).await, [(named.clone(), 0, true)]);
        assert_eq!(pieces(1 << 20, &[0, 0]).await, [(named.clone(), 0, true)]);
        assert_eq!(pieces(1 << 20, &[5]).await, [(named.clone(), 5, true)]);
        // What is there goes together.
        assert_eq!(pieces(1 << 20, &[1; 1000]).await, [(named.clone(), 1000, true)]);
        let whole = [(named.clone(), PIECE, true), (None, PIECE, false), (None, 10, false)];
        assert_eq!(pieces(1 << 20, &[2 * PIECE + 10]).await, whole);
        assert_eq!(pieces(1 << 20, &[PIECE, PIECE, 10]).await, whole);
        assert_eq!(pieces(1 << 20, &[2 * PIECE]).await, whole[..2]);
        // No message is over the limit of its method.
        let small = pieces(200, &[500]).await;
        assert_eq!(small.iter().map(|(_, length, _)| length).sum::<usize>(), 500);
        assert!(small.len() > 3, "{small:?}");
    }
}
