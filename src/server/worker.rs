//! The threads that serve.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    runtime,
    sync::{mpsc, oneshot},
    time::MissedTickBehavior,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::connection;
use crate::{
    call::{Peer, Sessions, Signal},
    front::Edge,
    telemetry::metrics::Entered,
};

/// One thread with a runtime of its own; what is dealt to it never leaves it.
pub struct Worker {
    mailbox: Mailbox,
    served: TaskTracker,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// All workers of the process.
#[derive(Debug)]
pub struct Workers(Vec<Worker>);

/// The front side of all workers: where accepted sockets go.
#[derive(Clone, Debug)]
pub struct Dealer(Arc<[Mailbox]>);

#[derive(Clone, Debug)]
struct Mailbox {
    sockets: mpsc::Sender<Socket>,
    connections: Arc<AtomicUsize>,
}

/// An accepted socket on its way to a worker.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) stream: std::net::TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) listener: Arc<str>,
    pub(super) counted: Entered,
}

impl Worker {
    /// Starts a thread; `build` runs on it and makes what it serves, and something to hand back.
    ///
    /// From the moment `drain` fires, connections finish what they have and close.
    pub fn start<T: Send + 'static>(
        index: usize,
        drain: CancellationToken,
        build: impl FnOnce() -> (Edge, T) + Send + 'static,
    ) -> io::Result<(Self, oneshot::Receiver<T>)> {
        let (mailbox, mut sockets) = mpsc::channel::<Socket>(MAILBOX);
        let (built_out, built) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let served = TaskTracker::new();
        let (counted, tracker) = (Arc::clone(&connections), served.clone());
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let serve = async move {
            let (edge, product) = build();
            let draining = Signal::default();
            let fires = draining.clone();
            tokio::spawn(async move {
                drain.cancelled().await;
                fires.fire();
            });
            let _ = built_out.send(product);
            while let Some(socket) = sockets.recv().await {
                let open = (Open(Arc::clone(&counted)), socket.counted);
                let sessions = Sessions { tasks: TaskTracker::new(), drain: draining.clone() };
                let peer = Peer { address: socket.peer, listener: socket.listener, sessions };
                let served = connection::serve(socket.stream, edge.clone(), peer);
                tracker.spawn(async move {
                    let _open = open;
                    served.await;
                });
            }
        };
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = async { serve.await; std::future::pending().await } => {}
                    () = beat() => {}
                    _ = ended => {}
                }
            });
        })?;
        let mailbox = Mailbox { sockets: mailbox, connections };
        Ok((Self { mailbox, served, end: Some(end), thread: Some(thread) }, built))
    }
}

/// Keeps one timer due soon, for as long as it is polled.
///
/// tokio wakes its driver, by a write to an eventfd, for every new timer that is due before all that it knew when it
/// went to sleep. A worker whose calls had all ended knew none, and paid that write for the deadline of each new call.
async fn beat() {
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
    }
}

impl Workers {
    /// The workers, in the order of their indices.
    pub fn new(workers: Vec<Worker>) -> Self {
        Self(workers)
    }

    /// Where accepted sockets go.
    pub fn dealer(&self) -> Dealer {
        Dealer(self.0.iter().map(|worker| worker.mailbox.clone()).collect())
    }

    /// Open connections, over all workers.
    pub fn connections(&self) -> usize {
        self.0.iter().map(|worker| worker.mailbox.connections.load(Relaxed)).sum()
    }

    /// Waits until every connection has ended.
    pub async fn drained(&self) {
        for worker in &self.0 {
            worker.served.close();
            worker.served.wait().await;
        }
    }

    /// Ends the threads and with them whatever is still open.
    pub fn end(&mut self) {
        for worker in &mut self.0 {
            if let Some(end) = worker.end.take() {
                let _ = end.send(());
            }
        }
        for worker in &mut self.0 {
            if let Some(thread) = worker.thread.take() {
                let _ = thread.join();
            }
        }
    }
}

impl Dealer {
    /// Hands a socket to the worker with the fewest; `false` when no mailbox has room.
    pub(super) fn deal(&self, socket: Socket) -> bool {
        let mut by_load: Vec<&Mailbox> = self.0.iter().collect();
        by_load.sort_by_key(|mailbox| mailbox.connections.load(Relaxed));
        let mut socket = socket;
        for mailbox in by_load {
            // Counted before it is served, or all sockets of a burst would go to one worker.
            mailbox.connections.fetch_add(1, Relaxed);
            match mailbox.sockets.try_send(socket) {
                Ok(()) => return true,
                Err(mpsc::error::TrySendError::Full(back) | mpsc::error::TrySendError::Closed(back)) => {
                    mailbox.connections.fetch_sub(1, Relaxed);
                    socket = back;
                }
            }
        }
        false
    }
}

/// Counts a connection out when it ends, however it ends.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("mailbox", &self.mailbox).finish_non_exhaustive()
    }
}

/// Sockets that wait for a worker to take them up: one listen backlog.
const MAILBOX: usize = 1024;

/// Shorter than the deadlines of nearly all calls, and long enough to cost an idle worker nothing.
const BEAT: Duration = Duration::from_millis(250);
