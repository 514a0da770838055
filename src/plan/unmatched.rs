//! Names of service configs that name nothing.

use std::sync::Arc;

use super::compile::{Source, Warning};
use crate::{config::MethodName, schema::Schema};

/// Warns of each name under `methodConfig` that no method has, of whichever cluster: calls may be routed to another one.
///
/// gRPC passes such a name over, and with it a deadline or a retry policy that somebody counts on.
pub(super) fn unmatched(sources: &[Source]) -> Vec<Warning> {
    let schemas: Vec<&Arc<Schema>> =
        sources.iter().filter_map(|source| source.schema.as_ref().ok()).collect();
    let mut warnings = Vec::new();
    for source in sources {
        let methods = &source.config.service_config.methods;
        for name in methods.iter().flat_map(|config| &config.names) {
            if !schemas.iter().any(|schema| matches(name, schema)) {
                warnings.push(Warning {
                    place: source.cluster.name().to_owned(),
                    message: format!("service_config.methodConfig: {} matches no method", text(name)),
                });
            }
        }
    }
    warnings
}

fn matches(name: &MethodName, schema: &Schema) -> bool {
    let any = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
    let is_all = name.service.is_empty() && name.method.is_empty();
    is_all
        || schema
            .methods()
            .any(|method| any(&name.service, &method.service) && any(&name.method, &method.name))
}

fn text(name: &MethodName) -> String {
    if name.method.is_empty() { name.service.clone() } else { format!("{}/{}", name.service, name.method) }
}
