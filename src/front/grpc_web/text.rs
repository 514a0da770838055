//! Base64 as gRPC-Web's text mode has it.
//!
//! ```text
//! body    = *( segment )
//! segment = *( 4 base64 characters ) [ padded group ]       ; padding may stand in the middle of a body
//! ```
//!
//! A sender pads whenever it flushes, so `=` may end any group of four, and a chunk of the transport may end anywhere.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame};

use crate::call::{Body, CallError};

/// Text that is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TextError {
    #[error("expected base64, found a group that does not decode")]
    Group,
    #[error("expected base64 in groups of four characters, the body ended after {0} of a group")]
    Truncated(usize),
}

/// Decodes text group by group; holds at most three characters between chunks.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    group: [u8; 4],
    have: usize,
}

impl Decoder {
    /// The bytes of all groups that are complete.
    pub(super) fn decode(&mut self, text: &[u8]) -> Result<Bytes, TextError> {
        let mut out = BytesMut::with_capacity(text.len() / 4 * 3 + 3);
        let mut rest = text;
        // Whole groups without padding in one go; the rest, and what holds padding, one by one.
        if self.have == 0 {
            let plain = text
                .iter()
                .position(|byte| *byte == b'=' || byte.is_ascii_whitespace())
                .unwrap_or(text.len());
            let (groups, tail) = text.split_at(plain / 4 * 4);
            let mut bytes = vec![0; groups.len() / 4 * 3];
            STANDARD.decode_slice(groups, &mut bytes).map_err(|_| TextError::Group)?;
            out.extend_from_slice(&bytes);
            rest = tail;
        }
        for byte in rest.iter().copied().filter(|byte| !byte.is_ascii_whitespace()) {
            if let Some(slot) = self.group.get_mut(self.have) {
                *slot = byte;
            }
            self.have += 1;
            if self.have == self.group.len() {
                self.have = 0;
                let mut bytes = [0; 3];
                let length = STANDARD.decode_slice(self.group, &mut bytes).map_err(|_| TextError::Group)?;
                out.extend_from_slice(bytes.get(..length).unwrap_or_default());
            }
        }
        Ok(out.freeze())
    }

    /// Checks that the text may end here.
    pub(super) fn finish(&self) -> Result<(), TextError> {
        if self.have == 0 { Ok(()) } else { Err(TextError::Truncated(self.have)) }
    }
}

/// Encodes bytes that end where a reader may stop: a whole message, or the trailers.
pub(super) fn encode(bytes: &[u8]) -> Bytes {
    STANDARD.encode(bytes).into()
}

/// Encodes a stream without padding inside a message.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// Up to two bytes that do not fill a group.
    carry: Vec<u8>,
}

impl Encoder {
    /// The text of `bytes`, all of it when they end at a message's end (`flush`), else all whole groups.
    pub(super) fn encode(&mut self, bytes: &[u8], flush: bool) -> Bytes {
        let mut all = std::mem::take(&mut self.carry);
        all.extend_from_slice(bytes);
        if !flush {
            self.carry = all.split_off(all.len() / 3 * 3);
        }
        encode(&all)
    }
}

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: Result<&[u8], TextError>) {
        let mut decoder = Decoder::default();
        let found = decoder.decode(text.as_bytes()).and_then(|bytes| decoder.finish().map(|()| bytes));
        assert_eq!(found.as_deref(), expect.as_deref(), "{text:?}");
    }

    #[test]
    fn padding_may_stand_inside() {
        check("", Ok(b""));
        check("AAAA", Ok(b"\0\0\0"));
        check("AA==AAA=AAAA", Ok(b"\0\0\0\0\0\0"));
        check("AA==\r\nAAA=", Ok(b"\0\0\0"));
        check("AAA", Err(TextError::Truncated(3)));
        check("A===", Err(TextError::Group));
        check("=AAA", Err(TextError::Group));
        check("AA=A", Err(TextError::Group));
        check("AA\u{e9}=", Err(TextError::Group));
        check("AA_-", Err(TextError::Group));
    }

    proptest! {
        #[test]
        fn segments_split_anywhere_decode_the_same(
            segments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..6),
            cut in 0usize..200,
        ) {
            let text: String = segments.iter().map(|segment| STANDARD.encode(segment)).collect();
            let bytes: Vec<u8> = segments.concat();
            let (first, second) = text.split_at(cut.min(text.len()));
            let mut decoder = Decoder::default();
            let mut found = decoder.decode(first.as_bytes()).unwrap().to_vec();
            found.extend_from_slice(&decoder.decode(second.as_bytes()).unwrap());
            prop_assert!(decoder.finish().is_ok());
            prop_assert_eq!(found, bytes);
        }

        #[test]
        fn what_is_encoded_in_pieces_decodes_whole(pieces in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..20), any::<bool>()), 0..8)) {
            let (mut encoder, mut text, mut bytes) = (Encoder::default(), Vec::new(), Vec::new());
            for (piece, flush) in &pieces {
                text.extend_from_slice(&encoder.encode(piece, *flush));
                bytes.extend_from_slice(piece);
            }
            text.extend_from_slice(&encoder.encode(&[], true));
            let mut decoder = Decoder::default();
            prop_assert_eq!(decoder.decode(&text).unwrap(), bytes);
            prop_assert!(decoder.finish().is_ok());
        }

        #[test]
        fn any_text_is_read_without_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..8)) {
            let mut decoder = Decoder::default();
            for chunk in chunks {
                let _ = decoder.decode(&chunk);
            }
            let _ = decoder.finish();
        }
    }
}
