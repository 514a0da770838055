//! The request message as a tree, by all rules, with an account of what came from where.

use std::borrow::Cow;

use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, ReflectMessage};

use super::{Fault, Request};
use crate::{
    codec::{self, FieldPath, PathError},
    plan::BodyBinding,
    route::parse_query,
};

/// The part of a request that a field came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A variable of the path.
    Path,
    /// A query parameter.
    Query,
    /// The body.
    Body,
    /// The keys of the body, which became the mask of an update.
    UpdateMask,
}

/// A field of the request message that was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Its path: as the client wrote it in a query, as the `.proto` file has it elsewhere. Empty where the body sets
    /// more fields than are worth a list.
    pub field: String,
    /// Where it came from.
    pub origin: Origin,
    /// The text that it was read from; empty for the body, which stands in the message.
    pub text: String,
}

/// A part of the request that set nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// The query parameter, or the field of the body.
    pub name: String,
    /// Why.
    pub why: &'static str,
}

/// A request message with its origins.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The message.
    pub message: DynamicMessage,
    /// What was set, the body first, then the query, then the path.
    pub bound: Vec<Bound>,
    /// What was passed over.
    pub ignored: Vec<Ignored>,
}

/// Something that happened to a part of the request.
pub(super) enum Note<'n> {
    Bound(&'n str, Origin, &'n [u8]),
    Ignored(&'n str, &'static str),
}

/// Builds the request message.
pub(super) fn build(request: &Request<'_>, note: &mut dyn FnMut(Note<'_>)) -> Result<DynamicMessage, Fault> {
    let (binding, method) = (request.binding, &request.binding.method);
    let mut message = body(request)?;
    let set = parameters(request, &mut message, note)?;
    for (path, capture) in binding.captures.iter().zip(request.captures) {
        let text = capture.value.as_bytes();
        if method.rest.reject_binding_collisions {
            let captured = path.parse(text, &method.read).map_err(Fault::Value)?;
            if path.contradicts(&message, &captured) {
                return Err(Fault::Contradiction(path.to_string()));
            }
            if let Some(rival) = path.rival(&message) {
                let (path, rival) = (path.to_string(), rival.json_name().to_owned());
                return Err(Fault::Rival { path, rival });
            }
        }
        path.set(&mut message, text, &method.read).map_err(Fault::Value)?;
        note(Note::Bound(path.as_str(), Origin::Path, text));
    }
    if let Some(mask) = &binding.update_mask
        && !request.is_empty()
        && !binding.captures.iter().chain(&set).any(|bound| bound.overlaps(mask.path()))
    {
        let paths = mask.paths(request.json, &method.read).map_err(Fault::Value)?;
        if !paths.is_empty() {
            note(Note::Bound(mask.path().as_str(), Origin::UpdateMask, paths.join(",").as_bytes()));
            message.set_field(mask.path().leaf(), mask.value(paths));
        }
    }
    debug_assert_eq!(message.descriptor(), method.method.input);
    Ok(message)
}

/// Builds the request message and keeps account.
pub(super) fn explain(request: &Request<'_>) -> Result<Explanation, Fault> {
    let (mut bound, mut ignored) = (Vec::new(), Vec::new());
    let message = build(request, &mut |note| match note {
        Note::Bound(field, origin, text) => bound.push(Bound {
            field: field.to_owned(),
            origin,
            text: String::from_utf8_lossy(text).into_owned(),
        }),
        Note::Ignored(name, why) => ignored.push(Ignored { name: name.to_owned(), why }),
    })?;
    let (binding, mut all) = (request.binding, Vec::new());
    for field in fields_of_body(request) {
        let path = FieldPath::resolve(&binding.method.method.input, &field).ok();
        let overruled = path.is_some_and(|path| {
            let mut captures = binding.captures.iter().zip(request.captures);
            captures.any(|(capture, _)| capture.overlaps(&path) && !path.is_above(capture))
        });
        if overruled {
            ignored.push(Ignored { name: field, why: "the path binds it" });
        } else {
            all.push(Bound { field, origin: Origin::Body, text: String::new() });
        }
    }
    all.append(&mut bound);
    Ok(Explanation { message, bound: all, ignored })
}

/// The fields that the body sets, which has been read before.
fn fields_of_body(request: &Request<'_>) -> Vec<String> {
    let method = &request.binding.method;
    let list = |desc: &MessageDescriptor| codec::fields_of_json(desc, request.json, &method.read);
    match &request.binding.body {
        _ if request.is_empty() => Vec::new(),
        BodyBinding::None => Vec::new(),
        BodyBinding::All => list(&method.method.input).unwrap_or_else(|_| vec![String::new()]),
        BodyBinding::Field { field, .. } => {
            let single = !field.is_list() && !field.is_map();
            let below = match field.kind() {
                Kind::Message(message) if single => list(&message).unwrap_or_default(),
                _ => Vec::new(),
            };
            let name = field.name();
            if below.is_empty() {
                return vec![name.to_owned()];
            }
            below.iter().map(|path| format!("{name}.{path}")).collect()
        }
    }
}

fn body(request: &Request<'_>) -> Result<DynamicMessage, Fault> {
    let method = &request.binding.method;
    let mut message = DynamicMessage::new(method.method.input.clone());
    if request.is_empty() {
        return Ok(message);
    }
    match &request.binding.body {
        BodyBinding::None => Ok(message),
        BodyBinding::All => {
            codec::json_to_message(&method.method.input, request.json, &method.read).map_err(Fault::Value)
        }
        BodyBinding::Field { field, .. } => {
            codec::json_to_field(&mut message, field, request.json, &method.read).map_err(Fault::Value)?;
            Ok(message)
        }
    }
}

/// Sets what the query binds, and returns it.
fn parameters(
    request: &Request<'_>,
    message: &mut DynamicMessage,
    note: &mut dyn FnMut(Note<'_>),
) -> Result<Vec<FieldPath>, Fault> {
    let method = &request.binding.method;
    let mut set: Vec<FieldPath> = Vec::new();
    for pair in parse_query(request.query, method.rest.query_param_unescape_plus)? {
        let path = match parameter(request, &pair.key)? {
            Ok(path) => path,
            Err(why) => {
                note(Note::Ignored(&pair.key, why));
                continue;
            }
        };
        // A list takes any number of values, and nothing else takes two.
        let other = set
            .iter()
            .position(|other| other.overlaps(&path) && !(path.is_repeated() && *other == path))
            .map(|index| set.swap_remove(index));
        if let Some(other) = other.filter(|_| method.rest.reject_duplicate_query_parameters) {
            let key = cut(&pair.key);
            if other == path {
                return Err(Fault::Twice(key));
            }
            return Err(Fault::Exclusive { first: cut(other.as_str()), second: key });
        }
        path.set(message, &pair.value, &method.read).map_err(Fault::Value)?;
        note(Note::Bound(path.as_str(), Origin::Query, &pair.value));
        set.push(path);
    }
    Ok(set)
}

/// The field that a query parameter sets, or why it is passed over.
fn parameter(request: &Request<'_>, key: &str) -> Result<Result<FieldPath, &'static str>, Fault> {
    let (binding, rest) = (request.binding, &request.binding.method.rest);
    if request.ignores(key) {
        return Ok(Err("it is listed in ignored_query_parameters"));
    }
    let input = &binding.method.method.input;
    let path = FieldPath::of_parameter(input, key).and_then(|path| path.check_text().map(|()| path));
    let unknown = key.starts_with('$') || matches!(path, Err(PathError::Unknown { .. }));
    if unknown && rest.ignore_unknown_query_parameters {
        return Ok(Err("it names no field"));
    }
    let by_body = match &binding.body {
        BodyBinding::All if rest.reject_binding_collisions => return Err(Fault::NoParameters(cut(key))),
        BodyBinding::All if !unknown => return Ok(Err("the body is the whole message")),
        BodyBinding::Field { path, .. } => Some(path),
        BodyBinding::All | BodyBinding::None => None,
    };
    if key.starts_with('$') {
        return Err(Fault::SystemParameter(cut(key)));
    }
    let path = path.map_err(|source| Fault::UnknownParameter { key: cut(key), source })?;
    if binding.captures.iter().chain(by_body).any(|bound| bound.overlaps(&path)) {
        if rest.reject_binding_collisions {
            return Err(Fault::Bound(cut(key)));
        }
        return Ok(Err("the path or the body binds its field"));
    }
    Ok(Ok(path))
}

/// A name from outside as it may appear in an error.
fn cut(key: &str) -> String {
    let short: Cow<'_, str> = match key.char_indices().nth(64) {
        Some((end, _)) => format!("{}...", key.get(..end).unwrap_or_default()).into(),
        None => key.into(),
    };
    short.escape_debug().to_string()
}
