//! The gateway's own services, for the RPC doors: server reflection and health.
//!
//! They answer where no cluster exposes a service of the same name, over the plan that calls are served by, so that
//! what they tell is what can be called. tonic's servers read and write the messages; a call of theirs is a response of
//! the waist like any other, and is recorded like any other.

mod catalog;
mod health;
mod reflection;

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use tokio::{sync::watch, time::Sleep};
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::server::{v1, v1alpha};
use tower::Service;

use super::{open, open::Opening};
use crate::{
    call::{Body, CallError, Context, Inbound, Kind, Request, Response},
    config::OwnServices,
    grpc::{GRPC_ACCEPT_ENCODING, GRPC_STATUS, metadata, status},
    plan::Plan,
    policy::Record,
    telemetry::{Metrics, metrics::MethodMetrics},
};

pub use self::health::Serving;

/// The services, one set for a worker.
#[derive(Clone, Debug)]
pub struct Own {
    methods: Arc<[Method]>,
    calls: Record<Answer>,
    stop: CancellationToken,
}

/// A method of theirs.
#[derive(Debug)]
struct Method {
    path: &'static str,
    kind: Kind,
    metrics: Arc<MethodMetrics>,
}

impl Own {
    /// The services that `switches` turn on.
    ///
    /// `serving` is what health tells; from `stop` on their streams end, so that a drain does not wait for them.
    pub fn new(
        switches: OwnServices,
        serving: watch::Receiver<Serving>,
        stop: CancellationToken,
        metrics: &Metrics,
    ) -> Self {
        let method = |(path, kind): &(&'static str, Kind)| {
            let (service, name) = crate::grpc::split_path(path).unwrap_or_default();
            Method { path, kind: *kind, metrics: metrics.method(kind.label(), service, name) }
        };
        let reflection = REFLECTION.iter().filter(|_| switches.reflection);
        let health = HEALTH.iter().filter(|_| switches.health);
        let methods = reflection.chain(health).map(method).collect();
        let calls = Record::new(Answer { serving, switches }, metrics.clone());
        Self { methods, calls, stop }
    }

    /// Whether a call of `path` is answered here.
    pub(super) fn has(&self, path: &str) -> bool {
        self.methods.iter().any(|method| method.path == path)
    }

    /// Answers a call of a method that [`Own::has`].
    pub(super) async fn call(
        &self,
        opening: &Opening,
        path: &str,
        inbound: Inbound,
        mut headers: HeaderMap,
        body: Body,
    ) -> Result<Response, CallError> {
        let Some(method) = self.methods.iter().find(|method| method.path == path) else {
            return Err(CallError::reply_lost("no service of the gateway has this method"));
        };
        let mut context = Context::new(method.kind, inbound, Arc::clone(&method.metrics));
        context.journal.clone_from(&opening.journal);
        if let Some(journal) = &opening.journal {
            journal.called(path, method.kind);
        }
        if let Err(error) = open::grpc_timeout(&mut headers, &mut context) {
            return Err(opening.refused(None, error));
        }
        metadata::from_client(&mut headers);
        // tonic's servers refuse a compression that they do not know, which grpcurl and others offer unasked.
        headers.remove(GRPC_ACCEPT_ENCODING);
        let mut request = Request::new(body);
        *request.method_mut() = http::Method::POST;
        *request.version_mut() = http::Version::HTTP_2;
        *request.uri_mut() = http::Uri::from_static(method.path);
        *request.headers_mut() = headers;
        request.headers_mut().insert(http::header::CONTENT_TYPE, crate::grpc::CONTENT_TYPE);
        let client_timeout = context.client_timeout;
        request.extensions_mut().insert(context);
        request.extensions_mut().insert(Arc::clone(&opening.plan));
        request.extensions_mut().insert(self.stop.clone());
        let time = client_timeout.map_or(LONGEST, |timeout| timeout.min(LONGEST));
        request.extensions_mut().insert(Ends(time));
        self.calls.clone().call(request).await
    }
}

/// Answers a call of one of the gateway's own methods, with `headers` as its client wrote them.
pub(super) async fn answer(
    opening: &Opening,
    path: &str,
    inbound: Inbound,
    headers: &mut HeaderMap,
    body: Body,
) -> Result<Response, CallError> {
    opening.own().call(opening, path, inbound, std::mem::take(headers), body).await
}

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
struct Ends(Duration);

/// The servers, as a service of the waist.
#[derive(Clone)]
pub struct Answer {
    serving: watch::Receiver<Serving>,
    switches: OwnServices,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("switches", &self.switches).finish_non_exhaustive()
    }
}

impl Service<Request> for Answer {
    type Response = Response;
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, CallError>> + Send>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let Self { serving, switches } = self.clone();
        Box::pin(async move { respond(request, serving, switches).await })
    }
}

async fn respond(
    mut request: Request,
    serving: watch::Receiver<Serving>,
    switches: OwnServices,
) -> Result<Response, CallError> {
    let extensions = request.extensions_mut();
    let (Some(plan), Some(stop), Some(Ends(time))) = (
        extensions.remove::<Arc<Plan>>(),
        extensions.remove::<CancellationToken>(),
        extensions.remove::<Ends>(),
    ) else {
        return Err(CallError::reply_lost("a call of the gateway's own came without its plan"));
    };
    let expires = Box::pin(tokio::time::sleep(time));
    let service = crate::grpc::split_path(request.uri().path()).map_or("", |(service, _)| service);
    let response = if service == v1::ServerReflectionServer::<reflection::Reflection>::NAME {
        let service = reflection::Reflection::new(&plan, switches, stop.clone());
        serve(v1::ServerReflectionServer::new(service).max_decoding_message_size(LARGEST), request).await
    } else if service == v1alpha::ServerReflectionServer::<reflection::Reflection>::NAME {
        let service = reflection::Reflection::new(&plan, switches, stop.clone());
        serve(v1alpha::ServerReflectionServer::new(service).max_decoding_message_size(LARGEST), request).await
    } else {
        let service = health::Health::new(plan, switches, serving, stop.clone());
        serve(HealthServer::new(service).max_decoding_message_size(LARGEST), request).await
    };
    let (head, body) = response.into_parts();
    if head.headers.contains_key(GRPC_STATUS) {
        return Ok(Response::from_parts(head, Body::empty()));
    }
    Ok(Response::from_parts(head, Body::stream(Reply { body, expires })))
}

async fn serve<S>(mut server: S, request: Request) -> http::Response<tonic::body::Body>
where
    S: Service<http::Request<Body>, Response = http::Response<tonic::body::Body>, Error = Infallible>,
{
    match server.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// The body of an answer, which ends at the latest when its time is over.
struct Reply {
    body: tonic::body::Body,
    expires: Pin<Box<Sleep>>,
}

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = CallError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, CallError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(CallError::client)));
        }
        ready!(self.expires.as_mut().poll(cx));
        let mut trailers = HeaderMap::new();
        status::write(&CallError::deadline_exceeded(true).rpc_status(), &mut trailers);
        self.body = tonic::body::Body::empty();
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }
}

const REFLECTION: [(&str, Kind); 2] = [
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Kind::Bidi),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Kind::Bidi),
];
const HEALTH: [(&str, Kind); 2] =
    [("/grpc.health.v1.Health/Check", Kind::Unary), ("/grpc.health.v1.Health/Watch", Kind::ServerStream)];

/// Names and numbers; nothing here asks for more.
const LARGEST: usize = 64 << 10;

/// The longest that a stream may last: the default of `max_stream_duration`, which balancers and clients live with.
const LONGEST: Duration = Duration::from_secs(3600);
