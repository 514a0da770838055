//! A WebSocket from its first message to its end.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{Role, WebSocketConfig},
    },
};

use super::{
    closing::{self, Closing, Wrong},
    feed::{Feed, feed},
    intake::{Event, Intake, Said, Subprotocol},
    relay::{Answer, End, Relay, State},
    reply::Reply,
};
use crate::{
    call::{Body, Inbound, Signal},
    front::{access::Access, open, open::Opening},
    grpc::{GRPC_ACCEPT_ENCODING, GRPC_ENCODING, metadata, status},
    plan::MethodPlan,
};

/// What was asked for by the handshake.
#[derive(Debug)]
pub(super) struct Knock {
    pub(super) subprotocol: Subprotocol,
    pub(super) opening: Opening,
    pub(super) path: String,
    /// Headers of the handshake, under those of the first message: browsers let a script set none here, and send
    /// cookies nowhere else.
    pub(super) headers: HeaderMap,
}

/// Serves one call on the connection that a handshake left behind.
pub(super) async fn run(upgrade: OnUpgrade, knock: Knock, access: Option<Access>, drain: Signal) {
    // The client left before it had its answer.
    let Ok(upgraded) = upgrade.await else { return };
    serve(TokioIo::new(upgraded), knock, access, drain).await;
}

async fn serve<S>(transport: S, knock: Knock, access: Option<Access>, drain: Signal)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let plan = Arc::clone(&knock.opening.plan);
    let method = plan.method(&knock.path);
    let reply = Reply::new(knock.subprotocol, &plan, method.as_ref().ok().copied());
    let most = method.as_ref().map_or(0, |method| method.policy.max_request_bytes);
    let mut socket = WebSocketStream::from_raw_socket(transport, Role::Server, Some(limits(most))).await;
    let mut intake = Intake::new(knock.subprotocol);
    let method = match method {
        Ok(method) => method,
        Err(error) => {
            let error = knock.opening.refused(None, error);
            return tell(socket, reply, access, &Wrong { closing: Closing::done(), error }).await;
        }
    };
    let first = tokio::select! {
        biased;
        first = first(&mut socket, &mut intake) => first,
        () = drain.watch() => return closing::close(socket, Closing::away()).await,
    };
    let call = match first {
        None => return closing::answer(socket).await,
        Some(Ok(headers)) => call(knock, method, headers),
        Some(Err(Wrong { closing, error })) => {
            Err(Wrong { closing, error: knock.opening.refused(Some(method), error) })
        }
    };
    let relay = match call {
        Ok((answer, body, json)) => {
            Relay { answer, feed: Some(body), socket, intake, reply, json, access, state: State::new() }
        }
        Err(wrong) => return tell(socket, reply, access, &wrong).await,
    };
    match relay.run().await {
        (socket, End::Told(closing)) => closing::close(socket, closing).await,
        (socket, End::Left) => closing::answer(socket).await,
    }
}

/// Waits for the head of the call; `None` when the client left instead.
async fn first<S>(socket: &mut WebSocketStream<S>, intake: &mut Intake) -> Option<Result<HeaderMap, Wrong>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let read = async {
        loop {
            let said = match socket.next().await {
                Some(Ok(Message::Text(text))) => Said::Text(text.into()),
                Some(Ok(Message::Binary(bytes))) => Said::Binary(bytes),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(_))) | None => return None,
                Some(Err(error)) => return Wrong::of(&error).map(Err),
            };
            return match intake.take(said) {
                Ok(Event::Head(headers)) => Some(Ok(headers)),
                // The first message is a head or a fault.
                Ok(Event::Message(_) | Event::HalfClose) => None,
                Err(fault) => Some(Err(fault.into())),
            };
        }
    };
    tokio::time::timeout(FIRST, read).await.unwrap_or_else(|_| Some(Err(Wrong::silent(FIRST))))
}

type Call = (Answer, Feed, Option<Arc<MethodPlan>>);

fn call(knock: Knock, method: &Arc<MethodPlan>, mut first: HeaderMap) -> Result<Call, Wrong> {
    let Knock { subprotocol, opening, mut headers, .. } = knock;
    let mut context = opening.context(method, Inbound::WebSocket);
    if let Err(error) = open::grpc_timeout(&mut first, &mut context) {
        let error = opening.refused(Some(method), error);
        return Err(Wrong { closing: Closing::done(), error });
    }
    headers.remove(crate::grpc::GRPC_TIMEOUT);
    metadata::from_client(&mut headers);
    metadata::from_client(&mut first);
    for name in first.keys() {
        headers.remove(name);
    }
    headers.extend(first);
    let json = (subprotocol == Subprotocol::Json).then(|| Arc::clone(method));
    if json.is_some() {
        // Edgeway reads the replies itself, and reads them uncompressed.
        headers.remove(GRPC_ENCODING);
        headers.remove(GRPC_ACCEPT_ENCODING);
    }
    let (feed, body) = feed();
    let method = Arc::clone(method);
    let answer = async move { opening.call(&method, context, headers, Body::stream(body)).await };
    Ok((Answer::Waiting(Box::pin(answer)), feed, json))
}

/// Tells a status where there was no call, and closes.
async fn tell<S>(mut socket: WebSocketStream<S>, mut reply: Reply, access: Option<Access>, wrong: &Wrong)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut trailers = HeaderMap::new();
    status::write(wrong.error.status(), &mut trailers);
    if let Some(last) = reply.end(&trailers) {
        if let Some(mut access) = access {
            access.wrote(last.len());
        }
        let sent = tokio::time::timeout(FIRST, socket.send(last)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
    closing::close(socket, wrong.closing.clone()).await;
}

/// Small buffers, since most WebSockets rest most of the time; tungstenite's own are 128 KiB each.
fn limits(max_request_bytes: usize) -> WebSocketConfig {
    // A message of `grpc-websockets` is a byte and a frame.
    let most = max_request_bytes.saturating_add(1 + crate::grpc::frame::HEADER_LEN).max(LEAST);
    WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(16 << 10)
        .max_message_size(Some(most))
        .max_frame_size(Some(most))
}

/// How long the first message may take, counted from the handshake.
const FIRST: Duration = Duration::from_secs(10);

/// Room for a first message, whatever the method's own are limited to.
const LEAST: usize = 16 << 10;
