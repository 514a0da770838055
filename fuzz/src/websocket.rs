//! What has to hold of any messages over a WebSocket: each is read or refused, the first is a head and no later one
//! is, nothing follows the end of the request, and what is passed on is what was sent.
//!
//! Also a module of `tests/websocket_seeds.rs`, which replays the seeds without a fuzzer.

use bytes::Bytes;
use edgeway::front::intake::{Event, Intake, Said, Subprotocol};

/// Takes the first byte for the subprotocol, and the rest for messages: a byte for the kind, two for the length.
pub fn holds(input: &[u8]) {
    let Some((switches, mut rest)) = input.split_first() else { return };
    let subprotocol = if switches & 1 == 0 { Subprotocol::Frames } else { Subprotocol::Json };
    let mut intake = Intake::new(subprotocol);
    let (mut first, mut ended) = (true, false);
    while let Some((kind, tail)) = rest.split_first() {
        let Some((length, tail)) = tail.split_first_chunk::<2>() else { return };
        let (bytes, tail) = tail.split_at(tail.len().min(u16::from_be_bytes(*length).into()));
        rest = tail;
        let text = kind & 1 == 1;
        // A WebSocket lets no other text through.
        if text && std::str::from_utf8(bytes).is_err() {
            return;
        }
        let said = if text { Said::Text } else { Said::Binary };
        let event = intake.take(said(Bytes::copy_from_slice(bytes)));
        let Ok(event) = event else { return };
        assert!(!ended, "{event:?} after the end of the request");
        assert_eq!(text, subprotocol == Subprotocol::Json, "{event:?} by the other kind of message");
        assert_eq!(first, matches!(event, Event::Head(_)), "{event:?}");
        match event {
            Event::Head(headers) => {
                assert!(headers.len() <= 65 && bytes.len() <= 16 << 10, "{} headers", headers.len());
            }
            Event::Message(passed) => {
                let sent = if text { bytes } else { bytes.split_first().map_or(bytes, |(_, frames)| frames) };
                assert_eq!(passed, sent);
            }
            Event::HalfClose => ended = true,
        }
        first = false;
    }
}
