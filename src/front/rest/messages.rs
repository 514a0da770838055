//! A client's stream of JSON messages: each goes up as soon as its last byte has come.
//!
//! No more of the body is read than what the backend has credit for, one piece of it, and one message that is not
//! complete.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use axum::body::Body as HttpBody;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::{Body as _, Frame};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{bind, bind::Fault};
use crate::{
    call::{CallError, reason},
    codec::{ElementError, Elements, Layout},
    grpc::frame,
    plan::Binding,
    route::{Capture, Match},
};

/// The code of an error that ended the body, with the HTTP status that says it better.
pub(super) type Later = Arc<OnceLock<(Code, StatusCode)>>;

/// The frames of a call.
pub(super) struct Messages {
    binding: Binding,
    captures: Vec<Capture<'static>>,
    query: String,
    body: Option<HttpBody>,
    elements: Elements,
    sent: u64,
    error: Option<CallError>,
    later: Later,
}

impl Messages {
    pub(super) fn new(
        binding: &Binding,
        found: &Match<'_, '_, Binding>,
        query: &str,
        layout: Layout,
        body: HttpBody,
    ) -> (Self, Later) {
        let method = &binding.method;
        let captures = found.captures.iter().map(|capture| Capture {
            variable: capture.variable,
            value: capture.value.clone().into_owned().into(),
        });
        let later = Later::default();
        let messages = Self {
            binding: binding.clone(),
            captures: captures.collect(),
            query: query.to_owned(),
            body: Some(body),
            elements: Elements::new(layout, method.policy.max_request_bytes, method.rest.max_json_depth),
            sent: 0,
            error: None,
            later: Arc::clone(&later),
        };
        (messages, later)
    }

    /// Writes the messages that are complete, up to a piece that is worth sending.
    fn write(&mut self, out: &mut BytesMut) -> Result<(), CallError> {
        while out.len() < CHUNK {
            let element = self.elements.next_element().map_err(|error| self.broken(&error))?;
            let Some(json) = element else { return Ok(()) };
            self.message(&json, out)?;
        }
        Ok(())
    }

    fn message(&mut self, json: &[u8], out: &mut BytesMut) -> Result<(), CallError> {
        let binds = self.sent == 0 || self.binding.method.rest.bind_every_message;
        let (captures, query) = if binds { (&*self.captures, &*self.query) } else { (&[][..], "") };
        let written =
            frame::put_with(out, |out| bind::message(&self.binding, captures, Some(query), json, out));
        written.map_err(|fault| self.at(fault).into_error())?;
        self.sent += 1;
        Ok(())
    }

    /// Says which message a value stands in.
    fn at(&self, fault: Fault) -> Fault {
        match fault {
            Fault::Value(error) => Fault::Value(error.below(&format!("[{}]", self.sent))),
            other => other,
        }
    }

    fn broken(&self, error: &ElementError) -> CallError {
        let message = format!("[{}]: {error}", self.sent);
        match error {
            ElementError::TooLarge { .. } => {
                let _ = self.later.set((Code::ResourceExhausted, StatusCode::PAYLOAD_TOO_LARGE));
                let message = format!("{message} (max_request_bytes)");
                CallError::refused(Code::ResourceExhausted, reason::MESSAGE_TOO_LARGE, message)
            }
            ElementError::Syntax { .. } | ElementError::TooDeep { .. } => {
                let place = format!("[{}]", self.sent);
                let details = ErrorDetails::with_bad_request_violation(place, error.to_string());
                CallError::client(Status::with_error_details(Code::InvalidArgument, message, details))
            }
        }
    }

    fn poll_messages(&mut self, cx: &mut Context<'_>, out: &mut BytesMut) -> Poll<Result<(), CallError>> {
        loop {
            self.write(out)?;
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
            if out.len() >= CHUNK {
                return Poll::Ready(Ok(()));
            }
            match Pin::new(body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.elements.push(data);
                    }
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(CallError::client_gone())),
                Poll::Ready(None) => {
                    self.body = None;
                    let last = self.elements.finish().map_err(|error| self.broken(&error))?;
                    if let Some(json) = last {
                        self.message(&json, out)?;
                    }
                }
            }
        }
    }
}

impl http_body::Body for Messages {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let mut out = BytesMut::new();
        let polled = self.poll_messages(cx, &mut out);
        if out.is_empty() {
            return polled.map(|read| read.err().map(Err));
        }
        // What came before an error goes first.
        if let Poll::Ready(Err(error)) = polled {
            self.error = Some(error);
        }
        Poll::Ready(Some(Ok(Frame::data(out.freeze()))))
    }
}

/// Bytes after which what was written is handed on.
const CHUNK: usize = 16 << 10;
