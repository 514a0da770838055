//! Path, query and body to one message.
//!
//! A field is bound by one of them. Where two name the same field, or members of one oneof, the request contradicts
//! itself and is refused: a policy that looked at the path must not be overruled by a query parameter. With
//! `reject_binding_collisions` off the path holds before the body, and the body before the query.
//!
//! | the rule's `body` | the body is | query parameters |
//! |---|---|---|
//! | none | not read | any field that the path does not bind |
//! | `*` | the message | none |
//! | a field | that field | any field that neither binds |
//!
//! Most requests need no tree of the message: [`short`] puts bytes together and gives up where something is irregular,
//! [`tree`] knows all rules, makes all errors, and tells what came from where.

mod fault;
mod short;
mod tree;

#[cfg(test)]
mod tests;

pub use self::{
    fault::Fault,
    tree::{Bound, Explanation, Ignored, Origin},
};

use bytes::BytesMut;

use crate::{
    codec,
    plan::{Binding, BodyBinding},
    route::Capture,
};

/// What a client sent to a route.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// The route.
    pub binding: &'r Binding,
    /// What the variables of its template captured; none where path and query bind nothing, as on later messages of a
    /// stream.
    pub captures: &'r [Capture<'r>],
    /// The query without its `?`.
    pub query: &'r str,
    /// The body, or an element of it where it is a stream of messages.
    pub json: &'r [u8],
}

/// Appends the wire bytes of the request message to `out`, as [`Request::to_wire`].
///
/// # Errors
/// As there.
pub(super) fn message(
    binding: &Binding,
    captures: &[Capture<'_>],
    query: Option<&str>,
    json: &[u8],
    out: &mut BytesMut,
) -> Result<(), Fault> {
    Request { binding, captures, query: query.unwrap_or_default(), json }.to_wire(out)
}

impl Request<'_> {
    /// Appends the wire bytes of the request message to `out`.
    ///
    /// # Errors
    /// What in the request does not fit its method; there may then be something in `out`.
    pub fn to_wire(&self, out: &mut BytesMut) -> Result<(), Fault> {
        let method = &self.binding.method;
        let alone = self.captures.is_empty() && is_blank(self.query) && self.binding.update_mask.is_none();
        if alone && !self.is_empty() {
            match &self.binding.body {
                BodyBinding::All => {
                    return method.input.to_wire(self.json, &method.read, out).map_err(Fault::Value);
                }
                BodyBinding::Field { field, .. } => {
                    let read = method.input.field_to_wire(field, self.json, &method.read, out);
                    return read.map_err(Fault::Value);
                }
                BodyBinding::None => {}
            }
        }
        let start = out.len();
        if short::write(self, out).is_none() {
            out.truncate(start);
            out.extend_from_slice(&codec::message_to_wire(&tree::build(self, &mut |_| {})?));
        }
        Ok(())
    }

    /// The request message, and which part of the request each field of it comes from.
    ///
    /// # Errors
    /// As [`to_wire`](Self::to_wire).
    pub fn explain(&self) -> Result<Explanation, Fault> {
        tree::explain(self)
    }

    /// Whether there is no body, which stands for a message, or a field, with nothing set.
    fn is_empty(&self) -> bool {
        self.json.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
    }

    /// Whether a query parameter is passed over, whatever it names.
    fn ignores(&self, key: &str) -> bool {
        self.binding.method.rest.ignored_query_parameters.iter().any(|name| name.matches(key))
    }
}

/// Whether a query holds no parameter.
fn is_blank(query: &str) -> bool {
    query.bytes().all(|byte| byte == b'&')
}
