//! Base64 as the text mode of gRPC-Web has it.
//!
//! ```text
//! body    = *( segment )
//! segment = *( 4 base64 characters ) [ padded group ]       ; padding may stand in the middle of a body
//! ```
//!
//! A sender pads whenever it flushes, so `=` may end any group of four, and a chunk of the transport may end anywhere.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};

/// Text that is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Characters outside of the alphabet, or padding where none can be.
    #[error("expected base64, found a group that does not decode")]
    Group,
    /// The characters of the last group, which is not whole.
    #[error("expected base64 in groups of four characters, the body ended after {0} of a group")]
    Truncated(usize),
}

/// Decodes text group by group; holds at most three characters between chunks.
#[derive(Debug, Default)]
pub struct Decoder {
    group: [u8; 4],
    have: usize,
}

impl Decoder {
    /// The bytes of all groups that are complete.
    ///
    /// # Errors
    /// A group that does not decode.
    pub fn decode(&mut self, text: &[u8]) -> Result<Bytes, TextError> {
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
    ///
    /// # Errors
    /// An end inside a group.
    pub fn finish(&self) -> Result<(), TextError> {
        if self.have == 0 { Ok(()) } else { Err(TextError::Truncated(self.have)) }
    }
}

/// Encodes bytes that end where a reader may stop: a whole message, or the trailers.
pub fn encode(bytes: &[u8]) -> Bytes {
    STANDARD.encode(bytes).into()
}

/// Encodes a stream without padding inside a message.
#[derive(Debug, Default)]
pub struct Encoder {
    /// Up to two bytes that do not fill a group.
    carry: Vec<u8>,
}

impl Encoder {
    /// The text of `bytes`, all of it when they end at a message's end (`flush`), else all whole groups.
    pub fn encode(&mut self, bytes: &[u8], flush: bool) -> Bytes {
        let mut all = std::mem::take(&mut self.carry);
        all.extend_from_slice(bytes);
        if !flush {
            self.carry = all.split_off(all.len() / 3 * 3);
        }
        encode(&all)
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

    fn decode<'t>(pieces: impl IntoIterator<Item = &'t [u8]>) -> Vec<u8> {
        let mut decoder = Decoder::default();
        let decoded =
            pieces.into_iter().map(|piece| decoder.decode(piece).unwrap().to_vec()).collect::<Vec<_>>();
        decoder.finish().unwrap();
        decoded.concat()
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
        fn a_cut_at_every_byte_changes_nothing(
            segments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..6),
            sizes in prop::collection::vec(1usize..7, 1..8),
        ) {
            let text: String = segments.iter().map(|segment| STANDARD.encode(segment)).collect();
            let bytes: Vec<u8> = segments.concat();
            for cut in 0..=text.len() {
                let (first, second) = text.split_at(cut);
                prop_assert_eq!(&decode([first.as_bytes(), second.as_bytes()]), &bytes);
            }
            prop_assert_eq!(&decode(text.as_bytes().chunks(1)), &bytes);
            let (mut pieces, mut rest) = (Vec::new(), text.as_bytes());
            for size in sizes.iter().cycle().take(text.len()) {
                let (piece, more) = rest.split_at((*size).min(rest.len()));
                pieces.push(piece);
                rest = more;
            }
            prop_assert_eq!(&decode(pieces), &bytes);
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
