//! The backends of `edgeway demo`, each of which can be taken down and brought back.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::backend::{self, BackendOptions};

/// Demo backends that run until the fleet is dropped.
///
/// Each has a task that keeps it as it is wanted, so that two clicks at once cannot start one twice.
#[derive(Debug)]
pub struct Fleet {
    backends: Vec<Backend>,
}

#[derive(Debug)]
struct Backend {
    name: String,
    address: SocketAddr,
    wanted: watch::Sender<bool>,
    serving: watch::Receiver<bool>,
}

/// One backend as it stands.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BackendState {
    /// What it calls itself, `backend-1` for the first.
    pub name: String,
    /// Whether it serves; one that drains does until its last call has ended.
    pub serving: bool,
}

/// Why a backend is not as it was asked to be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// There is none of that name.
    #[error("expected the name of a backend, found {0:?}")]
    Unknown(String),
    /// It takes too long: its last calls do not end, or its port was taken by someone else meanwhile.
    #[error("{0} does not change within 10 s; is another process using its port?")]
    Slow(String),
}

impl Fleet {
    /// Starts so many backends, `backend-1` and on, on ports that the system chooses.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(count: usize) -> io::Result<Self> {
        let mut backends = Vec::new();
        for index in 1..=count {
            let name = format!("backend-{index}");
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = listener.local_addr()?;
            let (wanted, asked) = watch::channel(true);
            let (serves, serving) = watch::channel(true);
            tokio::spawn(keep(name.clone(), listener, asked, serves));
            backends.push(Backend { name, address, wanted, serving });
        }
        Ok(Self { backends })
    }

    /// Where they listen, whether they do or not.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.backends.iter().map(|backend| backend.address)
    }

    /// All of them as they stand.
    pub fn states(&self) -> Vec<BackendState> {
        let state = |backend: &Backend| BackendState {
            name: backend.name.clone(),
            serving: *backend.serving.borrow(),
        };
        self.backends.iter().map(state).collect()
    }

    /// Takes a backend down, by draining it, or brings it back on its old port, and waits until that is so.
    ///
    /// # Errors
    /// A name that is none, and a backend that does not follow within ten seconds.
    pub async fn turn(&self, name: &str, on: bool) -> Result<(), FleetError> {
        let backend = self
            .backends
            .iter()
            .find(|backend| backend.name == name)
            .ok_or_else(|| FleetError::Unknown(name.to_owned()))?;
        backend.wanted.send_replace(on);
        let mut serving = backend.serving.clone();
        match tokio::time::timeout(PATIENCE, serving.wait_for(|serving| *serving == on)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(FleetError::Slow(name.to_owned())),
        }
    }
}

/// Serves while that is wanted, until nobody can want it any more.
async fn keep(
    name: String,
    listener: TcpListener,
    mut asked: watch::Receiver<bool>,
    serves: watch::Sender<bool>,
) {
    let Ok(address) = listener.local_addr() else { return };
    let mut listener = Some(listener);
    while asked.wait_for(|on| *on).await.is_ok() {
        let bound = match listener.take() {
            Some(listener) => listener,
            None => match TcpListener::bind(address).await {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::warn!(%name, %address, %error, "demo backend cannot come back");
                    tokio::time::sleep(BIND_PAUSE).await;
                    continue;
                }
            },
        };
        serves.send_replace(true);
        let mut asked = asked.clone();
        let down = async move {
            // An error means that the fleet is gone.
            let _ = asked.wait_for(|on| !*on).await;
        };
        let options = BackendOptions { name: name.clone(), reflection: true };
        if let Err(error) = backend::serve(bound, options, down).await {
            tracing::warn!(%name, %error, "demo backend failed");
        }
        serves.send_replace(false);
    }
}

/// More than the four seconds that a backend may take to drain.
const PATIENCE: Duration = Duration::from_secs(10);

/// A port that was taken meanwhile may come free again.
const BIND_PAUSE: Duration = Duration::from_millis(100);
