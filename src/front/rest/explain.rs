//! What the door would make of a request, without a call.
//!
//! It goes the way of a request with the code of the door, step by step, and keeps what each step found.

use std::sync::Arc;

use axum::body::Body as HttpBody;
use bytes::Bytes;
use http::{Method, Request, StatusCode, request::Parts};
use http_body_util::BodyExt;
use tonic::Status;

use super::{bind, refuse, request, timeout};
use crate::{
    call::{CallError, Context, Inbound},
    front::{
        classify::{self, Door},
        gate, host, open,
    },
    grpc::metadata,
    plan::{Binding, Destination, MethodPlan, Plan, Rule},
    route::{Match, Miss, Route},
};

/// What becomes of a request, and why.
#[derive(Debug)]
pub struct Account<'p> {
    /// The routes whose templates match the path, in the order in which they are tried.
    pub considered: Vec<Considered<'p>>,
    /// Where it would be sent, if a route of the configuration says so.
    pub sent: Option<Sent<'p>>,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// Where a route of the configuration sends a request.
#[derive(Debug)]
pub struct Sent<'p> {
    /// The route.
    pub rule: &'p Rule,
    /// The cluster, where chance has no part in it.
    pub certain: Option<&'p Destination>,
}

/// A route whose template matches the path of a request.
#[derive(Debug)]
pub struct Considered<'p> {
    /// The route.
    pub route: &'p Route<Binding>,
    /// What became of it.
    pub standing: Standing,
}

/// Whether a route that matches a path gets the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Chosen,
    /// It is for another method.
    OtherMethod,
    /// A more specific template is for the method, too.
    LessSpecific,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Outcome {
    /// It would be sent to a backend, as this message.
    Called(bind::Explanation),
    /// It is answered without a call, and is no error: the HTTP status, and the header that says more.
    Answered(StatusCode, &'static str, String),
    /// It is refused.
    Refused(StatusCode, Status),
    /// It is no REST request, but one of gRPC or gRPC-Web by its content type.
    OtherDoor,
}

/// What becomes of a request with this head and body under `plan`.
pub async fn explain<'p>(plan: &'p Plan, head: &Parts, body: Bytes) -> Account<'p> {
    let mut account = Account { considered: Vec::new(), sent: None, outcome: Outcome::OtherDoor };
    if let Err(refused) = gate::check(head, |method| plan.routes.is_for(method)) {
        let (http, message) = refused.told();
        account.outcome = Outcome::Refused(http, Status::invalid_argument(message));
        return account;
    }
    let request = Request::from_parts(head.clone(), HttpBody::empty());
    if classify::classify(&request) != Door::Rest {
        return account;
    }
    let found = plan.routes.lookup(head.method.as_str(), head.uri.path());
    let chosen = found.as_ref().ok().map(|found| found.template);
    for route in plan.routes.candidates(head.uri.path()).unwrap_or_default() {
        let standing = match chosen {
            Some(chosen) if std::ptr::eq(chosen, &route.template) => Standing::Chosen,
            _ if !is_for(route, &head.method) => Standing::OtherMethod,
            _ => Standing::LessSpecific,
        };
        account.considered.push(Considered { route, standing });
    }
    account.outcome = match found {
        Ok(found) => {
            account.sent = sent(&found.value.method, head);
            bound(&found, head, body).await
        }
        Err(Miss::MethodNotAllowed(allow)) if head.method == Method::OPTIONS => {
            Outcome::Answered(StatusCode::NO_CONTENT, "allow", allow.to_string())
        }
        Err(Miss::Redirect(path)) => {
            let location = refuse::location(&path, head.uri.query());
            Outcome::Answered(StatusCode::PERMANENT_REDIRECT, "location", location)
        }
        Err(miss) => {
            let error = refuse::no_route(plan, head, &miss);
            let of_code = plan.rest.http_status_of(error.status().code());
            let http = refuse::http_of(plan, &miss).unwrap_or(of_code);
            Outcome::Refused(http, error.status().clone())
        }
    };
    account
}

fn sent<'p>(method: &'p MethodPlan, head: &Parts) -> Option<Sent<'p>> {
    let mut headers = head.headers.clone();
    metadata::unprefix(&mut headers);
    metadata::from_client(&mut headers);
    let choice = open::choose(method, &headers, host::named(head).as_deref())?;
    Some(Sent { rule: choice.rule, certain: choice.rule.certain(&headers) })
}

async fn bound(found: &Match<'_, '_, Binding>, head: &Parts, body: Bytes) -> Outcome {
    let binding = found.value;
    let method = &binding.method;
    let refused = |error: &CallError, http: Option<StatusCode>| {
        let http = http.unwrap_or_else(|| method.rest.http_status_of(error.status().code()));
        Outcome::Refused(http, error.status().clone())
    };
    let mut context = Context::new(method.kind, Inbound::Rest, Arc::clone(&method.metrics));
    let mut headers = head.headers.clone();
    let timeouts = open::grpc_timeout(&mut headers, &mut context)
        .and_then(|()| timeout::read(&mut headers, &mut context));
    if let Err(error) = timeouts {
        return refused(&error, None);
    }
    let time = open::body_time(method, &context);
    match request::frames(binding, found, head, HttpBody::from(body.clone()), time).await {
        Err(unfit) => return refused(&unfit.error, unfit.http),
        Ok(frames) => {
            // Of a stream the messages are made as they are taken, and so are their faults.
            if let Err(error) = frames.body.collect().await {
                return refused(&error, None);
            }
        }
    }
    // Of a body that is no JSON, or many messages of it, what path and query bind is what is left to tell.
    let whole = !binding.raw_request && !method.kind.client_streaming();
    let query = head.uri.query().unwrap_or_default();
    let json = if whole { &*body } else { b"" };
    match (bind::Request { binding, captures: &found.captures, query, json }).explain() {
        Ok(explanation) => Outcome::Called(explanation),
        Err(fault) => refused(&fault.into_error(), None),
    }
}

fn is_for(route: &Route<Binding>, method: &Method) -> bool {
    let name = route.method.as_str();
    name == "*" || name == method.as_str() || name == "GET" && *method == Method::HEAD
}
