//! The query string: `key=value` pairs, decoded once.

use std::borrow::Cow;

/// A pair as the client meant it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair<'q> {
    /// What stands before the first `=`.
    pub key: Cow<'q, str>,
    /// What stands behind it, empty where there is none. Not necessarily text: a field decides.
    pub value: Cow<'q, [u8]>,
}

/// Text that is no query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A `%` that begins no escape.
    #[error("expected two hexadecimal digits after % in the query parameter {0}")]
    Escape(String),
    /// A key that is no text.
    #[error("expected a query key in UTF-8, found {0}")]
    Key(String),
    /// More parameters than anyone means to send.
    #[error("expected at most {MOST_PAIRS} query parameters")]
    TooMany,
}

/// Takes a query apart, without its `?`. Pairs stand between `&`, empty ones are none.
///
/// `plus` says whether `+` is a space, as in every form that a browser sends.
///
/// # Errors
/// [`QueryError`]; a malformed escape is one, as nobody knows what was meant by it.
pub fn parse_query(query: &str, plus: bool) -> Result<Vec<Pair<'_>>, QueryError> {
    let mut pairs = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if pairs.len() == MOST_PAIRS {
            return Err(QueryError::TooMany);
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let malformed = || QueryError::Escape(excerpt(pair));
        let key = match decode(key, plus).ok_or_else(malformed)? {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed).ok(),
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).ok(),
        };
        let key = key.ok_or_else(|| QueryError::Key(excerpt(pair)))?;
        pairs.push(Pair { key, value: decode(value, plus).ok_or_else(malformed)? });
    }
    Ok(pairs)
}

fn decode(text: &str, plus: bool) -> Option<Cow<'_, [u8]>> {
    let bytes = text.as_bytes();
    if !bytes.iter().any(|byte| *byte == b'%' || (plus && *byte == b'+')) {
        return Some(Cow::Borrowed(bytes));
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' if plus => b' ',
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

    #[track_caller]
    fn check(query: &str, plus: bool, expect: &[(&str, &[u8])]) {
        let parsed = parse_query(query, plus).unwrap();
        let parsed: Vec<_> = parsed.iter().map(|pair| (&*pair.key, &*pair.value)).collect();
        assert_eq!(parsed, expect, "{query}");
    }

    #[test]
    fn pairs_are_decoded_once() {
        check(
            "a=1&b.c=x+y%2520&&flag&d=%FF&%65=",
            true,
            &[("a", b"1"), ("b.c", b"x y%20"), ("flag", b""), ("d", b"\xff"), ("e", b"")],
        );
        check("", true, &[]);
        check("&&", true, &[]);
        check("=", true, &[("", b"")]);
        check("a=b=c;d", true, &[("a", b"b=c;d")]);
        check("m%5Ba.b%5D=1&m[c%26d%3De]=2", true, &[("m[a.b]", b"1"), ("m[c&d=e]", b"2")]);
        check("a=%26%3D%2B%25&b=\u{e9}%C3%A9", true, &[("a", b"&=+%"), ("b", "éé".as_bytes())]);
        for bad in ["a=%", "a=%2", "a=%zz", "%FF=1", "a=%+1", "%=1", "a=%2\u{e9}"] {
            assert!(parse_query(bad, true).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_plus_is_a_space_or_itself() {
        check("a+b=c+d%2B", true, &[("a b", b"c d+")]);
        check("a+b=c+d%2B", false, &[("a+b", b"c+d+")]);
    }

    #[test]
    fn parameters_are_counted() {
        assert_eq!(parse_query(&"a&".repeat(255), true).map(|pairs| pairs.len()), Ok(255));
        assert_eq!(parse_query(&"a&".repeat(256), true).map(|pairs| pairs.len()), Ok(256));
        assert_eq!(parse_query(&"a&".repeat(257), true), Err(QueryError::TooMany));
    }

    /// Every byte that means something to a query, or that a browser would escape, as an escape.
    fn encode(bytes: &[u8], plus: bool) -> String {
        let mut text = String::new();
        for byte in bytes {
            match byte {
                b' ' if plus => text.push('+'),
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'[' | b']' => {
                    text.push(char::from(*byte));
                }
                byte => text.push_str(&format!("%{byte:02X}")),
            }
        }
        text
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(query in ".{0,60}", plus: bool) {
            let _ = parse_query(&query, plus);
        }

        #[test]
        fn what_is_written_is_read(
            pairs in proptest::collection::vec((".{0,12}", proptest::collection::vec(any::<u8>(), 0..12)), 0..8),
            plus: bool,
        ) {
            // A pair of nothing and nothing is `=` here, and not the empty text between two `&`.
            let query: Vec<String> = pairs
                .iter()
                .map(|(key, value)| format!("{}={}", encode(key.as_bytes(), plus), encode(value, plus)))
                .collect();
            let query = query.join("&");
            let parsed = parse_query(&query, plus).expect("it was written by the rules");
            let parsed: Vec<_> =
                parsed.into_iter().map(|pair| (pair.key.into_owned(), pair.value.into_owned())).collect();
            prop_assert_eq!(parsed, pairs);
        }

        #[test]
        fn decoding_is_idempotent_on_plain_text(text in "[a-zA-Z0-9._~\\[\\]-]{1,30}", plus: bool) {
            let parsed = parse_query(&text, plus).expect("nothing to decode");
            let pair = parsed.first().expect("one pair");
            prop_assert!(matches!(pair.key, Cow::Borrowed(key) if key == text));
        }
    }
}
