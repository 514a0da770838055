//! From a found method to a call on its way.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Method, Version};
use tower::Service;

use super::own::Own;
use crate::{
    call::{Body, CallError, Context, Inbound, Journal, Request, Response},
    grpc::{GRPC_TIMEOUT, timeout},
    plan::{MethodPlan, Plan},
    policy::Stack,
};

/// What a door has at hand to open a call with.
#[derive(Debug)]
pub(super) struct Opening {
    /// The call lives under this plan to its end.
    pub(super) plan: Arc<Plan>,
    pub(super) calls: Stack,
    pub(super) own: Own,
    pub(super) journal: Option<Arc<Journal>>,
}

impl Opening {
    /// Facts of a call, taken at the moment that its door took it up.
    pub(super) fn context(&self, method: &MethodPlan, inbound: Inbound) -> Context {
        let mut context = Context::new(method.kind, inbound, Arc::clone(&method.metrics));
        context.attempts = Arc::clone(&method.attempts);
        context.journal.clone_from(&self.journal);
        if let Some(journal) = &self.journal {
            journal.called(&method.method.path, method.kind);
        }
        context
    }

    /// Sends a call down the waist. `headers` are metadata already.
    pub(super) async fn call(
        mut self,
        method: &Arc<MethodPlan>,
        context: Context,
        headers: HeaderMap,
        body: Body,
    ) -> Result<Response, CallError> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        // The schema's own path: a query that a client wrote behind it names no method of a backend.
        *request.uri_mut() = method.uri.clone();
        *request.headers_mut() = headers;
        let extensions = request.extensions_mut();
        extensions.insert(context);
        extensions.insert(method.target.clone());
        extensions.insert(Arc::clone(method));
        self.calls.call(request).await
    }

    /// Counts a call that ends before there was one: its method, if any, and its status.
    pub(super) fn refused(&self, method: Option<&MethodPlan>, error: CallError) -> CallError {
        let metrics = method.map_or(&self.plan.unknown, |method| &method.metrics);
        metrics.server.started();
        metrics.server.handled(error.status().code() as usize, Duration::ZERO);
        if let Some(journal) = &self.journal {
            journal.ended(error.status().code(), error.status().message(), error.flag());
        }
        error
    }
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
