//! Many JSON values in one text that comes in pieces: an array, or one value after another.
//!
//! ```text
//! array    = ws "[" ws [ value *( ws "," ws value ) ws ] "]" ws
//! sequence = ws [ value *( ws value ) ] ws
//! value    = nested / text / bare
//! nested   = from "{" or "[" to the bracket that closes it, brackets in strings not counted
//! text     = from a quote to the next that no backslash stands before
//! bare     = anything else, to the next white space, bracket, brace, quote, comma or colon
//! ```
//!
//! A sequence is NDJSON, also with values over several lines, and what is merely concatenated. Only the ends of values
//! are found here. Whether a value is JSON says the codec that reads it: every text that it would take is cut out
//! whole, and no other becomes one by the cutting.

use bytes::{Buf, Bytes, BytesMut};

use crate::codec::error::quoted;

/// How the values of a text may follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// An array if the text begins with `[`, else a sequence.
    ArrayOrSequence,
    /// A sequence, whatever it begins with.
    Sequence,
}

/// Why a text is not cut any further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElementError {
    /// Something between two values that does not belong there.
    #[error("expected {expected}, found {found} at byte {offset} of the body")]
    Syntax {
        /// What may stand here.
        expected: &'static str,
        /// What stands here.
        found: String,
        /// Bytes before it.
        offset: u64,
    },
    /// A value of too many bytes; the rest of it was not read.
    #[error("a message of the request body is over the limit of {limit} bytes")]
    TooLarge {
        /// The limit that was crossed.
        limit: usize,
    },
    /// Objects and arrays nested too far.
    #[error("expected at most {limit} levels of nesting, found more")]
    TooDeep {
        /// The limit that was crossed.
        limit: usize,
    },
}

/// Cuts a text into its values. Holds at most one value that is not complete, and the piece that was pushed last.
#[derive(Debug)]
pub struct Elements {
    layout: Layout,
    max_bytes: usize,
    max_depth: usize,
    place: Place,
    /// Whether the text is an array, once that is known.
    array: bool,
    value: Value,
    /// The start of a value whose end has not come.
    begun: BytesMut,
    piece: Bytes,
    /// Bytes before `piece`, without those of `begun`.
    passed: u64,
}

/// What may come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The first byte of all, or the rest of a byte order mark.
    Mark(usize),
    /// The first byte that is no white space.
    Start,
    /// The first value of an array, or its end.
    First,
    /// A value of an array.
    Due,
    /// A comma, or the end of the array.
    After,
    /// A value of a sequence, or its end.
    Between,
    /// The rest of a value.
    Inside,
    /// White space behind an array.
    End,
}

/// How far into a value the text has been followed.
#[derive(Clone, Copy, Debug, Default)]
struct Value {
    depth: usize,
    quoted: bool,
    escaped: bool,
    bare: bool,
}

impl Elements {
    /// Values of at most `max_bytes` bytes that nest at most `max_depth` deep.
    pub fn new(layout: Layout, max_bytes: usize, max_depth: usize) -> Self {
        Self {
            layout,
            max_bytes,
            max_depth,
            place: Place::Mark(0),
            array: false,
            value: Value::default(),
            begun: BytesMut::new(),
            piece: Bytes::new(),
            passed: 0,
        }
    }

    /// Adds the next piece of the text, when [`next_element`](Self::next_element) has nothing more to give.
    pub fn push(&mut self, piece: Bytes) {
        debug_assert!(self.piece.is_empty(), "the piece before was not read to its end");
        self.piece = piece;
    }

    /// The next whole value, or `None` until more of the text has come.
    ///
    /// # Errors
    /// A text that is neither array nor sequence, or a value beyond its bounds. Nothing may be asked after that.
    pub fn next_element(&mut self) -> Result<Option<Bytes>, ElementError> {
        while let Some(&byte) = self.piece.first() {
            if self.place == Place::Inside {
                return self.inside();
            }
            if let Place::Mark(seen) = self.place {
                match MARK.get(seen) {
                    Some(mark) if *mark == byte => self.place = Place::Mark(seen + 1),
                    Some(_) if seen > 0 => return Err(self.syntax("a JSON value", byte)),
                    Some(_) | None => {
                        self.place = Place::Start;
                        continue;
                    }
                }
            } else if !is_white(byte) {
                self.place = match (self.place, byte) {
                    (Place::Start, b'[') if self.layout == Layout::ArrayOrSequence => {
                        self.array = true;
                        Place::First
                    }
                    (Place::First | Place::After, b']') => Place::End,
                    (Place::After, b',') => Place::Due,
                    (Place::After, _) => {
                        return Err(self.syntax("',' or ']' after a value of the array", byte));
                    }
                    (Place::End, _) => return Err(self.syntax("nothing after the array", byte)),
                    (_, b',' | b':' | b']' | b'}') => return Err(self.syntax("a JSON value", byte)),
                    _ => {
                        let bare = !matches!(byte, b'{' | b'[' | b'"');
                        self.value = Value { bare, ..Value::default() };
                        self.place = Place::Inside;
                        continue;
                    }
                };
            }
            self.piece.advance(1);
            self.passed += 1;
        }
        Ok(None)
    }

    /// Says that no piece follows. A number or word at the end of a sequence is complete only now.
    ///
    /// # Errors
    /// A text that breaks off.
    pub fn finish(&mut self) -> Result<Option<Bytes>, ElementError> {
        let expected = match self.place {
            Place::Mark(0) | Place::Start | Place::Between | Place::End => return Ok(None),
            Place::Mark(seen) if seen == MARK.len() => return Ok(None),
            Place::Inside if self.value.bare && !self.array => {
                self.place = Place::Between;
                return Ok(Some(self.begun.split().freeze()));
            }
            Place::Mark(_) | Place::Due => "a JSON value",
            Place::First => "a JSON value or ']'",
            Place::After => "',' or ']' after a value of the array",
            Place::Inside => "the rest of a JSON value",
        };
        let offset = self.passed + self.begun.len() as u64;
        Err(ElementError::Syntax { expected, found: "the end".to_owned(), offset })
    }

    /// Goes on with a value whose start was seen.
    fn inside(&mut self) -> Result<Option<Bytes>, ElementError> {
        let end = self.value.end(&self.piece, self.max_depth)?;
        let more = end.unwrap_or(self.piece.len());
        if self.begun.len() + more > self.max_bytes {
            return Err(ElementError::TooLarge { limit: self.max_bytes });
        }
        let part = self.piece.split_to(more);
        if end.is_none() {
            self.begun.extend_from_slice(&part);
            return Ok(None);
        }
        self.place = if self.array { Place::After } else { Place::Between };
        let whole = if self.begun.is_empty() {
            part
        } else {
            self.begun.extend_from_slice(&part);
            self.begun.split().freeze()
        };
        self.passed += whole.len() as u64;
        Ok(Some(whole))
    }

    fn syntax(&self, expected: &'static str, byte: u8) -> ElementError {
        let found = match byte {
            b' '..=b'~' => quoted(&char::from(byte).to_string()),
            _ => format!("the byte 0x{byte:02x}"),
        };
        ElementError::Syntax { expected, found, offset: self.passed }
    }
}

impl Value {
    /// Where in `bytes` the value ends, if it does.
    fn end(&mut self, bytes: &[u8], max_depth: usize) -> Result<Option<usize>, ElementError> {
        for (index, byte) in bytes.iter().enumerate() {
            if self.quoted {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.quoted = false;
                        if self.depth == 0 {
                            return Ok(Some(index + 1));
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                _ if self.bare && ends_bare(*byte) => return Ok(Some(index)),
                _ if self.bare => {}
                b'"' => self.quoted = true,
                b'{' | b'[' if self.depth == max_depth => {
                    return Err(ElementError::TooDeep { limit: max_depth });
                }
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Ok(Some(index + 1));
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether a number or word ends before this byte.
fn ends_bare(byte: u8) -> bool {
    is_white(byte) || matches!(byte, b',' | b':' | b'"' | b'[' | b']' | b'{' | b'}')
}

/// UTF-8's byte order mark, which some editors write before everything.
const MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
