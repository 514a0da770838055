//! How much may be kept of request bodies that could have to be sent again.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Bytes that all calls of a gateway together keep.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Budget {
    kept: AtomicUsize,
}

/// What one call keeps of its request; nothing more once it was too much.
///
/// A copy: the pieces that a body comes in are slices of a connection's read buffer, and each would keep all of that.
#[derive(Debug)]
pub(in crate::upstream) struct Kept {
    budget: Arc<Budget>,
    bytes: Vec<u8>,
    given_up: bool,
}

impl Kept {
    pub(in crate::upstream) fn new(budget: Arc<Budget>) -> Self {
        Self { budget, bytes: Vec::new(), given_up: false }
    }

    /// Keeps one piece more, if that is within the bounds of this call and of all.
    pub(in crate::upstream) fn push(&mut self, piece: &[u8]) {
        if self.given_up {
            return;
        }
        if self.bytes.len() + piece.len() > MOST_PER_CALL || !self.budget.take(piece.len()) {
            self.give_up();
            return;
        }
        self.bytes.extend_from_slice(piece);
    }

    /// All there was so far; `None` when it is not there any more.
    pub(in crate::upstream) fn bytes(&self) -> Option<&[u8]> {
        (!self.given_up).then_some(&self.bytes)
    }

    /// Nothing will be sent again: keeps nothing from here on.
    pub(in crate::upstream) fn give_up(&mut self) {
        self.given_up = true;
        self.budget.kept.fetch_sub(std::mem::take(&mut self.bytes).len(), Relaxed);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.budget.kept.fetch_sub(self.bytes.len(), Relaxed);
    }
}

impl Budget {
    fn take(&self, bytes: usize) -> bool {
        let before = self.kept.fetch_add(bytes, Relaxed);
        let fits = before + bytes <= MOST;
        if !fits {
            self.kept.fetch_sub(bytes, Relaxed);
        }
        fits
    }
}

/// linkerd's figure.
const MOST_PER_CALL: usize = 64 << 10;

/// A thousand calls that keep all they may.
const MOST: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_keeps_so_much_and_no_more() {
        let budget = Arc::new(Budget::default());
        let mut kept = Kept::new(Arc::clone(&budget));
        kept.push(&[1; MOST_PER_CALL - 1]);
        kept.push(b"x");
        assert_eq!(kept.bytes().map(<[u8]>::len), Some(MOST_PER_CALL));
        assert_eq!(budget.kept.load(Relaxed), MOST_PER_CALL);
        kept.push(b"y");
        assert_eq!((kept.bytes(), budget.kept.load(Relaxed)), (None, 0));
        kept.push(b"z");
        assert_eq!((kept.bytes(), budget.kept.load(Relaxed)), (None, 0));
    }

    #[test]
    fn all_calls_together_keep_so_much_and_no_more() {
        let budget = Arc::new(Budget::default());
        let piece = vec![1; MOST_PER_CALL];
        let full: Vec<_> = (0..MOST / MOST_PER_CALL)
            .map(|_| {
                let mut kept = Kept::new(Arc::clone(&budget));
                kept.push(&piece);
                kept
            })
            .collect();
        assert!(full.iter().all(|kept| kept.bytes().is_some()));
        let mut surplus = Kept::new(Arc::clone(&budget));
        surplus.push(b"x");
        assert!(surplus.bytes().is_none());
        drop(full);
        let mut next = Kept::new(Arc::clone(&budget));
        next.push(&piece);
        assert!(next.bytes().is_some());
        drop((next, surplus));
        assert_eq!(budget.kept.load(Relaxed), 0);
    }
}
