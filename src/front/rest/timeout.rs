//! The timeout of a REST client.
//!
//! ```text
//! x-request-timeout = 1*9DIGIT ( "ms" / "s" )
//! ```

use std::time::Duration;

use http::HeaderMap;
use tonic::Code;

use crate::call::{CallError, Context, reason};

/// Reads `x-request-timeout` and takes it out; it holds before `grpc-timeout`.
pub(super) fn read(headers: &mut HeaderMap, context: &mut Context) -> Result<(), CallError> {
    let Some(value) = headers.remove("x-request-timeout") else { return Ok(()) };
    let timeout = value.to_str().ok().and_then(parse).ok_or_else(|| {
        let found = value.as_bytes().escape_ascii();
        let message =
            format!("expected x-request-timeout as digits and ms or s (for example 500ms), found {found}");
        CallError::refused(Code::InvalidArgument, reason::BAD_REQUEST, message)
    })?;
    context.client_timeout = Some(timeout);
    Ok(())
}

fn parse(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(end);
    if digits.len() > 9 {
        return None;
    }
    let amount = digits.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(amount)),
        "s" => Some(Duration::from_secs(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_a_unit() {
        assert_eq!(parse("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse("3s"), Some(Duration::from_secs(3)));
        for bad in ["", "3", "s", "-1s", "+1s", "1.5s", "3 s", "3m", "1234567890s", "3S"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
