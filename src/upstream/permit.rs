//! What an attempt holds while it is under way: a stream, and its share of the load.

use std::sync::Arc;

use http::HeaderMap;
use tokio::time::Instant;

use super::{
    brakes::{Admitted, RetryPlace},
    connection::Connection,
    endpoint::Endpoint,
    lane::Lane,
    link::Link,
    orca,
    outlier::{Trial, Verdict},
};

/// The right to one stream on one connection; given back when it is dropped.
///
/// That of a client's call counts as load until then, and hands in the verdict by which its endpoint is judged.
#[derive(Debug)]
pub(super) struct Permit {
    link: Arc<Link>,
    connection: Arc<Connection>,
    lane: Arc<Lane>,
    /// Whether it is for a stream.
    stream: bool,
    trial: Trial,
    /// Its place among the retries of the cluster, if it is one.
    retry: Option<RetryPlace>,
    /// Its place under a limit that follows latency, if there is one.
    admitted: Option<Admitted>,
    /// Whether it is no call of a client, and so neither load nor a verdict.
    apart: bool,
}

impl Permit {
    /// For a call of a client, which the breaker of its cluster has let through; `connection` has a stream reserved.
    pub(super) fn new(
        lane: Arc<Lane>,
        link: Arc<Link>,
        connection: Arc<Connection>,
        stream: bool,
        probe: bool,
        admitted: Option<Admitted>,
    ) -> Self {
        link.endpoint.call_started(stream);
        let trial = Trial::new(probe);
        Self { link, connection, lane, stream, trial, retry: None, admitted, apart: false }
    }

    /// For a call of Edgeway itself; `connection` has a stream reserved.
    pub(super) fn apart(lane: Arc<Lane>, link: Arc<Link>, connection: Arc<Connection>) -> Self {
        let trial = Trial::new(false);
        Self { link, connection, lane, stream: true, trial, retry: None, admitted: None, apart: true }
    }

    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.link.endpoint
    }

    pub(super) fn lane(&self) -> &Lane {
        &self.lane
    }

    /// The call is a further try of one that failed.
    pub(super) fn counts_as_retry(&mut self, place: Option<RetryPlace>) {
        self.retry = place;
    }

    /// Takes what the backend reports of its load at the end of an answer, where weights are made of it.
    pub(super) fn reported(&self, trailers: &HeaderMap) {
        if let Some(config) = self.lane.balancer().reports()
            && let Some(weight) = orca::from_trailers(trailers).and_then(|report| report.weight(config))
        {
            self.endpoint().traits().reported.set(weight, Instant::now());
        }
    }

    /// How the attempt goes, by which its endpoint is judged.
    pub(super) fn trial(&self) -> &Trial {
        &self.trial
    }

    /// The attempt was sent.
    pub(super) fn sent(&mut self, at: Instant, deadline: Option<Instant>) {
        self.trial.sent(at, deadline);
        if let Some(admitted) = &mut self.admitted {
            admitted.sent(at);
        }
    }

    /// Its answer has begun and goes on.
    pub(super) fn answered(&mut self) {
        let probe = self.trial.answered();
        if probe {
            self.judge(Verdict::Success, probe);
        }
    }

    /// The attempt ended with this error.
    pub(super) fn broke(&self, error: &h2::Error) {
        self.trial.broke(error, || self.connection.is_first_lost());
    }

    /// Nobody waits for the attempt any more: what its endpoint is judged by has happened, though its place is not free.
    pub(super) fn abandoned(&mut self) {
        if !self.apart {
            self.close();
            self.trial = Trial::new(false);
        }
    }

    fn close(&mut self) {
        let is_late = self.admitted.is_some() && self.trial.is_due();
        let (verdict, probe) = self.trial.close();
        if let Some(admitted) = &mut self.admitted
            && (verdict == Verdict::Success || is_late)
        {
            admitted.took_its_time();
        }
        self.judge(verdict, probe);
    }

    fn judge(&self, verdict: Verdict, probe: bool) {
        let cluster = self.lane.cluster();
        if let Some(detector) = cluster.outlier() {
            detector.judge(cluster, &self.link.endpoint, verdict, probe);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.apart {
            self.link.endpoint.call_ended(self.stream);
            self.close();
            self.lane.cluster().brakes().breaker.request_ended();
        }
        self.connection.release();
        self.lane.queue.wake_one();
    }
}
