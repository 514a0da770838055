//! One try of a call on one endpoint.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Uri, Version, header, request::Parts, uri::PathAndQuery};
use tokio::time::Instant;

use super::{
    activity::Activity,
    cluster::Cluster,
    connection::Exchange,
    download,
    failure::{Class, Failed},
    permit::Permit,
    tally::{Sent, Tally},
    upload::{Source, Upload},
};
use crate::{
    call::{Body, CallError, Context, Response, Whole},
    grpc::{self, frame::Scanner, timeout},
};

/// A call in a form that can be sent more than once.
#[derive(Debug)]
pub(super) struct Outgoing {
    uri: Uri,
    headers: HeaderMap,
    context: Context,
    body: Payload,
    /// Attempts by a policy before this one.
    previous: u32,
    /// Whether there are others at the same time.
    beside: bool,
}

#[derive(Debug)]
enum Payload {
    Whole(Whole),
    Stream(Source),
}

impl Outgoing {
    pub(super) fn new(cluster: &Cluster, head: Parts, body: Body, context: Context) -> Self {
        let mut parts = head.uri.into_parts();
        parts.scheme = Some(cluster.scheme());
        parts.authority = Some(cluster.authority().clone());
        parts.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
        let uri = Uri::from_parts(parts).expect("a scheme, an authority and a path are a URI");
        let mut headers = head.headers;
        // A door whose messages are not protobuf has named their format.
        headers.entry(header::CONTENT_TYPE).or_insert(grpc::CONTENT_TYPE);
        // Without it grpc-java, gRPC C++ and ASP.NET refuse the call.
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        if context.deadline.is_some() {
            // A place, so that no attempt's copy grows for the time that is left then.
            headers.insert(grpc::GRPC_TIMEOUT, HeaderValue::from_static("0n"));
        } else {
            headers.remove(grpc::GRPC_TIMEOUT);
        }
        let body = match body.into_whole() {
            Ok(whole) => Payload::Whole(whole),
            Err(body) => Payload::Stream(Source::new(body, Arc::clone(&cluster.brakes().replay))),
        };
        Self { uri, headers, context, body, previous: 0, beside: false }
    }

    /// Whether all of its body is there, so that it can be sent several times at once.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.body, Payload::Whole(_))
    }

    /// The same call once more, beside so many `previous` attempts; `None` unless it is whole.
    pub(super) fn beside(&self, previous: u32) -> Option<Self> {
        let Payload::Whole(whole) = &self.body else { return None };
        Some(Self {
            uri: self.uri.clone(),
            headers: self.headers.clone(),
            context: self.context.clone(),
            body: Payload::Whole(whole.clone()),
            previous,
            beside: true,
        })
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// The path of its method.
    pub(super) fn path(&self) -> &str {
        self.uri.path()
    }

    /// What the backend is told: how many attempts a policy has made before.
    pub(super) fn set_previous(&mut self, attempts: u32) {
        self.previous = attempts;
    }

    /// Goes back to the start of the body; `false` when what was sent was too much to keep.
    pub(super) fn rewind(&mut self) -> bool {
        match &mut self.body {
            Payload::Whole(_) => true,
            Payload::Stream(source) => source.rewind(),
        }
    }

    /// The head with the time that is left of the deadline.
    fn head(&self, now: Instant) -> Result<http::Request<()>, Failed> {
        let mut head = http::Request::new(());
        *head.method_mut() = Method::POST;
        *head.version_mut() = Version::HTTP_2;
        *head.uri_mut() = self.uri.clone();
        *head.headers_mut() = self.headers.clone();
        if let Some(deadline) = self.context.deadline {
            let left = deadline.saturating_duration_since(now);
            if left.is_zero() {
                return Err(Failed::new(Class::Final, CallError::deadline_exceeded(self.previous > 0)));
            }
            head.headers_mut().insert(grpc::GRPC_TIMEOUT, timeout::format(left));
        }
        if self.previous > 0 {
            head.headers_mut().insert(grpc::GRPC_PREVIOUS_RPC_ATTEMPTS, self.previous.into());
        }
        Ok(head)
    }
}

/// Sends the call and receives the head of its answer; of a unary answer also the body, while it is small. An answer that
/// holds an error and nothing else is a failure too: it may be tried again.
///
/// Dropping the future resets the stream with CANCEL, and so does dropping the response body.
pub(super) async fn run(mut permit: Permit, outgoing: &mut Outgoing) -> Result<Response, Failed> {
    let now = Instant::now();
    let head = outgoing.head(now)?;

    let no_body = matches!(&outgoing.body, Payload::Whole(whole) if whole.chunks.is_empty());
    let (answer, mut stream) = match permit.connection().sender().send_request(head, no_body) {
        Ok(opened) => opened,
        Err(error) => {
            permit.connection().close();
            let cluster = permit.lane().cluster().name();
            let error = CallError::not_executed(cluster, format_args!("the connection had ended ({error})"));
            return Err(Failed::new(Class::NeverSent, error));
        }
    };
    let activity = Activity::new(outgoing.context.idle_timeout);
    let (upload, sent) = match &mut outgoing.body {
        Payload::Whole(whole) => {
            let (mut chunks, mut frames) = (whole.chunks.clone(), Scanner::new(usize::MAX));
            let mut next = chunks.pop();
            while let Some(chunk) = next {
                next = chunks.pop();
                frames.follow(&chunk);
                // Fails only when the stream is reset already, which the response tells better.
                let _ = stream.send_data(chunk, next.is_none());
            }
            (None, Sent::Whole(frames.payload()))
        }
        Payload::Stream(source) => {
            let upload = Upload::start(source, stream, activity.clone());
            let sent = Sent::Stream(upload.sent());
            (Some(upload), sent)
        }
    };

    let tally = Tally::start(&outgoing.context.metrics, permit.lane().cluster(), now, sent, outgoing.beside);
    permit.sent(tally.started(), outgoing.context.deadline);
    let mut exchange = Exchange::new(answer, permit, tally);
    let (answer, permit, tally) = tokio::select! {
        biased;
        answered = exchange.answer() => answered,
        // From the head on the download keeps this limit.
        idle = activity.idle() => {
            let failed = Failed::new(Class::Final, idle);
            exchange.give_up(failed.code());
            return Err(failed);
        }
    };
    let error = match answer {
        Ok(answer) => {
            return download::receive(answer, outgoing.context(), permit, upload, tally, activity).await;
        }
        Err(error) => error,
    };
    let failed = match upload.as_ref().and_then(Upload::error) {
        // Edgeway reset the stream because of what the client sent: that is the call's outcome.
        Some(error) => Failed::new(Class::Final, error),
        None => {
            permit.broke(&error);
            Failed::before_answer(permit.lane().cluster().name(), &error, outgoing.context.deadline)
        }
    };
    tally.ended(failed.code());
    Err(failed)
}
