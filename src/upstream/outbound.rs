//! The bottom of the waist: a call goes in, a backend's answer comes out.

use std::{
    future::{Future, ready},
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use super::{
    Target,
    attempt::Outgoing,
    lane::{Lane, Lanes},
    steer::Steer,
    tries,
};
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
        match self.aim(request) {
            // A block takes what it uses where it stands; an `async fn` would have its arguments a second time.
            Ok((lane, steer, mut outgoing)) => Box::pin(async move {
                tokio::select! {
                    biased;
                    answer = tries::run(&lane, &steer, &mut outgoing) => answer,
                    // An answer that has begun ends itself (`download`); one that has not would end without a status.
                    () = lane.cut().watch() => Err(CallError::shutting_down()),
                }
            }),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }
}

impl Outbound {
    /// Where a call goes, and the call in a form that can go there.
    fn aim(&self, request: Request) -> Result<(Arc<Lane>, Steer, Outgoing), CallError> {
        let (mut head, body) = request.into_parts();
        let (Some(Target(cluster)), Some(context)) =
            (head.extensions.remove::<Target>(), head.extensions.remove::<Context>())
        else {
            return Err(CallError::reply_lost("a call reached the way out without a target"));
        };
        let lane = self.lanes.lane(&cluster);
        let lane = lane.ok_or_else(|| CallError::not_executed(cluster.name(), "unknown to this worker"))?;
        let steer = Steer::read(&cluster, &mut head.headers, &context);
        Ok((Arc::clone(lane), steer, Outgoing::new(&cluster, head, body, context)))
    }
}
