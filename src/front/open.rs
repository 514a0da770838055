//! From a found method to a call on its way.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Method, Version};
use tower::Service;

use super::{Edge, own::Own};
use crate::{
    call::{Body, CallError, Context, Inbound, Journal, Request, Response},
    grpc::{GRPC_TIMEOUT, timeout},
    plan::{Asked, Choice, MethodPlan, Mirror, Plan},
    policy::{self, Stack},
    telemetry::metrics::MirrorResult,
    upstream::Target,
};

/// What a door has at hand to open a call with.
#[derive(Debug)]
pub(super) struct Opening {
    /// The call lives under this plan to its end.
    pub(super) plan: Arc<Plan>,
    pub(super) edge: Edge,
    pub(super) journal: Option<Arc<Journal>>,
    /// The host that the client named, where a route looks at it.
    pub(super) host: Option<String>,
}

impl Opening {
    /// What the gateway answers itself.
    pub(super) fn own(&self) -> &Own {
        &self.edge.0.own
    }

    fn calls(&self) -> &Stack {
        &self.edge.0.calls
    }

    /// Facts of a call, taken at the moment that its door took it up.
    pub(super) fn context(&self, method: &MethodPlan, inbound: Inbound) -> Context {
        let (policy, attempts) = (Arc::clone(&method.policy), Arc::clone(&method.attempts));
        let mut context = Context::under(policy, attempts, method.kind, inbound, Arc::clone(&method.metrics));
        context.journal.clone_from(&self.journal);
        if let Some(journal) = &self.journal {
            journal.called(&method.method.path, method.kind);
        }
        context
    }

    /// Sends a call down the waist. `headers` are metadata already.
    pub(super) async fn call(
        &self,
        method: &Arc<MethodPlan>,
        mut context: Context,
        headers: HeaderMap,
        mut body: Body,
    ) -> Result<Response, CallError> {
        let mut target = &method.target;
        if let Some(choice) = choose(method, &headers, self.host.as_deref()) {
            target = &choice.destination.target;
            context.attempts = Arc::clone(&choice.destination.attempts);
            context.hash = choice.hash;
            if let Some(mirror) = choice.mirror {
                body = self.copy(mirror, method, &context, &headers, body);
            }
        }
        self.calls().clone().call(request(method, target.clone(), context, headers, body)).await
    }

    /// Sends a copy of a call; its body is given back.
    fn copy(
        &self,
        mirror: &Arc<Mirror>,
        method: &Arc<MethodPlan>,
        context: &Context,
        headers: &HeaderMap,
        body: Body,
    ) -> Body {
        let whole = match body.into_whole() {
            Ok(whole) => whole,
            Err(body) => {
                mirror.metrics.ended(MirrorResult::TooLarge);
                return body;
            }
        };
        let mut context = context.clone();
        // A call may go without a deadline while its caller waits. For a copy nobody waits.
        let time = context.client_timeout.or(method.policy.timeout).unwrap_or(COPY_TIME);
        context.client_timeout = Some(time);
        let target = mirror.destination.target.clone();
        let copy = request(method, target, context, headers.clone(), Body::whole(whole.clone()));
        policy::mirror(self.calls(), Arc::clone(mirror), copy);
        Body::whole(whole)
    }

    /// Counts a call that ends before there was one: its method, if any, and its status.
    pub(super) fn refused(&self, method: Option<&MethodPlan>, error: CallError) -> CallError {
        let metrics = method.map_or(&self.plan.unknown, |method| &method.metrics);
        metrics.server.started();
        metrics.server.handled(error.status().code() as usize, Duration::ZERO);
        if let Some(journal) = &self.journal {
            journal.ended_by(&error);
        }
        error
    }
}

/// Where a route sends the call; `None` where none takes it.
pub(super) fn choose<'p>(
    method: &'p MethodPlan,
    headers: &HeaderMap,
    host: Option<&str>,
) -> Option<Choice<'p>> {
    let destinations = method.destinations.as_ref()?;
    destinations.choose(Asked { headers, host }, |below| fastrand::u32(..below))
}

fn request(
    method: &Arc<MethodPlan>,
    target: Target,
    context: Context,
    headers: HeaderMap,
    body: Body,
) -> Request {
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    // The schema's own path: a query that a client wrote behind it names no method of a backend.
    *request.uri_mut() = method.uri.clone();
    *request.headers_mut() = headers;
    let extensions = request.extensions_mut();
    extensions.insert(context);
    extensions.insert(target);
    request
}

/// How long the body of a request may take: no longer than the call.
pub(super) fn body_time(method: &MethodPlan, context: &Context) -> Duration {
    let call = context.client_timeout.or(method.policy.timeout).unwrap_or(BODY_TIME);
    call.min(BODY_TIME)
}

/// The client's timeout by `grpc-timeout`, which is taken out: the way out writes its own.
pub(super) fn grpc_timeout(headers: &mut HeaderMap, context: &mut Context) -> Result<(), CallError> {
    let Some(value) = headers.remove(GRPC_TIMEOUT) else { return Ok(()) };
    match timeout::parse(value.as_bytes()) {
        Ok(timeout) => {
            context.client_timeout = Some(timeout);
            Ok(())
        }
        Err(error) => {
            let reason = crate::call::reason::BAD_REQUEST;
            Err(CallError::refused(tonic::Code::InvalidArgument, reason, error.to_string()))
        }
    }
}

/// How long the body of a request may take where the call may take longer.
const BODY_TIME: Duration = Duration::from_secs(30);

/// How long a copy may take of a call that may take any time: the default of `timeout`.
const COPY_TIME: Duration = Duration::from_secs(15);
