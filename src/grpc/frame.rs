//! Length-prefixed messages.
//!
//! ```text
//! frame = flags:u8 length:u32be message[length]
//! flags = 0x00 plain / 0x01 compressed
//! ```
//!
//! (grpc `doc/PROTOCOL-HTTP2.md`; gRPC-Web adds 0x80 for its trailer frame, which no body at the waist contains.)
//! Two readers share this grammar: [`Scanner`] follows frames that pass by untouched, [`Decoder`] takes them apart.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes before each message.
pub const HEADER_LEN: usize = 5;

/// The flag of a compressed message.
pub const COMPRESSED: u8 = 0x01;

/// Why bytes are not a sequence of frames within the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A length prefix above the limit; the message was not read.
    #[error("message of {length} bytes is over the limit of {limit} bytes")]
    TooLarge {
        /// Bytes that the prefix announces.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Flags other than 0x00 and 0x01.
    #[error("expected frame flags 0x00 or 0x01, found {0:#04x}")]
    Flags(u8),
    /// The body ended inside a frame.
    #[error("body ended inside a frame, {missing} bytes short")]
    Truncated {
        /// Bytes that the frame still lacked.
        missing: usize,
    },
}

/// Writes the header of a plain message.
pub fn put_header(out: &mut BytesMut, length: usize) {
    out.put_u8(0);
    out.put_u32(u32::try_from(length).expect("messages are limited far below 4 GiB"));
}

/// One plain message as a frame.
pub fn encode(message: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(HEADER_LEN + message.len());
    put_header(&mut out, message.len());
    out.put_slice(message);
    out.freeze()
}

/// One plain message as a frame, appended by `write` behind the header that is there already.
///
/// # Errors
/// Those of `write`.
pub fn encode_with<E>(
    capacity: usize,
    write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
) -> Result<Bytes, E> {
    let mut out = BytesMut::with_capacity(HEADER_LEN + capacity);
    put_with(&mut out, write)?;
    Ok(out.freeze())
}

/// Appends one plain message as a frame, as [`encode_with`].
///
/// # Errors
/// Those of `write`; `out` is then as before.
pub fn put_with<E>(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut) -> Result<(), E>) -> Result<(), E> {
    put_flagged(out, 0, write)
}

/// Appends a frame with these flags, as [`put_with`].
///
/// # Errors
/// Those of `write`; `out` is then as before.
pub fn put_flagged<E>(
    out: &mut BytesMut,
    flags: u8,
    write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.put_u8(flags);
    out.put_u32(0);
    if let Err(error) = write(out) {
        out.truncate(start);
        return Err(error);
    }
    let length = u32::try_from(out.len().saturating_sub(start + HEADER_LEN));
    let length = length.expect("messages are limited far below 4 GiB").to_be_bytes();
    // Behind the flags.
    for (place, byte) in out.iter_mut().skip(start + 1).zip(length) {
        *place = byte;
    }
    Ok(())
}

/// Follows frames through chunks of any size without copying them.
#[derive(Debug)]
pub struct Scanner {
    limit: usize,
    header: [u8; HEADER_LEN],
    have: usize,
    remaining: usize,
    messages: u64,
    payload: u64,
    compressed: bool,
}

impl Scanner {
    /// A scanner that refuses messages of more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            header: [0; HEADER_LEN],
            have: 0,
            remaining: 0,
            messages: 0,
            payload: 0,
            compressed: false,
        }
    }

    /// Takes the next chunk of the body.
    ///
    /// A frame over the limit is refused as soon as its header is complete.
    pub fn feed(&mut self, mut chunk: &[u8]) -> Result<(), FrameError> {
        while !chunk.is_empty() {
            if self.have == HEADER_LEN {
                let (_, rest) = chunk.split_at(self.remaining.min(chunk.len()));
                self.remaining -= chunk.len() - rest.len();
                self.payload += (chunk.len() - rest.len()) as u64;
                chunk = rest;
            } else {
                let (part, rest) = chunk.split_at((HEADER_LEN - self.have).min(chunk.len()));
                self.header.iter_mut().skip(self.have).zip(part).for_each(|(to, from)| *to = *from);
                self.have += part.len();
                chunk = rest;
                if self.have < HEADER_LEN {
                    return Ok(());
                }
                self.remaining = length(self.header, self.limit)?;
                self.compressed |= self.header.first() == Some(&COMPRESSED);
            }
            if self.remaining == 0 {
                self.have = 0;
                self.messages += 1;
            }
        }
        Ok(())
    }

    /// Takes the next chunk of a body whose frames another one checks, and ends the call for; if there was a wrong one,
    /// only the counts here would be wrong.
    pub fn follow(&mut self, chunk: &[u8]) {
        let _ = self.feed(chunk);
    }

    /// Messages seen whole.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Bytes of messages seen, whole ones or not, without the headers of their frames.
    pub fn payload(&self) -> u64 {
        self.payload
    }

    /// Whether a message is flagged as compressed, one that is not whole yet among them.
    pub fn compressed(&self) -> bool {
        self.compressed
    }

    /// Whether the last chunk ended where a frame ends.
    pub fn at_boundary(&self) -> bool {
        self.have == 0
    }

    /// Checks that a body may end here.
    pub fn finish(&self) -> Result<(), FrameError> {
        match self.have {
            0 => Ok(()),
            HEADER_LEN => Err(FrameError::Truncated { missing: self.remaining }),
            have => Err(FrameError::Truncated { missing: HEADER_LEN - have }),
        }
    }
}

/// A message taken out of its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whether `bytes` are compressed by the call's `grpc-encoding`.
    pub compressed: bool,
    /// The message.
    pub bytes: Bytes,
}

/// Takes messages out of chunks of any size; holds at most one message and the chunk that completed it.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    buffer: BytesMut,
}

impl Decoder {
    /// A decoder that refuses messages of more than `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, buffer: BytesMut::new() }
    }

    /// Adds a chunk of the body.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole message, or `None` until more bytes have come.
    pub fn next_message(&mut self) -> Result<Option<Message>, FrameError> {
        let Some(header) = self.buffer.first_chunk::<HEADER_LEN>() else { return Ok(None) };
        let [flags, ..] = *header;
        let length = length(*header, self.limit)?;
        if self.buffer.len() < HEADER_LEN + length {
            return Ok(None);
        }
        self.buffer.advance(HEADER_LEN);
        let bytes = self.buffer.split_to(length).freeze();
        Ok(Some(Message { compressed: flags == COMPRESSED, bytes }))
    }

    /// Checks that a body may end here.
    pub fn finish(&self) -> Result<(), FrameError> {
        match self.buffer.first_chunk::<HEADER_LEN>() {
            None if self.buffer.is_empty() => Ok(()),
            None => Err(FrameError::Truncated { missing: HEADER_LEN - self.buffer.len() }),
            Some(header) => {
                let length = length(*header, self.limit)?;
                Err(FrameError::Truncated {
                    missing: (HEADER_LEN + length).saturating_sub(self.buffer.len()),
                })
            }
        }
    }
}

/// Takes the first message off a body that is there, without a copy; `None` when it is not whole.
///
/// # Errors
/// As [`Decoder::next_message`].
pub fn take(body: &mut Bytes, limit: usize) -> Result<Option<Message>, FrameError> {
    let Some(header) = body.first_chunk::<HEADER_LEN>() else { return Ok(None) };
    let [flags, ..] = *header;
    let length = length(*header, limit)?;
    if body.len() - HEADER_LEN < length {
        return Ok(None);
    }
    body.advance(HEADER_LEN);
    Ok(Some(Message { compressed: flags == COMPRESSED, bytes: body.split_to(length) }))
}

/// Checks a complete header and reads its length.
fn length(header: [u8; HEADER_LEN], limit: usize) -> Result<usize, FrameError> {
    let [flags, a, b, c, d] = header;
    if flags > COMPRESSED {
        return Err(FrameError::Flags(flags));
    }
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    if length > limit {
        return Err(FrameError::TooLarge { length, limit });
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_prefix_over_the_limit_is_refused_before_the_message() {
        for (length, fits) in [(9u32, true), (10, true), (11, false), (u32::MAX, false)] {
            let mut header = vec![0];
            header.extend_from_slice(&length.to_be_bytes());
            assert_eq!(Scanner::new(10).feed(&header).is_ok(), fits, "{length}");
            let mut decoder = Decoder::new(10);
            decoder.push(&header);
            assert_eq!(decoder.next_message().is_ok(), fits, "{length}");
        }
    }

    #[test]
    fn a_body_that_is_there_is_taken_apart_without_a_copy() {
        let body = Bytes::from_static(b"\x01\0\0\0\x02ab\0\0\0\0\0\0\0\0\0\x02a");
        let mut rest = body.clone();
        let first = take(&mut rest, 2).unwrap().unwrap();
        assert_eq!((first.compressed, first.bytes.as_ptr()), (true, body.slice(HEADER_LEN..).as_ptr()));
        assert_eq!(take(&mut rest, 2).unwrap().unwrap().bytes, "");
        assert_eq!(take(&mut rest, 2), Ok(None));
        assert!(take(&mut rest, 1).is_err());
        let mut scanner = Scanner::new(2);
        scanner.feed(b"\0\0\0\0\0").unwrap();
        assert!(!scanner.compressed());
        scanner.feed(b"\x01\0\0\0\x02").unwrap();
        assert!(scanner.compressed());
    }

    #[test]
    fn a_trailer_frame_is_no_message() {
        assert_eq!(Scanner::new(10).feed(&[0x80, 0, 0, 0, 0]), Err(FrameError::Flags(0x80)));
    }

    #[test]
    fn ends_are_checked() {
        let mut scanner = Scanner::new(10);
        scanner.feed(&[0, 0, 0]).unwrap();
        assert_eq!(scanner.finish(), Err(FrameError::Truncated { missing: 2 }));
        scanner.feed(&[0, 3, 1]).unwrap();
        assert_eq!(scanner.finish(), Err(FrameError::Truncated { missing: 2 }));
        scanner.feed(&[1, 1]).unwrap();
        assert_eq!(scanner.finish(), Ok(()));
        assert_eq!(scanner.messages(), 1);
    }

    proptest! {
        #[test]
        fn chunking_changes_nothing(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
            cuts in prop::collection::vec(1usize..9, 1..20),
        ) {
            let body: Vec<u8> = messages.iter().flat_map(|message| encode(message).to_vec()).collect();
            let (mut scanner, mut decoder, mut found) = (Scanner::new(40), Decoder::new(40), Vec::new());
            let (mut rest, mut cuts) = (body.as_slice(), cuts.iter().cycle());
            while !rest.is_empty() {
                let (chunk, tail) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                rest = tail;
                scanner.feed(chunk).unwrap();
                decoder.push(chunk);
                while let Some(message) = decoder.next_message().unwrap() {
                    found.push(message.bytes.to_vec());
                }
            }
            prop_assert_eq!(scanner.messages(), messages.len() as u64);
            prop_assert!(scanner.at_boundary() && scanner.finish().is_ok() && decoder.finish().is_ok());
            prop_assert_eq!(found, messages);
        }

        #[test]
        fn any_bytes_are_read_without_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..12)) {
            let (mut scanner, mut decoder) = (Scanner::new(64), Decoder::new(64));
            for chunk in chunks {
                let _ = scanner.feed(&chunk);
                decoder.push(&chunk);
                while let Ok(Some(_)) = decoder.next_message() {}
            }
            let _ = (scanner.finish(), decoder.finish());
        }
    }
}
