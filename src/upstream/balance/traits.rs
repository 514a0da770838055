//! What the choice of an endpoint goes by, beside its load.

use std::sync::OnceLock;

use super::{Sessions, Token, slow_start::Warmth};
use crate::{config::Address, upstream::orca::Reported};

/// Kept with the endpoint, so that all workers choose alike.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Traits {
    pub(in crate::upstream) warmth: Warmth,
    pub(in crate::upstream) reported: Reported,
    token: OnceLock<Token>,
}

impl Traits {
    /// What stands for the endpoint in cookies; worked out once.
    pub(in crate::upstream) fn token(&self, sessions: &Sessions, address: &Address) -> &Token {
        self.token.get_or_init(|| sessions.token(address))
    }

    /// The endpoint serves; `back` is whether it was known not to. What it reported before is of another life.
    pub(in crate::upstream) fn serves(&self, back: bool, now: tokio::time::Instant) {
        self.warmth.serves(back, now);
        if back {
            self.reported.black_out();
        }
    }
}
