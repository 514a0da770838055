//! The bottom of the waist: a call goes in, a backend's answer comes out.

use std::{
    future::Future,
    pin::Pin,
    task::{Context as TaskContext, Poll},
};

use super::{Target, attempt::Outgoing, lane::Lanes, steer::Steer, tries};
use crate::call::{CallError, Context, Request, Response};

/// Sends each call to an endpoint of its [`Target`], over one worker's connections, and tries again what failed where
/// [`retry`](super::retry) says so and the request can be sent again.
#[derive(Clone, Debug)]
pub struct Outbound {
    lanes: Lanes,
}

impl Outbound {
    /// An outbound over the lanes of a worker.
    pub fn new(lanes: Lanes) -> Self {
        Self { lanes }
    }
}

impl tower::Service<Request> for Outbound {
    type Response = Response;
    type Error = CallError;
    /// The one box of a call's way down: the layers above have futures of their own.
    type Future = Pin<Box<dyn Future<Output = Result<Response, CallError>> + Send>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        Box::pin(send(self.lanes.clone(), request))
    }
}

async fn send(lanes: Lanes, request: Request) -> Result<Response, CallError> {
    let (mut head, body) = request.into_parts();
    let (Some(Target(cluster)), Some(context)) =
        (head.extensions.remove::<Target>(), head.extensions.remove::<Context>())
    else {
        return Err(CallError::reply_lost("a call reached the way out without a target"));
    };
    let lane = lanes
        .lane(&cluster)
        .ok_or_else(|| CallError::not_executed(cluster.name(), "unknown to this worker"))?;
    let steer = Steer::read(&cluster, &mut head.headers, &context);
    let outgoing = Outgoing::new(&cluster, head, body, context);
    let cut = lane.cut().watch();
    tokio::select! {
        biased;
        answer = tries::run(lane, &steer, outgoing) => answer,
        // An answer that has begun ends itself (`download`); one that has not would end without a status.
        () = cut => Err(CallError::shutting_down()),
    }
}
