//! JSON bytes that are known to be UTF-8: white space, punctuation, words, and what is passed over.

use std::borrow::Cow;

use super::{Bail, text};
use crate::codec::options::{MAX_DEPTH, ReadOptions};

/// A place in the text, and what is left of the bounds.
pub(super) struct Cursor<'j> {
    json: &'j [u8],
    at: usize,
    /// Objects and arrays around this place.
    depth: usize,
    max_depth: usize,
    /// Values that may still come.
    nodes: usize,
}

impl<'j> Cursor<'j> {
    pub(super) fn new(json: &'j [u8], options: &ReadOptions) -> Result<Self, Bail> {
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        if std::str::from_utf8(json).is_err() {
            return Err(Bail);
        }
        // What is skipped is walked by recursion, so there is a bound whatever the options say.
        Ok(Self {
            json,
            at: 0,
            depth: 0,
            max_depth: options.max_depth.min(MAX_DEPTH),
            nodes: options.max_nodes,
        })
    }

    /// The first byte of the next token; 0, which begins none, at the end.
    #[inline]
    pub(super) fn peek(&mut self) -> u8 {
        loop {
            match self.json.get(self.at) {
                Some(byte) if *byte > b' ' => return *byte,
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                _ => return 0,
            }
        }
    }

    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Bail> {
        if self.peek() != byte {
            return Err(Bail);
        }
        self.at += 1;
        Ok(())
    }

    /// Counts one value.
    #[inline]
    pub(super) fn node(&mut self) -> Result<(), Bail> {
        self.nodes = self.nodes.checked_sub(1).ok_or(Bail)?;
        Ok(())
    }

    /// Steps into an object or array. Whether there is anything in it.
    #[inline]
    pub(super) fn enter(&mut self, open: u8, close: u8) -> Result<bool, Bail> {
        self.node()?;
        self.expect(open)?;
        if self.depth == self.max_depth {
            return Err(Bail);
        }
        self.depth += 1;
        if self.peek() == close {
            self.at += 1;
            self.depth -= 1;
            return Ok(false);
        }
        Ok(true)
    }

    /// Behind an element: whether another follows.
    #[inline]
    pub(super) fn more(&mut self, close: u8) -> Result<bool, Bail> {
        let byte = self.peek();
        self.at += 1;
        if byte == b',' {
            return Ok(true);
        }
        if byte != close {
            return Err(Bail);
        }
        self.depth -= 1;
        Ok(false)
    }

    /// A key with its colon.
    #[inline]
    pub(super) fn key(&mut self) -> Result<text::Raw<'j>, Bail> {
        let key = self.quoted()?;
        self.expect(b':')?;
        Ok(key)
    }

    /// A key or string, without counting it.
    #[inline]
    fn quoted(&mut self) -> Result<text::Raw<'j>, Bail> {
        self.expect(b'"')?;
        let raw = text::scan(self.json.get(self.at..).unwrap_or_default())?;
        self.at += raw.bytes.len() + 1;
        Ok(raw)
    }

    /// A string.
    #[inline]
    pub(super) fn string(&mut self) -> Result<text::Raw<'j>, Bail> {
        self.node()?;
        self.quoted()
    }

    /// The text of a string.
    #[inline]
    pub(super) fn text(&mut self) -> Result<Cow<'j, [u8]>, Bail> {
        self.string()?.text()
    }

    /// The characters of a number as far as they go; whoever reads them checks the grammar.
    #[inline]
    pub(super) fn digits(&mut self) -> Result<&'j [u8], Bail> {
        self.node()?;
        self.peek();
        let rest = self.json.get(self.at..).unwrap_or_default();
        let end =
            rest.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        let digits = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        self.at += digits.len();
        Ok(digits)
    }

    /// `true`, `false` or `null`. What may not follow it no one takes for punctuation.
    #[inline]
    pub(super) fn word(&mut self, word: &[u8]) -> Result<(), Bail> {
        self.node()?;
        self.peek();
        if !self.json.get(self.at..).unwrap_or_default().starts_with(word) {
            return Err(Bail);
        }
        self.at += word.len();
        Ok(())
    }

    pub(super) fn bool(&mut self) -> Result<bool, Bail> {
        if self.peek() == b't' {
            return self.word(b"true").map(|()| true);
        }
        self.word(b"false").map(|()| false)
    }

    /// Whether nothing but white space is left.
    pub(super) fn end(&mut self) -> Result<(), Bail> {
        self.peek();
        if self.at == self.json.len() { Ok(()) } else { Err(Bail) }
    }

    /// Passes a value that no field takes.
    pub(super) fn pass(&mut self) -> Result<(), Bail> {
        match self.peek() {
            b'{' => {
                let mut more = self.enter(b'{', b'}')?;
                while more {
                    self.key()?.check()?;
                    self.pass()?;
                    more = self.more(b'}')?;
                }
                Ok(())
            }
            b'[' => {
                let mut more = self.enter(b'[', b']')?;
                while more {
                    self.pass()?;
                    more = self.more(b']')?;
                }
                Ok(())
            }
            b'"' => self.string()?.check(),
            b't' | b'f' => self.bool().map(drop),
            b'n' => self.word(b"null"),
            _ => {
                let digits = std::str::from_utf8(self.digits()?).map_err(|_| Bail)?;
                if crate::codec::scan::is_number(digits) { Ok(()) } else { Err(Bail) }
            }
        }
    }
}
