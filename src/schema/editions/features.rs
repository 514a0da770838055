//! The features of an edition: what `option features.x = Y` says, and what holds where it says nothing.
//!
//! | feature | values, the default of 2023 and 2024 first | what it becomes |
//! |---|---|---|
//! | `field_presence` | EXPLICIT, IMPLICIT, LEGACY_REQUIRED | `proto3_optional`, label, syntax |
//! | `enum_type` | OPEN, CLOSED | stays an option, which the codec reads |
//! | `repeated_field_encoding` | PACKED, EXPANDED | `packed` |
//! | `message_encoding` | LENGTH_PREFIXED, DELIMITED | `TYPE_GROUP` |
//! | `utf8_validation` | VERIFY, NONE | nothing: JSON is UTF-8 whatever a file says |
//! | `json_format` | ALLOW, LEGACY_BEST_EFFORT | nothing: names are checked either way |
//! | `enforce_naming_style`, `default_symbol_visibility` | | nothing: they bind compilers |
//!
//! Features of a language (`pb.go`, `pb.java`) are extensions of `FeatureSet`: they concern generated code.

use super::raw::Raw;

/// The features that a descriptor has to be changed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Features {
    pub(super) presence: Presence,
    pub(super) closed: bool,
    pub(super) packed: bool,
    pub(super) delimited: bool,
}

/// `field_presence`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Explicit,
    Implicit,
    Required,
}

impl Default for Features {
    /// The defaults of editions 2023 and 2024, which differ in nothing that matters at run time.
    fn default() -> Self {
        Self { presence: Presence::Explicit, closed: false, packed: true, delimited: false }
    }
}

impl Features {
    /// These features with what a `google.protobuf.FeatureSet` says over them.
    ///
    /// # Errors
    /// A feature of that name and value that this program does not know.
    pub(super) fn with(mut self, set: &Raw) -> Result<Self, String> {
        for (number, value) in set.varints() {
            match (number, value) {
                (1, 1) => self.presence = Presence::Explicit,
                (1, 2) => self.presence = Presence::Implicit,
                (1, 3) => self.presence = Presence::Required,
                (2, 1 | 2) => self.closed = value == CLOSED,
                (3, 1 | 2) => self.packed = value == 1,
                (4, 2 | 3) | (6..=8 | 1000.., _) => {}
                (5, 1 | 2) => self.delimited = value == 2,
                (1..=5, value) => {
                    let name = usize::try_from(number).ok().and_then(|number| NAMES.get(number - 1));
                    return Err(format!("features.{} number {value}", name.unwrap_or(&"")));
                }
                (number, _) => return Err(format!("feature number {number}")),
            }
        }
        Ok(self)
    }

    /// The `FeatureSet` that states how an enum is, for the codec to read.
    pub(super) fn enum_type(self) -> Raw {
        let mut set = Raw::default();
        set.set_varint(2, if self.closed { CLOSED } else { 1 });
        set
    }
}

const CLOSED: u64 = 2;

const NAMES: [&str; 5] =
    ["field_presence", "enum_type", "repeated_field_encoding", "utf8_validation", "message_encoding"];

#[cfg(test)]
mod tests {
    use super::{Features, Presence, Raw};

    fn set(fields: &[(u32, u64)]) -> Raw {
        let mut set = Raw::default();
        for (field, value) in fields {
            set.set_varint(*field, *value);
        }
        set
    }

    #[test]
    fn what_is_not_said_is_inherited() {
        let all = Features { presence: Presence::Implicit, closed: true, packed: false, delimited: true };
        assert_eq!(
            Features::default().with(&set(&[(1, 2), (2, 2), (3, 2), (4, 3), (5, 2), (6, 2)])),
            Ok(all)
        );
        assert_eq!(all.with(&Raw::default()), Ok(all));
        assert_eq!(all.with(&set(&[(2, 1)])), Ok(Features { closed: false, ..all }));
        assert_eq!(all.with(&set(&[(1, 3)])), Ok(Features { presence: Presence::Required, ..all }));
        assert_eq!(all.with(&set(&[(1, 1), (3, 1), (5, 1), (2, 1)])), Ok(Features::default()));
        assert_eq!(all.with(&all.enum_type()), Ok(all));
    }

    #[test]
    fn what_is_not_known_is_named() {
        let refused = |number, value| Features::default().with(&set(&[(number, value)])).unwrap_err();
        assert_eq!(refused(1, 0), "features.field_presence number 0");
        assert_eq!(refused(5, 3), "features.message_encoding number 3");
        assert_eq!(refused(9, 1), "feature number 9");
        assert!(Features::default().with(&set(&[(7, 1), (8, 2)])).is_ok());
    }
}
