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

/// Writes a duration in the finest unit that fits eight digits, rounded up, so that a backend never gives up before the
/// gateway does.
pub fn format(timeout: Duration) -> HeaderValue {
    const MOST: u128 = 99_999_999;
    let nanos = timeout.as_nanos();
    let units: [(u128, char); 6] = [
        (1, 'n'),
        (1_000, 'u'),
        (1_000_000, 'm'),
        (1_000_000_000, 'S'),
        (60_000_000_000, 'M'),
        (3_600_000_000_000, 'H'),
    ];
    let (amount, unit) = units
        .into_iter()
        .map(|(size, unit)| (nanos.div_ceil(size), unit))
        .find(|(amount, _)| *amount <= MOST)
        .unwrap_or((MOST, 'H'));
    HeaderValue::try_from(format!("{amount}{unit}")).expect("digits and a letter are a valid header value")
}

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
    fn formats_rounded_up_in_eight_digits() {
        for (timeout, expect) in [
            (Duration::from_millis(99), "99000000n"),
            (Duration::from_millis(100), "100000u"),
            (Duration::from_nanos(100_000_001), "100001u"),
            (Duration::from_secs(300), "300000m"),
            (Duration::from_secs(u64::MAX), "99999999H"),
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
