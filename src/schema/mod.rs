//! Which services exist: descriptors, where they come from, and their HTTP rules.
//!
//! A [`Schema`] is built from descriptor sets, which [`source`] reads from files and backends. Building
//! is pure: bytes in, a schema or every [`Fault`] out. A schema never changes; a reload builds another.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use prost_reflect::DescriptorPool;

mod build;
mod builtin;
mod editions;
mod problem;
mod rules;
mod service;
mod set;
pub mod source;

#[cfg(test)]
mod tests;

pub use builtin::pool as builtin;
pub use problem::{BuildError, Fault, Problem};
pub use rules::{Body, HttpRule, RuleFault, Verb};
pub use service::{Idempotency, Method, Service};
pub use set::{DescriptorSet, Digest, SetError};

/// The services of one cluster and every type they need.
#[derive(Clone, Debug)]
pub struct Schema {
    pool: DescriptorPool,
    set: Bytes,
    digest: Digest,
    services: Vec<Service>,
    methods: HashMap<String, Arc<Method>>,
    problems: Vec<Problem>,
}

impl Schema {
    /// Builds the schema of `sets`, merged in the order given: the first definition of a file wins.
    ///
    /// Missing files of google/api, google/rpc and google/protobuf are filled in; of the well-known
    /// types the built-in definition always counts. Only services that `offered` accepts by
    /// their full name are offered; the types of all of them are there.
    ///
    /// # Errors
    /// A [`BuildError`] with every fault that could be found.
    pub fn build(sets: &[DescriptorSet], offered: impl Fn(&str) -> bool) -> Result<Self, BuildError> {
        let built = build::build(sets)?;
        let http = rules::extension(&built.pool);
        let mut problems = Vec::new();
        let mut services = Vec::new();
        for descriptor in built.pool.services() {
            if offered(descriptor.full_name()) {
                services.push(service::read(descriptor.clone(), http.as_ref(), &mut problems));
            }
        }
        if services.is_empty() {
            problems.push(Problem::NoService);
        }
        services.sort_by(|a, b| a.name.cmp(&b.name));
        let by_path = |method: &Arc<Method>| (method.path.clone(), method.clone());
        Ok(Self {
            set: set::encode(&built.files),
            digest: Digest::of(built.files.iter().map(|file| file.bytes.clone())),
            methods: services.iter().flat_map(|service| &service.methods).map(by_path).collect(),
            pool: built.pool,
            services,
            problems,
        })
    }

    /// The services offered, by name.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// The method that is called at `path`, `/package.Service/Method`.
    pub fn method(&self, path: &str) -> Option<&Arc<Method>> {
        self.methods.get(path)
    }

    /// The methods of all services offered, in the order of the services.
    pub fn methods(&self) -> impl Iterator<Item = &Arc<Method>> {
        self.services.iter().flat_map(|service| &service.methods)
    }

    /// Every type of the merged sets and the built-in files.
    pub fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// The merged set as a `FileDescriptorSet`, imports first.
    pub fn set(&self) -> &Bytes {
        &self.set
    }

    /// The fingerprint of [`set`](Self::set): equal for equal files in any order.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What is wrong without being fatal.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}
