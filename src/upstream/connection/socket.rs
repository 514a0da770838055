//! The socket under a connection.

use std::{io, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::either::Either;

use super::ConnectError;
use crate::config::Address;

/// A connected socket, of whichever family.
pub(super) type Socket = Either<TcpStream, UnixStream>;

pub(super) async fn connect(address: &Address) -> Result<Socket, ConnectError> {
    let connected = match address {
        Address::Tcp(address) => TcpStream::connect(address).await.and_then(|socket| {
            tune(&socket)?;
            Ok(Either::Left(socket))
        }),
        // A path that begins with NUL is an abstract name, to tokio as to `Address`.
        Address::Unix(path) => UnixStream::connect(path).await.map(Either::Right),
    };
    connected.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectError::Refused,
        _ => ConnectError::Io(error),
    })
}

fn tune(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = SockRef::from(socket);
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    socket.set_tcp_keepalive(&keepalive)?;
    // Without it a write to a black hole is retried for a quarter of an hour (gRFC A18).
    socket.set_tcp_user_timeout(Some(Duration::from_secs(20)))
}
