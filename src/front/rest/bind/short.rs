//! The request message without a tree of it: the body by the fast codec, what path and query bind beside it.

use bytes::BytesMut;

use super::{Request, is_blank};
use crate::{codec::FieldPath, plan::BodyBinding, route::parse_query};

/// Appends the message to `out`. `None` for whatever is irregular, errors among it: there may then be something in
/// `out`.
pub(super) fn write(request: &Request<'_>, out: &mut BytesMut) -> Option<()> {
    let start = out.len();
    let (binding, method) = (request.binding, &request.binding.method);
    let read = match &binding.body {
        BodyBinding::None => true,
        _ if request.is_empty() => true,
        BodyBinding::All => method.input.fast_to_wire(request.json, &method.read, out),
        BodyBinding::Field { field, .. } => {
            method.input.fast_field_to_wire(field, request.json, &method.read, out)
        }
    };
    if !read {
        return None;
    }
    for (path, capture) in binding.captures.iter().zip(request.captures) {
        path.insert(capture.value.as_bytes(), &method.read, out, start)?;
    }
    let set = if is_blank(request.query) { Vec::new() } else { parameters(request, out, start)? };
    if let Some(mask) = &binding.update_mask
        && !request.is_empty()
        && !binding.captures.iter().chain(&set).any(|bound| bound.overlaps(mask.path()))
    {
        let paths = mask.paths(request.json, &method.read).ok()?;
        if !paths.is_empty() {
            out.extend_from_slice(&mask.to_wire(paths));
        }
    }
    Some(())
}

/// Writes what the query binds, and returns it.
fn parameters(request: &Request<'_>, out: &mut BytesMut, start: usize) -> Option<Vec<FieldPath>> {
    let (binding, method) = (request.binding, &request.binding.method);
    let body = match &binding.body {
        BodyBinding::Field { path, .. } => Some(path),
        BodyBinding::None | BodyBinding::All => None,
    };
    let mut set: Vec<FieldPath> = Vec::new();
    for pair in parse_query(request.query, method.rest.query_param_unescape_plus).ok()? {
        if request.ignores(&pair.key) {
            continue;
        }
        if matches!(binding.body, BodyBinding::All) || pair.key.starts_with('$') {
            return None;
        }
        let path = FieldPath::of_parameter(&method.method.input, &pair.key).ok()?;
        if binding.captures.iter().chain(body).any(|bound| bound.overlaps(&path)) {
            return None;
        }
        if set.iter().any(|other| other.overlaps(&path) && !(path.is_repeated() && *other == path)) {
            return None;
        }
        path.insert(&pair.value, &method.read, out, start)?;
        set.push(path);
    }
    Some(set)
}
