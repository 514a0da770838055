//! Values as ProtoJSON writes them.

use std::time::Duration;

use crate::config::value::{Invalid, decimal, duration, quoted};

/// A `google.protobuf.Duration`, in seconds: `1s`, `0.5s`, `.01s`. As gRPC reads it, either side of the point may be empty.
pub(super) fn seconds(text: &str) -> Result<Duration, Invalid> {
    let wrong = || {
        let help = match duration(text) {
            Ok(meant) => format!("a service config has seconds only: write `{}s`", meant.as_secs_f64()),
            Err(_) => "write seconds, such as `0.1s` or `30s`".to_owned(),
        };
        Invalid::new(format!("expected a duration in seconds, found {}", quoted(text))).help(help)
    };
    let number = text.trim().strip_suffix('s').ok_or_else(wrong)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || fraction.len() > 9 || !digits(whole) || !digits(fraction) {
        return Err(wrong());
    }
    let nanos = format!("{fraction:0<9}").parse().map_err(|_| wrong())?;
    match if whole.is_empty() { Ok(0) } else { whole.parse() } {
        Ok(seconds @ 0..LONGEST_SECONDS) => Ok(Duration::new(seconds, nanos)),
        _ => Err(Invalid::new(format!(
            "expected a duration below {LONGEST_SECONDS}s, a year, found {}",
            quoted(text)
        ))),
    }
}

/// [`seconds`] that are not zero.
pub(super) fn positive_seconds(text: &str) -> Result<Duration, Invalid> {
    let value = seconds(text)?;
    if value.is_zero() {
        return Err(Invalid::new(format!("expected a duration above zero, found {}", quoted(text))));
    }
    Ok(value)
}

/// A number in thousandths, cut off rather than rounded; one that is too large is the largest there is.
pub(super) fn thousandths(text: &str) -> Option<u32> {
    let number = decimal(text).filter(|number| *number >= 0.0)?;
    // `0.29 * 1000.0` and its like come out below the whole number that was written.
    let thousandths = (number * 1000.0 + 1e-6).floor().min(f64::from(u32::MAX));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, and within the bounds of u32"
    )]
    let thousandths = thousandths as u32;
    Some(thousandths)
}

/// 365 days, as in every other duration of the configuration.
const LONGEST_SECONDS: u64 = 8760 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let nanos = Duration::from_nanos;
        for (text, expected) in [
            ("1s", nanos(1_000_000_000)),
            ("1.5s", nanos(1_500_000_000)),
            (".01s", nanos(10_000_000)),
            ("1.s", nanos(1_000_000_000)),
            ("0s", nanos(0)),
            ("007s", nanos(7_000_000_000)),
            ("0.000000001s", nanos(1)),
            ("1.000340012s", nanos(1_000_340_012)),
            ("31535999s", Duration::from_secs(31_535_999)),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        let simple = "write seconds, such as `0.1s` or `30s`";
        for (text, help) in [
            ("", simple),
            ("s", simple),
            (".s", simple),
            ("1", simple),
            ("-1s", simple),
            ("+1s", simple),
            ("1sec", simple),
            ("1.2.3s", simple),
            ("1e3s", simple),
            ("0.0000000001s", "a service config has seconds only: write `0s`"),
            ("100ms", "a service config has seconds only: write `0.1s`"),
            ("1m30s", "a service config has seconds only: write `90s`"),
        ] {
            let error = seconds(text).expect_err(text);
            assert!(error.message.starts_with("expected a duration in seconds, found "), "{error}");
            assert_eq!(error.help.as_deref(), Some(help), "{text}");
        }
        for text in ["31536000s", "315576000000s", "99999999999999999999999s"] {
            let message = format!("expected a duration below 31536000s, a year, found `{text}`");
            assert_eq!(seconds(text).map_err(|error| error.message), Err(message));
        }
        assert_eq!(positive_seconds("0.1s"), Ok(Duration::from_millis(100)));
        assert!(positive_seconds("0.000s").is_err());
    }

    #[test]
    fn numbers_in_thousandths() {
        for (text, expected) in [
            ("1", Some(1000)),
            ("0.1", Some(100)),
            ("0.29", Some(290)),
            ("1.2345", Some(1234)),
            ("0.0019", Some(1)),
            ("0.0009", Some(0)),
            (".5", Some(500)),
            ("1e-1", Some(100)),
            ("1e300", Some(u32::MAX)),
            ("0", Some(0)),
            ("-0.1", None),
            ("ten", None),
            ("inf", None),
        ] {
            assert_eq!(thousandths(text), expected, "{text}");
        }
        for thousand in 0..=2000 {
            let text = format!("{}.{:03}", thousand / 1000, thousand % 1000);
            assert_eq!(thousandths(&text), Some(thousand), "{text}");
        }
    }
}
