//! What in a request does not fit its method.

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::{
    call::CallError,
    codec::{PathError, ReadError},
    route::QueryError,
};

/// What in a request does not fit its method.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The query cannot be taken apart.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// A query parameter that names no field which plain text can set.
    #[error("unknown query parameter {key}: {source}")]
    UnknownParameter {
        /// The parameter's name, cut.
        key: String,
        /// Why it names none.
        source: PathError,
    },
    /// A query parameter whose name begins with `$`.
    #[error("unknown query parameter {0}: names that begin with $ are reserved for system parameters")]
    SystemParameter(String),
    /// A query parameter where the body is the message.
    #[error("query parameter {0} is not allowed: the body is the whole message")]
    NoParameters(String),
    /// A query parameter for a field that something else binds.
    #[error("query parameter {0} names a field that the path or the body binds")]
    Bound(String),
    /// A query parameter that is given twice.
    #[error("query parameter {0} is given twice and holds one value")]
    Twice(String),
    /// Two query parameters for one place.
    #[error("query parameters {first} and {second} exclude each other, send only one of them")]
    Exclusive {
        /// The one that stands first.
        first: String,
        /// The other.
        second: String,
    },
    /// Text or JSON that is no value of its field.
    #[error("{0}")]
    Value(ReadError),
    /// The body has another value than the path.
    #[error("the body contradicts the path on {0}")]
    Contradiction(String),
    /// The body sets another member of a oneof than the path.
    #[error("the body sets {rival} where the path sets {path}, and they exclude each other")]
    Rival {
        /// The variable of the path.
        path: String,
        /// What the body sets.
        rival: String,
    },
}

impl Fault {
    /// The field of the request that it concerns, or the query parameter, in the client's own words; empty where it is
    /// none.
    pub fn field(&self) -> &str {
        match self {
            Self::Query(_) => "",
            Self::UnknownParameter { key, .. }
            | Self::SystemParameter(key)
            | Self::NoParameters(key)
            | Self::Bound(key)
            | Self::Twice(key)
            | Self::Exclusive { second: key, .. } => key,
            Self::Contradiction(path) | Self::Rival { path, .. } => path,
            Self::Value(error) => error.field_path(),
        }
    }

    /// INVALID_ARGUMENT with the field that it concerns as a `google.rpc.BadRequest`.
    pub fn into_error(self) -> CallError {
        let message = self.to_string();
        let description = match &self {
            Self::Value(error) => error.description(),
            _ => message.clone(),
        };
        let details = ErrorDetails::with_bad_request_violation(self.field(), description);
        CallError::client(Status::with_error_details(Code::InvalidArgument, message, details))
    }
}
