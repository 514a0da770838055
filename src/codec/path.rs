//! Where in a message we are, as a chain on the stack that costs nothing until an error asks.

use std::fmt;

/// One step down from its parent, with the depth that belongs to it.
#[derive(Clone, Copy)]
pub(crate) struct At<'p> {
    parent: Option<&'p Self>,
    step: Step<'p>,
    /// Messages around this place.
    pub(crate) messages: usize,
    /// `Any` messages around this place.
    pub(crate) anys: usize,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Root,
    Field(&'p str),
    Index(usize),
    Key(&'p str),
}

impl<'p> At<'p> {
    pub(crate) fn root() -> Self {
        Self { parent: None, step: Step::Root, messages: 0, anys: 0 }
    }

    pub(crate) fn field(&'p self, name: &'p str) -> Self {
        self.child(Step::Field(name))
    }

    pub(crate) fn index(&'p self, index: usize) -> Self {
        self.child(Step::Index(index))
    }

    pub(crate) fn key(&'p self, key: &'p str) -> Self {
        self.child(Step::Key(key))
    }

    /// The same place, one message further in.
    pub(crate) fn message(&self) -> Self {
        Self { messages: self.messages + 1, ..*self }
    }

    /// The same place, one `Any` further in.
    pub(crate) fn any(&self) -> Self {
        Self { anys: self.anys + 1, ..*self }
    }

    fn child(&'p self, step: Step<'p>) -> Self {
        Self { parent: Some(self), step, messages: self.messages, anys: self.anys }
    }
}

/// `items[2].labels["a b"]`; the root is the empty string.
impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Field(name) => {
                let dot = self.parent.is_some_and(|parent| !matches!(parent.step, Step::Root));
                write!(f, "{}{}", if dot { "." } else { "" }, Excerpt(name))
            }
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{:?}]", Excerpt(key).to_string()),
        }
    }
}

/// Text from outside as it may appear in an error: cut after 64 bytes at a character.
pub(crate) struct Excerpt<'a>(pub(crate) &'a str);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = prefix(self.0, EXCERPT);
        f.write_str(head)?;
        if head.len() < self.0.len() { f.write_str("...") } else { Ok(()) }
    }
}

/// The longest start of `text` of at most `max` bytes that ends at a character.
pub(crate) fn prefix(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

const EXCERPT: usize = 64;
