//! Which endpoints have said that they do not have a method.
//!
//! While a new version is rolled out, some endpoints have the methods of its schema and others do not yet. A call that
//! one of these answers with UNIMPLEMENTED goes to another endpoint, and for a while further calls of the method pass
//! it over, as long as others can be had.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use tokio::time::Instant;

use crate::config::Address;

/// What is known of a cluster, over all workers. Nothing in nearly all moments, which then costs one look at a pointer.
#[derive(Debug, Default)]
pub(super) struct Lacking {
    known: ArcSwapOption<Known>,
}

/// By path of the method: who lacks it, and until when that is believed.
type Known = HashMap<Box<str>, Vec<(Address, Instant)>>;

impl Lacking {
    /// The endpoints to pass over for a method.
    pub(super) fn of(&self, path: &str) -> Vec<Address> {
        let known = self.known.load();
        let Some(lacking) = known.as_ref().and_then(|known| known.get(path)) else { return Vec::new() };
        let now = Instant::now();
        let lacking: Vec<_> =
            lacking.iter().filter(|(_, until)| now < *until).map(|(address, _)| address.clone()).collect();
        if lacking.is_empty() {
            self.change(now, |_| {});
        }
        lacking
    }

    /// An endpoint has just said that it lacks a method.
    pub(super) fn learn(&self, path: &str, address: &Address) {
        let now = Instant::now();
        self.change(now, |known| {
            if !known.contains_key(path) && known.len() >= MOST_METHODS {
                return;
            }
            let lacking = known.entry(path.into()).or_default();
            lacking.retain(|(known, _)| known != address);
            if lacking.len() < MOST_ENDPOINTS {
                lacking.push((address.clone(), now + BELIEVED));
            }
        });
    }

    /// Drops what is believed no longer, then changes the rest.
    fn change(&self, now: Instant, change: impl Fn(&mut Known)) {
        self.known.rcu(|known| {
            let mut known = known.as_deref().cloned().unwrap_or_default();
            known.retain(|_, lacking| {
                lacking.retain(|(_, until)| now < *until);
                !lacking.is_empty()
            });
            change(&mut known);
            (!known.is_empty()).then(|| Arc::new(known))
        });
    }
}

/// How long an endpoint is believed to lack a method: one failed try each time it is over, against how long a restarted
/// one may have to wait for its share.
const BELIEVED: Duration = Duration::from_secs(10);

const MOST_METHODS: usize = 256;
const MOST_ENDPOINTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> Address {
        Address::Tcp(([127, 0, 0, 1], port).into())
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_learnt_is_believed_for_a_while() {
        let lacking = Lacking::default();
        lacking.learn("/a.B/C", &address(1));
        tokio::time::advance(BELIEVED / 2).await;
        lacking.learn("/a.B/C", &address(2));
        lacking.learn("/a.B/D", &address(1));
        assert_eq!(lacking.of("/a.B/C"), [address(1), address(2)]);
        assert_eq!(lacking.of("/a.B/D"), [address(1)]);
        assert_eq!(lacking.of("/a.B/E"), []);
        tokio::time::advance(BELIEVED / 2).await;
        assert_eq!(lacking.of("/a.B/C"), [address(2)]);
        lacking.learn("/a.B/C", &address(2));
        tokio::time::advance(BELIEVED - Duration::from_millis(1)).await;
        assert_eq!(lacking.of("/a.B/C"), [address(2)]);
        assert_eq!(lacking.of("/a.B/D"), []);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(lacking.of("/a.B/C"), []);
        assert!(lacking.known.load().is_none(), "nothing is left to look at");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_learnt_than_there_is_room_for() {
        let lacking = Lacking::default();
        for method in 0..=MOST_METHODS {
            lacking.learn(&format!("/a.B/{method}"), &address(1));
        }
        assert!(lacking.of(&format!("/a.B/{MOST_METHODS}")).is_empty());
        for port in 0..100 {
            lacking.learn("/a.B/0", &address(port));
        }
        assert_eq!(lacking.of("/a.B/0").len(), MOST_ENDPOINTS);
    }
}
