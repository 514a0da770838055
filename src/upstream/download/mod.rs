//! The answer of a backend: a head, frames, and exactly one status.
//!
//! A unary answer that is complete before it fills its window is handed up as a value. All others go through a
//! [`pump`]: a task that takes every DATA frame off the connection as it comes and grants credit for more only as the
//! client takes the bytes. Both halves matter. Frames left in `h2` are charged against the connection's budget for
//! small frames and end it for everyone; credit granted before the client reads would make the buffer grow without end.

mod pieces;
mod pump;

use std::time::Duration;

use h2::RecvStream;
use http::{HeaderMap, HeaderValue, StatusCode, header, response::Parts};
use tokio::time::Instant;
use tonic::Code;

use self::pieces::Pieces;
use super::{
    activity::Activity,
    connection::STREAM_WINDOW,
    failure::{self, Class, Failed},
    permit::Permit,
    retry::Pushback,
    tally::Tally,
    upload::Upload,
};
use crate::{
    call::{Body, CallError, Context, Response, Whole},
    config::Again,
    grpc::{GRPC_STATUS, frame::Scanner, metadata, status},
};

/// What a call holds until its answer has ended.
#[derive(Debug)]
struct Held {
    permit: Permit,
    upload: Option<Upload>,
    tally: Tally,
    activity: Activity,
    deadline: Option<Instant>,
    /// A status that came before the body, where none belongs.
    early: Option<HeaderValue>,
}

/// An answer that is being waited for; one that nobody waits for any more has its last look when it is dropped.
struct Unread<'a> {
    stream: &'a mut RecvStream,
    tally: &'a Tally,
    ended: bool,
}

/// What was found of an answer's body.
enum Found {
    /// All of it.
    Ended { pieces: Pieces, trailers: HeaderMap, code: Code },
    /// More than is waited for.
    Begun(Pieces),
}

/// Makes the response of the waist out of what a backend sent.
///
/// An error with no message before it is a failure, of which nothing has reached the client. For that a unary answer is
/// waited for to its end, and a server stream that could be tried again to its first message, if that is about to come.
pub(super) async fn receive(
    response: http::Response<RecvStream>,
    context: &Context,
    permit: Permit,
    upload: Option<Upload>,
    tally: Tally,
    activity: Activity,
) -> Result<Response, Failed> {
    let mut held = Held { permit, upload, tally, activity, deadline: context.deadline, early: None };
    let (mut head, mut stream) = response.into_parts();
    if let Err(error) = check_is_grpc(held.cluster(), head.status, &head.headers) {
        let class = Class::Broken(error.status().code());
        return Err(Failed::new(class, held.faulty(error)));
    }
    // From here on the status of the call speaks; doors would pass this one on beside it.
    head.status = StatusCode::OK;
    if stream.is_end_stream() {
        held.permit.reported(&head.headers);
    }
    metadata::from_backend(&mut head.headers);

    if stream.is_end_stream() {
        let code = held.status(&mut head.headers).map_err(broken)?;
        let pushback = Pushback::read(&head.headers);
        return settled(code, pushback, Response::from_parts(head, Body::empty()));
    }
    // A status is the last word; one before the body is one too many.
    held.early = head.headers.get(GRPC_STATUS).cloned();
    status::remove(&mut head.headers);
    let mut unread = Unread { stream: &mut stream, tally: &held.tally, ended: false };
    let found = if !context.kind.server_streaming() {
        held.collect(unread.stream).await
    } else if matches!(context.attempts.again, Some(Again::Retry(_))) {
        held.peek(unread.stream).await
    } else {
        Ok(Found::Begun(Pieces::default()))
    };
    unread.ended = true;
    drop(unread);
    let found = found?;
    match found {
        Found::Ended { pieces, trailers, code } => ended(head, pieces, trailers, code),
        Found::Begun(pieces) => {
            held.permit.answered();
            let body = pump::start(stream, pieces, context, held);
            Ok(Response::from_parts(head, Body::stream(body)))
        }
    }
}

fn ended(head: Parts, pieces: Pieces, trailers: HeaderMap, code: Code) -> Result<Response, Failed> {
    let code = if pieces.len() == 0 { code } else { Code::Ok };
    let pushback = if code == Code::Ok { Pushback::None } else { Pushback::read(&trailers) };
    let body = Body::whole(Whole { chunks: pieces.into_chunks(), trailers: Some(trailers) });
    settled(code, pushback, Response::from_parts(head, body))
}

fn settled(code: Code, pushback: Pushback, answer: Response) -> Result<Response, Failed> {
    if code == Code::Ok { Ok(answer) } else { Err(Failed::status(code, pushback, answer)) }
}

/// An answer that is none, before any message of it.
fn broken(error: CallError) -> Failed {
    Failed::new(Class::Broken(error.status().code()), error)
}

impl Drop for Unread<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.tally.orphan().look_on(self.stream);
        }
    }
}

impl Held {
    /// Takes the body of a unary answer as it comes, to its end or until it is not one small message.
    ///
    /// That is known from the frame's header on. A message that is too large, or one too many, is refused by those who
    /// read the body as it comes, and not first when a backend that may never end it has ended it.
    async fn collect(&self, stream: &mut RecvStream) -> Result<Found, Failed> {
        let (mut frames, mut pieces) = (Scanner::new(MOST_HELD), Pieces::default());
        while let Some(data) = stream.data().await {
            let data = data.map_err(|error| self.failed(&error, &pieces))?;
            let sound = frames.feed(&data).is_ok();
            // Its credit is granted when it is taken on, or comes back with the end of the stream.
            pieces.push(data);
            let surplus = frames.messages() + u64::from(!frames.at_boundary()) > 1;
            if !sound || surplus || pieces.len() > MOST_HELD {
                return Ok(Found::Begun(pieces));
            }
        }
        self.tally.received(frames.payload());
        self.end(stream, pieces).await
    }

    /// Takes the first bytes of a stream, if they come soon: a client may wait for the head of a stream that has no
    /// message for long, but a backend that fails says so at once.
    async fn peek(&self, stream: &mut RecvStream) -> Result<Found, Failed> {
        let mut pieces = Pieces::default();
        loop {
            match tokio::time::timeout(SOON, stream.data()).await {
                Err(_) => return Ok(Found::Begun(pieces)),
                Ok(None) => return self.end(stream, pieces).await,
                Ok(Some(Err(error))) => return Err(self.failed(&error, &pieces)),
                Ok(Some(Ok(data))) if data.is_empty() => {}
                Ok(Some(Ok(data))) => {
                    pieces.push(data);
                    return Ok(Found::Begun(pieces));
                }
            }
        }
    }

    async fn end(&self, stream: &mut RecvStream, pieces: Pieces) -> Result<Found, Failed> {
        let trailers = stream.trailers().await.map_err(|error| self.failed(&error, &pieces))?;
        let (trailers, code) = self.trailers(trailers).map_err(|error| {
            if pieces.len() == 0 { broken(error) } else { Failed::new(Class::Final, error) }
        })?;
        Ok(Found::Ended { pieces, trailers, code })
    }

    fn failed(&self, error: &h2::Error, pieces: &Pieces) -> Failed {
        let clients_fault = self.upload.as_ref().and_then(Upload::error);
        let class = match failure::classify(error) {
            _ if clients_fault.is_some() || pieces.len() > 0 => Class::Final,
            // A backend that has answered has run the call, whatever it says of it then.
            Class::Unprocessed => Class::Lost,
            class => class,
        };
        Failed::new(class, self.ended(clients_fault.unwrap_or_else(|| self.broke(error))))
    }

    fn trailers(&self, trailers: Option<HeaderMap>) -> Result<(HeaderMap, Code), CallError> {
        let Some(mut trailers) = trailers else {
            let what = "the backend ended the call without trailers";
            return Err(self.faulty(CallError::backend(Code::Internal, self.cluster(), what)));
        };
        if let Some(early) = &self.early {
            trailers.append(GRPC_STATUS, early.clone());
        }
        self.permit.reported(&trailers);
        metadata::from_backend(&mut trailers);
        let code = self.status(&mut trailers)?;
        Ok((trailers, code))
    }

    /// Makes the call's last headers carry one valid status.
    ///
    /// Without any the outcome is UNKNOWN, as grpc-go has it; a body that ends without trailers is a broken server.
    ///
    /// A backend whose own clock rang says CANCELLED (tonic does); to the caller its deadline has passed, whichever
    /// side noticed first (upstream clocks run late by the way there, and timers ring a moment early or late).
    fn status(&self, headers: &mut HeaderMap) -> Result<Code, CallError> {
        let code = match status::normalize(headers) {
            Some(Code::Cancelled) if failure::is_due(self.deadline) => {
                status::write(&CallError::deadline_exceeded(true).rpc_status(), headers);
                Code::DeadlineExceeded
            }
            Some(code) => code,
            None => {
                let what = "the backend ended the call without a grpc-status";
                return Err(self.faulty(CallError::backend(Code::Unknown, self.cluster(), what)));
            }
        };
        if code == Code::Ok {
            self.permit.lane().cluster().brakes().throttle.succeeded();
        }
        self.permit.trial().ended(code);
        self.tally.ended(code);
        Ok(code)
    }

    fn error(&self, error: &h2::Error) -> CallError {
        let clients_fault = self.upload.as_ref().and_then(Upload::error);
        self.ended(clients_fault.unwrap_or_else(|| self.broke(error)))
    }

    fn broke(&self, error: &h2::Error) -> CallError {
        self.permit.broke(error);
        failure::broken_off(self.cluster(), error, self.deadline)
    }

    /// The backend did what no gRPC server does.
    fn faulty(&self, error: CallError) -> CallError {
        self.permit.trial().ended(error.status().code());
        self.ended(error)
    }

    fn ended(&self, error: CallError) -> CallError {
        self.tally.ended(error.status().code());
        error
    }

    fn cluster(&self) -> &str {
        self.permit.lane().cluster().name()
    }
}

/// Anything that is not HTTP 200 with a gRPC content type is some other server, or a proxy, speaking.
fn check_is_grpc(cluster: &str, status: StatusCode, headers: &HeaderMap) -> Result<(), CallError> {
    let content_type =
        headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("an unreadable one"));
    let is_grpc = content_type
        .and_then(|value| value.strip_prefix("application/grpc"))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('+') || rest.starts_with(';'));
    if status == StatusCode::OK && is_grpc {
        return Ok(());
    }
    // A server that refuses before it knows that it speaks gRPC may still say so in gRPC's words.
    if is_grpc && headers.contains_key(GRPC_STATUS) {
        return Ok(());
    }
    let content_type: String = content_type.unwrap_or_default().chars().take(64).collect();
    Err(CallError::not_grpc(cluster, status, &content_type))
}

/// How long a stream's first message is waited for before its head is handed on.
const SOON: Duration = Duration::from_millis(50);

/// Half of what the backend may send unasked, so that it never waits for credit while an answer is collected.
const MOST_HELD: usize = STREAM_WINDOW as usize / 2;
