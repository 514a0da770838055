//! The doors: each turns one inbound protocol into a call and the answer back.
//!
//! | door | told by | answers |
//! |---|---|---|
//! | [`grpc`] | `application/grpc`, HTTP/2 | HTTP 200 and the status in trailers |
//! | [`grpc_web`] | `application/grpc-web`, `-text` | HTTP 200 and the status in a trailer frame |
//! | [`connect`] | `application/connect+`, a version of Connect | the HTTP status, JSON; of a stream as gRPC-Web |
//! | [`websocket`] | a handshake | HTTP 101 and the status in the last message |
//! | [`rest`] | anything else | the HTTP status of the call's status, JSON |
//!
//! A door does four things: find the method, make metadata of headers, make frames of the body, and turn the answer of
//! the waist into its own words. Past it nobody knows which door a call came in by. [`own`] answers what is asked of the
//! gateway itself.

mod access;
mod body;
mod classify;
mod connect;
mod cors;
mod gate;
mod grpc;
mod grpc_web;
mod host;
mod json;
mod linger;
mod open;
mod own;
mod rest;
mod websocket;

pub use websocket::intake;

pub use own::{Own, Serving};
pub use rest::{Account, Considered, Outcome, Sent, Standing, bind, explain};

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use http::HeaderName;

use self::{access::Access, classify::Door, cors::Cors, open::Opening};
use crate::{call::Peer, config, plan::Plan, policy::Stack, telemetry::AccessLog};

/// What all doors of a worker share.
#[derive(Clone, Debug)]
pub struct Edge(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    plan: Arc<ArcSwap<Plan>>,
    calls: Stack,
    own: Own,
    access: AccessLog,
    cors: Option<Cors>,
}

impl Edge {
    /// Doors that read the plan from `plan` and send calls down `calls`.
    pub fn new(
        plan: Arc<ArcSwap<Plan>>,
        calls: Stack,
        own: Own,
        access: AccessLog,
        cors: Option<config::Cors>,
    ) -> Self {
        Self(Arc::new(Shared { plan, calls, own, access, cors: cors.map(Cors::new) }))
    }

    /// Answers a request of the public port, from a client.
    ///
    /// No `Router` stands before it, which would match each path against no route and write down that it did.
    pub async fn serve(self, request: Request, peer: Arc<Peer>) -> Response {
        let Some(cors) = self.0.cors.clone() else { return self.answer(request, peer).await };
        let asked = cors.asked(request.headers());
        let mut response = match cors::is_preflight(request.method(), request.headers()) {
            true => self.preflight(&cors, &asked, &request, &peer),
            false => self.answer(request, peer).await,
        };
        cors.mark(&asked, response.headers_mut());
        response
    }

    /// Answers a browser that asks before it sends a request.
    fn preflight(&self, cors: &Cors, asked: &cors::Asked, request: &Request, peer: &Peer) -> Response {
        let access = Access::open(&self.0.access, request, peer, Door::Rest);
        let routes = &self.0.plan.load().routes;
        let response = cors.preflight(asked, request.headers(), request.uri().path(), routes);
        match access {
            Some(access) => access.follow(response),
            None => response,
        }
    }

    async fn answer(self, request: Request, peer: Arc<Peer>) -> Response {
        let plan = self.0.plan.load_full();
        let door = classify::classify(&request);
        let access = Access::open(&self.0.access, &request, &peer, door);
        let journal = access.as_ref().map(Access::journal);
        let (head, body) = request.into_parts();
        let host = plan.asks_hosts.then(|| host::named(&head)).flatten();
        let opening = Opening { plan, edge: self, journal, host };
        let (mut body, linger) = linger::watch(&head, body);
        if let Some(access) = &access {
            body = access.count(body);
        }
        let let_in = gate::check(&head, |method| opening.plan.routes.is_for(method));
        let response = match (let_in, door) {
            (Err(refused), _) => refused.into_response(),
            (Ok(()), Door::Grpc) => grpc::serve(&opening, head, body).await,
            (Ok(()), Door::GrpcWeb(format)) => grpc_web::serve(&opening, head, body, format).await,
            // Boxed, or every call would have room for the largest.
            (Ok(()), Door::Connect(shape)) => Box::pin(connect::serve(&opening, head, body, shape)).await,
            (Ok(()), Door::WebSocket) => {
                return websocket::serve(opening, head, &peer, access);
            }
            (Ok(()), Door::Rest) => Box::pin(rest::serve(&opening, head, body)).await,
        };
        let response = match access {
            Some(access) => access.follow(response),
            None => response,
        };
        linger::hold(linger, response).await
    }
}

/// Whose `no` keeps nginx in front from holding a stream back until its buffer is full.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
