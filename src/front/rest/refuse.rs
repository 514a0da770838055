//! Whatever went wrong, as `google.rpc.Status` in JSON.

use std::sync::Arc;

use axum::{body::Body as HttpBody, response::Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use prost_reflect::DescriptorPool;
use tonic::{Code, Status};

use super::dress;
use crate::{
    call::{CallError, reason},
    codec::{StatusParts, WriteOptions, status_to_json},
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
        Self(Box::new(Inner { status, http: None, allow: None, headers, method: Some(Arc::clone(method)) }))
    }

    pub(super) fn with_http(mut self, http: StatusCode) -> Self {
        self.0.http = Some(http);
        self
    }

    fn new(error: &CallError) -> Self {
        let (status, headers) = (error.status().clone(), HeaderMap::new());
        Self(Box::new(Inner { status, http: None, allow: None, headers, method: None }))
    }

    pub(super) fn into_response(self, plan: &Plan) -> Response {
        let Inner { status, http, allow, headers, method } = *self.0;
        let (pool, write) = match &method {
            Some(method) => (&method.pool, &method.write),
            None => (&plan.builtin, &plan.write),
        };
        let mut response = Response::new(HttpBody::from(json(pool, write, &status)));
        *response.status_mut() = http.unwrap_or_else(|| code::to_http(status.code()));
        *response.headers_mut() = headers;
        dress(response.headers_mut(), "application/json");
        if let Some(allow) = allow.and_then(|allow| HeaderValue::try_from(allow.to_string()).ok()) {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        response
    }
}

/// `{code, message, details}`.
pub(super) fn json(pool: &DescriptorPool, write: &WriteOptions, status: &Status) -> bytes::Bytes {
    let details = Some(status.details()).filter(|details| !details.is_empty());
    let parts = StatusParts { code: status.code() as i32, message: status.message(), details };
    status_to_json(pool, parts, write)
}

/// The answer to a request that has no route.
pub(super) fn miss(opening: &Opening, head: &Parts, miss: Miss) -> Result<Response, Refusal> {
    let plan = &opening.plan;
    let (method, path) = (head.method.as_str(), head.uri.path());
    let (code, http, allow, message) = match miss {
        Miss::MethodNotAllowed(allow) if head.method == Method::OPTIONS => return Ok(options(&allow)),
        Miss::Redirect(path) => return Ok(redirect(&path, head.uri.query())),
        Miss::MethodNotAllowed(allow) => {
            let message = format!("{method} is not allowed for this path, expected one of {allow}");
            (Code::Unimplemented, StatusCode::METHOD_NOT_ALLOWED, Some(allow), message)
        }
        Miss::BadPath(error) => (Code::InvalidArgument, StatusCode::BAD_REQUEST, None, error.to_string()),
        Miss::NotFound => {
            if let Some(error) = plan.not_loaded() {
                return Err(Refusal::new(&opening.refused(None, error)));
            }
            let path = path.chars().take(256).collect::<String>();
            let mut message = format!("no route for {method} {}", path.escape_debug());
            if let Some(nearest) = plan.routes.nearest(head.uri.path()) {
                message.push_str(&format!(", did you mean {nearest}?"));
            }
            (Code::NotFound, StatusCode::NOT_FOUND, None, message)
        }
    };
    let reason = if code == Code::InvalidArgument { reason::BAD_REQUEST } else { reason::ROUTE_NOT_FOUND };
    let error = opening.refused(None, CallError::refused(code, reason, message));
    let mut refusal = Refusal::new(&error).with_http(http);
    refusal.0.allow = allow;
    Err(refusal)
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
fn redirect(path: &str, query: Option<&str>) -> Response {
    let mut response = Response::new(HttpBody::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    let location = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    if let Ok(location) = HeaderValue::try_from(location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
