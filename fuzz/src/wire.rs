//! The bytes of gRPC and gRPC-Web, in whatever pieces a transport cuts them.

use bytes::Bytes;
use edgeway::grpc::{
    frame::{Decoder, FrameError, Scanner},
    text::{Decoder as TextDecoder, Encoder, TextError},
};

/// Frames: the first byte says how long pieces are. Scanner and decoder find the same messages and the same fault,
/// however the body is cut.
pub fn frames(input: &[u8]) {
    let Some((size, body)) = input.split_first() else { return };
    let whole = read_frames(body, body.len().max(1));
    assert_eq!(read_frames(body, usize::from(*size).max(1)), whole);
    let mut scanner = Scanner::new(LIMIT);
    let fed = body.chunks(usize::from(*size).max(1)).try_for_each(|piece| scanner.feed(piece));
    let scanned = fed.and_then(|()| scanner.finish());
    assert_eq!(scanned, whole.1);
    assert_eq!(scanner.messages(), whole.0.len() as u64);
    assert!(scanner.at_boundary() || scanned.is_err());
}

fn read_frames(body: &[u8], size: usize) -> (Vec<(bool, Bytes)>, Result<(), FrameError>) {
    let (mut decoder, mut found) = (Decoder::new(LIMIT), Vec::new());
    for piece in body.chunks(size) {
        decoder.push(piece);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => found.push((message.compressed, message.bytes)),
                Ok(None) => break,
                Err(error) => return (found, Err(error)),
            }
        }
    }
    let end = decoder.finish();
    (found, end)
}

/// Text: the first byte says how long pieces are. However it is cut it decodes to the same, or to an error each time;
/// and what was decoded survives encoding in pieces.
pub fn text(input: &[u8]) {
    let Some((size, text)) = input.split_first() else { return };
    let size = usize::from(*size).max(1);
    let whole = read_text(text, text.len().max(1));
    assert_eq!(read_text(text, size), whole);
    let Ok(bytes) = whole else { return };
    let (mut encoder, mut again) = (Encoder::default(), Vec::new());
    for piece in bytes.chunks(size) {
        again.extend_from_slice(&encoder.encode(piece, piece.len() % 2 == 0));
    }
    again.extend_from_slice(&encoder.encode(&[], true));
    assert_eq!(read_text(&again, size), Ok(bytes));
}

fn read_text(text: &[u8], size: usize) -> Result<Vec<u8>, TextError> {
    let (mut decoder, mut found) = (TextDecoder::default(), Vec::new());
    for piece in text.chunks(size) {
        found.extend_from_slice(&decoder.decode(piece)?);
    }
    decoder.finish().map(|()| found)
}

const LIMIT: usize = 64;
