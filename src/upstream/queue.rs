//! Where calls wait for a stream on an endpoint.
//!
//! | a call finds | it waits | up to |
//! |---|---|---|
//! | all connections full | for a stream to end | `queue_timeout`, its deadline |
//! | a connection being made | for that | `connect_timeout`, a second without any, its deadline |
//! | neither | not at all | |
//! | either of the last two, and has `waitForReady` | for a connection | its deadline |
//! | as many calls waiting as may, or at backends as may | not at all | |
//!
//! A worker that has had no connection for a second fails its calls at once, those that wait with them, until there is
//! one again (linkerd's failfast): a queue in front of a dead cluster only turns errors into slow errors.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Duration, Instant},
};

use super::{
    brakes::Overflow,
    failure::{Class, Failed},
    lane::{Lane, Pick, Wait},
    permit::Permit,
    snapshot::Wish,
};
use crate::{
    call::{CallError, Context, Inbound},
    telemetry::metrics::{DeadlineIn, Shed},
};

/// The calls of one worker that wait for one cluster.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: AtomicUsize,
    changed: Notify,
    /// Since when there has been nothing to wait in line for.
    empty_since: Mutex<Option<Instant>>,
}

impl Default for Queue {
    fn default() -> Self {
        let empty_since = Mutex::new(Some(Instant::now()));
        Self { waiting: AtomicUsize::new(0), changed: Notify::new(), empty_since }
    }
}

impl Queue {
    /// The lane has a new snapshot.
    pub(super) fn published(&self, is_empty: bool) {
        let mut since = self.empty_since.lock();
        *since = if is_empty { since.or_else(|| Some(Instant::now())) } else { None };
    }

    /// The lane has an endpoint that nobody has tried yet, and that is worth a moment.
    pub(super) fn has_new(&self) {
        let mut since = self.empty_since.lock();
        *since = since.map(|_| Instant::now());
    }

    /// Every call looks again.
    pub(super) fn wake_all(&self) {
        self.changed.notify_waiters();
    }

    /// Lets a call that was woken find out first that its client has left, which a door looks at when the call yields.
    ///
    /// Clients that leave together would else have their calls sent and reset one after the other, each on the place of
    /// the one before: to the backend an attack.
    async fn let_callers_leave(&self) {
        let turn = Turn { queue: self, taken: false };
        tokio::task::yield_now().await;
        turn.take();
    }

    /// There is a place for one.
    pub(super) fn wake_one(&self) {
        if self.waiting.load(Relaxed) > 0 {
            self.changed.notify_one();
        }
    }
}

impl Lane {
    /// A stream on some endpoint, on the one of the `wish` where that can be.
    ///
    /// A call that has been tried `before` waits for the next connection as for a first: its endpoint may rest for a
    /// moment because of the very connection that it lost.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        wish: Wish<'_>,
        context: &Context,
        before: bool,
    ) -> Result<Permit, Failed> {
        match self.pick(wish, is_exempt(context)) {
            Pick::Taken(permit) => Ok(permit),
            Pick::Full(overflow) => Err(self.full(overflow)),
            Pick::Down if !before && !context.attempts.wait_for_ready => Err(self.down()),
            Pick::Down | Pick::Wait(_) => self.wait(wish, context, before).await,
        }
    }

    async fn wait(
        self: &Arc<Self>,
        wish: Wish<'_>,
        context: &Context,
        before: bool,
    ) -> Result<Permit, Failed> {
        let exempt = is_exempt(context);
        let breaker = &self.cluster().brakes().breaker;
        let _pending = breaker.wait(exempt).map_err(|overflow| self.full(overflow))?;
        let _waiting = Waiting::new(&self.queue.waiting);
        let started = Instant::now();
        let wait_for_ready = context.attempts.wait_for_ready;
        let deadline = context.deadline.or(context.expires).unwrap_or(started + PATIENCE);
        loop {
            let changed = self.queue.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let wait = match self.pick(wish, exempt) {
                Pick::Taken(permit) => return Ok(permit),
                Pick::Full(overflow) => return Err(self.full(overflow)),
                Pick::Down if !before && !wait_for_ready => return Err(self.down()),
                Pick::Down => Wait::Connection,
                Pick::Wait(wait) => wait,
            };
            if wait == Wait::Stream {
                self.grow(self.queue.waiting.load(Relaxed));
            }
            let until = match wait {
                Wait::Stream => started + self.cluster().config().circuit_breakers.queue_timeout,
                Wait::Connection if wait_for_ready => deadline,
                Wait::Connection => self.connected_by(started),
            };
            if tokio::time::timeout_at(until.min(deadline), changed).await.is_err() {
                let late = context.deadline.is_some_and(|deadline| deadline <= Instant::now());
                return Err(match wait {
                    Wait::Connection if late => Self::late(before, DeadlineIn::Connect),
                    Wait::Stream if late => Self::late(before, DeadlineIn::Queue),
                    Wait::Stream => self.shed(
                        Shed::QueueTimeout,
                        "every connection has as many streams as it may (circuit_breakers.queue_timeout)",
                    ),
                    Wait::Connection => self.unreached(),
                });
            }
            self.queue.let_callers_leave().await;
        }
    }

    /// Until when a call that came at `started` waits for a connection.
    fn connected_by(&self, started: Instant) -> Instant {
        let by = started + self.cluster().config().connection.connect_timeout;
        // Another worker's connection shows that the cluster lives, and that this one's is a moment away.
        if self.cluster().roster().is_connected() {
            return by;
        }
        let empty_since = *self.queue.empty_since.lock();
        empty_since.map_or(by, |since| by.min(since + FAILFAST))
    }

    fn full(&self, overflow: Overflow) -> Failed {
        self.shed(overflow.label(), overflow)
    }

    fn shed(&self, reason: Shed, why: impl std::fmt::Display) -> Failed {
        self.cluster().metrics().shed(reason);
        // Retried here, what was too much would be more.
        Failed::new(Class::Final, CallError::overloaded(self.cluster().name(), why))
    }

    fn late(before: bool, waiting: DeadlineIn) -> Failed {
        Failed::new(Class::Final, CallError::deadline_exceeded(before).waiting_in(waiting))
    }

    fn unreached(&self) -> Failed {
        let error = CallError::not_executed(self.cluster().name(), "no connection was made in time");
        Failed::new(Class::NotPicked, error)
    }

    fn down(&self) -> Failed {
        let error = CallError::not_executed(self.cluster().name(), self.cluster().why_down());
        Failed::new(Class::NotPicked, error)
    }
}

/// Edgeway's own questions, health checks among them, have to get through when nothing else does.
fn is_exempt(context: &Context) -> bool {
    context.inbound == Inbound::Control
}

/// The one turn of a call that was woken; dropped with the call before it was taken, it is another's.
struct Turn<'a> {
    queue: &'a Queue,
    taken: bool,
}

impl Turn<'_> {
    fn take(mut self) {
        self.taken = true;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.taken {
            self.queue.wake_one();
        }
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// How long a worker has no connection before its calls do not wait for one.
const FAILFAST: Duration = Duration::from_secs(1);

/// How long a call without any limit in time waits.
const PATIENCE: Duration = Duration::from_secs(300);
