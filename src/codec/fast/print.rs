//! Values as JSON bytes at the end of a buffer.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{BufMut, BytesMut};

use super::{
    Bail,
    text::{HIGH, specials},
};
use crate::codec::wkt;

/// A string of bytes that have to be UTF-8. `limit` is where the buffer may end.
#[inline]
pub(super) fn string(bytes: &[u8], limit: usize, out: &mut BytesMut) -> Result<(), Bail> {
    let (words, tail) = bytes.as_chunks::<8>();
    let (mut special, mut high) = (0, 0);
    for word in words {
        let word = u64::from_le_bytes(*word);
        special |= specials(word);
        high |= word & HIGH;
    }
    for byte in tail {
        special |= u64::from(matches!(byte, b'"' | b'\\' | 0..=0x1f));
        high |= u64::from(byte & 0x80);
    }
    if high != 0 && std::str::from_utf8(bytes).is_err() {
        return Err(Bail);
    }
    if special != 0 {
        return escaped(bytes, limit, out);
    }
    if bytes.len() > limit.saturating_sub(out.len()) {
        return Err(Bail);
    }
    out.reserve(bytes.len() + 2);
    out.put_u8(b'"');
    out.extend_from_slice(bytes);
    out.put_u8(b'"');
    Ok(())
}

/// A string with something in it that needs a backslash.
fn escaped(bytes: &[u8], limit: usize, out: &mut BytesMut) -> Result<(), Bail> {
    out.put_u8(b'"');
    for piece in bytes.chunk_by(|a, b| is_plain(*a) && is_plain(*b)) {
        if piece.len() > limit.saturating_sub(out.len()) {
            return Err(Bail);
        }
        match piece.first() {
            Some(b'"') => out.extend_from_slice(b"\\\""),
            Some(b'\\') => out.extend_from_slice(b"\\\\"),
            Some(b'\n') => out.extend_from_slice(b"\\n"),
            Some(b'\r') => out.extend_from_slice(b"\\r"),
            Some(b'\t') => out.extend_from_slice(b"\\t"),
            Some(0x8) => out.extend_from_slice(b"\\b"),
            Some(0xc) => out.extend_from_slice(b"\\f"),
            Some(control @ ..=0x1f) => {
                out.extend_from_slice(b"\\u00");
                out.put_u8(if *control < 0x10 { b'0' } else { b'1' });
                out.put_u8(HEX.get(usize::from(control & 0xf)).copied().unwrap_or_default());
            }
            _ => out.extend_from_slice(piece),
        }
    }
    out.put_u8(b'"');
    Ok(())
}

fn is_plain(byte: u8) -> bool {
    !matches!(byte, b'"' | b'\\' | 0..=0x1f)
}

pub(super) fn base64(bytes: &[u8], limit: usize, out: &mut BytesMut) -> Result<(), Bail> {
    let length = base64::encoded_len(bytes.len(), true).ok_or(Bail)?;
    if length > limit.saturating_sub(out.len()) {
        return Err(Bail);
    }
    out.put_u8(b'"');
    let start = out.len();
    out.put_bytes(0, length);
    let room = out.get_mut(start..).unwrap_or_default();
    STANDARD.encode_slice(bytes, room).map_err(|_| Bail)?;
    out.put_u8(b'"');
    Ok(())
}

#[inline]
pub(super) fn integer(value: impl itoa::Integer, out: &mut BytesMut) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A 64-bit integer, which JSON keeps in quotes.
#[inline]
pub(super) fn quoted(value: impl itoa::Integer, out: &mut BytesMut) {
    out.put_u8(b'"');
    integer(value, out);
    out.put_u8(b'"');
}

/// A finite double with the digits of the reference, or its name.
#[inline]
pub(super) fn double(value: f64, out: &mut BytesMut) {
    // Whole numbers have nothing to search for: up to 2^53 the shortest digits are all of them.
    if value.fract() == 0.0 && value.abs() < 9e15 && value.to_bits() != MINUS_ZERO {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        return integer(value as i64, out);
    }
    if value.is_finite() { finite(&value, out) } else { special(value, out) }
}

#[inline]
pub(super) fn float(value: f32, out: &mut BytesMut) {
    if value.is_finite() { finite(&value, out) } else { special(f64::from(value), out) }
}

fn special(value: f64, out: &mut BytesMut) {
    out.extend_from_slice(match value {
        _ if value.is_nan() => b"\"NaN\"",
        _ if value > 0.0 => b"\"Infinity\"",
        _ => b"\"-Infinity\"",
    });
}

/// By way of serde, as the reference does it, and so with the same digits.
fn finite(value: &impl serde::Serialize, out: &mut BytesMut) {
    let start = out.len();
    // Writing to memory does not fail, and the digits of a finite number neither.
    let _ = serde_json::to_writer(Appender(out), value);
    if out.get(start..).is_some_and(|digits| digits.ends_with(b".0")) {
        out.truncate(out.len() - 2);
    }
}

/// `bytes` has a writer of its own, which asks for a `BufMut` by value.
struct Appender<'o>(&'o mut BytesMut);

impl std::io::Write for Appender<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// RFC 3339 in UTC with 0, 3, 6 or 9 digits of a second.
pub(super) fn timestamp(seconds: i64, nanos: i32, out: &mut BytesMut) -> Result<(), Bail> {
    let wkt::Moment { date: (year, month, day), time: (hour, minute, second) } =
        wkt::moment(seconds).ok_or(Bail)?;
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000).ok_or(Bail)?;
    out.put_u8(b'"');
    two_digits(year / 100, out);
    two_digits(year % 100, out);
    for (mark, part) in [(b'-', month), (b'-', day), (b'T', hour), (b':', minute), (b':', second)] {
        out.put_u8(mark);
        two_digits(part, out);
    }
    fraction(nanos, out);
    out.extend_from_slice(b"Z\"");
    Ok(())
}

/// Seconds with 0, 3, 6 or 9 more digits and an `s`.
pub(super) fn duration(seconds: i64, nanos: i32, out: &mut BytesMut) -> Result<(), Bail> {
    if seconds.unsigned_abs() > 315_576_000_000
        || nanos.unsigned_abs() > 999_999_999
        || seconds.signum() * i64::from(nanos.signum()) < 0
    {
        return Err(Bail);
    }
    out.put_u8(b'"');
    if seconds < 0 || nanos < 0 {
        out.put_u8(b'-');
    }
    integer(seconds.unsigned_abs(), out);
    fraction(nanos.unsigned_abs(), out);
    out.extend_from_slice(b"s\"");
    Ok(())
}

fn two_digits(value: i64, out: &mut BytesMut) {
    for digit in [value / 10, value % 10] {
        out.put_u8(b'0' + u8::try_from(digit).unwrap_or(0));
    }
}

/// Nanoseconds behind a point, in groups of three digits.
fn fraction(nanos: u32, out: &mut BytesMut) {
    if nanos == 0 {
        return;
    }
    let mut digits = [b'0'; 9];
    let mut rest = nanos;
    for digit in digits.iter_mut().rev() {
        *digit += u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    let length = if nanos.is_multiple_of(1_000_000) {
        3
    } else if nanos.is_multiple_of(1_000) {
        6
    } else {
        9
    };
    out.put_u8(b'.');
    out.extend_from_slice(digits.get(..length).unwrap_or_default());
}

const HEX: &[u8; 16] = b"0123456789abcdef";

const MINUS_ZERO: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn printed(print: impl FnOnce(&mut BytesMut)) -> String {
        let mut out = BytesMut::new();
        print(&mut out);
        String::from_utf8(out.to_vec()).expect("JSON is UTF-8")
    }

    fn check_double(value: f64) {
        let expect = serde_json::to_string(&value).expect("a number");
        let expect = if value.is_finite() { expect.trim_end_matches(".0").to_owned() } else { return };
        assert_eq!(printed(|out| double(value, out)), expect);
    }

    #[test]
    fn whole_doubles_are_printed_as_serde_does() {
        for value in
            [0.0, -0.0, 1.0, -1.0, 1e15, 9e15 - 1.0, 9e15, 9_007_199_254_740_993.0, 1e16, 1e17, 1e21, -1e15]
        {
            check_double(value);
        }
    }

    proptest! {
        #[test]
        fn doubles_are_printed_as_serde_does(value: f64, whole: i64, cents: i32) {
            check_double(value);
            check_double(whole as f64);
            check_double(f64::from(cents) / 100.0);
        }

        #[test]
        fn strings_are_printed_as_serde_does(text in "(\\PC|[\\x00-\\x7f]){0,40}") {
            let mut out = BytesMut::new();
            prop_assert_eq!(string(text.as_bytes(), usize::MAX, &mut out), Ok(()));
            let expect = serde_json::to_vec(&text).expect("a string");
            prop_assert_eq!(&*out, &*expect);
        }

        #[test]
        fn bytes_are_a_string_if_they_are_text(bytes: Vec<u8>) {
            let result = string(&bytes, usize::MAX, &mut BytesMut::new());
            prop_assert_eq!(result.is_ok(), std::str::from_utf8(&bytes).is_ok());
        }

        #[test]
        fn times_are_printed_as_the_reference_does(
            seconds in prop_oneof![-62_135_596_801..253_402_300_801_i64, -315_576_000_001..315_576_000_002_i64, any::<i64>()],
            nanos in prop_oneof![Just(0), -5..1_000_000_005_i32, (-999..999_i32).prop_map(|ms| ms * 1_000_000), any::<i32>()],
        ) {
            let mut out = BytesMut::new();
            let ours = timestamp(seconds, nanos, &mut out).ok().map(|()| out.to_vec());
            let theirs = wkt::timestamp_to_text(seconds, nanos).ok().map(|text| format!("\"{text}\"").into_bytes());
            prop_assert_eq!(ours, theirs);
            let mut out = BytesMut::new();
            let ours = duration(seconds, nanos, &mut out).ok().map(|()| out.to_vec());
            let theirs = wkt::duration_to_text(seconds, nanos).ok().map(|text| format!("\"{text}\"").into_bytes());
            prop_assert_eq!(ours, theirs);
        }
    }
}
