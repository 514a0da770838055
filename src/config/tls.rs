//! TLS to backends.

use std::path::PathBuf;

/// How connections to backends are secured; all files are read again when they change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// Whether the certificate of the backend is not looked at.
    pub insecure: bool,
    /// Certificates of authorities, PEM; `None` for those of the system.
    pub ca_file: Option<PathBuf>,
    /// The name that the certificate must have; `None` for the host of the target.
    pub server_name: Option<String>,
    /// What the gateway shows of itself; `None` for nothing.
    pub identity: Option<Identity>,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate and its chain, PEM.
    pub cert_file: PathBuf,
    /// Its key, PEM.
    pub key_file: PathBuf,
}
