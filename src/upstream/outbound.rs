//! The bottom of the waist: a call goes in, a backend's answer comes out.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use super::{
    Cluster, Target, attempt,
    attempt::Outgoing,
    failure::Class,
    lane::{Lane, Lanes},
    steer::Steer,
};
use crate::call::{CallError, Context, Request, Response, Via};

/// Sends each call to an endpoint of its [`Target`], over one worker's connections.
///
/// Tries again where the backend cannot have run the call, and only there:
///
/// | the attempt | is tried again |
/// |---|---|
/// | was never sent | on another endpoint while there is one, up to 5 times |
/// | was refused unprocessed (REFUSED_STREAM, above GOAWAY's last id) | once, if its body can be sent again |
/// | anything else | never |
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
    let cut = lane.cut();
    tokio::select! {
        biased;
        answer = tries(lane, &cluster, &steer, outgoing) => answer,
        // An answer that has begun ends itself (`download`); one that has not would end without a status.
        () = cut.cancelled() => Err(CallError::shutting_down()),
    }
}

async fn tries(
    lane: &Arc<Lane>,
    cluster: &Cluster,
    steer: &Steer,
    mut outgoing: Outgoing,
) -> Result<Response, CallError> {
    let (mut tried, mut never_sent, mut refused) = (Vec::new(), 0, false);
    loop {
        let permit = lane.acquire(steer.wish(&tried), outgoing.context().deadline).await?;
        let endpoint = Arc::clone(permit.endpoint());
        match attempt::run(permit, &mut outgoing).await {
            Ok(mut response) => {
                let attempts = u32::try_from(tried.len()).unwrap_or(u32::MAX).saturating_add(1);
                steer.settle(cluster, &endpoint, &mut response);
                let (cluster, endpoint) = (cluster.shared_name(), endpoint.address().clone());
                response.extensions_mut().insert(Via { cluster, endpoint, attempts });
                return Ok(response);
            }
            Err(failed) => {
                let again = match failed.class {
                    Class::NeverSent => {
                        never_sent += 1;
                        never_sent <= MOST_NEVER_SENT
                    }
                    Class::Unprocessed => !std::mem::replace(&mut refused, true) && outgoing.rewind(),
                    Class::Answered(_) | Class::Lost => false,
                };
                if !again {
                    return Err(failed.error);
                }
                cluster.metrics().retried(failed.retry_reason());
                tracing::debug!(cluster = cluster.name(), endpoint = %endpoint.address(), class = ?failed.class, "trying the call again");
                tried.push(endpoint.address().clone());
            }
        }
    }
}

/// Tries of a call that found only connections that had just died.
const MOST_NEVER_SENT: u32 = 5;
