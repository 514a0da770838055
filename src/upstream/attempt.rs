//! One try of a call on one endpoint.

use http::{HeaderMap, HeaderValue, Method, Uri, Version, header, request::Parts, uri::PathAndQuery};
use tokio::time::Instant;

use super::{
    activity::Activity,
    cluster::Cluster,
    connection::Exchange,
    download,
    failure::{self, Class},
    lane::Permit,
    tally::Tally,
    upload::{Source, Upload},
};
use crate::{
    call::{Body, CallError, Context, Response, Whole},
    grpc::{self, timeout},
    telemetry::metrics::RetryReason,
};

/// A call in a form that can be sent more than once.
#[derive(Debug)]
pub(super) struct Outgoing {
    uri: Uri,
    headers: HeaderMap,
    context: Context,
    body: Payload,
}

#[derive(Debug)]
enum Payload {
    Whole(Whole),
    Stream(Source),
}

/// A try that brought no answer.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) class: Class,
    pub(super) error: CallError,
    goaway: bool,
}

impl Failed {
    fn last(error: CallError) -> Self {
        Self { class: Class::Lost, error, goaway: false }
    }

    /// Why a further attempt is made for it, as metrics say it.
    pub(super) fn retry_reason(&self) -> RetryReason {
        match self.class {
            Class::Unprocessed if self.goaway => RetryReason::Goaway,
            Class::Unprocessed => RetryReason::RefusedStream,
            Class::NeverSent | Class::Answered(_) | Class::Lost => RetryReason::NotSent,
        }
    }
}

impl Outgoing {
    pub(super) fn new(cluster: &Cluster, head: Parts, body: Body, context: Context) -> Self {
        let path = head.uri.into_parts().path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
        let uri = Uri::builder()
            .scheme(cluster.scheme())
            .authority(cluster.authority().clone())
            .path_and_query(path)
            .build()
            .expect("a scheme, an authority and a path are a URI");
        let mut headers = head.headers;
        // A door whose messages are not protobuf has named their format.
        headers.entry(header::CONTENT_TYPE).or_insert(grpc::CONTENT_TYPE);
        // Without it grpc-java, gRPC C++ and ASP.NET refuse the call.
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        let body = body.into_whole().map_or_else(|body| Payload::Stream(Source::new(body)), Payload::Whole);
        Self { uri, headers, context, body }
    }

    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// Goes back to the start of the body; `false` when what was sent was too much to keep.
    pub(super) fn rewind(&mut self) -> bool {
        match &mut self.body {
            Payload::Whole(_) => true,
            Payload::Stream(source) => source.rewind(),
        }
    }

    /// The head with the time that is left of the deadline at this moment.
    fn head(&self) -> Result<http::Request<()>, CallError> {
        let mut head = http::Request::new(());
        *head.method_mut() = Method::POST;
        *head.version_mut() = Version::HTTP_2;
        *head.uri_mut() = self.uri.clone();
        *head.headers_mut() = self.headers.clone();
        if let Some(deadline) = self.context.deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(CallError::deadline_exceeded(false));
            }
            head.headers_mut().insert(grpc::GRPC_TIMEOUT, timeout::format(left));
        } else {
            head.headers_mut().remove(grpc::GRPC_TIMEOUT);
        }
        Ok(head)
    }
}

/// Sends the call and receives the head of its answer; of a unary answer also the body, while it is small.
///
/// Dropping the future resets the stream with CANCEL, and so does dropping the response body.
pub(super) async fn run(mut permit: Permit, outgoing: &mut Outgoing) -> Result<Response, Failed> {
    let cluster = permit.lane().cluster().clone();
    let head = outgoing.head().map_err(Failed::last)?;

    let no_body = matches!(&outgoing.body, Payload::Whole(whole) if whole.chunks.is_empty());
    let (answer, mut stream) = match permit.connection().sender().send_request(head, no_body) {
        Ok(opened) => opened,
        Err(error) => {
            permit.connection().close();
            let error =
                CallError::not_executed(cluster.name(), format_args!("the connection had ended ({error})"));
            return Err(Failed { class: Class::NeverSent, error, goaway: false });
        }
    };
    let activity = Activity::new(outgoing.context.idle_timeout);
    let upload = match &mut outgoing.body {
        Payload::Whole(whole) => {
            let mut chunks = whole.chunks.clone();
            let mut next = chunks.pop();
            while let Some(chunk) = next {
                next = chunks.pop();
                // Fails only when the stream is reset already, which the response tells better.
                let _ = stream.send_data(chunk, next.is_none());
            }
            None
        }
        Payload::Stream(source) => Some(Upload::start(source, stream, activity.clone())),
    };

    let tally = Tally::start(&outgoing.context.metrics);
    permit.sent(tally.started(), outgoing.context.deadline);
    let exchange = Exchange::new(answer, permit);
    let failed = |error: h2::Error, permit: &Permit, upload: Option<&Upload>| {
        match upload.and_then(Upload::error) {
            // Edgeway reset the stream because of what the client sent: that is the call's outcome.
            Some(error) => Failed::last(error),
            None => {
                permit.broke(&error);
                Failed {
                    class: failure::classify(&error),
                    goaway: error.is_go_away(),
                    error: failure::call_error(cluster.name(), &error, outgoing.context.deadline),
                }
            }
        }
    };
    let response = tokio::select! {
        biased;
        (answer, permit) = exchange.answer() => {
            match answer {
                Ok(answer) => Ok((answer, permit)),
                Err(error) => Err(failed(error, &permit, upload.as_ref())),
            }
        }
        // From the head on the download keeps this limit.
        idle = activity.idle() => Err(Failed::last(idle)),
    };
    let (response, permit) = match response {
        Ok(answer) => answer,
        Err(failed) => {
            tally.ended(failed.error.status().code());
            return Err(failed);
        }
    };
    let received = download::receive(response, outgoing.context(), permit, upload, tally, activity);
    received.await.map_err(Failed::last)
}
