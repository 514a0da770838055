//! The connections of a backend, and what is done to them from outside of a call.

use std::{
    io::Write,
    net::{Shutdown, SocketAddr, TcpStream as Socket},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{broadcast, mpsc, watch},
    task::JoinSet,
};

use super::{Backend, exchange, ledger::Seen};

/// One address of a backend.
pub struct Port {
    pub address: SocketAddr,
    pub control: broadcast::Sender<Control>,
    /// Whether new connections are taken.
    pub open: watch::Sender<bool>,
    /// Whether nothing is read nor written, as in a stopped process.
    pub frozen: watch::Sender<bool>,
    /// What `grpc.health.v1` says.
    pub serving: watch::Sender<bool>,
}

/// What is done to all connections of an address.
#[derive(Clone, Copy, Debug)]
pub enum Control {
    /// As a server that shuts down: two GOAWAYs, and the end when open streams have ended.
    Drain,
    /// GOAWAY with an error code and debug data, and the end.
    GoAway(u32, &'static [u8]),
}

/// What a stream asks of its connection.
pub enum Order {
    GoAway {
        last: u32,
        code: u32,
    },
    Close,
    Abort,
    /// `h2` would throw away what it has queued for the stream.
    Reset {
        stream: u32,
        code: u32,
    },
}

impl Port {
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            control: broadcast::Sender::new(4),
            open: watch::Sender::new(true),
            frozen: watch::Sender::new(false),
            serving: watch::Sender::new(true),
        }
    }
}

/// Takes connections until the port closes, and then waits for the last of them.
pub async fn accept(backend: Arc<Backend>, port: usize, listener: TcpListener) {
    let mut open = backend.port(port).open.subscribe();
    // Dropped with this task, and all connections with it.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            closed = open.wait_for(|open| !open) => {
                drop(closed);
                break;
            }
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { return };
                connections.spawn(serve(Arc::clone(&backend), port, socket));
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn serve(backend: Arc<Backend>, port: usize, socket: TcpStream) {
    let _ = socket.set_nodelay(true);
    let socket = socket.into_std().expect("an idle socket leaves its runtime");
    let raw = socket.try_clone().expect("a socket can have two handles");
    let socket = TcpStream::from_std(socket).expect("a socket finds back to its runtime");
    let at = backend.port(port);
    let (mut control, mut frozen) = (at.control.subscribe(), at.frozen.subscribe());
    let _ = frozen.wait_for(|frozen| !frozen).await;
    let mut builder = h2::server::Builder::new();
    builder.max_pending_accept_reset_streams(backend.options.most_pending_resets);
    if let Some(most) = backend.options.most_streams {
        builder.max_concurrent_streams(most);
    }
    let Ok(mut connection) = builder.handshake::<_, Bytes>(socket).await else { return };
    let number = backend.ledger.note(|seen| {
        seen.connections.push((port, tokio::time::Instant::now()));
        Seen::count(&mut seen.live, port, true);
        Seen::count(&mut seen.alive, port, true);
        seen.connections.len() - 1
    });
    let mut live = Live { backend: &backend, port, counts: true };
    let (order, mut orders) = mpsc::unbounded_channel();
    let mut streams = JoinSet::new();
    let age = tokio::time::sleep(backend.options.connection_age.unwrap_or(FOREVER));
    tokio::pin!(age);
    loop {
        tokio::select! {
            // Polled first: it writes what the streams have queued, so that an order comes after it.
            biased;
            accepted = connection.accept() => {
                match accepted {
                    Some(Ok((request, respond))) => {
                        let backend = Arc::clone(&backend);
                        streams.spawn(exchange::answer(backend, port, number, request, respond, order.clone()));
                    }
                    Some(Err(error)) => {
                        backend.ledger.note(|seen| seen.errors.push(error.to_string()));
                        return;
                    }
                    None => return,
                }
            }
            Some(order) = orders.recv() => {
                if !matches!(order, Order::Reset { .. }) {
                    live.end();
                }
                if !obey(&raw, &order) {
                    return;
                }
            }
            Ok(control) = control.recv() => {
                live.end();
                match control {
                    Control::Drain => connection.graceful_shutdown(),
                    Control::GoAway(code, debug) => {
                        let _ = go_away(&raw, 0x7fff_ffff, code, debug);
                        return;
                    }
                }
            }
            () = &mut age, if live.counts => {
                live.end();
                connection.graceful_shutdown();
            }
            Ok(()) = frozen.changed() => {
                let _ = frozen.wait_for(|frozen| !frozen).await;
            }
            Some(_) = streams.join_next(), if !streams.is_empty() => {}
        }
    }
}

/// Does to the socket what a stream asks for; `false` when that ends the connection at once.
fn obey(mut raw: &Socket, order: &Order) -> bool {
    match order {
        Order::GoAway { last, code } => go_away(raw, *last, *code, b"").is_ok(),
        Order::Reset { stream, code } => {
            let frame = [&[0, 0, 4, 3, 0], &stream.to_be_bytes()[..], &code.to_be_bytes()];
            raw.write_all(&frame.concat()).is_ok()
        }
        Order::Close => raw.shutdown(Shutdown::Write).is_ok(),
        Order::Abort => {
            let _ = SockRef::from(raw).set_linger(Some(Duration::ZERO));
            false
        }
    }
}

fn go_away(mut raw: &Socket, last: u32, code: u32, debug: &[u8]) -> std::io::Result<()> {
    let length = u8::try_from(8 + debug.len()).expect("a short text");
    let frame =
        [&[0, 0, length, 7, 0, 0, 0, 0, 0], &last.to_be_bytes()[..], &code.to_be_bytes(), debug].concat();
    raw.write_all(&frame)
}

/// Counts a connection, and for how long it takes calls.
struct Live<'a> {
    backend: &'a Backend,
    port: usize,
    counts: bool,
}

impl Live<'_> {
    fn end(&mut self) {
        if std::mem::take(&mut self.counts) {
            self.backend.ledger.note(|seen| Seen::count(&mut seen.live, self.port, false));
        }
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.end();
        self.backend.ledger.note(|seen| Seen::count(&mut seen.alive, self.port, false));
    }
}

/// Longer than any test.
const FOREVER: Duration = Duration::from_secs(24 * 3600);
