//! Status codes beside their other names: HTTP statuses and the labels of metrics.
//!
//! | code | HTTP | metric label |
//! |---|---|---|
//! | 0 OK | 200 | `OK` |
//! | 1 CANCELLED | 499 | `Canceled` |
//! | 2 UNKNOWN | 500 | `Unknown` |
//! | 3 INVALID_ARGUMENT | 400 | `InvalidArgument` |
//! | 4 DEADLINE_EXCEEDED | 504 | `DeadlineExceeded` |
//! | 5 NOT_FOUND | 404 | `NotFound` |
//! | 6 ALREADY_EXISTS | 409 | `AlreadyExists` |
//! | 7 PERMISSION_DENIED | 403 | `PermissionDenied` |
//! | 8 RESOURCE_EXHAUSTED | 429 | `ResourceExhausted` |
//! | 9 FAILED_PRECONDITION | 400 | `FailedPrecondition` |
//! | 10 ABORTED | 409 | `Aborted` |
//! | 11 OUT_OF_RANGE | 400 | `OutOfRange` |
//! | 12 UNIMPLEMENTED | 501 | `Unimplemented` |
//! | 13 INTERNAL | 500 | `Internal` |
//! | 14 UNAVAILABLE | 503 | `Unavailable` |
//! | 15 DATA_LOSS | 500 | `DataLoss` |
//! | 16 UNAUTHENTICATED | 401 | `Unauthenticated` |
//!
//! The HTTP column is that of `google/rpc/code.proto`; the labels are those of grpc-go's `codes.Code.String()`, which
//! go-grpc-prometheus and every public dashboard use.

use http::StatusCode;
use tonic::Code;

/// The HTTP status that a REST or Connect unary reply carries for a code.
pub fn to_http(code: Code) -> StatusCode {
    let status = match code {
        Code::Ok => 200,
        Code::Cancelled => 499,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => 400,
        Code::DeadlineExceeded => 504,
        Code::NotFound => 404,
        Code::AlreadyExists | Code::Aborted => 409,
        Code::PermissionDenied => 403,
        Code::ResourceExhausted => 429,
        Code::Unimplemented => 501,
        Code::Unknown | Code::Internal | Code::DataLoss => 500,
        Code::Unavailable => 503,
        Code::Unauthenticated => 401,
    };
    StatusCode::from_u16(status).expect("every arm is a valid HTTP status")
}

/// The code for a backend that answered HTTP without gRPC (grpc `doc/http-grpc-status-mapping.md`).
pub fn from_http(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// The code of a name as `google/rpc/code.proto` spells it.
pub fn by_name(name: &str) -> Option<Code> {
    (0..=16).map(Code::from_i32).find(|code| self::name(*code) == name)
}

/// The name of a code as `google/rpc/code.proto` spells it.
pub fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The `grpc_code` label of a code.
pub fn label(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

/// Reads the value of a `grpc-status` header: canonical decimal `0` to `16`, nothing else.
pub fn parse(value: &[u8]) -> Option<Code> {
    let number = match value {
        [digit @ b'0'..=b'9'] => digit - b'0',
        [b'1', digit @ b'0'..=b'6'] => 10 + digit - b'0',
        _ => return None,
    };
    Some(Code::from(i32::from(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_numbers_are_codes() {
        for number in 0..=16 {
            assert_eq!(parse(number.to_string().as_bytes()), Some(Code::from(number)));
        }
        for junk in ["", "05", "-1", "17", "99", "1 ", " 1", "+1", "0x1", "100"] {
            assert_eq!(parse(junk.as_bytes()), None, "{junk:?}");
        }
    }

    #[test]
    fn every_code_has_the_http_status_of_the_table() {
        let table = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];
        for (number, http) in table.into_iter().enumerate() {
            assert_eq!(to_http(Code::from(number as i32)).as_u16(), http, "code {number}");
        }
    }
}
