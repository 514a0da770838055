//! The time that a connection serves a link.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{connection::Connection, lane::Lane, link::Link};
use crate::telemetry::metrics::ConnectionState;

/// A connection that a link offers to calls.
///
/// | it leaves because | its calls | before that |
/// |---|---|---|
/// | the peer sent GOAWAY, or it ended | go on for as long as the peer lets them | |
/// | it is old, or has used up its stream ids | go on to their end | a successor has been opened |
/// | it is an extra one, and was idle for five minutes | there are none | |
/// | health checks have given the endpoint up | go on to their end | |
/// | discovery no longer lists the endpoint | go on for `drain_timeout` | |
#[derive(Debug)]
pub(super) struct Tenure {
    pub(super) connection: Arc<Connection>,
    /// It is to be replaced.
    due: AtomicBool,
    replaced: CancellationToken,
}

impl Tenure {
    pub(super) fn new(connection: Connection) -> Arc<Self> {
        let connection = Arc::new(connection);
        Arc::new(Self { connection, due: AtomicBool::new(false), replaced: CancellationToken::new() })
    }

    /// Whether a successor is to be opened.
    pub(super) fn is_due(&self) -> bool {
        self.due.load(Relaxed) && !self.replaced.is_cancelled()
    }

    /// Its successor is there.
    pub(super) fn replace(&self) {
        self.replaced.cancel();
    }

    /// Offers the connection to calls until it leaves, then lets it finish those that it has.
    pub(super) async fn serve(self: Arc<Self>, link: Arc<Link>, lane: Arc<Lane>) {
        let metrics = lane.cluster().metrics();
        let ready = metrics.connection(ConnectionState::Ready);
        let opened = Instant::now();
        let patience = self.until_it_leaves(&link, &lane).await;
        link.left(&self, &lane);
        if self.connection.is_dead() {
            link.endpoint.reach().died();
        } else {
            link.endpoint.reach().disconnected(opened.elapsed(), self.connection.has_answered());
        }
        drop(ready);
        let _draining = metrics.connection(ConnectionState::Draining);
        let partings = link.endpoint.partings();
        partings.drains(&self.connection);
        let counted = async {
            // A connection that could not be used may have to be asked for the reason.
            let why = self.connection.why().await;
            metrics.disconnected(why);
            partings.ended(why);
        };
        tokio::join!(Arc::clone(&self.connection).retire(patience), counted);
    }

    /// How long its calls may then go on.
    async fn until_it_leaves(self: &Arc<Self>, link: &Link, lane: &Lane) -> Duration {
        let config = lane.cluster().config();
        let age = config.connection.max_connection_age;
        // The jitter keeps what was opened together from being replaced together (gRFC A9).
        let old = age.and_then(|age| Instant::now().checked_add(age.mul_f64(0.9 + 0.2 * fastrand::f64())));
        let mut idle = (Instant::now(), self.connection.idle());
        let mut look = tokio::time::interval(LOOK);
        let trust = link.endpoint.trust();
        loop {
            let widened = self.connection.widened();
            tokio::select! {
                () = self.connection.closing() => {
                    lane.cluster().roster().look_again();
                    return FOREVER;
                }
                () = link.removed() => return config.drain_timeout,
                () = self.replaced.cancelled() => return FOREVER,
                () = link.endpoint.given_up(trust) => return FOREVER,
                // Calls that wait for a stream look again.
                () = self.connection.widens(widened) => lane.publish(),
                () = until(old), if !self.is_due() => self.is_old(link),
                _ = look.tick() => {
                    if self.connection.is_spent() {
                        self.is_old(link);
                    }
                    let now = self.connection.idle();
                    if now.is_none() || now != idle.1 {
                        idle = (Instant::now(), now);
                    } else if idle.0.elapsed() >= IDLE && link.is_extra(self) {
                        return FOREVER;
                    }
                }
            }
        }
    }

    fn is_old(&self, link: &Link) {
        self.due.store(true, Relaxed);
        link.wake();
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Longer than any stream may last.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

/// How long an extra connection may be unused. Bursts come back; a connection costs next to nothing meanwhile.
const IDLE: Duration = Duration::from_secs(300);

/// Between two looks at what has no event of its own. A quarter of all stream ids lasts for minutes at any rate.
const LOOK: Duration = Duration::from_secs(30);
