//! Cross-origin resource sharing: what a browser lets pages of other origins send and read (Fetch standard, section 3.2).
//!
//! | a request | gets |
//! |---|---|
//! | of an allowed origin | its answer, whichever it is, with the headers that let the page read all of it |
//! | of another origin, or of `null` | its answer without them, which the browser keeps from the page |
//! | without an origin | its answer |
//! | that is a preflight: OPTIONS with `Origin` and `Access-Control-Request-Method` | what its page may send: 204, or 403 |
//!
//! It stands before everything else, since a refusal that a page cannot read shows as "Failed to fetch" and nothing
//! more. A preflight carries no credentials and calls no backend.

use std::{fmt::Write, sync::Arc};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::{
    config,
    route::{Miss, Table},
};

/// The rules, with what is the same in all replies.
#[derive(Clone, Debug)]
pub(super) struct Cors(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    rules: config::Cors,
    /// The headers that every page may send.
    allow_headers: String,
    max_age: HeaderValue,
}

/// Who asks, and whether they may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nobody: not a page, or one of this origin.
    Nobody,
    /// A page that may; with the value of `Access-Control-Allow-Origin`.
    Allowed(HeaderValue),
    /// A page that may not.
    Refused,
}

impl Cors {
    pub(super) fn new(rules: config::Cors) -> Self {
        let configured = rules.allow_headers.iter().flatten().map(HeaderName::as_str);
        let mut allow_headers = Names::default();
        OF_PROTOCOLS.into_iter().chain(configured).for_each(|name| allow_headers.push(name));
        let max_age = HeaderValue::from(rules.max_age.as_secs());
        Self(Arc::new(Inner { rules, allow_headers: allow_headers.0, max_age }))
    }

    /// Who asks.
    pub(super) fn asked(&self, headers: &HeaderMap) -> Asked {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Asked::Nobody,
            (Some(origin), None) if self.0.rules.allows(origin.as_bytes()) => {
                // The configuration has no star beside credentials, which need the origin itself.
                let any = self.0.rules.allows_any();
                Asked::Allowed(if any { HeaderValue::from_static("*") } else { origin.clone() })
            }
            (Some(_), _) => Asked::Refused,
        }
    }

    /// Whether pages may act in the name of who looks at them.
    pub(super) fn has_credentials(&self) -> bool {
        self.0.rules.allow_credentials
    }

    /// Lets the page that asked read a reply, if it may.
    pub(super) fn mark(&self, asked: &Asked, headers: &mut HeaderMap) {
        vary(headers);
        let Asked::Allowed(origin) = asked else { return };
        let exposed = self.exposed(headers);
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if self.0.rules.allow_credentials {
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        if let Ok(exposed) = HeaderValue::try_from(exposed) {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }

    /// The answer to a preflight, which [`Cors::mark`] completes.
    pub(super) fn preflight<T>(
        &self,
        asked: &Asked,
        request: &HeaderMap,
        path: &str,
        routes: &Table<T>,
    ) -> Response {
        let Asked::Allowed(_) = asked else { return refusal() };
        let Inner { rules, allow_headers, max_age } = &*self.0;
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        let mut set =
            |name, value: String| HeaderValue::try_from(value).map(|value| headers.insert(name, value));
        let wanted = request.get(header::ACCESS_CONTROL_REQUEST_METHOD);
        let _ = set(header::ACCESS_CONTROL_ALLOW_METHODS, methods(wanted, path, routes));
        let allowed = match rules.allow_headers {
            Some(_) => allow_headers.clone(),
            None => with_requested(allow_headers, request),
        };
        let _ = set(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, max_age.clone());
        let private = request.get(REQUEST_PRIVATE_NETWORK).is_some_and(|value| value == "true");
        if rules.allow_private_network && private {
            headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
        }
        response
    }

    /// The names of what a page may read: whatever the reply has, so that metadata of a backend needs no configuration.
    fn exposed(&self, headers: &HeaderMap) -> String {
        let own = headers.keys().filter(|name| !is_safelisted(name));
        let configured = self.0.rules.expose_headers.iter().filter(|name| !headers.contains_key(*name));
        let named = own.chain(configured).map(HeaderName::as_str).filter(|name| !STATUS.contains(name));
        STATUS.into_iter().chain(named).collect::<Vec<_>>().join(", ")
    }
}

/// Whether a browser asks before it sends a request. Any other OPTIONS is a request like the rest.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The methods of the RPC doors, and those of the routes that match the path.
///
/// Where none does, the method that was asked for is among them: the page is to read its 404, or the 503 of a gateway
/// whose schema is still to come.
fn methods<T>(wanted: Option<&HeaderValue>, path: &str, routes: &Table<T>) -> String {
    let mut names = Names::default();
    ["POST", "GET", "OPTIONS"].into_iter().for_each(|name| names.push(name));
    match routes.allowed(path) {
        Ok(allowed) => allowed.methods().for_each(|name| names.push(name)),
        Err(Miss::NotFound | Miss::BadPath(_)) => {
            let wanted = wanted.and_then(|wanted| wanted.to_str().ok());
            let wanted = wanted.filter(|wanted| ["PUT", "PATCH", "DELETE", "HEAD"].contains(wanted));
            wanted.into_iter().for_each(|name| names.push(name));
        }
        Err(Miss::MethodNotAllowed(_) | Miss::Redirect(_)) => {}
    }
    names.0
}

/// `allowed` and what the page asked to send.
fn with_requested(allowed: &str, request: &HeaderMap) -> String {
    let mut names = Names(allowed.to_owned());
    let values = request.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let asked = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    // A name that is none would be written into a header of the reply.
    let asked = asked.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    asked.take(MOST_REQUESTED).for_each(|name| names.push(name.as_str()));
    names.0
}

/// Adds to `Vary` what a reply depends on, whether or not it says anything to a page: a cache that stored one for a
/// client without an origin would serve it to pages.
fn vary(headers: &mut HeaderMap) {
    let there = headers.get_all(header::VARY).iter().filter_map(|value| value.to_str().ok());
    let mut names = Names(there.collect::<Vec<_>>().join(", "));
    if names.has("*") {
        return;
    }
    ["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"]
        .into_iter()
        .for_each(|name| names.push(name));
    if let Ok(value) = HeaderValue::try_from(names.0) {
        headers.insert(header::VARY, value);
    }
}

/// What a page may read in any case (Fetch standard, section 2.2.2), and what would tell it nothing.
fn is_safelisted(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "cache-control"
            | "content-language"
            | "content-length"
            | "content-type"
            | "expires"
            | "last-modified"
            | "pragma"
            | "vary"
            | "connection"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// A browser tells its page nothing of it; whoever looks for the reason finds it here.
fn refusal() -> Response {
    let body = r#"{"code":7,"message":"this origin is not among cors.allow_origins","details":[]}"#;
    (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, "application/json")], Body::from(body)).into_response()
}

/// Names in one line, each once.
#[derive(Default)]
struct Names(String);

impl Names {
    fn push(&mut self, name: &str) {
        if !self.has(name) {
            let comma = if self.0.is_empty() { "" } else { ", " };
            // Writing to a string does not fail.
            let _ = write!(self.0, "{comma}{name}");
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.split(',').any(|known| known.trim_ascii().eq_ignore_ascii_case(name))
    }
}

/// The headers that clients of the doors send, and that browsers ask for.
const OF_PROTOCOLS: [&str; 14] = [
    "content-type",
    "authorization",
    "grpc-timeout",
    "x-grpc-web",
    "x-user-agent",
    "connect-protocol-version",
    "connect-timeout-ms",
    "connect-accept-encoding",
    "connect-content-encoding",
    "grpc-accept-encoding",
    "grpc-encoding",
    "x-request-timeout",
    "x-request-id",
    "last-event-id",
];

/// Where gRPC-Web and trailers-only answers have their status. Exposed whether or not a reply has it.
const STATUS: [&str; 3] = ["grpc-status", "grpc-message", "grpc-status-details-bin"];

const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// As many as a request may have headers.
const MOST_REQUESTED: usize = 64;

#[cfg(test)]
mod tests;
