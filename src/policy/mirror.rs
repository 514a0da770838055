//! Copies of calls, whose answers nobody waits for.
//!
//! A copy shares nothing with its call but the bytes: it has a deadline of its own, is counted apart, goes out once, and
//! does not end with its caller. So many of a route may be on their way; a cluster that is slow or dead costs those, and
//! further calls are not copied.

use std::sync::Arc;

use http::HeaderName;
use http_body_util::BodyExt;
use tower::Service;

use crate::{
    call::{CallError, Context, Request},
    grpc::{Code, GRPC_STATUS, status},
    plan::Mirror,
    policy::Stack,
    telemetry::metrics::MirrorResult,
};

/// Sends `copy` and reads its answer to the end, on a task of its own.
///
/// The copy is given a context of its own: `copy` has that of its call.
pub fn mirror(stack: &Stack, mirror: Arc<Mirror>, mut copy: Request) {
    let Some(place) = mirror.metrics.depart(MOST) else {
        mirror.metrics.ended(MirrorResult::Dropped);
        return;
    };
    copy.headers_mut().insert(MARK, mirror.mark.clone());
    copy.extensions_mut().insert(mirror.destination.target.clone());
    if let Some(context) = copy.extensions_mut().get_mut::<Context>() {
        context.metrics = Arc::clone(&mirror.unread);
        context.attempts = Arc::default();
        context.journal = None;
    }
    let mut calls = stack.uncounted();
    tokio::spawn(async move {
        let _place = place;
        let answer = match calls.call(copy).await {
            Ok(answer) => code(answer).await,
            Err(error) => Err(error),
        };
        let is_ok = matches!(answer, Ok(Some(Code::Ok)));
        mirror.metrics.ended(if is_ok { MirrorResult::Ok } else { MirrorResult::Failed });
    });
}

/// The status of an answer. A body that is dropped before its end would cancel the call at its backend.
async fn code(answer: crate::call::Response) -> Result<Option<Code>, CallError> {
    let (head, mut body) = answer.into_parts();
    let mut last = head.headers.contains_key(GRPC_STATUS).then_some(head.headers);
    while let Some(frame) = body.frame().await {
        last = frame?.into_trailers().ok().or(last);
    }
    Ok(last.as_ref().and_then(status::code))
}

/// What a backend knows a copy by; its value is the name of the route.
const MARK: HeaderName = HeaderName::from_static("x-edgeway-mirror");

/// Copies of one route on their way, over all workers: as many as a hundred calls a second take with a cluster that
/// answers within a second.
const MOST: usize = 100;
