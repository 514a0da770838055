//! The words and bytes of gRPC: frames, status tables, metadata, timeouts, compression. No I/O, no clock.

pub mod code;
pub mod coding;
pub mod frame;
pub mod gzip;
pub mod metadata;
pub mod status;
pub mod text;
pub mod timeout;

pub use tonic::{Code, Status};

use http::{HeaderName, HeaderValue};

/// `application/grpc`, the content type of every call past the doors.
pub const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");

/// The call's outcome, `0` to `16` in decimal.
pub const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The outcome in words, percent-encoded UTF-8.
pub const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// A serialized `google.rpc.Status`, base64.
pub const GRPC_STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// How long the caller is prepared to wait, see [`timeout`].
pub const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// How messages flagged as compressed are compressed.
pub const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// What compression the sender of this header can read.
pub const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// How many attempts a retry or hedging policy made before this one.
pub const GRPC_PREVIOUS_RPC_ATTEMPTS: HeaderName = HeaderName::from_static("grpc-previous-rpc-attempts");

/// When a server wants to be asked again, in milliseconds; below zero for never.
pub const GRPC_RETRY_PUSHBACK_MS: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// Splits `/package.Service/Method` into its two names; `None` for any other shape.
pub fn split_path(path: &str) -> Option<(&str, &str)> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let named = !service.is_empty() && !method.is_empty() && !method.contains('/');
    named.then_some((service, method))
}
