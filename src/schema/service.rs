//! Services and methods as the rest of the gateway sees them.

use std::sync::Arc;

use prost_reflect::{MessageDescriptor, ServiceDescriptor};
use prost_types::method_options::IdempotencyLevel;

use super::problem::Problem;
use super::rules::{self, HttpRule};
use crate::call::Kind;

/// A service that the gateway offers.
#[derive(Clone, Debug)]
pub struct Service {
    /// The full name, `package.Service`.
    pub name: Arc<str>,
    /// The file that defines it.
    pub file: Arc<str>,
    /// Its methods, in the order of the file.
    pub methods: Vec<Arc<Method>>,
    /// Its descriptor.
    pub descriptor: ServiceDescriptor,
}

/// A method of a service.
#[derive(Clone, Debug)]
pub struct Method {
    /// The full name of its service, `package.Service`.
    pub service: Arc<str>,
    /// Its own name.
    pub name: String,
    /// The path of its calls, `/package.Service/Method`.
    pub path: String,
    /// The file that defines it.
    pub file: Arc<str>,
    /// Who sends how many messages.
    pub kind: Kind,
    /// What its author promises about calling it twice.
    pub idempotency: Idempotency,
    /// The request message.
    pub input: MessageDescriptor,
    /// The reply message.
    pub output: MessageDescriptor,
    /// Its HTTP bindings by annotation; empty if it has none.
    pub rules: Vec<HttpRule>,
}

/// The `idempotency_level` of a method (google/protobuf/descriptor.proto).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Idempotency {
    /// Nothing is promised.
    #[default]
    Unknown,
    /// Calling it changes nothing: it may be retried, and be a GET of Connect.
    NoSideEffects,
    /// Calling it twice does what calling it once does: it may be retried.
    Idempotent,
}

impl Method {
    /// The name that configuration and reports use, `package.Service.Method`.
    pub fn selector(&self) -> String {
        format!("{}.{}", self.service, self.name)
    }
}

/// Reads a service and the problems of its rules.
pub(super) fn read(
    descriptor: ServiceDescriptor,
    http: Option<&prost_reflect::ExtensionDescriptor>,
    problems: &mut Vec<Problem>,
) -> Service {
    let name: Arc<str> = descriptor.full_name().into();
    let file: Arc<str> = descriptor.parent_file().name().into();
    let method = |method: prost_reflect::MethodDescriptor| {
        let (rules, faults) = rules::annotated(&method, http);
        let read = Method {
            service: name.clone(),
            name: method.name().to_owned(),
            path: format!("/{name}/{}", method.name()),
            file: file.clone(),
            kind: Kind::new(method.is_client_streaming(), method.is_server_streaming()),
            idempotency: idempotency(&method),
            input: method.input(),
            output: method.output(),
            rules,
        };
        let problem = |fault| Problem::Rule { selector: read.selector(), file: file.to_string(), fault };
        problems.extend(faults.into_iter().map(problem));
        Arc::new(read)
    };
    let methods = descriptor.methods().map(method).collect();
    Service { name, file, methods, descriptor }
}

fn idempotency(method: &prost_reflect::MethodDescriptor) -> Idempotency {
    let options = method.method_descriptor_proto().options.as_ref();
    match options.map(|options| options.idempotency_level()) {
        Some(IdempotencyLevel::NoSideEffects) => Idempotency::NoSideEffects,
        Some(IdempotencyLevel::Idempotent) => Idempotency::Idempotent,
        Some(IdempotencyLevel::IdempotencyUnknown) | None => Idempotency::Unknown,
    }
}
