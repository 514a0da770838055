//! Comments in the silence of an event stream, so that nothing on the way takes it for dead.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// Rings when nothing was sent for a while. One timer for a whole stream: a message only notes the time, and the timer
/// is moved on when it rings too early.
#[derive(Debug)]
pub(super) struct KeepAlive {
    every: Duration,
    sent: Instant,
    timer: Pin<Box<Sleep>>,
}

impl KeepAlive {
    pub(super) fn new(every: Duration) -> Self {
        Self { every, sent: Instant::now(), timer: Box::pin(tokio::time::sleep(every)) }
    }

    /// Notes that something is being sent.
    pub(super) fn sent(&mut self) {
        self.sent = Instant::now();
    }

    /// Ready when a comment is due; the silence then begins anew.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let due = self.sent + self.every;
            let now = Instant::now();
            if due <= now {
                self.sent = now;
                self.timer.as_mut().reset(now + self.every);
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(due);
        }
    }
}

/// A comment, which readers of events pass over.
pub(super) const COMMENT: &[u8] = b": keep-alive\n\n";

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_comment_after_each_silence() {
        let start = Instant::now();
        let passed = || (Instant::now() - start).as_secs();
        let mut keep_alive = KeepAlive::new(Duration::from_secs(15));
        poll_fn(|cx| keep_alive.poll(cx)).await;
        assert_eq!(passed(), 15);
        poll_fn(|cx| keep_alive.poll(cx)).await;
        assert_eq!(passed(), 30);
        tokio::time::sleep(Duration::from_secs(10)).await;
        keep_alive.sent();
        poll_fn(|cx| keep_alive.poll(cx)).await;
        assert_eq!(passed(), 55);
    }
}
