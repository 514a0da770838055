//! The moment from which a worker begins no further call, and the one at which it ends those that outlast a shutdown.
//!
//! Every connection and every call listens for one, and nearly none will hear it. So what they pay is one lock that no
//! other thread wants, to put a waker into a slot, and one more to take it out; a `CancellationToken` costs several of
//! each, and some at every look.

use std::{
    future::Future,
    pin::Pin,
    ptr,
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

/// Fires once, for everyone.
#[derive(Clone, Debug, Default)]
pub struct Signal(Arc<Shared>);

/// Waits for it; one at a time may be polled by a task.
#[derive(Debug)]
pub struct Watch {
    signal: Signal,
    slot: Option<(usize, Identity)>,
}

#[derive(Debug, Default)]
struct Shared {
    fired: AtomicBool,
    slots: Mutex<Slots>,
}

/// As many as ever waited at a time.
#[derive(Debug, Default)]
struct Slots {
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Signal {
    /// Ends the wait of all that wait, and of all that will.
    pub fn fire(&self) {
        let mut slots = self.0.slots.lock();
        self.0.fired.store(true, Release);
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
        let (shared, identity) = (&*this.signal.0, identity(cx.waker()));
        if shared.fired.load(Acquire) {
            return Poll::Ready(());
        }
        // The one in the slot keeps its address from being another's.
        if this.slot.is_some_and(|(_, known)| known == identity) {
            return Poll::Pending;
        }
        let mut slots = shared.slots.lock();
        if shared.fired.load(Acquire) {
            return Poll::Ready(());
        }
        let index = this.slot.map_or_else(|| slots.take(), |(index, _)| index);
        this.slot = Some((index, identity));
        if let Some(slot) = slots.wakers.get_mut(index) {
            *slot = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Some((index, _)) = self.slot else { return };
        let mut slots = self.signal.0.slots.lock();
        let waker = slots.wakers.get_mut(index).and_then(Option::take);
        slots.free.push(index);
        drop(slots);
        // A task that ends with its last waker is not to find the lock taken.
        drop(waker);
    }
}

/// Which task a waker wakes: where its data and its functions lie.
type Identity = (usize, usize);

fn identity(waker: &Waker) -> Identity {
    (waker.data().addr(), ptr::from_ref(waker.vtable()).addr())
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
        let slots = signal.0.slots.lock();
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
