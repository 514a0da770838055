//! A TCP proxy that does to bytes what networks do: delays them, throttles them, swallows them, cuts them off.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::Instant,
};

/// The proxy; dropped, its connections are cut.
pub struct Proxy {
    /// Where it listens.
    pub address: SocketAddr,
    faults: watch::Sender<Faults>,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

/// What is done to bytes from here on, on connections that are open and on new ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    pub way: Way,
    /// How much later every byte arrives, each way.
    pub latency: Duration,
    /// How many bytes a second arrive at the client; `None` for as many as come.
    pub bytes_per_second: Option<u64>,
    /// After how many bytes to the client a connection is reset; `None` for never.
    pub cut_after: Option<u64>,
    /// How many connections, from the first one on, the peer has forgotten, as after a reboot: no byte of it passes, and
    /// the next byte of the client is answered with a reset.
    pub forgotten: usize,
}

/// Whether bytes pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    #[default]
    Open,
    /// Half-open: connections are taken and stay, and no byte passes either way.
    Stalled,
}

#[derive(Default)]
struct Counts {
    accepted: AtomicUsize,
    to_client: AtomicU64,
}

impl Proxy {
    /// A proxy before an address.
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on the loopback");
        let address = listener.local_addr().expect("a listener has an address");
        let (faults, counts) = (watch::Sender::new(Faults::default()), Arc::<Counts>::default());
        let (seen, count) = (faults.subscribe(), Arc::clone(&counts));
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let number = count.accepted.fetch_add(1, Relaxed);
                connections.spawn(carry(number, client, to, seen.clone(), Arc::clone(&count)));
            }
        });
        Self { address, faults, counts, task }
    }

    /// Does this to bytes from here on.
    pub fn set(&self, faults: Faults) {
        self.faults.send_replace(faults);
    }

    /// Forgets the connections that there are.
    pub fn forget(&self) {
        self.faults.send_modify(|faults| faults.forgotten = self.accepted());
    }

    /// Connections taken so far.
    pub fn accepted(&self) -> usize {
        self.counts.accepted.load(Relaxed)
    }

    /// Bytes that clients got so far.
    pub fn to_client(&self) -> u64 {
        self.counts.to_client.load(Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    number: usize,
    client: TcpStream,
    to: SocketAddr,
    faults: watch::Receiver<Faults>,
    counts: Arc<Counts>,
) {
    let Ok(server) = TcpStream::connect(to).await else { return };
    for socket in [&client, &server] {
        let _ = socket.set_nodelay(true);
        // Dropped, it resets: what this proxy does with a connection is never a clean end, but for the one that comes
        // from either side and is passed on.
        let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
    }
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let up = pipe(number, from_client, to_server, faults.clone(), None);
    let down = pipe(number, from_server, to_client, faults, Some(counts));
    // One of them reset ends both; a clean end of one lets the other go on.
    let _ = tokio::try_join!(up, down);
}

/// The connection is to be reset.
struct Reset;

/// Carries bytes one way until their end, which is passed on, or until the connection is to be reset.
async fn pipe(
    number: usize,
    mut from: OwnedReadHalf,
    to: OwnedWriteHalf,
    mut faults: watch::Receiver<Faults>,
    counts: Option<Arc<Counts>>,
) -> Result<(), Reset> {
    let from_client = counts.is_none();
    let (sender, receiver) = mpsc::channel(64);
    let write = deliver(to, receiver, faults.clone(), counts);
    let read = async move {
        let mut buffer = vec![0; 16 << 10];
        loop {
            let now = *faults.borrow_and_update();
            let forgotten = number < now.forgotten;
            let reads = if forgotten { from_client } else { now.way == Way::Open };
            tokio::select! {
                changed = faults.changed() => changed.map_err(|_| Reset)?,
                read = from.read(&mut buffer), if reads => {
                    let length = read.map_err(|_| Reset)?;
                    if forgotten {
                        return Err(Reset);
                    }
                    if length == 0 {
                        return Ok(());
                    }
                    let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                    sender.send((Instant::now() + now.latency, bytes)).await.map_err(|_| Reset)?;
                }
            }
        }
    };
    tokio::try_join!(read, write).map(drop)
}

/// Writes what was read, each piece when it is due.
async fn deliver(
    mut to: OwnedWriteHalf,
    mut pieces: mpsc::Receiver<(Instant, Vec<u8>)>,
    faults: watch::Receiver<Faults>,
    counts: Option<Arc<Counts>>,
) -> Result<(), Reset> {
    let mut delivered = 0;
    while let Some((due, mut bytes)) = pieces.recv().await {
        tokio::time::sleep_until(due).await;
        let Some(counts) = &counts else {
            to.write_all(&bytes).await.map_err(|_| Reset)?;
            continue;
        };
        let Faults { bytes_per_second, cut_after, .. } = *faults.borrow();
        let room = cut_after.map_or(u64::MAX, |cut| cut.saturating_sub(delivered));
        bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        to.write_all(&bytes).await.map_err(|_| Reset)?;
        let length = u64::try_from(bytes.len()).expect("a piece is short");
        delivered += length;
        counts.to_client.fetch_add(length, Relaxed);
        if length == room {
            return Err(Reset);
        }
        if let Some(rate) = bytes_per_second {
            tokio::time::sleep(Duration::from_secs(1).mul_f64(length as f64 / rate as f64)).await;
        }
    }
    to.shutdown().await.map_err(|_| Reset)
}
