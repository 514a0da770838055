//! Names to numbers: open addressing over a hash of the length and both ends.
//!
//! The table belongs to the schema and never grows after it was built, so a client that picks its
//! keys can make a lookup walk no further than the longest run in it.

/// A fixed set of names, each with a number.
#[derive(Debug, Default)]
pub(crate) struct Names {
    entries: Vec<(Box<str>, u32)>,
    /// Position in `entries` plus one, 0 where nothing is. A power of two long, at most half full.
    slots: Box<[u32]>,
}

impl Names {
    /// Of two equal names the first holds.
    pub(crate) fn new(names: impl IntoIterator<Item = (String, u32)>) -> Self {
        let mut entries: Vec<(Box<str>, u32)> = Vec::new();
        let mut known = std::collections::HashSet::new();
        for (name, number) in names {
            if known.insert(name.clone()) {
                entries.push((name.into(), number));
            }
        }
        let mut table =
            Self { slots: vec![0; (entries.len() * 2).next_power_of_two()].into(), entries: Vec::new() };
        for entry in entries {
            let at = table.probe(entry.0.as_bytes()).map_or_else(|free| free, |(slot, _)| slot);
            table.entries.push(entry);
            if let Some(slot) = table.slots.get_mut(at) {
                *slot = u32::try_from(table.entries.len()).unwrap_or(0);
            }
        }
        table
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<u32> {
        self.probe(name).ok().map(|(_, number)| number)
    }

    /// The slot of a name with its number, or the free one where it would stand.
    fn probe(&self, name: &[u8]) -> Result<(usize, u32), usize> {
        let mask = self.slots.len() - 1;
        let mut at = hash(name) & mask;
        loop {
            let entry = match self.slots.get(at) {
                Some(0) | None => return Err(at),
                Some(slot) => self.entries.get(super::index(slot - 1)),
            };
            match entry {
                Some((found, number)) if found.as_bytes() == name => return Ok((at, *number)),
                _ => at = (at + 1) & mask,
            }
        }
    }
}

/// Short names whole, long ones by their ends.
fn hash(name: &[u8]) -> usize {
    let (head, tail) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => (name.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0),
    };
    let length = u64::try_from(name.len()).unwrap_or(u64::MAX);
    let mixed = (head ^ tail.rotate_left(29) ^ length).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> 40).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_and_others_are_not() {
        let names: Vec<String> = (0..300).map(|i| format!("{}field_{i}_name", "x".repeat(i % 7))).collect();
        let table = Names::new(names.iter().cloned().zip(0..));
        for (name, number) in names.iter().zip(0..) {
            assert_eq!(table.find(name.as_bytes()), Some(number), "{name}");
            assert_eq!(table.find(&name.as_bytes()[1..]), None, "{name}");
        }
        assert_eq!(table.find(b""), None);
        assert_eq!(Names::new([]).find(b"a"), None);
    }

    #[test]
    fn of_equal_names_the_first_holds() {
        let table = Names::new([("a".to_owned(), 1), ("a".to_owned(), 2), (String::new(), 3)]);
        assert_eq!((table.find(b"a"), table.find(b"")), (Some(1), Some(3)));
    }
}
