//! Counts one attempt as `grpc_client_*` has it: those of go-grpc-prometheus and those of gRFC A66. And whether its answer
//! came for nobody.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use h2::{RecvStream, client::ResponseFuture};
use http::HeaderMap;
use tokio::time::Instant;
use tonic::Code;

use super::cluster::Cluster;
use crate::{
    grpc::status,
    telemetry::metrics::{ClusterMetrics, MethodMetrics, Sizes},
};

/// An attempt that has begun; counted with its outcome when it is dropped, as `Canceled` when it has none.
#[derive(Debug)]
pub(super) struct Tally {
    method: Arc<MethodMetrics>,
    cluster: Arc<ClusterMetrics>,
    started: Instant,
    code: AtomicU8,
    sent: Sent,
    received: AtomicU64,
    /// Whether another attempt may have been answered in its place.
    beside: bool,
}

/// The bytes of messages that an attempt sends.
#[derive(Debug)]
pub(super) enum Sent {
    /// Known from the start.
    Whole(u64),
    /// Counted by an upload as they go.
    Stream(Arc<AtomicU64>),
}

/// An attempt whose answer nobody waits for any more.
///
/// Its stream is about to be reset, and after that nothing more is heard of it. But what has been received until then
/// tells whether the backend had finished with OK: it did the work, and whoever asked for it does not know, and may
/// well ask again.
#[derive(Debug)]
pub(super) struct Orphan(Option<Arc<MethodMetrics>>);

impl Tally {
    pub(super) fn start(
        method: &Arc<MethodMetrics>,
        cluster: &Cluster,
        started: Instant,
        sent: Sent,
        beside: bool,
    ) -> Self {
        let cluster = cluster.metrics();
        method.at(cluster).attempt_started();
        Self {
            method: Arc::clone(method),
            cluster: Arc::clone(cluster),
            started,
            code: AtomicU8::new(Code::Cancelled as u8),
            sent,
            received: AtomicU64::new(0),
            beside,
        }
    }

    /// Nobody waits for the answer.
    pub(super) fn orphan(&self) -> Orphan {
        Orphan((!self.beside).then(|| Arc::clone(&self.method)))
    }

    /// When it began.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// So many bytes of messages have come by now.
    pub(super) fn received(&self, bytes: u64) {
        self.received.store(bytes, Relaxed);
    }

    /// The attempt ended.
    pub(super) fn ended(&self, code: Code) {
        self.code.store(code as u8, Relaxed);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let code = usize::from(*self.code.get_mut());
        let sizes = Sizes { sent: self.sent.bytes(), received: *self.received.get_mut() };
        self.method.at(&self.cluster).attempt_ended(code, self.started.elapsed(), sizes);
    }
}

impl Sent {
    fn bytes(&self) -> u64 {
        match self {
            Self::Whole(bytes) => *bytes,
            Self::Stream(bytes) => bytes.load(Relaxed),
        }
    }
}

impl Orphan {
    /// Looks at what has come of an answer whose head nobody has taken.
    pub(super) fn look(&self, response: &mut ResponseFuture) {
        if self.0.is_none() {
            return;
        }
        if let Poll::Ready(Ok(response)) = Pin::new(response).poll(&mut Context::from_waker(Waker::noop())) {
            let (head, mut stream) = response.into_parts();
            if stream.is_end_stream() { self.ended(&head.headers) } else { self.look_on(&mut stream) }
        }
    }

    /// Looks at what has come of the rest of an answer.
    pub(super) fn look_on(&self, stream: &mut RecvStream) {
        if self.0.is_none() {
            return;
        }
        let cx = &mut Context::from_waker(Waker::noop());
        while let Poll::Ready(next) = stream.poll_data(cx) {
            match next {
                Some(Ok(_)) => {}
                Some(Err(_)) => return,
                None => {
                    if let Poll::Ready(Ok(Some(trailers))) = stream.poll_trailers(cx) {
                        self.ended(&trailers);
                    }
                    return;
                }
            }
        }
    }

    /// The answer had ended with these headers.
    pub(super) fn ended(&self, headers: &HeaderMap) {
        let is_ok = status::code(headers) == Some(Code::Ok);
        if let (true, Some(metrics)) = (is_ok, &self.0) {
            metrics.orphaned.inc();
        }
    }
}
