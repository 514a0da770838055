//! When a byte of a call last moved.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::call::CallError;

/// The last move of a byte in either direction, shared by the two halves of an attempt.
///
/// Nothing is kept for a call without `stream_idle_timeout`, as all unary ones are.
#[derive(Clone, Debug)]
pub(super) struct Activity(Option<Arc<Clock>>);

#[derive(Debug)]
struct Clock {
    idle: Duration,
    started: Instant,
    /// Milliseconds from the start to the last move.
    moved: AtomicU64,
}

impl Activity {
    /// A call that has just moved; `idle` is how long it may rest.
    pub(super) fn new(idle: Option<Duration>) -> Self {
        Self(idle.map(|idle| Arc::new(Clock { idle, started: Instant::now(), moved: AtomicU64::new(0) })))
    }

    /// A byte moved.
    pub(super) fn moved(&self) {
        if let Some(clock) = &self.0 {
            let moved = u64::try_from(clock.started.elapsed().as_millis()).unwrap_or(u64::MAX);
            clock.moved.store(moved, Relaxed);
        }
    }

    /// When the call will have rested for too long, unless a byte moves before.
    pub(super) fn idle_at(&self) -> Option<Instant> {
        let clock = self.0.as_ref()?;
        let moved = Duration::from_millis(clock.moved.load(Relaxed));
        clock.started.checked_add(moved)?.checked_add(clock.idle)
    }

    /// Waits until the call has rested for too long.
    pub(super) async fn idle(&self) -> CallError {
        while let Some(at) = self.idle_at() {
            if at <= Instant::now() {
                return CallError::stream_idle();
            }
            tokio::time::sleep_until(at).await;
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_move_starts_the_rest_anew() {
        let started = Instant::now();
        let activity = Activity::new(Some(Duration::from_secs(10)));
        let mover = activity.clone();
        tokio::spawn(async move {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_secs(9)).await;
                mover.moved();
            }
        });
        activity.idle().await;
        assert_eq!(started.elapsed().as_secs(), 37);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_without_a_limit_may_rest() {
        let waited = tokio::time::timeout(Duration::from_secs(1 << 20), Activity::new(None).idle()).await;
        assert!(waited.is_err());
    }
}
