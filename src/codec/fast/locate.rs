//! Where a message on the wire holds one of its fields.

use std::ops::Range;

use super::{Bail, wire::Wire};
use crate::codec::table::LENGTH;

/// What stands on the wire of a field that is there at most once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Absent,
    /// A block: where its length stands, and its content.
    Block {
        length: usize,
        content: Range<usize>,
    },
}

/// Finds the field `number`. Bails if it is there more than once or as a number, or if a field is there
/// that `excludes` it, and on bytes that are no message.
pub(crate) fn locate(bytes: &[u8], number: u32, excludes: impl Fn(u32) -> bool) -> Result<Place, Bail> {
    let mut place = Place::Absent;
    let mut wire = Wire::new(bytes);
    while !wire.is_empty() {
        let (found, wire_type) = wire.key()?;
        let length = wire.offset();
        if found == number {
            if wire_type != LENGTH || place != Place::Absent {
                return Err(Bail);
            }
            let content = wire.block()?.len();
            place = Place::Block { length, content: wire.offset() - content..wire.offset() };
        } else if excludes(found) {
            return Err(Bail);
        } else {
            wire.skip(wire_type)?;
        }
    }
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_once_or_not_at_all() {
        // 1: 5, 2: "ab", 3: 7
        let wire = b"\x08\x05\x12\x02ab\x18\x07";
        for (number, place) in [
            (2, Ok(Place::Block { length: 3, content: 4..6 })),
            (4, Ok(Place::Absent)),
            (1, Err(Bail)),
            (3, Err(Bail)),
        ] {
            assert_eq!(locate(wire, number, |_| false), place, "{number}");
        }
        assert_eq!(locate(wire, 4, |other| other == 3), Err(Bail));
        assert_eq!(locate(b"\x12\x00\x12\x00", 2, |_| false), Err(Bail));
        assert_eq!(locate(b"\x12\x05ab", 2, |_| false), Err(Bail));
        assert_eq!(locate(b"\x13\x14", 4, |_| false), Err(Bail));
    }
}
