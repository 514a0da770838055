//! The bytes of a connection: a socket, or TLS over one.

use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::{
    ConnectError,
    socket::{self, Socket},
};
use crate::{config::Address, upstream::tls::Tls};

/// What HTTP/2 is spoken over. TLS is boxed: the state of a session is a kilobyte, and most connections have none.
pub(super) type Transport = Either<Socket, Box<TlsStream<Socket>>>;

/// Connects, and shakes hands where there is TLS.
pub(super) async fn open(address: &Address, tls: Option<&Tls>) -> Result<Transport, ConnectError> {
    // Asked first: without a usable configuration nobody need be dialled.
    let tls = tls.map(Tls::current).transpose().map_err(ConnectError::TlsFiles)?;
    let socket = socket::connect(address).await?;
    match tls {
        None => Ok(Either::Left(socket)),
        Some(tls) => {
            let stream = tls.handshake(socket, address).await.map_err(ConnectError::Tls)?;
            Ok(Either::Right(Box::new(stream)))
        }
    }
}
