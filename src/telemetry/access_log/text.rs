//! A value of the access log: cheap to hand over and never long.

use std::fmt;
use std::sync::Arc;

/// Text of at most [`Text::MAX_BYTES`].
///
/// Names that live elsewhere are shared, what came with the request is copied and cut at once: a queue of
/// records then holds a bounded number of bytes, whatever callers send.
#[derive(Clone)]
pub struct Text(Repr);

#[derive(Clone)]
enum Repr {
    Static(&'static str),
    Shared(Arc<str>),
    Copied(Box<str>),
}

impl Text {
    /// Where values are cut.
    pub const MAX_BYTES: usize = 256;

    /// A copy of something that came with the request. What is longer ends in `...`; bytes that are no UTF-8
    /// become U+FFFD.
    pub fn cut(value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        let head = value.get(..Self::MAX_BYTES).unwrap_or(value);
        let text = String::from_utf8_lossy(head);
        // Replacement characters are longer than what they replace, so the text is measured as well.
        if head.len() == value.len() && text.len() <= Self::MAX_BYTES {
            return Self(Repr::Copied(text.into()));
        }
        let kept = text.get(..text.floor_char_boundary(Self::MAX_BYTES - MARK.len())).unwrap_or_default();
        Self(Repr::Copied([kept, MARK].concat().into()))
    }

    /// The text, cut.
    pub fn as_str(&self) -> &str {
        let text: &str = match &self.0 {
            Repr::Static(text) => text,
            Repr::Shared(text) => text,
            Repr::Copied(text) => text,
        };
        text.get(..text.floor_char_boundary(Self::MAX_BYTES)).unwrap_or_default()
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }
}

impl Default for Text {
    fn default() -> Self {
        Self(Repr::Static(""))
    }
}

impl From<&'static str> for Text {
    fn from(text: &'static str) -> Self {
        Self(Repr::Static(text))
    }
}

impl From<Arc<str>> for Text {
    fn from(text: Arc<str>) -> Self {
        Self(Repr::Shared(text))
    }
}

impl From<&Arc<str>> for Text {
    fn from(text: &Arc<str>) -> Self {
        Self(Repr::Shared(Arc::clone(text)))
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl serde::Serialize for Text {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

const MARK: &str = "...";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_below_at_and_above_the_limit() {
        for (length, kept) in [(255, "a".repeat(255)), (256, "a".repeat(256)), (257, "a".repeat(253) + "...")]
        {
            assert_eq!(Text::cut("a".repeat(length)).as_str(), kept);
        }
        assert_eq!(Text::from(Arc::<str>::from("a".repeat(257))).as_str(), "a".repeat(256));
    }

    #[test]
    fn characters_stay_whole() {
        let text = Text::cut("\u{20ac}".repeat(200));
        assert_eq!(text.as_str(), "\u{20ac}".repeat(84) + "...");
        assert_eq!(Text::from(Arc::<str>::from("\u{20ac}".repeat(200))).as_str(), "\u{20ac}".repeat(85));
        assert_eq!(Text::cut(b"a\xffb").as_str(), "a\u{fffd}b");
        assert_eq!(Text::cut([0xff; 300]).as_str(), "\u{fffd}".repeat(84) + "...");
    }
}
