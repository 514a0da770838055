//! What a header of a call has to be, for a route to take it.
//!
//! The matchers of gRPC's routes (gRFC A28), with the same corners:
//!
//! | a header that | is |
//! |---|---|
//! | is missing | matched by `present: false` alone, inverted or not |
//! | is given several times | one value, joined by commas |
//! | ends in `-bin` | never matched; the reader of the file refuses it |

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use http::{HeaderMap, HeaderName};
use regex::{Regex, RegexBuilder};

use crate::config::value::{Invalid, quoted};

/// A condition on one header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMatch {
    /// Whose value is looked at.
    pub name: HeaderName,
    /// What it has to be.
    pub test: HeaderTest,
    /// Whether it must not be that.
    pub invert: bool,
}

/// What the value of a header has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderTest {
    /// This.
    Exact(String),
    /// Begin with this, which is not empty.
    Prefix(String),
    /// End with this, which is not empty.
    Suffix(String),
    /// There, or not.
    Present(bool),
    /// Matched by this from its beginning to its end.
    Regex(Pattern),
    /// A whole number of this range, in decimal.
    Range(Range<i64>),
}

/// A regular expression that takes time in proportion to what it reads.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    whole: Regex,
}

impl HeaderMatch {
    /// Whether the metadata of a call is as it has to be.
    pub fn matches(&self, headers: &HeaderMap) -> bool {
        let value = value(headers, &self.name);
        if let HeaderTest::Present(present) = self.test {
            return (value.is_some() == present) != self.invert;
        }
        value.is_some_and(|value| self.test.holds(&value) != self.invert)
    }
}

impl HeaderTest {
    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Exact(exact) => value == exact,
            Self::Prefix(prefix) => value.starts_with(prefix.as_str()),
            Self::Suffix(suffix) => value.ends_with(suffix.as_str()),
            Self::Present(present) => *present,
            Self::Regex(pattern) => pattern.whole.is_match(value),
            Self::Range(range) => value.parse().is_ok_and(|number| range.contains(&number)),
        }
    }
}

impl Pattern {
    /// Reads a regular expression in the syntax of the crate `regex`, which is that of RE2 in all but corners.
    pub(super) fn new(text: &str) -> Result<Self, Invalid> {
        let wrong = |why: regex::Error| {
            let why = why.to_string();
            // The first lines draw the expression, the last one says what is wrong with it.
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Invalid::new(format!("expected a regular expression, found {}: {why}", quoted(text)))
        };
        // Alone first: what is whole only within the parentheses is another expression than the one written.
        Regex::new(text).map_err(wrong)?;
        let whole = RegexBuilder::new(&format!("^(?:{text})$")).size_limit(LARGEST_PROGRAM).build();
        Ok(Self { text: text.to_owned(), whole: whole.map_err(wrong)? })
    }
}

/// The value of a header as routes see it; `None` where there is none.
fn value<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Cow<'h, str>> {
    if name.as_str().ends_with("-bin") {
        return None;
    }
    let mut values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    let first = values.next()?;
    Some(values.fold(Cow::Borrowed(first), |joined, next| Cow::Owned(format!("{joined},{next}"))))
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// As `edgeway routes` shows it.
impl fmt::Display for HeaderMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, test, invert } = self;
        let not = if *invert { "not " } else { "" };
        match test {
            HeaderTest::Exact(exact) => write!(f, "{name}: {not}{exact}"),
            HeaderTest::Prefix(prefix) => write!(f, "{name}: {not}{prefix}*"),
            HeaderTest::Suffix(suffix) => write!(f, "{name}: {not}*{suffix}"),
            HeaderTest::Present(present) if present == invert => write!(f, "{name}: absent"),
            HeaderTest::Present(_) => write!(f, "{name}: present"),
            HeaderTest::Regex(pattern) => write!(f, "{name}: {not}/{}/", pattern.text),
            HeaderTest::Range(range) => write!(f, "{name}: {not}{}..{}", range.start, range.end),
        }
    }
}

/// Memory of one compiled expression: thousands of states, and no more than a page of an operator's file is worth.
const LARGEST_PROGRAM: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(test: HeaderTest, invert: bool, values: &[&str], expect: bool) {
        let name = HeaderName::from_static("x-version");
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, value.parse().unwrap());
        }
        let matcher = HeaderMatch { name, test, invert };
        assert_eq!(matcher.matches(&headers), expect, "{matcher} of {values:?}");
    }

    #[test]
    fn the_matchers_of_grpc() {
        let text = String::from;
        let regex = |text| HeaderTest::Regex(Pattern::new(text).unwrap());
        for (test, value, expect) in [
            (HeaderTest::Exact(text("v2")), "v2", true),
            (HeaderTest::Exact(text("v2")), "V2", false),
            (HeaderTest::Prefix(text("v2.")), "v2.1", true),
            (HeaderTest::Prefix(text("v2.")), "v2", false),
            (HeaderTest::Suffix(text("-rc")), "v2-rc", true),
            (HeaderTest::Suffix(text("-rc")), "v2-rc1", false),
            (HeaderTest::Present(true), "", true),
            (HeaderTest::Present(false), "v2", false),
            (regex("v[23]"), "v2", true),
            (regex("v[23]"), "v23", false),
            (regex("v2|v23"), "v23", true),
            (regex("2"), "v2", false),
            (HeaderTest::Range(-5..10), "-5", true),
            (HeaderTest::Range(-5..10), "10", false),
            (HeaderTest::Range(-5..10), "9.5", false),
            (HeaderTest::Range(-5..10), "", false),
            (HeaderTest::Range(0..i64::MAX), "99999999999999999999", false),
        ] {
            check(test.clone(), false, &[value], expect);
            check(test, true, &[value], !expect);
        }
    }

    #[test]
    fn what_is_missing_matches_nothing_but_its_absence() {
        for invert in [false, true] {
            check(HeaderTest::Exact("v2".into()), invert, &[], false);
            check(HeaderTest::Range(0..1), invert, &[], false);
            check(HeaderTest::Present(false), invert, &[], !invert);
            check(HeaderTest::Present(true), invert, &[], invert);
        }
    }

    #[test]
    fn several_values_are_one() {
        check(HeaderTest::Exact("a,b".into()), false, &["a", "b"], true);
        check(HeaderTest::Exact("a".into()), false, &["a", "b"], false);
        check(HeaderTest::Suffix(",c".into()), false, &["a", "b", "c"], true);
    }

    #[test]
    fn binary_headers_never_match() {
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-a-bin"), "AQ".parse().unwrap())]);
        let matcher = |test| HeaderMatch { name: HeaderName::from_static("x-a-bin"), test, invert: false };
        assert!(!matcher(HeaderTest::Exact("AQ".into())).matches(&headers));
        assert!(!matcher(HeaderTest::Present(true)).matches(&headers));
    }

    #[test]
    fn wrong_expressions() {
        for text in ["v[2", "a)|(b", "(?=a)b", "(?:a{1000}){1000}", "(?x)a #"] {
            let error = Pattern::new(text).expect_err(text).message;
            assert!(error.starts_with("expected a regular expression, found `"), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
