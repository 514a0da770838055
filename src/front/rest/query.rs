//! The query string: `key=value` pairs, decoded once.

use std::borrow::Cow;

/// A pair as the client meant it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair<'q> {
    pub(super) key: Cow<'q, str>,
    /// Not necessarily text: a field decides.
    pub(super) value: Cow<'q, [u8]>,
}

/// Text that is no query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    #[error("expected two hexadecimal digits after % in the query parameter {0}")]
    Escape(String),
    #[error("expected a query key in UTF-8, found {0}")]
    Key(String),
    #[error("expected at most {MOST_PAIRS} query parameters")]
    TooMany,
}

/// Takes a query apart. `+` is a space, as in every form that a browser sends.
pub(super) fn parse(query: &str) -> Result<Vec<Pair<'_>>, QueryError> {
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if pairs.len() == MOST_PAIRS {
            return Err(QueryError::TooMany);
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let malformed = || QueryError::Escape(excerpt(pair));
        let key = match decode(key).ok_or_else(malformed)? {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).ok(),
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).ok(),
        };
        let key = key.ok_or_else(|| QueryError::Key(excerpt(pair)))?;
        pairs.push(Pair { key, value: decode(value).ok_or_else(malformed)? });
    }
    Ok(pairs)
}

fn decode(text: &str) -> Option<Cow<'_, [u8]>> {
    let bytes = text.as_bytes();
    if !bytes.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(Cow::Borrowed(bytes));
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (digit(*rest.next()?)?, digit(*rest.next()?)?);
                high << 4 | low
            }
            byte => *byte,
        });
    }
    Some(Cow::Owned(out))
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn excerpt(text: &str) -> String {
    text.chars().take(64).collect::<String>().escape_debug().to_string()
}

const MOST_PAIRS: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_are_decoded_once() {
        let parsed = parse("a=1&b.c=x+y%2520&&flag&d=%FF&%65=").unwrap();
        let parsed: Vec<_> = parsed.iter().map(|pair| (&*pair.key, &*pair.value)).collect();
        let expect: [(&str, &[u8]); 5] =
            [("a", b"1"), ("b.c", b"x y%20"), ("flag", b""), ("d", b"\xff"), ("e", b"")];
        assert_eq!(parsed, expect);
        for bad in ["a=%", "a=%2", "a=%zz", "%FF=1", "a=%+1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(parse(&"a&".repeat(257)), Err(QueryError::TooMany));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(query in ".{0,60}") {
            let _ = parse(&query);
        }
    }
}
