//! Whether the client is still there.
//!
//! A browser that lost its network says nothing, and a socket that nobody writes to never finds out. A ping every 20 s
//! has to be answered, or followed by anything else, before the next is due; it also keeps idle connections open
//! through balancers, which cut at 60 s and above.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// The clock of a session.
#[derive(Debug)]
pub(super) struct Heart {
    due: Pin<Box<Sleep>>,
    /// A ping that nothing came after.
    asked: bool,
    /// How many beats long what was written has not left.
    stuck: u32,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing to be done.
    Rest,
    /// A ping is to be sent.
    Ping,
    /// The client is gone.
    Dead,
}

impl Heart {
    pub(super) fn new() -> Self {
        Self { due: Box::pin(tokio::time::sleep(BEAT)), asked: false, stuck: 0 }
    }

    /// Something came from the client.
    pub(super) fn heard(&mut self) {
        self.asked = false;
    }

    /// Waits for the next beat. `listening` is whether the client would be heard: while its backend does not read,
    /// nothing is taken from the socket. `stuck` is whether bytes wait to be taken by it.
    pub(super) fn poll_beat(&mut self, listening: bool, stuck: bool, cx: &mut Context<'_>) -> Poll<Beat> {
        let pace = if listening { BEAT } else { UNHEARD };
        let soon = Instant::now() + pace;
        if self.due.deadline() > soon {
            self.due.as_mut().reset(soon);
        }
        std::task::ready!(self.due.as_mut().poll(cx));
        self.due.as_mut().reset(Instant::now() + pace);
        Poll::Ready(self.beat(listening, stuck))
    }

    fn beat(&mut self, listening: bool, stuck: bool) -> Beat {
        if stuck {
            self.stuck += 1;
            return if self.stuck < MOST_STUCK { Beat::Rest } else { Beat::Dead };
        }
        self.stuck = 0;
        if self.asked && listening {
            return Beat::Dead;
        }
        self.asked = listening;
        Beat::Ping
    }
}

/// The time between two pings, and how long one may take to be answered.
const BEAT: Duration = Duration::from_secs(20);

/// The same for a client that is not listened to. Its end would go unnoticed as well; writing to a socket that nobody
/// has any more fails at the second time.
const UNHEARD: Duration = Duration::from_secs(2);

/// Beats that a client may leave what was sent to it: five minutes, as long as a stream may rest by default.
const MOST_STUCK: u32 = 15;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_ping_is_answered_before_the_next() {
        let mut heart = Heart::new();
        let start = Instant::now();
        let mut beats = Vec::new();
        for answered in [true, true, false, true] {
            let beat = poll_fn(|cx| heart.poll_beat(true, false, cx)).await;
            beats.push((start.elapsed().as_secs(), beat));
            if answered {
                heart.heard();
            }
        }
        let expect = [(20, Beat::Ping), (40, Beat::Ping), (60, Beat::Ping), (80, Beat::Dead)];
        assert_eq!(beats, expect);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_not_listened_to_is_not_blamed() {
        let mut heart = Heart::new();
        let start = Instant::now();
        for count in 1..10 {
            assert_eq!(poll_fn(|cx| heart.poll_beat(false, false, cx)).await, Beat::Ping);
            assert_eq!(start.elapsed().as_secs(), 2 * count);
        }
        assert_eq!(poll_fn(|cx| heart.poll_beat(true, false, cx)).await, Beat::Ping);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_is_let_go_after_five_minutes() {
        let mut heart = Heart::new();
        let start = Instant::now();
        while poll_fn(|cx| heart.poll_beat(true, true, cx)).await == Beat::Rest {}
        assert_eq!(start.elapsed().as_secs(), 300);
    }
}
