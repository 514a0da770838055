//! Server reflection: `grpc.reflection.v1`, else `v1alpha`, whose messages are the same on the wire.
//!
//! One stream carries the questions one after the other: the list of services, the file of each, and
//! the imports that came with none of them. Servers differ, and all of this is met:
//!
//! | server | what it does |
//! |---|---|
//! | C++, Java, Go | answer a symbol with the file and all its imports |
//! | tonic | answers with the one file; ends the stream with a status at the first unknown name |
//! | any | may list a service that it cannot describe |
//!
//! So imports are asked for by name, a stream that ended is opened again, and a service that cannot be
//! described is reported without costing the others.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tonic::{Code, Status};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tower::Service;

use crate::schema::build::{MAX_BYTES, MAX_FILES};
use crate::schema::set::{self, DescriptorSet};

mod known;
mod session;

#[cfg(test)]
mod tests;

use known::Known;
use session::Session;

/// A reflection client for one cluster. Remembers which version the backends speak.
#[derive(Clone, Debug)]
pub struct Reflection {
    origin: String,
    timeout: Duration,
    version: Version,
}

/// A version of the reflection protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Version {
    /// `grpc.reflection.v1`
    #[default]
    V1,
    /// `grpc.reflection.v1alpha`, the only one of many older servers.
    V1Alpha,
}

/// What a server said about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The files of all services that could be resolved, with their imports but for built-in ones.
    pub set: DescriptorSet,
    /// The services that could not.
    pub unresolved: Vec<Unresolved>,
}

/// A service that a server lists and cannot describe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("reflection lists {service}, but {reason}")]
pub struct Unresolved {
    /// The full name.
    pub service: String,
    /// What is missing.
    pub reason: String,
}

/// Why a server could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReflectionError {
    /// The server knows neither version.
    #[error(
        "{origin}: the server offers no reflection, neither v1 nor v1alpha; list descriptors.protosets instead"
    )]
    NotOffered {
        /// The source.
        origin: String,
    },
    /// The call failed.
    #[error("{origin}: reflection failed with {:?}: {}", status.code(), status.message())]
    Call {
        /// The source.
        origin: String,
        /// How.
        status: Box<Status>,
    },
    /// No answer within the time for all of it.
    #[error("{origin}: reflection took longer than {limit:?}")]
    Timeout {
        /// The source.
        origin: String,
        /// The time there was.
        limit: Duration,
    },
    /// The server describes more than a schema may hold.
    #[error("{origin}: reflection gives more than {limit} {unit}, the limit of a schema")]
    TooLarge {
        /// The source.
        origin: String,
        /// What was counted: `bytes`, `files` or `services`.
        unit: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// Services are listed, and none of them can be described.
    #[error("{origin}: none of the {} services can be resolved; {}", unresolved.len(), first(unresolved))]
    NothingResolved {
        /// The source.
        origin: String,
        /// What is wrong with each.
        unresolved: Vec<Unresolved>,
    },
    /// The answer made the gRPC client panic (it does on malformed `grpc-status-details-bin`).
    #[error("{origin}: the answer of the server is malformed beyond what the reflection client can take")]
    Panicked {
        /// The source.
        origin: String,
    },
}

impl Reflection {
    /// A client; messages call the server `origin`. All of a fetch takes at most [`TIMEOUT`].
    pub fn new(origin: impl Into<String>) -> Self {
        Self { origin: origin.into(), timeout: TIMEOUT, version: Version::default() }
    }

    /// The same with another bound on the whole fetch.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The version that answered last; v1 until one has.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Asks for the services that `wanted` accepts by their full name, and every file they need.
    ///
    /// `service` is one gRPC server; requests carry a path alone, so it sets scheme and authority.
    ///
    /// # Errors
    /// A [`ReflectionError`] if nothing usable came. Services that the server lists and cannot describe
    /// are no error while others can be: they are in [`Fetched::unresolved`].
    pub async fn fetch<S, B>(
        &mut self,
        mut service: S,
        wanted: impl Fn(&str) -> bool + Sync,
    ) -> Result<Fetched, ReflectionError>
    where
        S: Service<http::Request<tonic::body::Body>, Response = http::Response<B>>,
        S::Error: Into<tonic::codegen::StdError>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<tonic::codegen::StdError>,
    {
        let (origin, limit) = (self.origin.clone(), self.timeout);
        let asked = AssertUnwindSafe(self.ask_either(&mut service, &wanted)).catch_unwind();
        match tokio::time::timeout(limit, asked).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(ReflectionError::Panicked { origin }),
            Err(_) => Err(ReflectionError::Timeout { origin, limit }),
        }
    }

    async fn ask_either<S, B>(
        &mut self,
        service: &mut S,
        wanted: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Fetched, ReflectionError>
    where
        S: Service<http::Request<tonic::body::Body>, Response = http::Response<B>>,
        S::Error: Into<tonic::codegen::StdError>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<tonic::codegen::StdError>,
    {
        for version in [self.version, self.version.other()] {
            let mut session = Session::new(&mut *service, version);
            match session.services().await {
                Ok(services) => {
                    self.version = version;
                    let services: BTreeSet<String> =
                        services.into_iter().filter(|service| wanted(service)).collect();
                    if services.len() > MAX_FILES {
                        return Err(self.too_large("services", MAX_FILES));
                    }
                    return self.collect(&mut session, services).await;
                }
                Err(status) if status.code() == Code::Unimplemented => {}
                Err(status) => return Err(self.failed(status)),
            }
        }
        Err(ReflectionError::NotOffered { origin: self.origin.clone() })
    }

    async fn collect<S, B>(
        &self,
        session: &mut Session<'_, S>,
        services: BTreeSet<String>,
    ) -> Result<Fetched, ReflectionError>
    where
        S: Service<http::Request<tonic::body::Body>, Response = http::Response<B>>,
        S::Error: Into<tonic::codegen::StdError>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<tonic::codegen::StdError>,
    {
        let mut known = Known::default();
        for service in &services {
            if known.symbols.contains_key(service) {
                continue;
            }
            match session.files(MessageRequest::FileContainingSymbol(service.clone())).await {
                Ok(files) => self.take(&mut known, files)?,
                Err(status) if is_transport(&status) => return Err(self.failed(status)),
                Err(status) => {
                    known.unanswered.insert(service.clone(), said(&status));
                }
            }
        }
        while let Some(import) = known.next_import() {
            match session.files(MessageRequest::FileByFilename(import.clone())).await {
                Ok(files) => self.take(&mut known, files)?,
                Err(status) if is_transport(&status) => return Err(self.failed(status)),
                Err(status) => {
                    known.absent.insert(import.clone(), said(&status));
                }
            }
            if !known.files.contains_key(&import) {
                known.absent.entry(import).or_insert_with(|| "the answer was another file".to_owned());
            }
        }
        self.resolve(&known, services)
    }

    fn take(&self, known: &mut Known, files: Vec<Bytes>) -> Result<(), ReflectionError> {
        for bytes in files {
            // A file that does not read is as good as one not sent; its name would be missing anyway.
            let Ok(file) = set::file(bytes, known.files.len()) else { continue };
            known.insert(file);
            if known.bytes > MAX_BYTES {
                return Err(self.too_large("bytes", MAX_BYTES));
            }
            if known.files.len() > MAX_FILES {
                return Err(self.too_large("files", MAX_FILES));
            }
        }
        Ok(())
    }

    /// Keeps the files of the services whose imports are all there.
    fn resolve(&self, known: &Known, services: BTreeSet<String>) -> Result<Fetched, ReflectionError> {
        let mut kept: BTreeSet<&str> = BTreeSet::new();
        let mut unresolved = Vec::new();
        let listed = services.len();
        for service in services {
            match known.closure(&service) {
                Ok(files) => kept.extend(files),
                Err(reason) => unresolved.push(Unresolved { service, reason }),
            }
        }
        if listed > 0 && unresolved.len() == listed {
            return Err(ReflectionError::NothingResolved { origin: self.origin.clone(), unresolved });
        }
        let files = kept.into_iter().filter_map(|name| known.files.get(name));
        Ok(Fetched { set: DescriptorSet::new(self.origin.clone(), set::encode(files)), unresolved })
    }

    fn failed(&self, status: Status) -> ReflectionError {
        ReflectionError::Call { origin: self.origin.clone(), status: Box::new(status) }
    }

    fn too_large(&self, unit: &'static str, limit: usize) -> ReflectionError {
        ReflectionError::TooLarge { origin: self.origin.clone(), unit, limit }
    }
}

impl Version {
    fn other(self) -> Self {
        match self {
            Self::V1 => Self::V1Alpha,
            Self::V1Alpha => Self::V1,
        }
    }
}

/// Whether asking for something else makes no sense, because the server is out of reach.
fn is_transport(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Unauthenticated | Code::PermissionDenied)
}

/// A status as part of a sentence.
fn said(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}

fn first(unresolved: &[Unresolved]) -> String {
    unresolved.first().map(Unresolved::to_string).unwrap_or_default()
}

/// The bound on a whole fetch.
pub const TIMEOUT: Duration = Duration::from_secs(10);
