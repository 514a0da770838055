//! A name such as `order.items` or `labels[a.b]` to the fields that it leads through.
//!
//! ```text
//! path = name { "." name }
//! parameter = step { "." step }
//! step = name [ "[" key "]" ]
//! ```
//!
//! A key may hold anything. Where the values of the map are plain text it goes to the last bracket of
//! the parameter; where they are messages, which a field has to follow, to the first `].`.

use std::sync::Arc;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::{FieldPath, Step};
use crate::codec::{
    error::{Reason, quoted},
    options::MAX_DEPTH,
    path::Excerpt,
    reference::Slot,
    scalar,
    wkt::WellKnown,
};

/// Why a path names no field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// A step is no field, by JSON name or proto name.
    #[error("message {message} has no field {name:?}")]
    Unknown {
        /// Full name of the message that was searched.
        message: String,
        /// The step, cut.
        name: String,
    },
    /// A step before the last is no single message.
    #[error("expected a message with fields at {name:?}, found {found}")]
    Through {
        /// The step, cut.
        name: String,
        /// What the field is.
        found: &'static str,
    },
    /// A key in brackets behind what is no map.
    #[error("expected a map before [...] at {name:?}, found {found}")]
    NoMap {
        /// The step, cut.
        name: String,
        /// What the field is.
        found: &'static str,
    },
    /// A key in brackets that is not closed, or with something else than a field behind it.
    #[error("expected [key] or [key].field behind {name:?}, found {found}")]
    Bracket {
        /// The map.
        name: String,
        /// What stands behind it, quoted and cut.
        found: String,
    },
    /// A key in brackets that is none of the map's type.
    #[error("key of {name:?}: {reason}")]
    Key {
        /// The map.
        name: String,
        /// What is wrong with the key.
        reason: Reason,
    },
    /// More steps than messages may nest.
    #[error("expected at most {limit} steps in a field path, found more")]
    TooLong {
        /// The limit that was crossed.
        limit: usize,
    },
    /// The leaf is a map or message that has no form as plain text.
    #[error("expected a field whose value is plain text, found {found} at {name:?}")]
    NotText {
        /// The leaf.
        name: String,
        /// What the field is.
        found: String,
    },
}

impl FieldPath {
    /// Resolves `a.b.c`, each step by its JSON name or its proto name.
    ///
    /// # Errors
    /// A step that is no field, or one before the last that is a list, map, scalar, `Any`, `Struct`,
    /// `Value` or `ListValue`.
    pub fn resolve(root: &MessageDescriptor, text: &str) -> Result<Self, PathError> {
        walk(root, text, false)
    }

    /// Resolves the key of a query parameter: as [`resolve`](Self::resolve), and `map[key]` is an entry
    /// of a map, which a path may end at or go through.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve); brackets behind what is no map, and a key that its type does not
    /// have.
    pub fn of_parameter(root: &MessageDescriptor, text: &str) -> Result<Self, PathError> {
        walk(root, text, true)
    }
}

fn walk(root: &MessageDescriptor, text: &str, brackets: bool) -> Result<FieldPath, PathError> {
    let mut steps: Vec<Step> = Vec::new();
    let mut message = root.clone();
    let mut rest = text;
    loop {
        if steps.len() == MAX_DEPTH {
            return Err(PathError::TooLong { limit: MAX_DEPTH });
        }
        // A JSON name may hold a dot or a bracket of its own.
        if let Some(Slot::Field(field)) = Slot::named(&message, rest) {
            steps.push(Step { field, key: None });
            break;
        }
        let end = rest.find(|c| c == '.' || (brackets && c == '[')).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        let Some(Slot::Field(field)) = Slot::named(&message, name) else {
            let name = Excerpt(name).to_string();
            return Err(PathError::Unknown { message: message.full_name().to_owned(), name });
        };
        let (step, behind) =
            if behind.starts_with('[') { entry(field, behind)? } else { (Step { field, key: None }, behind) };
        let next = behind.strip_prefix('.');
        if next.is_some() {
            message = enter(&step)?;
        }
        steps.push(step);
        match next {
            Some(next) => rest = next,
            None => break,
        }
    }
    let is_enum = steps.last().is_some_and(|leaf| matches!(leaf.kind(), Kind::Enum(_)));
    Ok(FieldPath { text: text.to_owned(), steps, enumeration: is_enum.then(Arc::default) })
}

/// The entry of a map that `[key]` names, and what stands behind the bracket.
fn entry(field: FieldDescriptor, text: &str) -> Result<(Step, &str), PathError> {
    let name = || field.name().to_owned();
    let kind = field.kind();
    let Some(entry) = kind.as_message().filter(|_| field.is_map()) else {
        return Err(PathError::NoMap { name: name(), found: form(&field) });
    };
    let value = entry.map_entry_value_field().kind();
    let parts = match text.strip_suffix(']') {
        Some(head) if is_text(&value) || !text.contains("].") => head.strip_prefix('[').map(|key| (key, "")),
        None if is_text(&value) => None,
        _ => text.find("].").and_then(|end| {
            let (head, behind) = text.split_at(end);
            head.strip_prefix('[').zip(behind.strip_prefix(']'))
        }),
    };
    let Some((key, behind)) = parts else {
        return Err(PathError::Bracket { name: name(), found: quoted(text) });
    };
    let key = scalar::map_key(&entry.map_entry_key_field().kind(), key)
        .map_err(|reason| PathError::Key { name: name(), reason })?;
    Ok((Step { key: Some(key), field }, behind))
}

/// The message of a step that is not the last.
fn enter(step: &Step) -> Result<MessageDescriptor, PathError> {
    let single = !step.field.is_list() && (!step.field.is_map() || step.key.is_some());
    let found = match step.kind() {
        Kind::Message(message) if single => match WellKnown::of(&message) {
            Some(WellKnown::Any | WellKnown::Struct | WellKnown::Value | WellKnown::ListValue) => {
                "a message whose fields depend on its value"
            }
            _ => return Ok(message),
        },
        _ if single => "a scalar",
        _ => form(&step.field),
    };
    Err(PathError::Through { name: step.field.name().to_owned(), found })
}

/// What a field is, in words.
fn form(field: &FieldDescriptor) -> &'static str {
    match field.kind() {
        _ if field.is_map() => "a map",
        _ if field.is_list() => "a repeated field",
        Kind::Message(_) => "a message",
        _ => "a scalar",
    }
}

/// Whether values of a kind are written as plain text.
fn is_text(kind: &Kind) -> bool {
    match kind {
        Kind::Message(message) => !matches!(WellKnown::of(message), Some(WellKnown::Any) | None),
        _ => true,
    }
}
