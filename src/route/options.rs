//! How a table reads paths.

use super::path::Dots;

/// How a table reads paths. The default is the strict reading that the room's documentation describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which escapes are decoded in a capture of several segments.
    pub unescape: Unescape,
    /// What a slash at the end means.
    pub trailing_slash: TrailingSlash,
    /// Whether slashes in a row are one, rather than refused.
    pub merge_slashes: bool,
    /// Whether segments `.` and `..` are refused, rather than data.
    pub reject_dot_segments: bool,
}

/// Which escapes are decoded in a capture of several segments. One of a single segment is decoded whole.
///
/// In rising order: what one decodes, a greater one does, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unescape {
    /// All but those of RFC 3986's reserved characters, as Envoy and RFC 6570 expansion have it. `%2523` and `%23`
    /// then look the same to a backend.
    ExceptReserved,
    /// All but `%2F`, which could not be told from a separator (http.proto).
    #[default]
    ExceptSlash,
    /// All.
    All,
}

/// What a slash at the end of a path means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrailingSlash {
    /// Another path, which no template names.
    #[default]
    Strict,
    /// Nothing.
    Ignore,
    /// That the client should ask again without it, where that path has a route.
    Redirect,
}

impl Options {
    pub(super) fn dots(self) -> Dots {
        if self.reject_dot_segments { Dots::Refuse } else { Dots::Pass }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            unescape: Unescape::default(),
            trailing_slash: TrailingSlash::default(),
            merge_slashes: false,
            reject_dot_segments: true,
        }
    }
}
