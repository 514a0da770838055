//! Whether an address may be tried.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::{backoff::Backoff, balance::Traits};

/// Who may connect to an address, and what has come of it, over all workers.
///
/// | state | a connect attempt | leaves by |
/// |---|---|---|
/// | free | any worker, at once | a failure: resting |
/// | resting until `t` | nobody | `t`: the first worker to ask probes |
/// | probed | the one worker that probes | success: free; failure: resting, longer |
#[derive(Debug, Default)]
pub(super) struct Reach {
    connections: AtomicUsize,
    known: Mutex<Known>,
    changed: Notify,
}

/// What connect attempts have shown so far.
#[derive(Debug, Default)]
struct Known {
    state: State,
    backoff: Backoff,
    error: Option<String>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Free,
    Resting {
        until: Instant,
    },
    Probed,
}

/// Leave to try a connection once; dropped without a verdict it counts as not tried.
#[derive(Debug)]
pub(super) struct Ticket<'e> {
    reach: &'e Reach,
    /// Of the same endpoint.
    traits: &'e Traits,
    probe: bool,
}

impl Reach {
    /// Open connections, over all workers.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// What the last connect attempt failed of; `None` once one succeeded.
    pub(super) fn error(&self) -> Option<String> {
        self.known.lock().error.clone()
    }

    /// Whether any worker may connect: nobody has failed since the last success.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.known.lock().state, State::Free)
    }

    /// Whether nobody may connect and nobody tries to.
    pub(super) fn is_resting(&self) -> bool {
        matches!(self.known.lock().state, State::Resting { .. })
    }

    /// Until when nobody may connect; `None` when somebody may, or does.
    pub(super) fn resting_until(&self) -> Option<Instant> {
        match self.known.lock().state {
            State::Resting { until } => Some(until),
            State::Free | State::Probed => None,
        }
    }

    /// Waits until somebody's attempt has come to a verdict.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Waits for leave to connect. Never ends while another worker probes in vain.
    ///
    /// `traits` are those of the endpoint, which learn of a success.
    pub(super) async fn ticket<'e>(&'e self, traits: &'e Traits) -> Ticket<'e> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before the state is read, or a change between the two would be missed.
            changed.as_mut().enable();
            let until = {
                let mut known = self.known.lock();
                match known.state {
                    State::Free => return Ticket { reach: self, traits, probe: false },
                    State::Resting { until } if until <= Instant::now() => {
                        known.state = State::Probed;
                        return Ticket { reach: self, traits, probe: true };
                    }
                    State::Resting { until } => Some(until),
                    State::Probed => None,
                }
            };
            match until {
                Some(until) => tokio::select! {
                    () = tokio::time::sleep_until(until) => {}
                    () = changed => {}
                },
                None => changed.await,
            }
        }
    }

    /// An open connection gave no sign of life: others to the same address are not likely to be better.
    pub(super) fn died(&self) {
        self.connections.fetch_sub(1, Relaxed);
        self.failed("the backend gave no sign of life", false);
    }

    /// An open connection was lost after `lifetime`.
    ///
    /// One that ends within a second of its start and has not `answered` did no good: it counts as a failed attempt, or
    /// a backend that accepts and hangs up would be redialled in a busy loop. One that has answered may be as young as a
    /// backend likes that sends its callers on, by a short MAX_CONNECTION_AGE or because it ends.
    pub(super) fn disconnected(&self, lifetime: Duration, answered: bool) {
        self.connections.fetch_sub(1, Relaxed);
        if answered || lifetime >= PROVEN {
            self.known.lock().backoff.reset();
        } else {
            self.failed("the connection was closed as soon as it was open", false);
        }
    }

    /// Discovery lists it again: what was true of the address before need not be.
    pub(super) fn announced(&self) {
        let mut known = self.known.lock();
        known.backoff.reset();
        if matches!(known.state, State::Resting { .. }) {
            known.state = State::Free;
        }
        drop(known);
        self.changed.notify_waiters();
    }

    fn failed(&self, error: impl fmt::Display, probe: bool) {
        let mut known = self.known.lock();
        known.error = Some(error.to_string());
        let now = Instant::now();
        // Workers that failed side by side are one failure of the address, not several; a late failure does not end the
        // probe of another worker.
        let counted = match known.state {
            State::Free => true,
            State::Probed => probe,
            State::Resting { until } => until <= now,
        };
        if counted {
            let rest = known.backoff.fail(&mut fastrand::Rng::new());
            known.state = State::Resting { until: now + rest };
        }
        drop(known);
        self.changed.notify_waiters();
    }
}

impl Ticket<'_> {
    /// The connection stands.
    pub(super) fn succeeded(mut self) {
        self.probe = false;
        self.reach.connections.fetch_add(1, Relaxed);
        let mut known = self.reach.known.lock();
        let was_down = !matches!(std::mem::replace(&mut known.state, State::Free), State::Free);
        known.error = None;
        drop(known);
        self.traits.serves(was_down, Instant::now());
        self.reach.changed.notify_waiters();
    }

    /// There is no connection.
    pub(super) fn failed(mut self, error: impl fmt::Display) {
        let probe = std::mem::take(&mut self.probe);
        self.reach.failed(error, probe);
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.reach.known.lock().state = State::Resting { until: Instant::now() };
            self.reach.changed.notify_waiters();
        }
    }
}

/// How long a connection must last to have been worth opening.
const PROVEN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_dead_address_is_probed_by_one_worker_at_a_time() {
        let (reach, traits) = (Reach::default(), Traits::default());
        reach.ticket(&traits).await.failed("refused");
        assert!(reach.is_resting());
        let started = Instant::now();
        let probe = reach.ticket(&traits).await;
        let rested = started.elapsed();
        assert!(rested >= Duration::from_millis(80) && rested <= Duration::from_millis(122), "{rested:?}");

        let second = tokio::time::timeout(Duration::from_secs(60), reach.ticket(&traits)).await;
        assert!(second.is_err(), "a second worker waits for the verdict of the first");
        probe.succeeded();
        reach.ticket(&traits).await.succeeded();
        assert_eq!((reach.connections(), reach.error()), (2, None));
    }

    #[tokio::test(start_paused = true)]
    async fn an_abandoned_probe_is_anyones() {
        let (reach, traits) = (Reach::default(), Traits::default());
        reach.ticket(&traits).await.failed("refused");
        drop(reach.ticket(&traits).await);
        reach.ticket(&traits).await.succeeded();
    }

    #[tokio::test(start_paused = true)]
    async fn connections_that_end_at_once_are_failures() {
        let (reach, traits) = (Reach::default(), Traits::default());
        for _ in 0..5 {
            reach.ticket(&traits).await.succeeded();
            reach.disconnected(Duration::from_millis(5), false);
        }
        let started = Instant::now();
        reach.ticket(&traits).await.succeeded();
        assert!(
            started.elapsed() > Duration::from_millis(100 * 16 / 10),
            "rests grow: {:?}",
            started.elapsed()
        );
        for (lifetime, answered) in [(Duration::from_secs(2), false), (Duration::from_millis(5), true)] {
            reach.disconnected(lifetime, answered);
            let started = Instant::now();
            reach.ticket(&traits).await.succeeded();
            assert_eq!(started.elapsed(), Duration::ZERO, "after {lifetime:?}, answered: {answered}");
        }
    }
}
