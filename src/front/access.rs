//! The line of the access log: opened with the request, written when the answer has ended.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::SystemTime,
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    response::Response,
};
use http::{StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;
use tonic::Code;

use super::{classify::Door, grpc_web::Encoding};
use crate::{
    call::{Journal, Kind, Peer},
    grpc,
    telemetry::{
        AccessLog,
        access_log::{Record, Text},
    },
};

/// What is known of a call before it is answered.
pub(super) struct Access {
    log: AccessLog,
    journal: Arc<Journal>,
    started: Instant,
    /// Boxed, for it is large and most gateways write no line.
    record: Box<Record>,
}

impl Access {
    /// `None` when no line is to be written.
    pub(super) fn open(log: &AccessLog, request: &Request, peer: &Peer, door: Door) -> Option<Self> {
        if !log.enabled() {
            return None;
        }
        let headers = request.headers();
        let text =
            |name| headers.get(name).map_or_else(Text::default, |value: &http::HeaderValue| Text::cut(value));
        let record = Record {
            protocol: match door {
                Door::Grpc => "grpc",
                Door::GrpcWeb(format) if format.response == Encoding::Text => "grpc-web-text",
                Door::GrpcWeb(_) => "grpc-web",
                Door::Connect(_) => "connect",
                Door::WebSocket => "websocket",
                Door::Rest => "rest",
            },
            listener: Arc::clone(&peer.listener).into(),
            http_method: Text::cut(request.method().as_str()),
            path: Text::cut(request.uri().path()),
            client_ip: Some(peer.address.ip()),
            user_agent: text(header::USER_AGENT),
            request_id: text(header::HeaderName::from_static("x-request-id")),
            ..Record::default()
        };
        let record = Box::new(record);
        Some(Self { log: log.clone(), journal: Arc::default(), started: Instant::now(), record })
    }

    /// Where the layers below write what they know.
    pub(super) fn journal(&self) -> Arc<Journal> {
        Arc::clone(&self.journal)
    }

    /// Counts the bytes of the request body as they are read.
    pub(super) fn count(&self, body: Body) -> Body {
        Body::new(Counted { body, journal: self.journal() })
    }

    /// Writes the line when it is dropped, an upgraded connection having ended.
    pub(super) fn upgraded(mut self, status: StatusCode) -> Self {
        self.record.http_status = status.as_u16();
        self
    }

    /// Counts bytes that went to an upgraded connection.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.record.response_bytes += bytes as u64;
    }

    /// Writes the line when the answer has ended, or its client has left.
    pub(super) fn follow(mut self, response: Response) -> Response {
        self.record.http_status = response.status().as_u16();
        response.map(|body| Body::new(Followed { body, access: self }))
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        let outcome = self.journal.outcome();
        let (messages_in, messages_out) = self.journal.messages();
        let (service, method) = grpc::split_path(&outcome.path).unwrap_or_default();
        let mut record = std::mem::take(&mut self.record);
        record.ts = SystemTime::now();
        record.duration = self.started.elapsed();
        record.http_route = Text::cut(&outcome.route);
        record.grpc_type = outcome.kind.map_or("", Kind::label);
        record.grpc_service = Text::cut(service);
        record.grpc_method = Text::cut(method);
        // A call that is dropped without a status was left by its client; what never was a call has no other word.
        let no_status = if outcome.path.is_empty() { Code::Ok } else { Code::Cancelled };
        record.grpc_code = outcome.code.unwrap_or(no_status) as usize;
        record.grpc_message = Text::cut(&outcome.message);
        record.reason = outcome.reason;
        record.flags = outcome.flags;
        record.attempts = self.journal.attempts();
        record.request_bytes = self.journal.bytes();
        record.messages_in = messages_in;
        record.messages_out = messages_out;
        if let Some((within, source)) = outcome.deadline {
            record.deadline = Some(within);
            record.deadline_source = source.label();
        }
        if let Some(via) = outcome.via {
            record.cluster = via.cluster.into();
            record.endpoint = Text::cut(via.endpoint.to_string());
        }
        self.log.write(record);
    }
}

/// A request body whose bytes are counted.
struct Counted {
    body: Body,
    journal: Arc<Journal>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.journal.read(data.len());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer whose bytes are counted, and whose end is the call's.
struct Followed {
    body: Body,
    access: Access,
}

impl HttpBody for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.access.record.response_bytes += data.len() as u64;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
