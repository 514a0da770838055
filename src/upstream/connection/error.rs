//! Why there is no connection.

use std::{io, sync::Arc, time::Duration};

use crate::{
    telemetry::metrics::ConnectResult,
    upstream::tls::{FilesError, HandshakeError},
};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(in crate::upstream) enum ConnectError {
    #[error("connection refused")]
    Refused,
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
    #[error("cannot connect")]
    Io(#[source] io::Error),
    /// Clients may read it; which files, and what is wrong with them, is for the log.
    #[error("the gateway cannot use the TLS files of this cluster")]
    TlsFiles(#[source] Arc<FilesError>),
    #[error("{0}")]
    Tls(HandshakeError),
    #[error("the backend answers with TLS: expected HTTP/2 without it; set `tls` for this cluster")]
    SpeaksTls,
    #[error("the backend answers with HTTP/1.1: expected the HTTP/2 of a gRPC server")]
    SpeaksHttp1,
    #[error("no HTTP/2 there: expected the SETTINGS of a gRPC server")]
    NotHttp2(#[source] h2::Error),
}

impl ConnectError {
    /// As metrics say it.
    pub(in crate::upstream) fn result(&self) -> ConnectResult {
        match self {
            Self::Refused => ConnectResult::Refused,
            Self::TimedOut(_) => ConnectResult::Timeout,
            Self::TlsFiles(_) | Self::Tls(_) => ConnectResult::Tls,
            Self::Io(_) | Self::SpeaksTls | Self::SpeaksHttp1 | Self::NotHttp2(_) => ConnectResult::Error,
        }
    }
}
