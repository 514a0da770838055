//! Path, query and body to one message.
//!
//! A field is bound by one of them. Where two name the same field, the request contradicts itself and is refused: a
//! policy that looked at the path must not be overruled by a query parameter.
//!
//! | the rule's `body` | the body is | query parameters |
//! |---|---|---|
//! | none | not read | any field that the path does not bind |
//! | `*` | the message | none |
//! | a field | that field | any field that neither binds |

use bytes::BytesMut;
use prost_reflect::{DynamicMessage, ReflectMessage};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::query;
use crate::{
    call::CallError,
    codec::{self, FieldPath, PathError, ReadError},
    plan::{Binding, BodyBinding},
    route::Capture,
};

/// What in a request does not fit its method.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Query(#[from] query::QueryError),
    #[error("unknown query parameter {key}: {source}")]
    UnknownParameter { key: String, source: PathError },
    #[error("query parameter {0} is not allowed: the body is the whole message")]
    NoParameters(String),
    #[error("query parameter {0} names a field that the path or the body binds")]
    Bound(String),
    #[error("query parameter {0} is given twice and holds one value")]
    Twice(String),
    #[error("{0}")]
    Value(ReadError),
    #[error("the body contradicts the path on {0}")]
    Contradiction(String),
}

/// Appends the wire bytes of the request message to `out`.
///
/// Most requests are one of two kinds that need no tree of the message: a body that is all of it, and
/// no body but a few fields of one value.
pub(super) fn message(
    binding: &Binding,
    captures: &[Capture<'_>],
    query: Option<&str>,
    json: &[u8],
    out: &mut BytesMut,
) -> Result<(), Fault> {
    let method = &binding.method;
    let query = query.unwrap_or_default();
    match binding.body {
        BodyBinding::All if captures.is_empty() && is_blank(query) && !json.trim_ascii().is_empty() => {
            return method.input.to_wire(json, &method.read, out).map_err(Fault::Value);
        }
        BodyBinding::None => {
            let start = out.len();
            if plain_fields(binding, captures, query, out).is_some() {
                return Ok(());
            }
            out.truncate(start);
        }
        BodyBinding::All | BodyBinding::Field { .. } => {}
    }
    out.extend_from_slice(&codec::message_to_wire(&tree(binding, captures, query, json)?));
    Ok(())
}

/// Whether a query holds no parameter.
fn is_blank(query: &str) -> bool {
    query.bytes().all(|byte| byte == b'&')
}

/// Writes what path and query bind, if it is fields of one value, each named once. `None` for anything
/// else, errors among it: there may then be something in `out`.
fn plain_fields(binding: &Binding, captures: &[Capture<'_>], query: &str, out: &mut BytesMut) -> Option<()> {
    let options = &binding.method.read;
    for (path, capture) in binding.captures.iter().zip(captures) {
        path.to_wire(capture.value.as_bytes(), options, out)?;
    }
    if is_blank(query) {
        return Some(());
    }
    let mut set: Vec<FieldPath> = Vec::new();
    for pair in query::parse(query).ok()? {
        let path = FieldPath::resolve(&binding.method.method.input, &pair.key).ok()?;
        if binding.captures.iter().chain(&set).any(|bound| bound.overlaps(&path)) {
            return None;
        }
        path.to_wire(&pair.value, options, out)?;
        set.push(path);
    }
    Some(())
}

/// Builds the request message as a tree.
fn tree(
    binding: &Binding,
    captures: &[Capture<'_>],
    query: &str,
    json: &[u8],
) -> Result<DynamicMessage, Fault> {
    let method = &binding.method;
    let mut message = body(binding, json)?;
    parameters(binding, query, &mut message)?;
    for (path, capture) in binding.captures.iter().zip(captures) {
        let captured = path.parse(capture.value.as_bytes(), &method.read).map_err(Fault::Value)?;
        if let Some(given) = path.value(&message)
            && given != captured
        {
            return Err(Fault::Contradiction(path.to_string()));
        }
        path.set(&mut message, capture.value.as_bytes(), &method.read).map_err(Fault::Value)?;
    }
    debug_assert_eq!(message.descriptor(), method.method.input);
    Ok(message)
}

fn body(binding: &Binding, json: &[u8]) -> Result<DynamicMessage, Fault> {
    let (input, options) = (&binding.method.method.input, &binding.method.read);
    let mut message = DynamicMessage::new(input.clone());
    // No body at all stands for a message, or a field, with nothing set.
    if json.trim_ascii().is_empty() {
        return Ok(message);
    }
    match &binding.body {
        BodyBinding::None => Ok(message),
        BodyBinding::All => codec::json_to_message(input, json, options).map_err(Fault::Value),
        BodyBinding::Field { field, .. } => {
            codec::json_to_field(&mut message, field, json, options).map_err(Fault::Value)?;
            Ok(message)
        }
    }
}

fn parameters(binding: &Binding, query: &str, message: &mut DynamicMessage) -> Result<(), Fault> {
    let mut set: Vec<FieldPath> = Vec::new();
    for pair in query::parse(query)? {
        let key = pair.key.chars().take(64).collect::<String>();
        let by_body = match &binding.body {
            BodyBinding::All => return Err(Fault::NoParameters(key)),
            BodyBinding::Field { path, .. } => Some(path),
            BodyBinding::None => None,
        };
        let path = FieldPath::resolve(&binding.method.method.input, &pair.key)
            .and_then(|path| path.check_text().map(|()| path))
            .map_err(|source| Fault::UnknownParameter { key: key.clone(), source })?;
        if binding.captures.iter().chain(by_body).any(|bound| bound.overlaps(&path)) {
            return Err(Fault::Bound(key));
        }
        if !path.is_repeated() {
            if set.iter().any(|other| other.overlaps(&path)) {
                return Err(Fault::Twice(key));
            }
            set.push(path.clone());
        }
        path.set(message, &pair.value, &binding.method.read).map_err(Fault::Value)?;
    }
    Ok(())
}

impl Fault {
    /// 400 with the field that it concerns.
    pub(super) fn into_error(self) -> CallError {
        let message = self.to_string();
        let (field, description) = match &self {
            Self::Query(_) => (String::new(), message.clone()),
            Self::UnknownParameter { key, .. }
            | Self::NoParameters(key)
            | Self::Bound(key)
            | Self::Twice(key) => (key.clone(), message.clone()),
            Self::Contradiction(path) => (path.clone(), message.clone()),
            Self::Value(error) => (error.field_path().to_owned(), error.description()),
        };
        let details = ErrorDetails::with_bad_request_violation(field, description);
        CallError::client(Status::with_error_details(Code::InvalidArgument, message, details))
    }
}
