//! What a handshake failed of, said so that an operator knows what to do.
//!
//! A client of the gateway may read it: it names no address and no file.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};

/// Why a transport could not be secured.
#[derive(Debug, thiserror::Error)]
pub(in crate::upstream) enum HandshakeError {
    #[error("the backend's certificate is by no authority that is trusted here (tls.ca_file)")]
    UnknownAuthority,
    #[error(
        "the backend's certificate is for {}, expected one for {expected} (tls.server_name)",
        names(presented)
    )]
    OtherName { expected: String, presented: Vec<String> },
    #[error("the backend's certificate has expired")]
    Expired,
    #[error("the backend's certificate is not valid yet")]
    NotYet,
    #[error("the backend's certificate cannot be accepted: {0}")]
    Certificate(CertificateError),
    #[error(
        "the backend asks for a certificate of the gateway, which has none (tls.cert_file, tls.key_file)"
    )]
    NoIdentity,
    #[error("the backend does not accept the gateway's certificate ({0:?})")]
    IdentityRefused(AlertDescription),
    #[error("the backend does not agree to HTTP/2 by ALPN, it chose {0}: expected `h2` of a gRPC server")]
    Alpn(String),
    #[error("the backend does not answer with TLS, which `tls` of this cluster asks for")]
    NotTls,
    #[error("`{0}` is no name that a certificate can have (tls.server_name)")]
    NoName(String),
    #[error("the TLS handshake failed: {0}")]
    Other(Error),
    #[error("the backend ended the TLS handshake: {0}")]
    Io(io::Error),
}

impl HandshakeError {
    /// What an I/O error of a TLS stream means.
    pub(super) fn of(error: io::Error, has_identity: bool) -> Self {
        let known = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).cloned();
        known.map_or_else(|| Self::Io(error), |known| Self::from_tls(known, has_identity))
    }

    /// The peer chose another protocol, or none.
    pub(super) fn alpn(chosen: Option<&[u8]>) -> Self {
        Self::Alpn(chosen.map_or_else(|| "nothing".into(), |chosen| format!("`{}`", chosen.escape_ascii())))
    }

    pub(super) fn from_tls(error: Error, has_identity: bool) -> Self {
        match error {
            Error::InvalidCertificate(error) => match error {
                CertificateError::UnknownIssuer => Self::UnknownAuthority,
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYet,
                CertificateError::NotValidForNameContext { expected, presented } => {
                    Self::OtherName { expected: expected.to_str().into_owned(), presented }
                }
                error => Self::Certificate(error),
            },
            Error::InvalidMessage(_) => Self::NotTls,
            Error::AlertReceived(alert) => match alert {
                AlertDescription::NoApplicationProtocol => Self::Alpn("none of those it was offered".into()),
                AlertDescription::CertificateRequired => Self::NoIdentity,
                // TLS 1.2 has no alert for a certificate that was not sent.
                AlertDescription::HandshakeFailure | AlertDescription::BadCertificate if !has_identity => {
                    Self::Other(error)
                }
                AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied => Self::IdentityRefused(alert),
                _ => Self::Other(error),
            },
            error => Self::Other(error),
        }
    }
}

/// The names of a certificate, not all of a long list.
fn names(presented: &[String]) -> String {
    let shown = presented.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    match presented.len() {
        0 => "no name".into(),
        1..=3 => shown,
        more => format!("{shown} and {} more", more - 3),
    }
}
