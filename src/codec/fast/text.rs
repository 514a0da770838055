//! JSON strings: where one ends, and what its escapes stand for.

use std::borrow::Cow;

use super::Bail;

/// What stands between two quotes.
#[derive(Clone, Copy)]
pub(super) struct Raw<'j> {
    pub(super) bytes: &'j [u8],
    /// Whether there is an escape in it.
    pub(super) escaped: bool,
}

impl<'j> Raw<'j> {
    /// The text that it stands for, which is never longer than it.
    #[inline]
    pub(super) fn text(self) -> Result<Cow<'j, [u8]>, Bail> {
        if self.escaped { self.unescaped().map(Cow::Owned) } else { Ok(Cow::Borrowed(self.bytes)) }
    }

    #[cold]
    fn unescaped(self) -> Result<Vec<u8>, Bail> {
        let mut text = Vec::with_capacity(self.bytes.len());
        unescape(self.bytes, |piece| text.extend_from_slice(piece))?;
        Ok(text)
    }

    /// Whether its escapes stand for something.
    pub(super) fn check(self) -> Result<(), Bail> {
        if self.escaped { unescape(self.bytes, |_| {}) } else { Ok(()) }
    }
}

/// Reads a string from behind its opening quote to its closing one.
#[inline]
pub(super) fn scan(rest: &[u8]) -> Result<Raw<'_>, Bail> {
    let mut at = 0;
    let mut escaped = false;
    loop {
        at += plain_length(rest.get(at..).unwrap_or_default());
        match rest.get(at) {
            Some(b'"') => return Ok(Raw { bytes: rest.get(..at).unwrap_or_default(), escaped }),
            Some(b'\\') => {
                escaped = true;
                at += 2;
            }
            _ => return Err(Bail),
        }
    }
}

/// The bytes up to a quote, a backslash or a control character.
#[inline]
fn plain_length(rest: &[u8]) -> usize {
    let (words, _) = rest.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let special = specials(u64::from_le_bytes(*word));
        if special != 0 {
            // The lowest mark is exact: a borrow only spoils the bytes above it.
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let tail = rest.get(at..).unwrap_or_default();
    at + tail.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(tail.len())
}

/// The high bit of each byte that is a quote, a backslash or a control character.
#[inline]
pub(super) fn specials(word: u64) -> u64 {
    let quote = word ^ (ONES * 0x22);
    let backslash = word ^ (ONES * 0x5c);
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (zero(quote) | zero(backslash) | control) & HIGH
}

/// Hands on the text that a raw string stands for, piece by piece.
pub(super) fn unescape(mut raw: &[u8], mut put: impl FnMut(&[u8])) -> Result<(), Bail> {
    while let Some(at) = raw.iter().position(|byte| *byte == b'\\') {
        let (plain, rest) = raw.split_at_checked(at).ok_or(Bail)?;
        put(plain);
        let (escape, rest) = rest.split_at_checked(2).ok_or(Bail)?;
        raw = rest;
        let plain = match escape.last() {
            Some(byte @ (b'"' | b'\\' | b'/')) => *byte,
            Some(b'b') => 0x8,
            Some(b'f') => 0xc,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let (character, rest) = unicode(raw)?;
                put(character.encode_utf8(&mut [0; 4]).as_bytes());
                raw = rest;
                continue;
            }
            _ => return Err(Bail),
        };
        put(&[plain]);
    }
    put(raw);
    Ok(())
}

/// The character of the digits behind `\u`, a low surrogate with the high one before it.
fn unicode(rest: &[u8]) -> Result<(char, &[u8]), Bail> {
    let (high, rest) = four_digits(rest)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Ok((char::from_u32(high).ok_or(Bail)?, rest));
    }
    let (low, rest) = four_digits(rest.strip_prefix(b"\\u").ok_or(Bail)?)?;
    if !(0xdc00..0xe000).contains(&low) {
        return Err(Bail);
    }
    let code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    Ok((char::from_u32(code).ok_or(Bail)?, rest))
}

fn four_digits(rest: &[u8]) -> Result<(u32, &[u8]), Bail> {
    let (digits, rest) = rest.split_at_checked(4).ok_or(Bail)?;
    let code = digits
        .iter()
        .try_fold(0, |code, digit| char::from(*digit).to_digit(16).map(|digit| code * 16 + digit));
    Ok((code.ok_or(Bail)?, rest))
}

/// One in each byte of a word.
pub(super) const ONES: u64 = u64::MAX / 0xff;

/// The highest bit of each byte.
pub(super) const HIGH: u64 = ONES << 7;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_string_ends_where_the_first_special_byte_is(bytes: Vec<u8>, plain in 0_usize..40) {
            let rest = [vec![b'a'; plain], bytes].concat();
            let expect = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            prop_assert_eq!(plain_length(&rest), expect.unwrap_or(rest.len()));
        }

        #[test]
        fn strings_read_as_serde_reads_them(text in "(\\PC|[\"\\\\/bfnrtu0-9a-fA-F]|\\\\u[d][8-f][0-9a-f]{2}|\\\\[\"\\\\/bfnrtux]){0,12}") {
            let json = format!("\"{text}\"");
            let mut ours = Vec::new();
            let read = scan(&json.as_bytes()[1..]).and_then(|raw| {
                if raw.bytes.len() + 2 != json.len() {
                    return Err(Bail);
                }
                unescape(raw.bytes, |piece| ours.extend_from_slice(piece))
            });
            match serde_json::from_str::<String>(&json) {
                Ok(text) => prop_assert!(read.is_ok() && ours == text.as_bytes(), "{}", json),
                Err(_) => prop_assert!(read.is_err(), "{}", json),
            }
        }
    }
}
