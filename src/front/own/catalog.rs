//! What reflection tells: the services that can be called, and the files of their schemas.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Arc, LazyLock},
};

use prost_reflect::{DescriptorPool, FileDescriptor};

use crate::{
    config::OwnServices,
    plan::Plan,
    schema::{DescriptorSet, Schema},
};

/// The names and files of a plan, looked up in the order of its clusters.
pub(super) struct Catalog {
    services: BTreeSet<String>,
    pools: Vec<Visible>,
}

/// The files of one schema that a client may see.
struct Visible {
    pool: DescriptorPool,
    files: HashSet<String>,
}

impl Catalog {
    pub(super) fn new(plan: &Plan, switches: OwnServices) -> Self {
        let mut services: BTreeSet<String> =
            plan.methods().map(|method| method.method.service.to_string()).collect();
        let mut pools: Vec<Visible> =
            plan.schemas.iter().map(|schema| Visible::new(schema.pool(), &services)).collect();
        let own: BTreeSet<String> = own_services(switches).into_iter().map(str::to_owned).collect();
        if let Some(schema) = &*OWN {
            pools.push(Visible::new(schema.pool(), &own));
        }
        services.extend(own);
        Self { services, pools }
    }

    /// Full names, in their order.
    pub(super) fn services(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(String::as_str)
    }

    pub(super) fn file(&self, name: &str) -> Option<FileDescriptor> {
        self.find(|pool| pool.get_file_by_name(name))
    }

    /// The file that defines a service, a method, a message, an enum, an extension, or a part of one of them.
    pub(super) fn file_of(&self, symbol: &str) -> Option<FileDescriptor> {
        let symbol = symbol.strip_prefix('.').unwrap_or(symbol);
        self.find(|pool| {
            let mut services = pool.services();
            let service = services.find(|service| {
                let rest = symbol.strip_prefix(service.full_name());
                rest.is_some_and(|rest| {
                    let named = |method: &str| service.methods().any(|known| known.name() == method);
                    rest.is_empty() || rest.strip_prefix('.').is_some_and(named)
                })
            });
            if let Some(service) = service {
                return self.services.contains(service.full_name()).then(|| service.parent_file());
            }
            type_of(pool, symbol).or_else(|| {
                // A field, a oneof or a value of an enum; the latter stand beside their enum.
                let (parent, name) = symbol.rsplit_once('.')?;
                let message = pool.get_message_by_name(parent).filter(|message| {
                    message.get_field_by_name(name).is_some()
                        || message.oneofs().any(|oneof| oneof.name() == name)
                });
                let file = message.map(|message| message.parent_file());
                file.or_else(|| {
                    let mut enums = pool.all_enums();
                    let holder = enums.find(|found| found.values().any(|value| value.full_name() == symbol));
                    holder.map(|found| found.parent_file())
                })
            })
        })
    }

    pub(super) fn file_of_extension(&self, message: &str, number: u32) -> Option<FileDescriptor> {
        self.find(|pool| Some(pool.get_message_by_name(message)?.get_extension(number)?.parent_file()))
    }

    /// The numbers of all extensions of a message; `None` for one that is not known.
    pub(super) fn extensions_of(&self, message: &str) -> Option<Vec<i32>> {
        let mut known = false;
        let mut numbers = BTreeSet::new();
        for visible in &self.pools {
            if let Some(message) = visible.pool.get_message_by_name(message) {
                known |= visible.files.contains(message.parent_file().name());
                let shown = message
                    .extensions()
                    .filter(|extension| visible.files.contains(extension.parent_file().name()));
                numbers.extend(shown.filter_map(|extension| i32::try_from(extension.number()).ok()));
            }
        }
        known.then(|| numbers.into_iter().collect())
    }

    fn find(&self, look: impl Fn(&DescriptorPool) -> Option<FileDescriptor>) -> Option<FileDescriptor> {
        self.pools
            .iter()
            .find_map(|visible| look(&visible.pool).filter(|file| visible.files.contains(file.name())))
    }
}

impl Visible {
    /// Files that have an exposed service or none at all, and what those import. A file whose services are all hidden
    /// stays hidden with them.
    fn new(pool: &DescriptorPool, services: &BTreeSet<String>) -> Self {
        let shows = |file: &FileDescriptor| {
            file.services().len() == 0
                || file.services().any(|service| services.contains(service.full_name()))
        };
        let mut open: Vec<FileDescriptor> = pool.files().filter(shows).collect();
        let mut files = HashSet::new();
        while let Some(file) = open.pop() {
            if files.insert(file.name().to_owned()) {
                open.extend(file.dependencies());
            }
        }
        Self { pool: pool.clone(), files }
    }
}

fn type_of(pool: &DescriptorPool, name: &str) -> Option<FileDescriptor> {
    let message = pool.get_message_by_name(name).map(|found| found.parent_file());
    message
        .or_else(|| pool.get_enum_by_name(name).map(|found| found.parent_file()))
        .or_else(|| pool.get_extension_by_name(name).map(|found| found.parent_file()))
}

/// The services that the gateway has of its own.
pub(super) fn own_services(switches: OwnServices) -> Vec<&'static str> {
    let reflection = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];
    let mut services = Vec::new();
    if switches.reflection {
        services.extend(reflection);
    }
    if switches.health {
        services.push("grpc.health.v1.Health");
    }
    services
}

/// Their files, as tonic has them built in.
static OWN: LazyLock<Option<Arc<Schema>>> = LazyLock::new(|| {
    let sets = [
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
    ];
    let sets = sets.map(|set| DescriptorSet::new("edgeway", set));
    Schema::build(&sets, |_| true).ok().map(Arc::new)
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_files_are_there() {
        let schema = OWN.as_ref().expect("tonic's descriptor sets make a schema");
        let all = own_services(OwnServices { reflection: true, health: true });
        for service in all {
            assert!(schema.pool().get_service_by_name(service).is_some(), "{service}");
        }
        assert!(own_services(OwnServices { reflection: false, health: false }).is_empty());
    }
}
