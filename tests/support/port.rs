//! Ports that stay one's own.

use std::net::Ipv4Addr;

use tokio::net::TcpListener;

/// Listens on a port that is not handed out to outgoing connections (those are 32768 and up by default), so that a
/// server which goes away and comes back finds it free.
pub async fn listen() -> TcpListener {
    loop {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, fastrand::u16(20_000..32_000))).await {
            return listener;
        }
    }
}
