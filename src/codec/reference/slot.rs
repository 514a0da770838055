//! A field or an extension: the same to JSON, two types to prost-reflect.

use std::borrow::Cow;

use prost_reflect::{
    DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor, Value,
};

use crate::codec::{reference::is_negative_zero, scalar, wkt::WellKnown};

/// A place for a value in a message.
#[derive(Clone, Debug)]
pub(crate) enum Slot {
    Field(FieldDescriptor),
    Extension(ExtensionDescriptor),
}

impl Slot {
    /// By JSON name, by proto name, or by `[full.name]` for an extension.
    pub(crate) fn named(message: &MessageDescriptor, key: &str) -> Option<Self> {
        let field = message.get_field_by_json_name(key).or_else(|| message.get_field_by_name(key));
        match field {
            Some(field) => Some(Self::Field(field)),
            None if key.starts_with('[') => message.get_extension_by_json_name(key).map(Self::Extension),
            None => None,
        }
    }

    /// Everything that is set, in the order of field numbers, extensions last; with `defaults` also
    /// what has no presence and holds its default.
    pub(crate) fn of(message: &DynamicMessage, defaults: bool) -> Vec<(Self, Cow<'_, Value>)> {
        use prost_reflect::ReflectMessage as _;
        let mut set = Vec::new();
        for field in message.descriptor().fields() {
            let value = message.get_field(&field);
            let present = message.has_field(&field)
                || (!field.supports_presence() && (defaults || is_negative_zero(&value)));
            if present {
                set.push((Self::Field(field), value));
            }
        }
        set.extend(
            message.extensions().map(|(extension, value)| (Self::Extension(extension), Cow::Borrowed(value))),
        );
        set
    }

    pub(crate) fn number(&self) -> u32 {
        match self {
            Self::Field(field) => field.number(),
            Self::Extension(extension) => extension.number(),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Field(field) => field.kind(),
            Self::Extension(extension) => extension.kind(),
        }
    }

    pub(crate) fn is_list(&self) -> bool {
        match self {
            Self::Field(field) => field.is_list(),
            Self::Extension(extension) => extension.is_list(),
        }
    }

    pub(crate) fn is_map(&self) -> bool {
        match self {
            Self::Field(field) => field.is_map(),
            Self::Extension(extension) => extension.is_map(),
        }
    }

    pub(crate) fn is_group(&self) -> bool {
        match self {
            Self::Field(field) => field.is_group(),
            Self::Extension(extension) => extension.is_group(),
        }
    }

    pub(crate) fn is_packed(&self) -> bool {
        match self {
            Self::Field(field) => field.is_packed(),
            Self::Extension(extension) => extension.is_packed(),
        }
    }

    /// The name as JSON prints it.
    pub(crate) fn name(&self, proto_names: bool) -> &str {
        match self {
            Self::Field(field) if proto_names => field.name(),
            Self::Field(field) => field.json_name(),
            Self::Extension(extension) => extension.json_name(),
        }
    }

    /// The oneof that the `.proto` file writes, not the one behind `optional`.
    pub(crate) fn oneof(&self) -> Option<OneofDescriptor> {
        match self {
            Self::Field(field) => field.containing_oneof().filter(|oneof| !oneof.is_synthetic()),
            Self::Extension(_) => None,
        }
    }

    /// Whether JSON null is a value of it and not its absence.
    pub(crate) fn takes_null(&self) -> bool {
        !self.is_list() && !self.is_map() && takes_null(&self.kind())
    }

    pub(crate) fn set(&self, message: &mut DynamicMessage, value: Value) {
        match self {
            Self::Field(field) => message.set_field(field, value),
            Self::Extension(extension) => message.set_extension(extension, value),
        }
    }

    pub(crate) fn clear(&self, message: &mut DynamicMessage) {
        match self {
            Self::Field(field) => message.clear_field(field),
            Self::Extension(extension) => message.clear_extension(extension),
        }
    }
}

/// `google.protobuf.Value` and `NullValue`, the two that have null among their values.
pub(crate) fn takes_null(kind: &Kind) -> bool {
    match kind {
        Kind::Message(message) => WellKnown::of(message) == Some(WellKnown::Value),
        other => scalar::is_null_value(other),
    }
}
