//! What a backend has seen.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use tokio::{sync::watch, time::Instant};

use super::Call;

/// What all addresses of a backend have seen so far, and a way to wait for more of it.
pub struct Ledger(watch::Sender<Seen>);

/// What has happened so far.
#[derive(Default)]
pub struct Seen {
    /// Requests in the order in which they came, health checks apart.
    pub calls: Vec<Call>,
    /// How many requests an id had.
    attempts: HashMap<String, usize>,
    /// How often a request with an id was acted on.
    executions: HashMap<String, usize>,
    /// When a call that came to [`Step::Cancelled`](super::Step::Cancelled) was reset.
    cancelled: HashMap<String, Instant>,
    released: HashSet<String>,
    /// The bytes of requests that scripts read, by id.
    received: HashMap<String, Vec<u8>>,
    /// Streams that are open, health checks apart.
    pub open: usize,
    /// Connections that came, and when, by the address.
    pub connections: Vec<(usize, Instant)>,
    /// Connections by address that take calls.
    pub live: Vec<usize>,
    /// Connections by address that have not ended.
    pub alive: Vec<usize>,
    /// Bytes that [`Step::Endless`](super::Step::Endless) sent.
    pub sent: u64,
    /// Errors that connections ended with: what the other side did wrong.
    pub errors: Vec<String>,
    /// Health checks, by address.
    pub checks: Vec<usize>,
}

impl Ledger {
    pub(super) fn new(ports: usize) -> Self {
        let zeros = || vec![0; ports];
        Self(watch::Sender::new(Seen { live: zeros(), alive: zeros(), checks: zeros(), ..Seen::default() }))
    }

    /// Looks at it.
    pub fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.0.borrow())
    }

    pub(super) fn note<T>(&self, note: impl FnOnce(&mut Seen) -> T) -> T {
        let mut noted = None;
        self.0.send_modify(|seen| noted = Some(note(seen)));
        noted.expect("it was called")
    }

    /// Waits until it says so.
    pub async fn until(&self, reached: impl FnMut(&Seen) -> bool) {
        let mut seen = self.0.subscribe();
        seen.wait_for(reached).await.expect("the sender lives as long as this");
    }

    /// The requests with an id, in the order in which they came.
    pub fn calls(&self, id: &str) -> Vec<Call> {
        self.look(|seen| seen.calls.iter().filter(|call| call.id == id).cloned().collect())
    }

    /// How many requests with an id there were.
    pub fn attempts(&self, id: &str) -> usize {
        self.look(|seen| seen.attempts.get(id).copied().unwrap_or_default())
    }

    /// How often a request with an id was acted on.
    pub fn executions(&self, id: &str) -> usize {
        self.look(|seen| seen.executions.get(id).copied().unwrap_or_default())
    }

    /// The ids of requests that were acted on more than once.
    pub fn executed_twice(&self) -> Vec<String> {
        self.look(|seen| {
            let twice = seen.executions.iter().filter(|(_, count)| **count > 1);
            twice.map(|(id, _)| id.clone()).collect()
        })
    }

    /// How many requests came to each address since so many had come.
    pub fn shares(&self, since: usize) -> Vec<usize> {
        self.look(|seen| {
            let mut shares = vec![0; seen.live.len()];
            for call in seen.calls.iter().skip(since) {
                if let Some(share) = shares.get_mut(call.port) {
                    *share += 1;
                }
            }
            shares
        })
    }

    /// Requests so far.
    pub fn total(&self) -> usize {
        self.look(|seen| seen.calls.len())
    }

    /// Connections that came to an address so far.
    pub fn connections_to(&self, port: usize) -> usize {
        self.look(|seen| seen.connections.iter().filter(|(to, _)| *to == port).count())
    }

    /// The messages of the requests with an id, as far as their script has read them.
    pub fn received(&self, id: &str) -> Vec<Bytes> {
        let mut decoder = edgeway::grpc::frame::Decoder::new(usize::MAX);
        self.look(|seen| decoder.push(seen.received.get(id).map_or(&[], Vec::as_slice)));
        let next = || decoder.next_message().expect("the gateway sends frames").map(|message| message.bytes);
        std::iter::from_fn(next).collect()
    }
}

impl Seen {
    /// A request: how many with its id came before it.
    pub(super) fn arrived(&mut self, mut call: Call) -> Call {
        let attempts = self.attempts.entry(call.id.clone()).or_default();
        call.attempt = *attempts;
        *attempts += 1;
        self.calls.push(call.clone());
        call
    }

    pub(super) fn executed(&mut self, id: &str) {
        *self.executions.entry(id.to_owned()).or_default() += 1;
    }

    /// When a call was cancelled, if it was.
    pub fn when_cancelled(&self, id: &str) -> Option<Instant> {
        self.cancelled.get(id).copied()
    }

    /// How many calls were cancelled.
    pub fn cancellations(&self) -> usize {
        self.cancelled.len()
    }

    pub(super) fn cancelled(&mut self, id: &str) {
        self.cancelled.insert(id.to_owned(), Instant::now());
    }

    pub(super) fn release(&mut self, id: &str) {
        self.released.insert(id.to_owned());
    }

    /// Whether a call that came to [`Step::Hold`](super::Step::Hold) may go on.
    pub(super) fn is_released(&self, id: &str) -> bool {
        self.released.contains(id)
    }

    pub(super) fn read(&mut self, id: &str, data: &[u8]) {
        self.received.entry(id.to_owned()).or_default().extend(data);
    }

    pub(super) fn count(counts: &mut [usize], port: usize, up: bool) {
        let count = counts.get_mut(port).expect("a port of its own");
        *count = if up { *count + 1 } else { *count - 1 };
    }
}
