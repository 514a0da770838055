//! The `grpc_code` label: status codes as Go spells them.

/// How many codes gRPC has.
pub const CODES: usize = NAMES.len();

/// The name of a status code, `Unknown` for a number that gRPC does not have.
///
/// The spelling is that of Go's `codes.Code.String()`: every dashboard and rule made for go-grpc-prometheus
/// matches on it.
pub fn name(code: usize) -> &'static str {
    NAMES.get(code).copied().unwrap_or(NAMES[UNKNOWN])
}

/// The place of `Unknown`, where numbers that gRPC does not have are counted.
pub(super) const UNKNOWN: usize = 2;

pub(super) const NAMES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];
