//! The `grpc-timeout` header.
//!
//! ```text
//! timeout = 1*8DIGIT unit
//! unit    = "H" / "M" / "S" / "m" / "u" / "n"      ; hours, minutes, seconds, milli-, micro-, nanoseconds
//! ```
//!
//! (grpc `doc/PROTOCOL-HTTP2.md`.) No sign, no space, no ninth digit: what does not match is an error and never "no
//! timeout", or a typo in a client would turn into calls that wait for ever.

use std::time::Duration;

use http::HeaderValue;

/// A `grpc-timeout` that does not match the grammar.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected grpc-timeout as 1 to 8 digits and one of H M S m u n (for example 500m), found {found:?}")]
pub struct TimeoutError {
    found: String,
}

/// Reads a header value; zero is legal and means that the deadline has passed.
pub fn parse(value: &[u8]) -> Result<Duration, TimeoutError> {
    let malformed = || TimeoutError { found: String::from_utf8_lossy(value).chars().take(32).collect() };
    let (unit, digits) = value.split_last().ok_or_else(malformed)?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return Err(malformed());
    }
    let amount = digits.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Ok(match unit {
        b'H' => Duration::from_secs(amount * 3600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return Err(malformed()),
    })
}

/// Writes a duration in the coarsest unit that is true to a thousandth, rounded up, so that a backend never gives up
/// before the gateway does.
///
/// Coarse, since most calls begin with the same timeout: as `15000m` it is an entry of the connection's header table
/// (RFC 7541), one byte on the wire, where a microsecond less would be a new entry for every call.
pub fn format(timeout: Duration) -> HeaderValue {
    let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    let (size, unit) = UNITS.into_iter().find(|(size, _)| nanos / THOUSAND >= *size).unwrap_or((1, b'n'));
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(nanos.div_ceil(size));
    let mut value = Vec::with_capacity(digits.len() + 1);
    value.extend_from_slice(digits.as_bytes());
    value.push(unit);
    HeaderValue::try_from(value).expect("digits and a letter are a valid header value")
}

/// From the coarsest, in nanoseconds. No duration of 64 bits of them needs more than eight digits.
const UNITS: [(u64, u8); 6] = [
    (3_600_000_000_000, b'H'),
    (60_000_000_000, b'M'),
    (1_000_000_000, b'S'),
    (1_000_000, b'm'),
    (1_000, b'u'),
    (1, b'n'),
];

const THOUSAND: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_and_nothing_else() {
        assert_eq!(parse(b"100m"), Ok(Duration::from_millis(100)));
        assert_eq!(parse(b"0n"), Ok(Duration::ZERO));
        assert_eq!(parse(b"99999999H"), Ok(Duration::from_secs(99_999_999 * 3600)));
        for bad in ["", "m", "5", "+5S", "-1S", "5 S", " 5S", "5s", "123456789m", "1.5S", "5SS", "\u{661}m"] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn formats_rounded_up_to_a_thousandth() {
        for (timeout, expect) in [
            (Duration::from_nanos(999_999), "999999n"),
            (Duration::from_millis(99), "99000u"),
            (Duration::from_nanos(100_000_001), "100001u"),
            (Duration::from_nanos(999_999_001), "1000000u"),
            (Duration::from_nanos(14_999_000_001), "15000m"),
            (Duration::from_secs(300), "300000m"),
            (Duration::from_secs(3600), "3600S"),
            (Duration::from_secs(u64::MAX), "5124096H"),
            (Duration::ZERO, "0n"),
        ] {
            assert_eq!(format(timeout), expect);
        }
    }

    proptest::proptest! {
        #[test]
        fn formatting_never_shortens(nanos in 0u64..=u64::MAX) {
            let timeout = Duration::from_nanos(nanos);
            let back = parse(format(timeout).as_bytes()).unwrap();
            proptest::prop_assert!(back >= timeout && back <= timeout + timeout / 1000 + Duration::from_nanos(1));
        }
    }
}
