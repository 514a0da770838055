//! The count of a connection's streams.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering::Relaxed};

use tokio::sync::Notify;

/// Lets as many streams be open as the peer allows, and none once it is shut.
#[derive(Debug)]
pub(super) struct Gate {
    open: AtomicUsize,
    limit: AtomicUsize,
    /// Why no further stream may be opened, each reason a bit; zero for none.
    shut: AtomicU8,
    ended: AtomicBool,
    /// It ended because the peer gave no sign of life.
    dead: AtomicBool,
    /// Grows whenever there is more room than before other than by a stream's end.
    widened: AtomicU32,
    changed: Notify,
}

/// Why a gate is shut.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shut {
    /// GOAWAY was received, or the transport is gone.
    Closing = 1,
    /// Edgeway itself wants no further stream on it.
    Retired = 2,
    /// The peer owes a sign of life. The one reason that passes.
    Suspect = 4,
}

impl Gate {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            open: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit),
            shut: AtomicU8::new(0),
            ended: AtomicBool::new(false),
            dead: AtomicBool::new(false),
            widened: AtomicU32::new(0),
            changed: Notify::new(),
        }
    }

    /// A place for one more stream.
    pub(super) fn reserve(&self) -> bool {
        if self.shut.load(Relaxed) != 0 {
            return false;
        }
        let limit = self.limit.load(Relaxed);
        self.open.fetch_update(Relaxed, Relaxed, |open| (open < limit).then_some(open + 1)).is_ok()
    }

    pub(super) fn is_full(&self) -> bool {
        self.shut.load(Relaxed) != 0 || self.open() >= self.limit.load(Relaxed)
    }

    /// Gives a place back.
    pub(super) fn release(&self) {
        let before = self.open.fetch_sub(1, Relaxed);
        if before == 1 && self.is_shut(Shut::Retired) {
            self.changed.notify_waiters();
        }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.load(Relaxed)
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Takes what the peer now allows.
    pub(super) fn allow(&self, limit: usize) {
        let before = self.limit.load(Relaxed);
        if before != limit {
            self.limit.store(limit, Relaxed);
            if before < limit {
                self.widen();
            }
        }
    }

    pub(super) fn shut(&self, why: Shut) {
        if self.shut.fetch_or(why as u8, Relaxed) & why as u8 == 0 {
            self.changed.notify_waiters();
        }
    }

    /// Takes a reason back.
    pub(super) fn reopen(&self, why: Shut) {
        if self.shut.fetch_and(!(why as u8), Relaxed) & why as u8 != 0 {
            self.widen();
        }
    }

    /// How often there came more room.
    pub(super) fn widened(&self) -> u32 {
        self.widened.load(Relaxed)
    }

    fn widen(&self) {
        self.widened.fetch_add(1, Relaxed);
        self.changed.notify_waiters();
    }

    pub(super) fn is_shut(&self, why: Shut) -> bool {
        self.shut.load(Relaxed) & why as u8 != 0
    }

    /// The connection is no more.
    pub(super) fn end(&self) {
        self.ended.store(true, Relaxed);
        self.shut(Shut::Closing);
        self.changed.notify_waiters();
    }

    /// The peer gives no sign of life: no further stream, and the end is near.
    pub(super) fn die(&self) {
        self.dead.store(true, Relaxed);
        self.shut(Shut::Closing);
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Relaxed)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    pub(super) async fn until(&self, reached: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if reached(self) {
                return;
            }
            changed.await;
        }
    }
}
