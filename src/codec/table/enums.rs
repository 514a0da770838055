//! The values of an enum, by name and by number.

use prost_reflect::EnumDescriptor;

use super::{Names, index, short::short_names};
use crate::codec::{options::ReadOptions, scalar};

/// One enum.
#[derive(Debug)]
pub(crate) struct Enum {
    /// As the `.proto` file spells them.
    names: Names,
    /// In lower case.
    folded: Names,
    /// Without the prefix of their type.
    short: Names,
    /// Without it, in lower case.
    short_folded: Names,
    /// Bytes of the longest name: what is longer is none of them.
    longest: usize,
    /// The names of the numbers from 0 on, empty where there is none.
    low: Vec<Quoted>,
    /// The other numbers in order.
    other: Vec<(i32, Quoted)>,
    /// The value of a field that is not there.
    pub(crate) default: i32,
    /// Whether a number without a name is refused.
    pub(crate) closed: bool,
    /// Whether it is `google.protobuf.NullValue`.
    pub(crate) null: bool,
}

/// A name as it is printed, in quotes.
#[derive(Debug, Default)]
struct Quoted {
    full: Box<[u8]>,
    /// Without the prefix of its type where it has one.
    short: Box<[u8]>,
}

impl Enum {
    pub(crate) fn of(desc: &EnumDescriptor) -> Self {
        let declared = &desc.enum_descriptor_proto().value;
        let values: Vec<(&str, Option<&str>, i32)> = declared
            .iter()
            .zip(short_names(desc))
            .map(|(value, short)| (value.name(), short, value.number()))
            .collect();
        let full = values.iter().map(|(name, _, number)| (*name, *number));
        let short = values.iter().filter_map(|(_, short, number)| Some(((*short)?, *number)));
        let mut numbers: Vec<i32> = values.iter().map(|(_, _, number)| *number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let (mut low, mut other) = (Vec::new(), Vec::new());
        for number in numbers {
            // Of several names the one that was declared first.
            let first = values.iter().find(|(_, _, of)| *of == number);
            let quoted = first.map(|(name, short, _)| Quoted::new(name, *short)).unwrap_or_default();
            match usize::try_from(number) {
                Ok(at) if at < LOW => {
                    low.resize_with(at, Quoted::default);
                    low.push(quoted);
                }
                _ => other.push((number, quoted)),
            }
        }
        Self {
            names: names(full.clone(), str::to_owned),
            folded: names(full, str::to_ascii_lowercase),
            short: names(short.clone(), str::to_owned),
            short_folded: names(short, str::to_ascii_lowercase),
            longest: values.iter().map(|(name, ..)| name.len()).max().unwrap_or(0),
            low,
            other,
            default: desc.default_value().number(),
            closed: scalar::is_closed(desc),
            null: scalar::is_null_value(&prost_reflect::Kind::Enum(desc.clone())),
        }
    }

    /// The number of a name in one of the forms that the options let pass.
    #[inline]
    pub(crate) fn number(&self, name: &[u8], options: &ReadOptions) -> Option<i32> {
        let found = match self.names.find(name) {
            None if options.knows_other_enum_names() => self.other_form(name, options),
            found => found,
        };
        found.map(u32::cast_signed)
    }

    fn other_form(&self, name: &[u8], options: &ReadOptions) -> Option<u32> {
        if name.len() > self.longest {
            return None;
        }
        let strip = options.strip_enum_prefixes;
        let short = if strip { self.short.find(name) } else { None };
        if short.is_some() || !options.case_insensitive_enum_parsing {
            return short;
        }
        let lower = name.to_ascii_lowercase();
        let found = self.folded.find(&lower);
        if strip { found.or_else(|| self.short_folded.find(&lower)) } else { found }
    }

    /// The first declared name of a number, in quotes; without the prefix of its type if it is to be `short`.
    #[inline]
    pub(crate) fn quoted_name(&self, number: i32, short: bool) -> Option<&[u8]> {
        let low = u32::try_from(number).ok().and_then(|number| self.low.get(index(number)));
        let quoted = match low.filter(|quoted| !quoted.full.is_empty()) {
            Some(quoted) => quoted,
            None => {
                let at = self.other.binary_search_by_key(&number, |(number, _)| *number).ok()?;
                &self.other.get(at)?.1
            }
        };
        Some(if short { &quoted.short } else { &quoted.full })
    }
}

impl Quoted {
    fn new(full: &str, short: Option<&str>) -> Self {
        let quoted = |name| serde_json::to_vec(name).unwrap_or_default().into_boxed_slice();
        Self { full: quoted(full), short: quoted(short.unwrap_or(full)) }
    }
}

fn names<'n>(names: impl Iterator<Item = (&'n str, i32)>, form: fn(&str) -> String) -> Names {
    Names::new(names.map(|(name, number)| (form(name), number.cast_unsigned())))
}

/// Numbers below this are looked up by position.
const LOW: usize = 256;
