//! TLS to backends: what a cluster's connections are secured with.

mod files;
mod handshake;
#[cfg(test)]
pub(super) mod tests;
mod verify;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsConnector, client::TlsStream};

use self::files::Stamp;
pub(super) use self::{files::FilesError, handshake::HandshakeError};
use crate::config::{Address, ClientTls, Target};

/// How the connections of one cluster are secured, as the files say at the moment.
#[derive(Debug)]
pub(super) struct Tls {
    settings: ClientTls,
    /// The name that a certificate must have; `None` for the address that is dialled.
    name: Option<String>,
    current: ArcSwap<Loaded>,
    stamp: Mutex<Stamp>,
}

type Loaded = Result<Arc<ClientConfig>, Arc<FilesError>>;

/// What one handshake is made with.
pub(super) struct Current<'a> {
    config: Arc<ClientConfig>,
    tls: &'a Tls,
}

impl Tls {
    /// Reads the files. Those that cannot be read fail the connections until they can.
    pub(super) fn new(settings: ClientTls, target: &Target, cluster: &str) -> Self {
        let name = settings.server_name.clone().or_else(|| target.host().map(str::to_owned));
        let stamp = Stamp::of(&settings);
        let loaded = files::load(&settings).map_err(Arc::new);
        if let Err(error) = &loaded {
            tracing::warn!(cluster, %error, "the TLS files cannot be used, and no connection can be made before they can");
        }
        Self { settings, name, current: ArcSwap::from_pointee(loaded), stamp: Mutex::new(stamp) }
    }

    /// Reads files that change, for as long as the cluster is there.
    pub(super) async fn follow(self: Arc<Self>, cluster: Arc<str>) {
        loop {
            tokio::time::sleep(POLL).await;
            let (tls, cluster) = (Arc::clone(&self), Arc::clone(&cluster));
            // A runtime that is shutting down runs nothing more, and the loop ends with it.
            let _ = tokio::task::spawn_blocking(move || tls.refresh(&cluster)).await;
        }
    }

    /// Reads files that have changed. Where they cannot be used, what was read last stays.
    fn refresh(&self, cluster: &str) {
        // Taken before the files are read: a change while they are makes the next look another change.
        let stamp = Stamp::of(&self.settings);
        if std::mem::replace(&mut *self.stamp.lock(), stamp.clone()) == stamp {
            return;
        }
        match files::load(&self.settings) {
            Ok(config) => {
                tracing::info!(cluster, "the TLS files have changed, new connections use them");
                self.current.store(Arc::new(Ok(config)));
            }
            Err(error) if self.current.load().is_ok() => {
                tracing::warn!(cluster, %error, "the TLS files have changed and cannot be used, what they were before stays");
            }
            Err(error) => self.current.store(Arc::new(Err(Arc::new(error)))),
        }
    }

    /// What a connection is to be made with now.
    pub(super) fn current(&self) -> Result<Current<'_>, Arc<FilesError>> {
        let config = Loaded::clone(&self.current.load())?;
        Ok(Current { config, tls: self })
    }

    /// What an error says that came after the handshake.
    pub(super) fn refusal(&self, error: rustls::Error) -> HandshakeError {
        HandshakeError::from_tls(error, self.settings.identity.is_some())
    }

    fn server_name(&self, address: &Address) -> Result<ServerName<'static>, HandshakeError> {
        match (&self.name, address) {
            (Some(name), _) => {
                ServerName::try_from(name.clone()).map_err(|_| HandshakeError::NoName(name.clone()))
            }
            (None, Address::Tcp(address)) => Ok(ServerName::IpAddress(address.ip().into())),
            // gRPC's name for the other end of a Unix socket.
            (None, Address::Unix(_)) => {
                ServerName::try_from("localhost").map_err(|_| HandshakeError::NoName("localhost".into()))
            }
        }
    }
}

impl Current<'_> {
    /// Secures a transport to `address`; of the peer it is then known who it is, and that it speaks HTTP/2.
    pub(super) async fn handshake<T>(
        self,
        transport: T,
        address: &Address,
    ) -> Result<TlsStream<T>, HandshakeError>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let name = self.tls.server_name(address)?;
        let stream = TlsConnector::from(self.config).connect(name, transport).await;
        let stream =
            stream.map_err(|error| HandshakeError::of(error, self.tls.settings.identity.is_some()))?;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Ok(stream),
            other => Err(HandshakeError::alpn(other)),
        }
    }
}

/// Between two looks at the files: Kubernetes itself takes up to a minute to bring a changed secret.
const POLL: Duration = Duration::from_secs(5);
