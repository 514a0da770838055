//! `grpc.health.v1.Health` of the gateway (grpc `doc/health-checking.md`).
//!
//! | service | SERVING when |
//! |---|---|
//! | the empty name, or one of the gateway's own | `/readyz` says yes |
//! | one that a cluster exposes | that cluster is ready and the gateway is not draining |
//! | any other | `Check` answers NOT_FOUND, `Watch` SERVICE_UNKNOWN until it is known |

use std::{pin::Pin, sync::Arc};

use tokio::sync::watch;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus, health_server,
};

use super::catalog;
use crate::{call::CallError, config::OwnServices, plan::Plan};

/// What can be served at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serving {
    /// What `/readyz` says.
    pub ready: bool,
    /// Whether the gateway is shutting down.
    pub draining: bool,
    /// The clusters that are ready.
    pub clusters: Vec<String>,
}

/// The service, for one call.
pub(super) struct Health {
    plan: Arc<Plan>,
    switches: OwnServices,
    serving: watch::Receiver<Serving>,
    stop: CancellationToken,
}

impl Health {
    pub(super) fn new(
        plan: Arc<Plan>,
        switches: OwnServices,
        serving: watch::Receiver<Serving>,
        stop: CancellationToken,
    ) -> Self {
        Self { plan, switches, serving, stop }
    }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    async fn check(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        match status(&self.plan, self.switches, &self.serving.borrow(), &service) {
            ServingStatus::ServiceUnknown => Err(Status::not_found("no service of this name is exposed")),
            status => Ok(tonic::Response::new(HealthCheckResponse { status: status.into() })),
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: tonic::Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<Self::WatchStream>, Status> {
        let service = request.into_inner().service;
        let state = Watched {
            plan: Arc::clone(&self.plan),
            switches: self.switches,
            serving: self.serving.clone(),
            stop: self.stop.clone(),
            service,
            last: None,
        };
        let changes = futures_util::stream::unfold(Some(state), |state| async {
            let mut state = state?;
            let next = state.next().await;
            let state = next.is_ok().then_some(state);
            Some((next, state))
        });
        Ok(tonic::Response::new(Box::pin(changes)))
    }
}

/// A `Watch` under way.
struct Watched {
    plan: Arc<Plan>,
    switches: OwnServices,
    serving: watch::Receiver<Serving>,
    stop: CancellationToken,
    service: String,
    last: Option<ServingStatus>,
}

impl Watched {
    /// The next state that is another than the last.
    async fn next(&mut self) -> Result<HealthCheckResponse, Status> {
        loop {
            let status = status(&self.plan, self.switches, &self.serving.borrow_and_update(), &self.service);
            if self.last.replace(status) != Some(status) {
                return Ok(HealthCheckResponse { status: status.into() });
            }
            tokio::select! {
                changed = self.serving.changed() => if changed.is_err() {
                    return Err(CallError::shutting_down().status().clone());
                },
                () = self.stop.cancelled() => return Err(CallError::shutting_down().status().clone()),
            }
        }
    }
}

fn status(plan: &Plan, switches: OwnServices, serving: &Serving, service: &str) -> ServingStatus {
    let exposed = plan.methods().find(|method| &*method.method.service == service);
    let up = match exposed {
        Some(method) => {
            let cluster = method.target.0.name();
            !serving.draining && serving.clusters.iter().any(|ready| ready == cluster)
        }
        None if service.is_empty() || catalog::own_services(switches).contains(&service) => serving.ready,
        None => return ServingStatus::ServiceUnknown,
    };
    if up { ServingStatus::Serving } else { ServingStatus::NotServing }
}
