//! Fields that proto2 and editions may require, looked for once a request is complete.
//!
//! Not while JSON is read: what the body leaves out may come by the path or the query. A backend would
//! refuse such a message as a fault of the gateway, without the name of the field.

use std::collections::{HashMap, HashSet};

use prost_reflect::{Cardinality, DynamicMessage, Kind, MessageDescriptor, ReflectMessage as _, Value};

use crate::codec::{
    error::{ReadError, Reason},
    path::At,
    reference::{Slot, key_text},
};

/// Full names of the messages that have a required field, or lead to one.
#[derive(Debug, Default)]
pub(crate) struct Requiring(HashSet<String>);

impl Requiring {
    /// Among some messages and those that their fields and extensions lead to.
    pub(crate) fn among<'d>(roots: impl IntoIterator<Item = &'d MessageDescriptor>) -> Self {
        let mut open: Vec<MessageDescriptor> = roots.into_iter().cloned().collect();
        let mut seen = HashSet::new();
        let mut users: HashMap<String, Vec<String>> = HashMap::new();
        let mut found = Vec::new();
        while let Some(message) = open.pop() {
            let name = message.full_name();
            if !seen.insert(name.to_owned()) {
                continue;
            }
            if message.fields().any(|field| field.cardinality() == Cardinality::Required) {
                found.push(name.to_owned());
            }
            let kinds = message.fields().map(|field| field.kind());
            for kind in kinds.chain(message.extensions().map(|extension| extension.kind())) {
                if let Kind::Message(used) = kind {
                    users.entry(used.full_name().to_owned()).or_default().push(name.to_owned());
                    open.push(used);
                }
            }
        }
        let mut requiring = HashSet::new();
        while let Some(name) = found.pop() {
            found.extend(users.remove(&name).unwrap_or_default());
            requiring.insert(name);
        }
        Self(requiring)
    }

    pub(crate) fn holds(&self, message: &MessageDescriptor) -> bool {
        self.0.contains(message.full_name())
    }
}

/// The first required field that is not set, anywhere in a message. What an `Any` holds is not looked at:
/// it is bytes to whoever passes it on.
pub(crate) fn missing(message: &DynamicMessage, at: At<'_>) -> Result<(), ReadError> {
    for field in message.descriptor().fields() {
        if field.cardinality() == Cardinality::Required && !message.has_field(&field) {
            return Err(ReadError::new(Reason::Required, &at.field(field.json_name()), None));
        }
    }
    for (slot, value) in Slot::of(message, false) {
        let at = at.field(slot.name(false));
        match &*value {
            Value::Message(message) => missing(message, at)?,
            Value::List(list) => {
                for (index, value) in list.iter().enumerate() {
                    value.as_message().map_or(Ok(()), |message| missing(message, at.index(index)))?;
                }
            }
            Value::Map(map) => {
                for (key, value) in map {
                    let key = key_text(key);
                    value.as_message().map_or(Ok(()), |message| missing(message, at.key(&key)))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}
