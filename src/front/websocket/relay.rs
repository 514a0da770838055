//! One call over one WebSocket, both ways at once.
//!
//! | waits for | what stands still |
//! |---|---|
//! | the client to read | the backend: nothing more is taken from the answer |
//! | the backend to read | the client: nothing more is taken from the socket |
//!
//! Neither holds up the other direction. A client that breaks its protocol breaks the body of its request off with what
//! it did wrong; what the call then ends with is the status that it is told, so that logs and metrics say the same.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use http_body::Body as _;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Sleep,
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use super::{
    closing::{Closing, Wrong},
    feed::Feed,
    heart::{Beat, Heart},
    intake::{Event, Intake, Said},
    reply::Reply,
};
use crate::{
    call::{self, Body, CallError},
    codec::ReadError,
    front::{access::Access, rest::bind},
    grpc::{GRPC_STATUS, frame, status},
    plan::MethodPlan,
    telemetry::metrics::CancelledBy,
};

/// A call under way. Dropped, it cancels the call.
pub(super) struct Relay<S> {
    /// Dropped before `access`, which writes down how the call ended.
    pub(super) answer: Answer,
    pub(super) feed: Option<Feed>,
    pub(super) socket: WebSocketStream<S>,
    pub(super) intake: Intake,
    pub(super) reply: Reply,
    /// What reads its requests, where they are JSON.
    pub(super) json: Option<Arc<MethodPlan>>,
    pub(super) access: Option<Access>,
    pub(super) state: State,
}

/// Where both directions are.
#[derive(Debug)]
pub(super) struct State {
    heart: Heart,
    /// Whether the socket is read.
    listening: bool,
    /// Nothing more can be read from the socket.
    deaf: bool,
    /// Bytes that were written and not flushed.
    unsent: usize,
    flushing: bool,
    /// JSON messages that came.
    received: u64,
    broken: Option<Broken>,
    /// The status is written, and what the socket closes with after it.
    told: Option<Closing>,
}

/// A client that broke its protocol.
#[derive(Debug)]
struct Broken {
    closing: Closing,
    /// The status, should the call not end with it in time.
    spare: CallError,
    until: Pin<Box<Sleep>>,
}

/// The answer of the waist.
pub(super) enum Answer {
    Waiting(Pin<Box<dyn Future<Output = Result<call::Response, CallError>> + Send>>),
    Body(Body),
    Ended,
}

/// How a call over a WebSocket ended.
#[derive(Debug)]
pub(super) enum End {
    /// With its status, behind which the socket is to be closed.
    Told(Closing),
    /// The client closed the socket, or is gone.
    Left,
}

enum Part {
    Head(HeaderMap),
    Data(Bytes),
    Trailers(HeaderMap),
    Error(CallError),
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            heart: Heart::new(),
            listening: true,
            deaf: false,
            unsent: 0,
            flushing: false,
            received: 0,
            broken: None,
            told: None,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Relay<S> {
    /// Runs the call to its end. What is given back is the socket; the call itself is over, for its backend too.
    pub(super) async fn run(mut self) -> (WebSocketStream<S>, End) {
        let end = poll_fn(|cx| self.poll(cx)).await;
        (self.socket, end)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if let Poll::Ready(end) = self.poll_inward(cx) {
            return Poll::Ready(end);
        }
        loop {
            if let Poll::Ready(end) = self.poll_outward(cx) {
                return Poll::Ready(end);
            }
            let State { heart, listening, flushing, .. } = &mut self.state;
            match ready!(heart.poll_beat(*listening, *flushing, cx)) {
                Beat::Rest => {}
                Beat::Dead => return Poll::Ready(End::Left),
                Beat::Ping => {
                    if self.socket.start_send_unpin(Message::Ping(Bytes::new())).is_err() {
                        return Poll::Ready(End::Left);
                    }
                    self.state.flushing = true;
                }
            }
        }
    }

    /// From the socket to the call, as far as the call takes it.
    fn poll_inward(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        while !self.state.deaf {
            self.state.listening = self.feed.as_ref().is_none_or(|feed| feed.poll_room(cx).is_ready());
            if !self.state.listening {
                return Poll::Pending;
            }
            let message = match ready!(self.socket.poll_next_unpin(cx)) {
                Some(Ok(message)) => message,
                Some(Err(error)) => {
                    self.state.deaf = true;
                    match Wrong::of(&error) {
                        Some(wrong) => self.break_off(wrong),
                        None => return Poll::Ready(End::Left),
                    }
                    continue;
                }
                None => return Poll::Ready(End::Left),
            };
            self.state.heart.heard();
            let said = match message {
                Message::Text(text) => Said::Text(text.into()),
                Message::Binary(bytes) => Said::Binary(bytes),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
                Message::Close(_) => return Poll::Ready(End::Left),
            };
            // What follows on a mistake means nothing.
            if self.state.broken.is_none()
                && let Err(wrong) = self.take(said)
            {
                self.break_off(wrong);
            }
        }
        Poll::Pending
    }

    fn take(&mut self, said: Said) -> Result<(), Wrong> {
        if let (Some(access), Said::Text(bytes) | Said::Binary(bytes)) = (&self.access, &said) {
            access.journal().read(bytes.len());
        }
        match (self.intake.take(said)?, &self.feed) {
            (Event::Message(bytes), Some(feed)) => match &self.json {
                None => feed.put(|out| {
                    out.extend_from_slice(&bytes);
                    Ok(())
                }),
                Some(method) => {
                    let read = feed.put(|out| frame::put_with(out, |out| read(method, &bytes, out)));
                    let received = self.state.received;
                    self.state.received += 1;
                    read.map_err(|error| {
                        let error = bind::Fault::Value(error.below(&format!("[{received}]")));
                        Wrong { closing: Closing::done(), error: error.into_error() }
                    })
                }
            },
            (Event::HalfClose, _) => {
                if let Some(feed) = self.feed.take() {
                    feed.end(Ok(()));
                }
                Ok(())
            }
            // The first message is taken before there is a call, and none comes after the end of the request.
            (Event::Message(_), None) | (Event::Head(_), _) => Ok(()),
        }
    }

    /// Ends the request with what the client did wrong.
    fn break_off(&mut self, Wrong { closing, error }: Wrong) {
        let spare = CallError::client(error.status().clone());
        let patience = match self.feed.take() {
            Some(feed) if !feed.is_abandoned() => {
                feed.end(Err(error));
                PATIENCE
            }
            // The backend has all of the request, and may answer it for a long time yet.
            Some(_) | None => Duration::ZERO,
        };
        let until = Box::pin(tokio::time::sleep(patience));
        self.state.broken = Some(Broken { closing, spare, until });
    }

    /// From the call to the socket, as far as the client reads it.
    fn poll_outward(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        loop {
            if self.state.flushing || self.socket.poll_ready_unpin(cx).is_pending() {
                self.state.flushing = true;
                if ready!(self.socket.poll_flush_unpin(cx)).is_err() {
                    return Poll::Ready(End::Left);
                }
                self.state.flushing = false;
                self.state.unsent = 0;
            }
            if let Some(closing) = self.state.told.take() {
                return Poll::Ready(End::Told(closing));
            }
            if self.state.unsent >= CHUNK {
                self.state.flushing = true;
                continue;
            }
            let sent = match self.reply.next_message() {
                Ok(Some(message)) => self.send(message),
                Ok(None) => match self.poll_answer(cx) {
                    Poll::Ready(part) => self.pass(part),
                    Poll::Pending if self.state.unsent > 0 => {
                        self.state.flushing = true;
                        true
                    }
                    Poll::Pending => return Poll::Pending,
                },
                Err(error) => self.fail(&error),
            };
            if !sent {
                return Poll::Ready(End::Left);
            }
        }
    }

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Part> {
        if let Poll::Ready(part) = self.answer.poll_part(cx) {
            return Poll::Ready(part);
        }
        match &mut self.state.broken {
            Some(broken) => {
                ready!(broken.until.as_mut().poll(cx));
                let spare = CallError::client(broken.spare.status().clone());
                Poll::Ready(Part::Error(spare))
            }
            None => Poll::Pending,
        }
    }

    fn pass(&mut self, part: Part) -> bool {
        match part {
            Part::Head(headers) if headers.contains_key(GRPC_STATUS) => self.tell(&headers, None),
            Part::Head(headers) => self.reply.head(headers).is_none_or(|head| self.send(head)),
            Part::Data(data) => {
                self.reply.push(data);
                true
            }
            Part::Trailers(trailers) => self.tell(&trailers, None),
            Part::Error(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &CallError) -> bool {
        let mut trailers = HeaderMap::new();
        status::write(error.status(), &mut trailers);
        let drained = error.cancelled_by() == Some(CancelledBy::Shutdown);
        self.tell(&trailers, drained.then(Closing::away))
    }

    /// Writes the status, behind which the socket is closed.
    fn tell(&mut self, trailers: &HeaderMap, closing: Option<Closing>) -> bool {
        // Whoever still sends for the call need not.
        self.answer = Answer::Ended;
        self.feed = None;
        let broken = self.state.broken.take().map(|broken| broken.closing);
        let last = self.reply.end(trailers);
        let told =
            if last.is_some() { broken.or(closing).unwrap_or_else(Closing::done) } else { Closing::torn() };
        self.state.told = Some(told);
        self.state.flushing = true;
        last.is_none_or(|last| self.send(last))
    }

    fn send(&mut self, message: Message) -> bool {
        self.state.unsent += message.len();
        if let Some(access) = &mut self.access {
            access.wrote(message.len());
        }
        self.socket.start_send_unpin(message).is_ok()
    }
}

impl Answer {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Part> {
        let (part, next) = match self {
            Self::Waiting(answer) => match ready!(answer.as_mut().poll(cx)) {
                Ok(answer) => {
                    let (head, body) = answer.into_parts();
                    (Part::Head(head.headers), Self::Body(body))
                }
                Err(error) => (Part::Error(error), Self::Ended),
            },
            Self::Body(body) => {
                let part = match ready!(Pin::new(body).poll_frame(cx)) {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => return Poll::Ready(Part::Data(data)),
                        Err(frame) => Part::Trailers(frame.into_trailers().unwrap_or_default()),
                    },
                    Some(Err(error)) => Part::Error(error),
                    None => Part::Error(CallError::reply_lost("the answer ended without a status")),
                };
                (part, Self::Ended)
            }
            Self::Ended => return Poll::Pending,
        };
        *self = next;
        Poll::Ready(part)
    }
}

fn read(method: &MethodPlan, json: &[u8], out: &mut bytes::BytesMut) -> Result<(), ReadError> {
    let start = out.len();
    method.input.to_wire(json, &method.read, out)?;
    method.input.check_required(out.get(start..).unwrap_or_default())
}

/// Bytes after which what was written is flushed.
const CHUNK: usize = 64 << 10;

/// How long the call may take to end with what its client did wrong. The backend's side of it is told at once; only a
/// backend that reads nothing keeps it from ending.
const PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use tokio::{io::DuplexStream, time::Instant};
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;
    use crate::{front::websocket::intake::Subprotocol, grpc::frame::Scanner};

    /// A call that nothing comes of, and the client's end of its socket.
    async fn at_rest() -> (Relay<DuplexStream>, DuplexStream) {
        let (near, far) = tokio::io::duplex(4 << 10);
        let relay = Relay {
            answer: Answer::Waiting(Box::pin(std::future::pending())),
            feed: None,
            socket: WebSocketStream::from_raw_socket(near, Role::Server, None).await,
            intake: Intake::new(Subprotocol::Frames),
            reply: Reply::Frames { scanner: Scanner::new(usize::MAX), bytes: Bytes::new() },
            json: None,
            access: None,
            state: State::new(),
        };
        (relay, far)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_answers_no_ping_is_let_go() {
        let (relay, _far) = at_rest().await;
        let start = Instant::now();
        let (_, end) = relay.run().await;
        assert!(matches!(end, End::Left), "{end:?}");
        assert_eq!(start.elapsed().as_secs(), 40);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_answers_may_rest_as_long_as_it_wants() {
        let (relay, far) = at_rest().await;
        let mut client = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
        // Reading answers pings.
        let answering = tokio::spawn(async move { while client.next().await.is_some() {} });
        let hour = Duration::from_secs(3600);
        assert!(tokio::time::timeout(hour, relay.run()).await.is_err(), "the session goes on");
        answering.abort();
    }
}
