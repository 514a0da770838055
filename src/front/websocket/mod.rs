//! Calls over WebSockets, for browsers, which can stream both ways by nothing else.
//!
//! One call per socket, whose path is the method's. Two subprotocols ([`intake`] has what clients say, [`reply`] what
//! they are told): `grpc-websockets` of `@improbable-eng/grpc-web`, and `edgeway.json.v1`, for which a script needs no
//! more than its browser has. HTTP/1.1 opens the socket by `Upgrade`, HTTP/2 by the CONNECT of RFC 8441.
//!
//! ```text
//! handshake > first message > call, both ways > status > close frame > the client's close frame
//! ```
//!
//! | step | file |
//! |---|---|
//! | may it be opened | [`handshake`], [`origin`] |
//! | the first message, and the call that it opens | [`session`] |
//! | what a client says | [`intake`], to the call by [`feed`] |
//! | both directions at once | [`relay`], the pings by [`heart`] |
//! | what a client is told | [`reply`] |
//! | the end | [`closing`] |
//!
//! A REST request that carries `Upgrade: websocket` is not served as if it had not: a script would see a failed
//! handshake and nothing else. It is told what is missing.

mod closing;
mod feed;
mod handshake;
mod heart;
pub mod intake;
mod origin;
mod relay;
mod reply;
mod session;

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header, request::Parts};
use hyper::upgrade::OnUpgrade;

pub(super) use self::handshake::{asked, connects};

use self::{origin::Page, session::Knock};
use super::{access::Access, open::Opening};
use crate::call::Peer;

/// Answers a handshake, and serves the call on a task of its own, which the connection waits for.
pub(super) fn serve(opening: Opening, mut head: Parts, peer: &Peer, access: Option<Access>) -> Response {
    let follow = |access: Option<Access>, response| match access {
        Some(access) => access.follow(response),
        None => response,
    };
    let (page, subprotocol) = match handshake::check(&head, opening.edge.0.cors.as_ref()) {
        Ok(checked) => checked,
        Err(refused) => return follow(access, refused.into_response()),
    };
    let Some(upgrade) = head.extensions.remove::<OnUpgrade>() else {
        let text = "this connection cannot become a WebSocket\n";
        return follow(access, (StatusCode::BAD_REQUEST, text).into_response());
    };
    let response = handshake::accept(&head, subprotocol);
    if page == (Page::Guest { credentials: false }) {
        head.headers.remove(header::COOKIE);
        head.headers.remove(header::AUTHORIZATION);
    }
    let access = access.map(|access| access.upgraded(response.status()));
    let knock = Knock { subprotocol, opening, path: head.uri.path().to_owned(), headers: head.headers };
    let sessions = &peer.sessions;
    sessions.tasks.spawn(session::run(upgrade, knock, access, sessions.drain.clone()));
    response
}
