//! Counts one attempt as `grpc_client_*` has it: those of go-grpc-prometheus and those of gRFC A66.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering::Relaxed},
};

use tokio::time::Instant;
use tonic::Code;

use super::cluster::Cluster;
use crate::telemetry::metrics::{ClusterMetrics, MethodMetrics};

/// An attempt that has begun; counted with its outcome when it is dropped, as `Canceled` when it has none.
#[derive(Debug)]
pub(super) struct Tally {
    method: Arc<MethodMetrics>,
    cluster: Arc<ClusterMetrics>,
    started: Instant,
    code: AtomicU8,
}

impl Tally {
    pub(super) fn start(method: &Arc<MethodMetrics>, cluster: &Cluster) -> Self {
        let cluster = cluster.metrics();
        method.at(cluster).attempt_started();
        Self {
            method: Arc::clone(method),
            cluster: Arc::clone(cluster),
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
        let code = usize::from(*self.code.get_mut());
        self.method.at(&self.cluster).attempt_ended(code, self.started.elapsed(), None);
    }
}
