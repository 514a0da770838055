//! The accept loop.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::worker::{Dealer, Socket};
use crate::telemetry::Metrics;

/// A bound address.
#[derive(Debug)]
pub struct Listener {
    name: Arc<str>,
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds an address; port 0 lets the kernel choose.
    pub async fn bind(name: &str, address: SocketAddr) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Self { name: name.into(), socket, address })
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Deals the sockets of a listener to the workers until `stop`.
///
/// No error ends the loop: most concern one peer that went away before it was accepted, and the others (no file
/// descriptor, no memory) pass. Those are waited out in small steps, since the socket stays readable meanwhile.
pub async fn accept(listener: Listener, dealer: Dealer, metrics: Metrics, stop: CancellationToken) {
    let open = metrics.downstream_connections(listener.name());
    let mut pause = SHORTEST_PAUSE;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.socket.accept() => accepted,
        };
        let dealt = accepted.and_then(|(stream, peer)| {
            let listener = Arc::clone(&listener.name);
            let socket = Socket { stream: stream.into_std()?, peer, listener, counted: open.enter() };
            Ok(dealer.deal(socket))
        });
        match dealt {
            Ok(true) => pause = SHORTEST_PAUSE,
            Ok(false) => {
                metrics.accept_error();
                tracing::warn!(
                    listener = listener.name(),
                    "every worker's mailbox is full, connection dropped"
                );
            }
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                metrics.accept_error();
                tracing::warn!(listener = listener.name(), %error, "cannot accept");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
