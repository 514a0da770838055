//! The enums of one message, for names that the `.proto` file does not spell so.

use std::collections::HashMap;

use prost_reflect::EnumDescriptor;

use crate::codec::table::Enum;

/// Tables by full name, each compiled when it is first asked for: one table answers for any number of values.
#[derive(Default)]
pub(crate) struct Enums(HashMap<String, Enum>);

impl Enums {
    pub(crate) fn table(&mut self, desc: &EnumDescriptor) -> &Enum {
        self.0.entry(desc.full_name().to_owned()).or_insert_with(|| Enum::of(desc))
    }
}
