//! Asks a silent peer for a sign of life, without ever becoming a nuisance to it.
//!
//! A server of gRPC closes a connection on which more than two PINGs came that it finds needless, and it forgives them
//! only when it has itself sent HEADERS or DATA (gRFC A8). A fixed interval of any use therefore ends the connection of
//! a quiet stream. What is sent here is a *suspicion*:
//!
//! | no PING while | because |
//! |---|---|
//! | no stream is open | the peer owes nothing |
//! | less than `keepalive_time` has passed since it was heard, or since it began to owe | it is alive |
//! | two went out since its last HEADERS or DATA | the next ones might be held against us |
//! | one is unanswered | its answer is what is waited for |
//!
//! A black hole behind a stream that has been quiet through two PINGs is found by TCP keepalive, which no server counts.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use h2::{Ping, PingPong};
use tokio::{task::AbortHandle, time::Instant};

use super::{
    gate::{Gate, Shut},
    meter::Meter,
};
use crate::config::ConnectionSettings;

/// How much slower than configured an endpoint is to be asked: it has called it too often.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Pace {
    doublings: AtomicU32,
}

impl Pace {
    /// The peer called the PINGs too many: those on new connections come half as often. Whether it is the first time.
    pub(super) fn slow_down(&self) -> bool {
        let doubled = self.doublings.load(Relaxed);
        self.doublings.store((doubled + 1).min(MOST_DOUBLINGS), Relaxed);
        doubled == 0
    }

    fn of(&self, time: Duration) -> Duration {
        time.saturating_mul(1 << self.doublings.load(Relaxed).min(MOST_DOUBLINGS))
    }
}

/// A connection under watch.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) pings: PingPong,
    pub(super) meter: Arc<Meter>,
    pub(super) gate: Arc<Gate>,
    /// Ends the connection.
    pub(super) driver: AbortHandle,
}

impl Watch {
    /// Watches until the connection has ended, or ends it.
    pub(super) async fn keep(mut self, settings: ConnectionSettings, pace: Arc<Pace>) {
        let mut vigil =
            Vigil::new(pace.of(settings.keepalive_time), settings.keepalive_timeout, Instant::now());
        loop {
            let heard = Heard { bytes: self.meter.bytes(), answers: self.meter.answers() };
            let (verdict, next) = vigil.look(Instant::now(), heard, self.gate.open() > 0);
            match verdict {
                Verdict::Alive => self.gate.reopen(Shut::Suspect),
                Verdict::Ask => {
                    if self.pings.send_ping(Ping::opaque()).is_err() {
                        return;
                    }
                }
                Verdict::Suspect => self.gate.shut(Shut::Suspect),
                Verdict::Dead => {
                    self.gate.die();
                    return self.driver.abort();
                }
            }
            self.meter.turn();
            let asked = vigil.asked.is_some();
            tokio::select! {
                () = self.gate.until(Gate::has_ended) => return,
                pong = poll_fn(|cx| self.pings.poll_pong(cx)), if asked => match pong {
                    Ok(_) => vigil.asked = None,
                    Err(_) => return,
                },
                () = tokio::time::sleep_until(next) => {}
            }
        }
    }
}

/// What has been heard of a peer so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Heard {
    bytes: u64,
    answers: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Alive,
    /// Send a PING.
    Ask,
    /// No further call before it has been heard.
    Suspect,
    Dead,
}

/// The rules of the table above.
#[derive(Debug)]
struct Vigil {
    time: Duration,
    timeout: Duration,
    heard: Heard,
    /// Since when it has owed something and been silent.
    silent: Instant,
    /// PINGs since its last HEADERS or DATA.
    sent: u32,
    /// When the PING that is unanswered went out.
    asked: Option<Instant>,
}

impl Vigil {
    fn new(time: Duration, timeout: Duration, now: Instant) -> Self {
        Self { time, timeout, heard: Heard { bytes: 0, answers: 0 }, silent: now, sent: 0, asked: None }
    }

    /// What to do now, and when to look again.
    fn look(&mut self, now: Instant, heard: Heard, owes: bool) -> (Verdict, Instant) {
        if heard.answers != self.heard.answers {
            self.sent = 0;
        }
        if heard.bytes != self.heard.bytes || !owes {
            // Heard at some moment since the last look, which is taken to be now: suspicion may come late, never early.
            self.silent = now;
        }
        self.heard = heard;
        let suspected = self.silent + self.time;
        let tick = now + self.time / LOOKS;
        match self.asked {
            _ if now < suspected => (Verdict::Alive, tick.min(suspected)),
            None if self.sent < MOST_PINGS => {
                self.sent += 1;
                self.asked = Some(now);
                (Verdict::Ask, now + self.patience())
            }
            None => (Verdict::Alive, tick),
            // The one that went out may be older than this silence: a peer that ignores PINGs may still send.
            Some(asked) => {
                let asked = asked.max(suspected);
                if now >= asked + self.timeout {
                    (Verdict::Dead, now)
                } else if now >= asked + self.patience() {
                    (Verdict::Suspect, asked + self.timeout)
                } else {
                    (Verdict::Alive, asked + self.patience())
                }
            }
        }
    }

    /// How long the answer to a PING may take without a doubt.
    fn patience(&self) -> Duration {
        PATIENCE.min(self.timeout / 2)
    }
}

/// One fewer than the strikes of gRFC A8 that are forgiven, plus the first, which never is one.
const MOST_PINGS: u32 = 2;

/// Looks at a connection per `keepalive_time`; a silence is noticed late by one at most.
const LOOKS: u32 = 4;

/// Many round trips, and not yet a second of calls that go into nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// From 10 s this is past the five minutes that servers of gRPC forgive anyone.
const MOST_DOUBLINGS: u32 = 5;
