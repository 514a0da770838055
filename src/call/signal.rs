//! The moment from which a worker begins no further call, and the one at which it ends those that outlast a shutdown.
//!
//! Every connection and every call listens for one, and nearly none will hear it. So what they pay is one lock that no
//! other thread wants, to put a waker into a slot, and one more to take it out; a `CancellationToken` costs several of
//! each.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

/// Fires once, for everyone.
#[derive(Clone, Debug, Default)]
pub struct Signal(Arc<Mutex<Slots>>);

/// Waits for it; one at a time may be polled by a task.
#[derive(Debug)]
pub struct Watch {
    signal: Signal,
    slot: Option<usize>,
}

/// As many as ever waited at a time.
#[derive(Debug, Default)]
struct Slots {
    fired: bool,
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Signal {
    /// Ends the wait of all that wait, and of all that will.
    pub fn fire(&self) {
        let mut slots = self.0.lock();
        slots.fired = true;
        let wakers: Vec<_> = slots.wakers.iter_mut().filter_map(Option::take).collect();
        drop(slots);
        for waker in wakers {
            waker.wake();
        }
    }

    /// Waits for it.
    pub fn watch(&self) -> Watch {
        Watch { signal: self.clone(), slot: None }
    }
}

impl Future for Watch {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut slots = this.signal.0.lock();
        if slots.fired {
            return Poll::Ready(());
        }
        let index = this.slot.unwrap_or_else(|| slots.take());
        this.slot = Some(index);
        if let Some(slot) = slots.wakers.get_mut(index)
            && !slot.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            *slot = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Some(index) = self.slot else { return };
        let mut slots = self.signal.0.lock();
        let waker = slots.wakers.get_mut(index).and_then(Option::take);
        slots.free.push(index);
        drop(slots);
        // A task that ends with its last waker is not to find the lock taken.
        drop(waker);
    }
}

impl Slots {
    fn take(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.wakers.push(None);
            self.wakers.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn all_that_wait_hear_it_and_those_that_come_later() {
        let signal = Signal::default();
        let waits: Vec<_> = (0..3).map(|_| tokio::spawn(signal.watch())).collect();
        tokio::task::yield_now().await;
        assert!(signal.watch().now_or_never().is_none());
        signal.fire();
        for wait in waits {
            wait.await.unwrap();
        }
        assert!(signal.watch().now_or_never().is_some());
    }

    #[tokio::test]
    async fn slots_are_used_again() {
        let signal = Signal::default();
        for _ in 0..10 {
            let (mut one, mut other) = (signal.watch(), signal.watch());
            for _ in 0..2 {
                assert!((&mut one).now_or_never().is_none() && (&mut other).now_or_never().is_none());
            }
        }
        let slots = signal.0.lock();
        assert_eq!((slots.wakers.len(), slots.free.len()), (2, 2));
        assert!(slots.wakers.iter().all(Option::is_none));
    }

    #[tokio::test]
    async fn a_wait_that_moves_to_another_task_is_woken_there() {
        let signal = Signal::default();
        let mut watch = signal.watch();
        assert!((&mut watch).now_or_never().is_none());
        let moved = tokio::spawn(watch);
        tokio::task::yield_now().await;
        signal.fire();
        moved.await.unwrap();
    }
}
