//! The timeout of a Connect client.
//!
//! ```text
//! connect-timeout-ms = 1*10DIGIT
//! ```

use std::time::Duration;

use http::HeaderMap;

use super::bad_request;
use crate::call::{CallError, Context};

/// Reads `connect-timeout-ms` and takes it out.
pub(super) fn read(headers: &mut HeaderMap, context: &mut Context) -> Result<(), CallError> {
    let Some(value) = headers.remove("connect-timeout-ms") else { return Ok(()) };
    let timeout = parse(value.as_bytes()).ok_or_else(|| {
        let found = value.as_bytes().iter().take(32).copied().collect::<Vec<u8>>();
        bad_request(format!("expected connect-timeout-ms as 1 to 10 digits, found {}", found.escape_ascii()))
    })?;
    context.client_timeout = Some(timeout);
    Ok(())
}

fn parse(digits: &[u8]) -> Option<Duration> {
    if digits.is_empty() || digits.len() > 10 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(Duration::from_millis(digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_and_nothing_else() {
        assert_eq!(parse(b"0"), Some(Duration::ZERO));
        assert_eq!(parse(b"0250"), Some(Duration::from_millis(250)));
        assert_eq!(parse(b"9999999999"), Some(Duration::from_millis(9_999_999_999)));
        for bad in ["", "12345678901", "-1", "+1", "1.5", "1ms", " 1", "\u{661}"] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
