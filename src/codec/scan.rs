//! JSON text as a cursor: RFC 8259 to the letter, no tree, numbers as their digits.
//!
//! `serde_json` is not used for reading because its numbers are already rounded when we see them,
//! its errors know no field, and an `Any` has to be looked at before it can be read: a cursor is
//! copied for that. Every codec reads through this one, so all agree on what JSON is.

use std::borrow::Cow;

use crate::codec::{
    error::{Position, Reason, quoted},
    options::ReadOptions,
};

/// A place in the text. A copy looks ahead without moving the original.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// What kind of value starts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

/// Something that is not JSON, or too much of it, at a byte offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScanError {
    pub(crate) reason: Reason,
    pub(crate) offset: usize,
}

/// What is left of [`ReadOptions`]' bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    max_depth: usize,
    max_nodes: usize,
}

impl Bounds {
    pub(crate) fn new(options: &ReadOptions) -> Self {
        Self { max_depth: options.max_depth, max_nodes: options.max_nodes }
    }

    const NONE: Self = Self { max_depth: usize::MAX, max_nodes: usize::MAX };
}

impl<'a> Scanner<'a> {
    /// At the start of `json`, behind one byte order mark.
    ///
    /// # Errors
    /// When the bytes are not UTF-8.
    pub(crate) fn new(json: &'a [u8]) -> Result<Self, ScanError> {
        let json = json.strip_prefix(b"\xef\xbb\xbf").unwrap_or(json);
        match std::str::from_utf8(json) {
            Ok(text) => Ok(Self { text, at: 0 }),
            Err(error) => {
                let offset = error.valid_up_to();
                let byte = json.get(offset).copied().unwrap_or_default();
                Err(ScanError { reason: Reason::NotUtf8 { byte }, offset })
            }
        }
    }

    /// Walks the one value of the text to its end before anything is built from it. How many values it holds.
    ///
    /// # Errors
    /// Text that is not one JSON value, or one over the bounds.
    pub(crate) fn survey(mut self, bounds: Bounds) -> Result<usize, ScanError> {
        let nodes = self.skip(bounds)?;
        self.white();
        match self.byte() {
            None => Ok(nodes),
            Some(_) => Err(self.syntax("the end of the text after one value")),
        }
    }

    /// The byte offset of the next value or key.
    pub(crate) fn offset(mut self) -> usize {
        self.white();
        if self.byte() == Some(b',') {
            self.at += 1;
            self.white();
        }
        self.at
    }

    /// Line and column of a byte offset.
    pub(crate) fn position(&self, offset: usize) -> Position {
        Position::of(self.text, offset)
    }

    /// The kind of the next value.
    pub(crate) fn shape(&mut self) -> Result<Shape, ScanError> {
        self.white();
        match self.byte() {
            Some(b'{') => Ok(Shape::Object),
            Some(b'[') => Ok(Shape::Array),
            Some(b'"') => Ok(Shape::String),
            Some(b'-' | b'0'..=b'9') => Ok(Shape::Number),
            Some(b't') => Ok(Shape::True),
            Some(b'f') => Ok(Shape::False),
            Some(b'n') => Ok(Shape::Null),
            _ => Err(self.syntax("a JSON value")),
        }
    }

    /// Steps into an object or array whose [`shape`](Self::shape) was seen.
    pub(crate) fn enter(&mut self) {
        self.white();
        self.at += 1;
    }

    /// The next key of an object, its colon passed; `None` at the closing brace. `first` is true
    /// for the first call in an object and is cleared by it.
    pub(crate) fn key(&mut self, first: &mut bool) -> Result<Option<Cow<'a, str>>, ScanError> {
        if !self.another(first, b'}', "',' or '}'")? {
            return Ok(None);
        }
        self.white();
        if self.byte() != Some(b'"') {
            return Err(self.syntax("a key in double quotes"));
        }
        let key = self.string()?;
        self.white();
        self.expect(b':', "':' after the key")?;
        Ok(Some(key))
    }

    /// Whether an array has one more element; as [`key`](Self::key) for arrays.
    pub(crate) fn element(&mut self, first: &mut bool) -> Result<bool, ScanError> {
        self.another(first, b']', "',' or ']'")
    }

    /// `true`, `false` or `null`, by its shape.
    pub(crate) fn literal(&mut self, shape: Shape) -> Result<(), ScanError> {
        self.white();
        let word = match shape {
            Shape::True => "true",
            Shape::False => "false",
            Shape::Null | Shape::Object | Shape::Array | Shape::String | Shape::Number => "null",
        };
        let after = self.text.as_bytes().get(self.at + word.len());
        if self.rest().starts_with(word.as_bytes()) && !after.is_some_and(u8::is_ascii_alphanumeric) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.syntax("true, false or null"))
    }

    /// A number as written.
    pub(crate) fn number(&mut self) -> Result<&'a str, ScanError> {
        self.white();
        let start = self.at;
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        match self.byte() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.syntax("a digit")),
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.some_digits()?;
        }
        if self.byte().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-'))
        {
            return Err(self.syntax("the end of the number"));
        }
        Ok(self.since(start))
    }

    /// A string, unescaped; borrowed when nothing in it was escaped.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, ScanError> {
        self.white();
        self.expect(b'"', "a string")?;
        let mut unescaped = String::new();
        loop {
            let start = self.at;
            let plain = self.rest().iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            self.at += plain.unwrap_or(self.rest().len());
            let run = self.since(start);
            match self.byte() {
                Some(b'"') => {
                    self.at += 1;
                    if unescaped.is_empty() {
                        return Ok(Cow::Borrowed(run));
                    }
                    unescaped.push_str(run);
                    return Ok(Cow::Owned(unescaped));
                }
                Some(b'\\') => {
                    unescaped.push_str(run);
                    unescaped.push(self.escape()?);
                }
                _ => return Err(self.syntax("'\"' at the end of the string, control characters escaped")),
            }
        }
    }

    /// Passes a value that [`survey`](Self::survey) has walked before.
    pub(crate) fn pass(&mut self) -> Result<(), ScanError> {
        self.skip(Bounds::NONE).map(drop)
    }

    /// Passes one value with a list of what is open instead of recursion.
    fn skip(&mut self, bounds: Bounds) -> Result<usize, ScanError> {
        let mut open: Vec<Shape> = Vec::new();
        let mut nodes = 0;
        loop {
            let shape = self.shape()?;
            nodes += 1;
            if nodes > bounds.max_nodes {
                return Err(self.error(Reason::TooManyNodes { limit: bounds.max_nodes }));
            }
            let mut first = false;
            match shape {
                Shape::Object | Shape::Array => {
                    if open.len() == bounds.max_depth {
                        return Err(self.error(Reason::TooDeep { limit: bounds.max_depth }));
                    }
                    self.enter();
                    open.push(shape);
                    first = true;
                }
                Shape::String => drop(self.string()?),
                Shape::Number => drop(self.number()?),
                Shape::True | Shape::False | Shape::Null => self.literal(shape)?,
            }
            loop {
                let more = match open.last() {
                    None => return Ok(nodes),
                    Some(Shape::Object) => self.key(&mut first)?.is_some(),
                    Some(_) => self.element(&mut first)?,
                };
                if more {
                    break;
                }
                open.pop();
                first = false;
            }
        }
    }

    /// Passes the comma or the closing bracket.
    fn another(&mut self, first: &mut bool, close: u8, wanted: &'static str) -> Result<bool, ScanError> {
        self.white();
        if self.byte() == Some(close) {
            self.at += 1;
            return Ok(false);
        }
        if !std::mem::replace(first, false) {
            self.expect(b',', wanted)?;
            self.white();
            if self.byte() == Some(close) {
                return Err(self.syntax("a value after ','"));
            }
        }
        Ok(true)
    }

    /// The character of an escape, the cursor on its backslash.
    fn escape(&mut self) -> Result<char, ScanError> {
        let start = self.at;
        self.at += 1;
        let plain = match self.byte() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode(start);
            }
            _ => return Err(self.syntax("one of \" \\ / b f n r t u after a backslash")),
        };
        self.at += 1;
        Ok(plain)
    }

    /// The four digits after `\u`, and the low half that has to follow a high one.
    fn unicode(&mut self, start: usize) -> Result<char, ScanError> {
        let unit = self.four_digits()?;
        let code = match unit {
            0xd800..=0xdbff if self.rest().starts_with(b"\\u") => {
                self.at += 2;
                let low = self.four_digits()?;
                if !(0xdc00..=0xdfff).contains(&low) {
                    self.at = start;
                    return Err(self.syntax("a low surrogate after the high one"));
                }
                0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
            }
            unit => unit,
        };
        char::from_u32(code).ok_or_else(|| {
            self.at = start;
            self.syntax("a pair of surrogates, not half of one")
        })
    }

    fn four_digits(&mut self) -> Result<u32, ScanError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.byte().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else { return Err(self.syntax("four hexadecimal digits")) };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn some_digits(&mut self) -> Result<(), ScanError> {
        if !self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.syntax("a digit"));
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }

    fn white(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, wanted: &'static str) -> Result<(), ScanError> {
        if self.byte() != Some(byte) {
            return Err(self.syntax(wanted));
        }
        self.at += 1;
        Ok(())
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn syntax(&self, expected: &'static str) -> ScanError {
        let found = match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(found) => quoted(&found.to_string()),
            None => "the end of the text".to_owned(),
        };
        self.error(Reason::Syntax { expected, found })
    }

    fn error(&self, reason: Reason) -> ScanError {
        ScanError { reason, offset: self.at }
    }
}

/// Whether `text` is exactly one JSON number, with nothing before or after it.
pub(crate) fn is_number(text: &str) -> bool {
    let mut scan = Scanner { text, at: 0 };
    matches!(text.as_bytes().first(), Some(b'-' | b'0'..=b'9'))
        && scan.number().is_ok()
        && scan.at == text.len()
}
