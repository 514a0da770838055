//! Counts one attempt as `grpc_client_*` has it.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering::Relaxed},
};

use tokio::time::Instant;
use tonic::Code;

use crate::telemetry::metrics::MethodMetrics;

/// An attempt that has begun; counted with its outcome when it is dropped, as `Canceled` when it has none.
#[derive(Debug)]
pub(super) struct Tally {
    metrics: Arc<MethodMetrics>,
    started: Instant,
    code: AtomicU8,
}

impl Tally {
    pub(super) fn start(metrics: &Arc<MethodMetrics>) -> Self {
        metrics.client.started();
        Self {
            metrics: Arc::clone(metrics),
            started: Instant::now(),
            code: AtomicU8::new(Code::Cancelled as u8),
        }
    }

    /// When it began.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// The attempt ended.
    pub(super) fn ended(&self, code: Code) {
        self.code.store(code as u8, Relaxed);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.metrics.client.handled(usize::from(*self.code.get_mut()), self.started.elapsed());
    }
}
