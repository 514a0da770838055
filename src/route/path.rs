//! Raw request paths: refused or split, then decoded once.
//!
//! Escapes are decoded after splitting, so that `%2F` never makes a segment. What a backend could
//! read as another path is refused rather than repaired:
//!
//! | refused | why |
//! |---|---|
//! | a segment `.` or `..`, raw or encoded, also as `..;x` or around an encoded slash | leaves the template's prefix once a backend joins paths |
//! | `//` inside | the same, for servers that merge slashes; unless they are merged here |
//! | `\` and `%5C` | a slash for some servers |
//! | control characters, `%00` first among them | end or split strings further down |
//! | a malformed escape, an escape of bytes that are not UTF-8 | no proto string can hold them |
//! | bytes that RFC 3986 does not allow in a path | two parsers may read them in two ways |
//!
//! `;` and the other sub-delimiters are data, and so is `%25`: decoding happens once.

use std::borrow::Cow;

use super::Unescape;

/// Why a request path is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The path does not begin with a slash.
    #[error("expected a path that starts with `/`")]
    NoSlash,
    /// Two slashes in a row.
    #[error("expected a path segment at offset {0}, found `//`")]
    EmptySegment(usize),
    /// A segment `.` or `..`, raw or encoded.
    #[error("the path segment at offset {0} is or decodes to `.` or `..`, which is refused")]
    DotSegment(usize),
    /// `%` without two hexadecimal digits.
    #[error("expected two hexadecimal digits after `%` at offset {0}")]
    BadEscape(usize),
    /// Escapes that decode to bytes that are not UTF-8.
    #[error("the path segment at offset {0} does not decode to UTF-8")]
    NotUtf8(usize),
    /// A control character, raw or encoded.
    #[error("the path segment at offset {0} holds a control character, which is refused")]
    Control(usize),
    /// A backslash, raw or encoded.
    #[error("the path segment at offset {0} holds a backslash, which is refused")]
    Backslash(usize),
    /// A character that has to be percent-encoded in a path.
    #[error("the character {1:?} at offset {0} has to be percent-encoded in a path")]
    BadCharacter(usize, char),
}

/// What becomes of a segment `.` or `..`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dots {
    Refuse,
    Pass,
}

/// A path that passed, cut into byte ranges. `/` has no segments; a trailing slash is an empty last one.
#[derive(Clone, Debug)]
pub(super) struct RawPath<'p> {
    text: &'p str,
    bounds: Vec<(usize, usize)>,
}

impl<'p> RawPath<'p> {
    /// Checks `text`, a path without query, and splits it. `dots` lets segments `.` and `..` pass.
    pub(super) fn split(text: &'p str, dots: Dots) -> Result<Self, PathError> {
        let Some(rest) = text.strip_prefix('/') else { return Err(PathError::NoSlash) };
        let mut bounds = Vec::with_capacity(8);
        if !rest.is_empty() {
            let mut start = 1;
            for segment in rest.split('/') {
                let end = start + segment.len();
                let last = end == text.len();
                if segment.is_empty() && !(last && start > 1) {
                    return Err(PathError::EmptySegment(start));
                }
                check_segment(segment, start, last, dots)?;
                bounds.push((start, end));
                start = end + 1;
            }
        }
        Ok(Self { text, bounds })
    }

    /// Cuts the last segment at its last colon: the path before it, and the text after it.
    ///
    /// Only a raw colon counts; `%3A` is data.
    pub(super) fn split_verb(&self) -> Option<(Self, &'p str)> {
        let (&(start, end), head) = self.bounds.split_last()?;
        let (value, verb) = self.text.get(start..end)?.rsplit_once(':')?;
        if verb.is_empty() {
            return None;
        }
        let mut bounds = head.to_vec();
        bounds.push((start, start + value.len()));
        Some((Self { text: self.text, bounds }, verb))
    }

    /// The same path without an empty last segment.
    pub(super) fn without_trailing_slash(&self) -> Self {
        let mut path = self.clone();
        if path.ends_empty() {
            path.bounds.pop();
        }
        path
    }

    pub(super) fn len(&self) -> usize {
        self.bounds.len()
    }

    /// Whether the last segment is empty. No template matches such a path: stars need text.
    pub(super) fn ends_empty(&self) -> bool {
        self.bounds.last().is_some_and(|(start, end)| start == end)
    }

    /// The segments as the search compares them.
    pub(super) fn keys(&self) -> Vec<Cow<'p, str>> {
        self.bounds
            .iter()
            .map(|&(start, end)| normalise(self.text.get(start..end).unwrap_or_default()))
            .collect()
    }

    /// The raw text of segments `start..end`, slashes between them included.
    pub(super) fn slice(&self, start: usize, end: usize) -> &'p str {
        let mut covered = self.bounds.iter().skip(start).take(end.saturating_sub(start));
        let Some(&(from, to)) = covered.next() else { return "" };
        let to = covered.next_back().map_or(to, |&(_, to)| to);
        self.text.get(from..to).unwrap_or_default()
    }
}

/// Decodes every escape of a capture of one segment.
pub(super) fn decode_single(raw: &str) -> Cow<'_, str> {
    decode(raw, |_| true)
}

/// Decodes the escapes of a capture of several segments that `unescape` names; the others stay as the client wrote
/// them.
pub(super) fn decode_multi(raw: &str, unescape: Unescape) -> Cow<'_, str> {
    match unescape {
        Unescape::ExceptReserved => decode(raw, |byte| !is_reserved(byte)),
        Unescape::ExceptSlash => decode(raw, |byte| byte != b'/'),
        Unescape::All => decode_single(raw),
    }
}

/// Slashes in a row as one, an encoded one apart.
pub(super) fn merge_slashes(text: &str) -> Cow<'_, str> {
    if !text.contains("//") {
        return Cow::Borrowed(text);
    }
    let mut merged = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '/' || !merged.ends_with('/') {
            merged.push(c);
        }
    }
    Cow::Owned(merged)
}

/// The form in which literals are compared (RFC 3986 6.2.2): escapes of unreserved characters decoded,
/// the digits of the others in upper case, characters that a path cannot hold encoded.
pub(super) fn normalise(raw: &str) -> Cow<'_, str> {
    if raw.bytes().all(|byte| byte != b'%' && is_pchar(byte)) {
        return Cow::Borrowed(raw);
    }
    let mut text = String::with_capacity(raw.len() + 8);
    for unit in Units(raw.as_bytes()) {
        match unit {
            Unit::Raw(byte) | Unit::Escaped(byte, _) if is_unreserved(byte) => text.push(char::from(byte)),
            Unit::Raw(byte) if byte != b'%' && is_pchar(byte) => text.push(char::from(byte)),
            Unit::Raw(byte) | Unit::Escaped(byte, _) => {
                text.push('%');
                text.extend([byte >> 4, byte & 0xf].map(|digit| char::from(hex_digit(digit))));
            }
        }
    }
    Cow::Owned(text)
}

/// `pchar` of RFC 3986, the percent sign of an escape included.
pub(super) fn is_pchar(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@%".contains(&byte)
}

fn check_segment(raw: &str, start: usize, last: bool, dots: Dots) -> Result<(), PathError> {
    for (offset, c) in raw.char_indices() {
        match c {
            '\\' => return Err(PathError::Backslash(start)),
            c if c.is_ascii_control() => return Err(PathError::Control(start)),
            c if !c.is_ascii() || !is_pchar(c as u8) => {
                return Err(PathError::BadCharacter(start + offset, c));
            }
            '%' => {
                let digits = raw.as_bytes().get(offset + 1..offset + 3).unwrap_or_default();
                if digits.len() != 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(PathError::BadEscape(start + offset));
                }
            }
            _ => {}
        }
    }
    let decoded = try_decode(raw, |_| true).ok_or(PathError::NotUtf8(start))?;
    if decoded.contains('\\') {
        return Err(PathError::Backslash(start));
    }
    if decoded.chars().any(|c| c.is_ascii_control()) {
        return Err(PathError::Control(start));
    }
    if dots == Dots::Pass {
        return Ok(());
    }
    // `..:verb` binds `..` where a route has the verb.
    let head = if last { raw.rsplit_once(':').map_or("", |(head, _)| head) } else { "" };
    if has_dot_segment(&decoded) || has_dot_segment(&decode_single(head)) {
        return Err(PathError::DotSegment(start));
    }
    Ok(())
}

/// Whether a piece between slashes is `.` or `..`, parameters after `;` aside: servers that know path
/// parameters drop them before they resolve dots.
fn has_dot_segment(decoded: &str) -> bool {
    decoded.split('/').any(|piece| matches!(piece.split(';').next(), Some("." | "..")))
}

/// Every capture was checked by [`RawPath::split`], so the fallback to the raw text is never taken.
fn decode(raw: &str, wanted: impl Fn(u8) -> bool) -> Cow<'_, str> {
    try_decode(raw, wanted).unwrap_or(Cow::Borrowed(raw))
}

fn try_decode(raw: &str, wanted: impl Fn(u8) -> bool) -> Option<Cow<'_, str>> {
    if !raw.contains('%') {
        return Some(Cow::Borrowed(raw));
    }
    let mut bytes = Vec::with_capacity(raw.len());
    for unit in Units(raw.as_bytes()) {
        match unit {
            Unit::Escaped(byte, written) if !wanted(byte) => bytes.extend(written),
            Unit::Raw(byte) | Unit::Escaped(byte, _) => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// `reserved` of RFC 3986 2.2.
fn is_reserved(byte: u8) -> bool {
    b":/?#[]@!$&'()*+,;=".contains(&byte)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn hex_digit(digit: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { b'A' + digit - 10 }
}

/// A byte of a path, with how it was written.
enum Unit {
    Raw(u8),
    Escaped(u8, [u8; 3]),
}

/// Walks a text by bytes and escapes.
struct Units<'p>(&'p [u8]);

impl Iterator for Units<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        if let [b'%', high, low, rest @ ..] = self.0
            && let (Some(h), Some(l)) = (char::from(*high).to_digit(16), char::from(*low).to_digit(16))
            && let Ok(byte) = u8::try_from(h * 16 + l)
        {
            self.0 = rest;
            return Some(Unit::Escaped(byte, [b'%', *high, *low]));
        }
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(Unit::Raw(byte))
    }
}
