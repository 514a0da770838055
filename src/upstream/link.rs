//! One worker's way to one endpoint.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    balance::Load,
    connection::{ConnectError, Connection},
    endpoint::Endpoint,
    lane::Lane,
};
use crate::telemetry::metrics::{ConnectResult, ConnectionState};

/// Keeps a connection to an endpoint for as long as discovery lists it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) endpoint: Arc<Endpoint>,
    connection: ArcSwapOption<Connection>,
    phase: AtomicU8,
    /// The last choice of its lane that fell on it.
    chosen: AtomicU64,
    removed: CancellationToken,
}

/// What a link is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No connection, but one is being tried or about to be.
    Connecting,
    /// A connection that calls may use.
    Ready,
    /// The last attempt failed and the next is not due.
    Resting,
}

impl Link {
    /// A link that connects at once, on the current runtime, and tells `lane` of every change.
    pub(super) fn start(endpoint: Arc<Endpoint>, lane: &Arc<Lane>) -> Arc<Self> {
        let link = Arc::new(Self {
            endpoint,
            connection: ArcSwapOption::empty(),
            phase: AtomicU8::new(Phase::Connecting as u8),
            chosen: AtomicU64::new(0),
            removed: CancellationToken::new(),
        });
        tokio::spawn(Arc::clone(&link).keep(Arc::clone(lane)));
        link
    }

    /// The connections that calls may use, the oldest first.
    pub(super) fn connections(&self) -> Vec<Arc<Connection>> {
        self.connection.load_full().into_iter().collect()
    }

    /// How busy it is, to this worker's eyes.
    pub(super) fn load(&self) -> Load {
        Load {
            unary: self.endpoint.unary(),
            streams: self.endpoint.streams(),
            chosen: self.chosen.load(Relaxed),
        }
    }

    /// A choice of the lane fell on it.
    pub(super) fn chosen(&self, choice: u64) {
        self.chosen.store(choice, Relaxed);
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            phase if phase == Phase::Ready as u8 => Phase::Ready,
            // Another worker's success is as good as an own one: this link is about to connect as well.
            phase if phase == Phase::Resting as u8 && !self.endpoint.is_free() => Phase::Resting,
            // And so is another worker's failure: the address rests for all.
            _ if self.endpoint.is_resting() => Phase::Resting,
            _ => Phase::Connecting,
        }
    }

    /// Whether a connection is being made, and nobody has failed to since the last one.
    pub(super) fn is_hopeful(&self) -> bool {
        self.phase() == Phase::Connecting && self.endpoint.is_free()
    }

    /// Discovery no longer lists the endpoint: no further call, open ones may finish.
    pub(super) fn remove(&self) {
        self.removed.cancel();
    }

    async fn keep(self: Arc<Self>, lane: Arc<Lane>) {
        loop {
            let ticket = loop {
                tokio::select! {
                    () = self.removed.cancelled() => return,
                    ticket = self.endpoint.ticket() => break ticket,
                    // Another worker's attempt has failed: calls that wait for this link's learn it.
                    () = self.endpoint.changed() => lane.publish(),
                }
            };
            self.set(Phase::Connecting, &lane);
            let metrics = lane.cluster().metrics();
            let connecting = metrics.connection(ConnectionState::Connecting);
            let timeout = lane.cluster().config().connection.connect_timeout;
            let opened = tokio::select! {
                () = self.removed.cancelled() => return,
                opened = Connection::open(self.endpoint.address(), timeout) => opened,
            };
            drop(connecting);
            metrics.connected(match &opened {
                Ok(_) => ConnectResult::Success,
                Err(ConnectError::Refused) => ConnectResult::Refused,
                Err(ConnectError::TimedOut(_)) => ConnectResult::Timeout,
                Err(ConnectError::Io(_) | ConnectError::NotHttp2(_)) => ConnectResult::Error,
            });
            match opened {
                Ok(connection) => {
                    ticket.succeeded();
                    lane.cluster().connected();
                    self.serve(Arc::new(connection), &lane).await;
                }
                Err(error) => {
                    tracing::debug!(
                        cluster = lane.cluster().name(),
                        endpoint = %self.endpoint.address(),
                        error = &error as &dyn std::error::Error,
                        "cannot connect"
                    );
                    ticket.failed(&error);
                    self.set(Phase::Resting, &lane);
                    lane.cluster().failed_to_connect();
                }
            }
            if self.removed.is_cancelled() {
                return;
            }
        }
    }

    /// Offers a connection to calls until it takes no more of them.
    async fn serve(&self, connection: Arc<Connection>, lane: &Arc<Lane>) {
        let metrics = lane.cluster().metrics();
        let ready = metrics.connection(ConnectionState::Ready);
        let opened = Instant::now();
        let trust = self.endpoint.trust();
        self.connection.store(Some(Arc::clone(&connection)));
        self.set(Phase::Ready, lane);
        let patience = loop {
            let limit = connection.limit();
            tokio::select! {
                // The peer itself decides how long its open streams may go on.
                () = connection.closing() => break FOREVER,
                () = self.removed.cancelled() => break DRAIN,
                () = self.endpoint.given_up(trust) => break FOREVER,
                // Calls that wait for a stream look again.
                () = connection.grown(limit) => lane.publish(),
            }
        };
        self.connection.store(None);
        self.set(Phase::Connecting, lane);
        self.endpoint.disconnected(opened.elapsed());
        drop(ready);
        let draining = metrics.connection(ConnectionState::Draining);
        tokio::spawn(async move {
            connection.retire(patience).await;
            drop(draining);
        });
    }

    fn set(&self, phase: Phase, lane: &Lane) {
        self.phase.store(phase as u8, Relaxed);
        lane.publish();
    }
}

/// How long calls on a removed endpoint may go on.
const DRAIN: Duration = Duration::from_secs(30);

/// Longer than any stream may last.
const FOREVER: Duration = Duration::from_secs(24 * 3600);
