//! One attempt, as its endpoint is judged by it.

use std::{
    sync::atomic::{AtomicU8, Ordering::Relaxed},
    time::Duration,
};

use h2::Reason;
use tokio::time::Instant;
use tonic::Code;

use super::Verdict;
use crate::upstream::failure::{self, Class};

/// What is known of one attempt. Lies in its permit, which hands the verdict in when it is dropped.
#[derive(Debug)]
pub(in crate::upstream) struct Trial {
    probe: bool,
    verdict: AtomicU8,
    /// When it was sent, and its deadline; `None` while neither can be held against the endpoint.
    given: Option<(Instant, Instant)>,
}

impl Trial {
    /// An attempt that is yet to be sent; `probe` says whether it shows how an ejected endpoint is.
    pub(in crate::upstream) fn new(probe: bool) -> Self {
        Self { probe, verdict: AtomicU8::new(Verdict::Ignored as u8), given: None }
    }

    /// It was sent.
    pub(in crate::upstream) fn sent(&mut self, at: Instant, deadline: Option<Instant>) {
        self.given = deadline.map(|deadline| (at, deadline));
    }

    /// Its answer has begun and goes on: how long that takes says nothing, and a probe has its answer.
    pub(in crate::upstream) fn answered(&mut self) -> bool {
        self.given = None;
        std::mem::take(&mut self.probe)
    }

    /// It ended with this status.
    ///
    /// A backend whose own clock rings says CANCELLED or DEADLINE_EXCEEDED at the deadline of the call.
    pub(in crate::upstream) fn ended(&self, code: Code) {
        let at_deadline = matches!(code, Code::Cancelled | Code::DeadlineExceeded) && self.is_due();
        self.set(if at_deadline { self.overdue() } else { Verdict::of(code) });
    }

    /// It ended with this error; `first` says whether it is the first to be lost with its connection.
    pub(in crate::upstream) fn broke(&self, error: &h2::Error, first: impl FnOnce() -> bool) {
        self.set(match failure::classify(error) {
            Class::Unprocessed if error.is_go_away() => Verdict::Ignored,
            Class::Broken(_) if error.reason() == Some(Reason::CANCEL) => {
                if self.is_due() {
                    self.overdue()
                } else {
                    Verdict::Ignored
                }
            }
            Class::Unprocessed | Class::Broken(_) => Verdict::Failure,
            Class::Lost => {
                if first() {
                    Verdict::Failure
                } else {
                    Verdict::Ignored
                }
            }
            _ => Verdict::Ignored,
        });
    }

    /// The verdict, and whether it is that of a probe. An attempt that was dropped at its deadline ran into it, any
    /// other was left by its client.
    pub(in crate::upstream) fn close(&mut self) -> (Verdict, bool) {
        let told = *self.verdict.get_mut();
        let told = [Verdict::Success, Verdict::Failure, Verdict::Soft].into_iter().find(|v| *v as u8 == told);
        let untold = || if self.is_due() { self.overdue() } else { Verdict::Ignored };
        (told.unwrap_or_else(untold), self.probe)
    }

    fn set(&self, verdict: Verdict) {
        self.verdict.store(verdict as u8, Relaxed);
    }

    /// Whether its deadline has passed.
    pub(in crate::upstream) fn is_due(&self) -> bool {
        self.given.is_some_and(|(_, deadline)| failure::is_due(Some(deadline)))
    }

    fn overdue(&self) -> Verdict {
        match self.given {
            Some((sent, deadline)) if deadline.saturating_duration_since(sent) >= FAIR => Verdict::Failure,
            Some(_) | None => Verdict::Ignored,
        }
    }
}

/// The time that a backend must have had for its silence to be a failure.
const FAIR: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    async fn after(timeout: Option<u64>, passed: u64, end: impl FnOnce(&mut Trial)) -> Verdict {
        let mut trial = Trial::new(false);
        let now = Instant::now();
        trial.sent(now, timeout.map(|timeout| now + Duration::from_millis(timeout)));
        tokio::time::advance(Duration::from_millis(passed)).await;
        end(&mut trial);
        trial.close().0
    }

    #[tokio::test(start_paused = true)]
    async fn outcomes_become_verdicts() {
        use Verdict::{Failure, Ignored, Soft, Success};
        let status = |code| move |trial: &mut Trial| trial.ended(code);
        for (code, expect) in [
            (Code::Ok, Success),
            (Code::NotFound, Success),
            (Code::InvalidArgument, Success),
            (Code::Unimplemented, Success),
            (Code::Unavailable, Failure),
            (Code::Internal, Failure),
            (Code::DataLoss, Failure),
            (Code::Unknown, Failure),
            (Code::ResourceExhausted, Soft),
        ] {
            assert_eq!(after(None, 5, status(code)).await, expect, "{code:?}");
            assert_eq!(after(Some(1000), 1000, status(code)).await, expect, "{code:?} at the deadline");
        }
        // The same words of a backend, by its own doing and because the time was up.
        for code in [Code::Cancelled, Code::DeadlineExceeded] {
            assert_eq!(after(Some(2000), 500, status(code)).await, Success, "{code:?}");
            assert_eq!(after(Some(2000), 1995, status(code)).await, Failure, "{code:?} at the deadline");
            assert_eq!(after(Some(500), 500, status(code)).await, Ignored, "{code:?} at a short deadline");
        }
    }

    /// What a client sees of a server that resets its stream.
    async fn remote(reason: Reason) -> h2::Error {
        let (near, far) = tokio::io::duplex(1 << 16);
        tokio::spawn(async move {
            let mut server = h2::server::handshake(far).await.unwrap();
            while let Some(Ok((_, mut respond))) = server.accept().await {
                respond.send_reset(reason);
            }
        });
        let (mut send, connection) = h2::client::handshake(near).await.unwrap();
        tokio::spawn(connection);
        let (response, _) = send.send_request(http::Request::new(()), true).unwrap();
        response.await.unwrap_err()
    }

    #[tokio::test(start_paused = true)]
    async fn resets_become_verdicts() {
        for (reason, timeout, passed, expect) in [
            (Reason::CANCEL, 5000, 5, Verdict::Ignored),
            (Reason::NO_ERROR, 5000, 5, Verdict::Failure),
            (Reason::INTERNAL_ERROR, 5000, 5, Verdict::Failure),
            (Reason::REFUSED_STREAM, 5000, 5, Verdict::Failure),
            (Reason::ENHANCE_YOUR_CALM, 5000, 5, Verdict::Failure),
            (Reason::CANCEL, 5000, 4995, Verdict::Failure),
            (Reason::CANCEL, 500, 500, Verdict::Ignored),
        ] {
            let error = remote(reason).await;
            let verdict = after(Some(timeout), passed, |trial| trial.broke(&error, || true)).await;
            assert_eq!(verdict, expect, "{reason:?} after {passed} of {timeout} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_lost_once() {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (mut send, connection) = h2::client::handshake(near).await.unwrap();
        tokio::spawn(connection);
        let (response, _) = send.send_request(http::Request::new(()), true).unwrap();
        drop(far);
        let error = response.await.unwrap_err();
        assert_eq!(after(None, 5, |trial| trial.broke(&error, || true)).await, Verdict::Failure);
        assert_eq!(after(None, 5, |trial| trial.broke(&error, || false)).await, Verdict::Ignored);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_dropped_was_left_or_late() {
        for (timeout, passed, expect) in [
            (None, 60_000, Verdict::Ignored),
            (Some(1000), 500, Verdict::Ignored),
            (Some(1000), 1000, Verdict::Failure),
            (Some(999), 999, Verdict::Ignored),
        ] {
            assert_eq!(after(timeout, passed, |_| {}).await, expect, "{timeout:?} after {passed} ms");
        }
        let streams = |trial: &mut Trial| assert!(!trial.answered());
        assert_eq!(after(Some(1000), 1000, streams).await, Verdict::Ignored, "its answer had begun");
    }

    #[test]
    fn a_probe_is_answered_once() {
        let mut trial = Trial::new(true);
        assert!(trial.answered() && !trial.answered());
        assert_eq!(trial.close(), (Verdict::Ignored, false));
    }
}
