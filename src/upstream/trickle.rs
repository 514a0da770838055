//! Keeps an upload of many small messages from looking like an attack.
//!
//! A server over `h2`, and so one of tonic, charges every DATA frame below 256 bytes that its task has not read yet, and
//! ends the connection, shared by everyone, over a hundred of them (RUSTSEC-2026-0258). A client whose messages come in a
//! packet each gets there before that task has had its turn, however soon it comes. So a few small chunks go out as they
//! are; after those each waits for a moment, in which what comes joins it.

use std::time::Duration;

use tokio::time::Instant;

/// The small chunks of one upload: so many at once, then one every so often.
#[derive(Debug)]
pub(super) struct Trickle {
    left: u32,
    counted: Instant,
}

impl Trickle {
    pub(super) fn new() -> Self {
        Self { left: AT_ONCE, counted: Instant::now() }
    }

    /// Waits until a small chunk may go.
    pub(super) async fn turn(&mut self) {
        if self.left > 0 {
            return;
        }
        let rested = self.counted.elapsed();
        if rested < EVERY {
            tokio::time::sleep(EVERY - rested).await;
        }
        let earned = self.counted.elapsed().as_nanos() / EVERY.as_nanos();
        self.left = u32::try_from(earned).map_or(AT_ONCE, |earned| earned.clamp(1, AT_ONCE));
        self.counted = Instant::now();
    }

    /// A chunk of so many bytes goes.
    pub(super) fn sent(&mut self, bytes: usize) {
        if bytes < SMALL {
            self.left = self.left.saturating_sub(1);
        }
    }
}

/// A third of what `h2` allows.
const AT_ONCE: u32 = 32;

/// A backend has to be deaf for 70 times as long to be flooded.
const EVERY: Duration = Duration::from_millis(1);

/// What `h2` charges nothing for.
const SMALL: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    /// How long it takes to send so many chunks of so many bytes, which come every so often.
    async fn takes(chunks: u32, bytes: usize, every: Duration) -> Duration {
        let (mut trickle, started) = (Trickle::new(), Instant::now());
        for _ in 0..chunks {
            tokio::time::sleep(every).await;
            trickle.turn().await;
            trickle.sent(bytes);
        }
        started.elapsed() - every * chunks
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_small_chunks_trickles() {
        assert_eq!(takes(32, 5, Duration::ZERO).await, Duration::ZERO, "a few go at once");
        let flood = takes(132, 5, Duration::ZERO).await;
        assert!((95..=105).contains(&flood.as_millis()), "one a millisecond after that: {flood:?}");
        assert_eq!(takes(1000, 256, Duration::ZERO).await, Duration::ZERO, "large ones are free");
        assert_eq!(
            takes(1000, 5, Duration::from_millis(2)).await,
            Duration::ZERO,
            "and so are those that come slowly"
        );
    }
}
