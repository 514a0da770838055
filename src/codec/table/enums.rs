//! The values of an enum, by name and by number.

use prost_reflect::EnumDescriptor;

use super::{Names, index};
use crate::codec::scalar;

/// One enum.
#[derive(Debug)]
pub(crate) struct Enum {
    names: Names,
    /// `"NAME"` of the numbers from 0 on, empty where there is none.
    low: Vec<Box<[u8]>>,
    /// The other numbers in order, with `"NAME"`.
    other: Vec<(i32, Box<[u8]>)>,
    /// The value of a field that is not there.
    pub(crate) default: i32,
    /// Whether a number without a name is refused.
    pub(crate) closed: bool,
    /// Whether it is `google.protobuf.NullValue`.
    pub(crate) null: bool,
}

impl Enum {
    pub(super) fn of(desc: &EnumDescriptor) -> Self {
        let names = desc.values().map(|value| (value.name().to_owned(), value.number().cast_unsigned()));
        let mut numbers: Vec<i32> = desc.values().map(|value| value.number()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let quoted = |number| {
            let name = scalar::enum_name(desc, number).unwrap_or_default();
            serde_json::to_vec(name).unwrap_or_default().into_boxed_slice()
        };
        let (mut low, mut other) = (Vec::new(), Vec::new());
        for number in numbers {
            match usize::try_from(number) {
                Ok(at) if at < LOW => {
                    low.resize_with(at, Box::default);
                    low.push(quoted(number));
                }
                _ => other.push((number, quoted(number))),
            }
        }
        Self {
            names: Names::new(names),
            low,
            other,
            default: desc.default_value().number(),
            closed: scalar::is_closed(desc),
            null: scalar::is_null_value(&prost_reflect::Kind::Enum(desc.clone())),
        }
    }

    pub(crate) fn number(&self, name: &[u8]) -> Option<i32> {
        self.names.find(name).map(u32::cast_signed)
    }

    /// The first declared name of a number, in quotes.
    pub(crate) fn quoted_name(&self, number: i32) -> Option<&[u8]> {
        let low = u32::try_from(number).ok().and_then(|number| self.low.get(index(number)));
        if let Some(name) = low.filter(|name| !name.is_empty()) {
            return Some(name);
        }
        let at = self.other.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.other.get(at).map(|(_, name)| &**name)
    }
}

/// Numbers below this are looked up by position.
const LOW: usize = 256;
