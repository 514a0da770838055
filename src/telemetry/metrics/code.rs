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

/// `grpc_status` of gRFC A66: the names of gRPC itself, with both Ls in CANCELLED.
pub(super) const STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
