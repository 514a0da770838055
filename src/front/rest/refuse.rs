//! Whatever went wrong, as JSON with the HTTP status of its code.

use std::sync::Arc;

use axum::{body::Body as HttpBody, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use prost::Message as _;
use prost_reflect::DescriptorPool;
use tonic::{Code, Status};
use tonic_types::pb;

use super::dress;
use crate::{
    call::{CallError, reason},
    codec::{StatusParts, StatusShape, WriteOptions, status_to_json},
    config::ErrorFormat,
    front::open::Opening,
    grpc::code,
    plan::{MethodPlan, Plan},
    route::{Allow, Miss},
};

/// A request that gets an error for an answer. One word wide: it is the error of every step.
#[derive(Debug)]
pub(super) struct Refusal(Box<Inner>);

#[derive(Debug)]
struct Inner {
    status: Status,
    /// The HTTP status, where HTTP has a better one than the code's.
    http: Option<StatusCode>,
    allow: Option<Allow>,
    /// The metadata that a backend sent with it.
    headers: HeaderMap,
    /// Resolves the types of its details.
    method: Option<Arc<MethodPlan>>,
    plain: bool,
}

impl Refusal {
    /// A call of a known method that Edgeway ended.
    pub(super) fn of(method: &Arc<MethodPlan>, error: &CallError) -> Self {
        let mut refusal = Self::new(error);
        refusal.0.method = Some(Arc::clone(method));
        refusal
    }

    /// A call that its backend ended with an error.
    pub(super) fn backend(method: &Arc<MethodPlan>, status: Status, headers: HeaderMap) -> Self {
        Self(Box::new(Inner {
            status,
            http: None,
            allow: None,
            headers,
            method: Some(Arc::clone(method)),
            plain: false,
        }))
    }

    /// The code of its status.
    pub(super) fn code(&self) -> Code {
        self.0.status.code()
    }

    /// With the HTTP status that says it better than the code's, if there is one.
    pub(super) fn with_better(mut self, http: Option<StatusCode>) -> Self {
        self.0.http = http.or(self.0.http);
        self
    }

    fn new(error: &CallError) -> Self {
        let (status, headers) = (error.status().clone(), HeaderMap::new());
        Self(Box::new(Inner { status, http: None, allow: None, headers, method: None, plain: false }))
    }

    /// For a client that knocked at the path of a method with a content type of no door. It may speak any protocol,
    /// and one of Connect would take JSON beside an HTTP error for an error of its own kind.
    pub(super) fn in_plain_text(mut self) -> Self {
        self.0.plain = true;
        self
    }

    pub(super) fn into_response(self, plan: &Plan) -> Response {
        let Inner { status, http, allow, headers, method, plain } = *self.0;
        if plain {
            let mut response = Response::new(HttpBody::from(format!("{}\n", status.message())));
            *response.status_mut() = http.unwrap_or(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            dress(response.headers_mut(), "text/plain; charset=utf-8");
            response.headers_mut().insert("accept-post", HeaderValue::from_static(ACCEPT_POST));
            return response;
        }
        let (pool, write, rest) = match &method {
            Some(method) => (&method.pool, &method.write, &method.rest),
            None => (&plan.builtin, &plan.write, &plan.rest),
        };
        let http = http.unwrap_or_else(|| rest.http_status_of(status.code()));
        let (shape, content_type) = match rest.error_format {
            ErrorFormat::Status => (StatusShape::Status, "application/json"),
            ErrorFormat::Aip193 => {
                let name = code::name(status.code());
                (StatusShape::Aip193 { http: http.as_u16(), name }, "application/json")
            }
            ErrorFormat::ProblemJson => {
                let title = http.canonical_reason().unwrap_or("Client Closed Request");
                (StatusShape::Problem { http: http.as_u16(), title }, "application/problem+json")
            }
        };
        let mut response = Response::new(HttpBody::from(shaped(pool, write, &status, shape)));
        *response.status_mut() = http;
        *response.headers_mut() = headers;
        dress(response.headers_mut(), content_type);
        if let Some(allow) = allow.and_then(|allow| HeaderValue::try_from(allow.to_string()).ok()) {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        advise(response.headers_mut(), http, &status);
        response
    }
}

/// `{code, message, details}`.
pub(super) fn json(pool: &DescriptorPool, write: &WriteOptions, status: &Status) -> Bytes {
    shaped(pool, write, status, StatusShape::Status)
}

fn shaped(pool: &DescriptorPool, write: &WriteOptions, status: &Status, shape: StatusShape) -> Bytes {
    let details = Some(status.details()).filter(|details| !details.is_empty());
    let parts = StatusParts { code: status.code() as i32, message: status.message(), details };
    status_to_json(pool, parts, shape, write)
}

/// What HTTP has headers for, unless the backend sent them.
fn advise(headers: &mut HeaderMap, http: StatusCode, status: &Status) {
    if !headers.contains_key(header::RETRY_AFTER)
        && let Some(seconds) = retry_after(status)
    {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    // RFC 9110 section 15.5.2 wants a challenge with each 401. The status's message, which grpc-gateway puts
    // there, is none.
    if http == StatusCode::UNAUTHORIZED && !headers.contains_key(header::WWW_AUTHENTICATE) {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
}

/// The delay of a `google.rpc.RetryInfo` in whole seconds, rounded up: sooner would be too soon.
fn retry_after(status: &Status) -> Option<u64> {
    let details = pb::Status::decode(status.details()).ok()?.details;
    let info = details.iter().find(|detail| detail.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = pb::RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay?;
    let seconds = delay.seconds.checked_add(i64::from(delay.nanos > 0))?;
    u64::try_from(seconds).ok()
}

/// The answer to a request that has no route.
pub(super) fn miss(opening: &Opening, head: &Parts, miss: Miss) -> Result<Response, Refusal> {
    let error = match miss {
        Miss::MethodNotAllowed(allow) if head.method == Method::OPTIONS => return Ok(options(&allow)),
        Miss::Redirect(path) => return Ok(redirect(&location(&path, head.uri.query()))),
        Miss::MethodNotAllowed(_) | Miss::BadPath(_) | Miss::NotFound => no_route(&opening.plan, head, &miss),
    };
    let mut refusal = Refusal::new(&opening.refused(None, error));
    refusal.0.http = http_of(&opening.plan, &miss);
    if let Miss::MethodNotAllowed(allow) = miss {
        refusal.0.allow = Some(allow);
    }
    Err(refusal)
}

/// Why a request has no route, with the way out.
pub(super) fn no_route(plan: &Plan, head: &Parts, miss: &Miss) -> CallError {
    let (method, path) = (head.method.as_str(), head.uri.path());
    let refused = |code, message| CallError::refused(code, reason::ROUTE_NOT_FOUND, message);
    match miss {
        Miss::MethodNotAllowed(allow) => {
            let message = format!("{method} is not allowed for this path, expected one of {allow}");
            refused(Code::Unimplemented, message)
        }
        Miss::BadPath(error) => {
            CallError::refused(Code::InvalidArgument, reason::BAD_REQUEST, error.to_string())
        }
        Miss::NotFound | Miss::Redirect(_) => plan.not_loaded().unwrap_or_else(|| {
            let shown = path.chars().take(256).collect::<String>();
            let mut message = format!("no route for {method} {}", shown.escape_debug());
            if let Some(nearest) = plan.routes.nearest(path) {
                message.push_str(&format!(", did you mean {nearest}?"));
            }
            refused(Code::NotFound, message)
        }),
    }
}

/// The HTTP status of a request that has no route, unless it is that of the code.
pub(super) fn http_of(plan: &Plan, miss: &Miss) -> Option<StatusCode> {
    match miss {
        Miss::MethodNotAllowed(_) => Some(StatusCode::METHOD_NOT_ALLOWED),
        Miss::BadPath(_) => Some(StatusCode::BAD_REQUEST),
        Miss::NotFound | Miss::Redirect(_) => plan.missing.is_empty().then_some(StatusCode::NOT_FOUND),
    }
}

/// Where a request with a slash too many should have gone.
pub(super) fn location(path: &str, query: Option<&str>) -> String {
    query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"))
}

fn options(allow: &Allow) -> Response {
    let mut response = Response::new(HttpBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Ok(allow) = HeaderValue::try_from(allow.to_string()) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

/// 308 for every method, GET too: it is the one redirect that keeps method and body, and may be cached.
fn redirect(location: &str) -> Response {
    let mut response = Response::new(HttpBody::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// What the path of a method takes (W3C Linked Data Platform, section 7.1, has the header).
const ACCEPT_POST: &str =
    "application/json, application/grpc, application/grpc-web, application/grpc-web-text, application/proto";
