//! What `/readyz` says.

use serde::Serialize;

/// The body of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether a balancer should send calls here.
    pub ready: bool,
    /// Whether the gateway is shutting down.
    pub draining: bool,
    /// Every cluster of the configuration, in its order.
    pub clusters: Vec<ClusterReadiness>,
}

/// One cluster of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterReadiness {
    /// Its name in the configuration.
    pub name: String,
    /// Whether its calls can be served: it has a schema and an endpoint that is connected.
    pub ready: bool,
    /// Whether the gateway is not ready without it.
    pub required: bool,
    /// Endpoints that discovery lists.
    pub endpoints: usize,
    /// Those that are connected.
    pub healthy: usize,
    /// Methods of its schema; none while it has no schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub methods: Option<usize>,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Readiness {
    /// Ready when every required cluster is and nothing is shutting down.
    pub fn new(draining: bool, clusters: Vec<ClusterReadiness>) -> Self {
        let ready = !draining && clusters.iter().all(|cluster| cluster.ready || !cluster.required);
        Self { ready, draining, clusters }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(ready: bool, required: bool) -> ClusterReadiness {
        let reason = (!ready).then(|| "no endpoint".into());
        ClusterReadiness {
            name: "orders".into(),
            ready,
            required,
            endpoints: 3,
            healthy: 0,
            methods: None,
            reason,
        }
    }

    #[test]
    fn only_what_is_required_counts() {
        for (draining, clusters, expect) in [
            (false, vec![cluster(true, true), cluster(false, false)], true),
            (false, vec![cluster(true, true), cluster(false, true)], false),
            (true, vec![cluster(true, true)], false),
        ] {
            assert_eq!(Readiness::new(draining, clusters.clone()).ready, expect, "{draining} {clusters:?}");
        }
    }
}
