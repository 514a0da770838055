//! Assembly: a configuration becomes a running gateway, and a running gateway ends without losing a call.
//!
//! Everything of a call happens on a worker. What stands here runs beside the calls, on one control runtime: accepting,
//! discovery, schemas, the admin port. What the two share is the [`Plan`] behind one pointer, and atomics.

mod inspect;
mod schemas;
mod survey;

use std::{io, net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use tokio::{net::TcpListener, runtime::Handle, sync::watch};
use tokio_util::sync::CancellationToken;

use self::{inspect::Inspector, schemas::Schemas};
use crate::{
    admin,
    config::{self, Config},
    front::{Edge, Own, Serving},
    plan::{Plan, Source},
    policy,
    server::{Listener, Worker, Workers, accept},
    telemetry::{AccessLog, Metrics},
    upstream::{Cluster, Clusters, Lanes, Outbound},
};

pub use schemas::{SchemaError, load_files};
pub use survey::{Survey, survey};

/// A gateway that serves.
#[derive(Debug)]
pub struct Gateway {
    config: Arc<Config>,
    plan: Arc<ArcSwap<Plan>>,
    workers: Workers,
    lanes: Vec<Lanes>,
    inspector: Arc<Inspector>,
    addresses: Vec<(String, SocketAddr)>,
    admin_address: SocketAddr,
    stops: Stops,
}

/// The signals of the way down, in their order.
#[derive(Clone, Debug, Default)]
struct Stops {
    /// No further connection is accepted.
    accept: CancellationToken,
    /// Connections finish what they have.
    drain: CancellationToken,
    /// The admin port closes.
    admin: CancellationToken,
}

/// Why a gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address that cannot be listened on.
    #[error("cannot listen on {address} ({name}): {source}; is another process using the port?")]
    Listen {
        /// The listener's name, or `admin`.
        name: String,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A descriptor set that cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Signals that cannot be caught.
    #[error("cannot catch SIGTERM and SIGINT")]
    Signals(#[source] io::Error),
    /// A worker thread that did not start.
    #[error("cannot start a worker thread")]
    Worker(#[source] io::Error),
}

impl Gateway {
    /// Binds, starts the workers, and begins to look for backends. A backend that is down is no error.
    ///
    /// Runs its tasks on the current runtime, the control runtime, until [`Gateway::shut_down`].
    ///
    /// # Errors
    /// What only a person can mend: an address in use, a descriptor set that is none.
    pub async fn start(config: Config, metrics: Metrics, access: AccessLog) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let files = load_files(&config)?;
        let mut listeners = Vec::new();
        for listener in &config.listeners {
            let failed = |source| listen_error(&listener.name, listener.address, source);
            listeners.push(Listener::bind(&listener.name, listener.address).await.map_err(failed)?);
        }
        let failed = |source| listen_error("admin", config.admin.address, source);
        let admin_listener = TcpListener::bind(config.admin.address).await.map_err(failed)?;
        let admin_address = admin_listener.local_addr().map_err(failed)?;

        let clusters = Clusters::new(config.clusters.iter().cloned(), &metrics);
        clusters.discover();
        let schemas = Schemas::new(Arc::clone(&config), sources(&config, &clusters), files, metrics.clone());
        let plan = schemas.plan();

        let stops = Stops::default();
        let inspector = Arc::new(Inspector::new(schemas.sources()));
        let serving = inspector.serving();
        let (workers, lanes) =
            start_workers(&config, &clusters, &plan, &metrics, &access, &serving, &stops).await?;
        let Some(first) = lanes.first() else {
            return Err(StartError::Worker(io::Error::other("no worker threads")));
        };
        clusters.guard(&lanes);
        tokio::spawn(Arc::clone(&inspector).follow(stops.admin.clone()));
        schemas.follow(&Outbound::new(first.clone()));

        let addresses =
            listeners.iter().map(|listener| (listener.name().to_owned(), listener.address())).collect();
        let dealer = workers.dealer();
        for listener in listeners {
            tokio::spawn(accept(listener, dealer.clone(), metrics.clone(), stops.accept.clone()));
        }
        let shown: Arc<dyn admin::Inspect> = inspector.clone();
        let (admin_stop, admin_metrics) = (stops.admin.clone(), metrics);
        tokio::spawn(async move {
            if let Err(error) = admin::serve(admin_listener, shown, admin_metrics, admin_stop).await {
                tracing::error!(%error, "the admin port ended");
            }
        });
        Ok(Self { config, plan, workers, lanes, inspector, addresses, admin_address, stops })
    }

    /// The listeners' names and where they listen, in the order of the configuration.
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }

    /// Where the admin port listens.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// The plan in use.
    pub fn plan(&self) -> Arc<Plan> {
        self.plan.load_full()
    }

    /// What `/readyz` says.
    pub fn readiness(&self) -> admin::Readiness {
        admin::Inspect::readiness(&*self.inspector)
    }

    /// Ends the gateway; returns when everything has ended, at the latest at the hard cap.
    ///
    /// | at | what |
    /// |---|---|
    /// | 0 | `/readyz` turns 503; balancers get `drain_delay` to notice, everything is served as before |
    /// | `drain_delay` | no further connection; GOAWAY, `Connection: close`; calls in flight finish |
    /// | + `grace` | streams that are still open end with 14 UNAVAILABLE, backends get CANCEL |
    /// | hard cap | whatever is left is cut |
    pub async fn shut_down(mut self) {
        let shutdown = &self.config.shutdown;
        self.inspector.drain();
        tokio::time::sleep(shutdown.drain_delay).await;
        self.stops.accept.cancel();
        self.stops.drain.cancel();
        if tokio::time::timeout(shutdown.grace, self.workers.drained()).await.is_err() {
            tracing::warn!(
                connections = self.workers.connections(),
                "ending the streams that outlast the grace"
            );
            for lanes in &self.lanes {
                lanes.cut();
            }
            let last = shutdown.hard_cap().saturating_sub(shutdown.drain_delay + shutdown.grace);
            if tokio::time::timeout(last, self.workers.drained()).await.is_err() {
                tracing::warn!(connections = self.workers.connections(), "cutting what is left");
            }
        }
        self.workers.end();
        self.stops.admin.cancel();
    }
}

async fn start_workers(
    config: &Config,
    clusters: &Clusters,
    plan: &Arc<ArcSwap<Plan>>,
    metrics: &Metrics,
    access: &AccessLog,
    serving: &watch::Receiver<Serving>,
    stops: &Stops,
) -> Result<(Workers, Vec<Lanes>), StartError> {
    let (mut workers, mut lanes) = (Vec::new(), Vec::new());
    for index in 0..config.runtime.workers() {
        let (clusters, plan) = (clusters.clone(), Arc::clone(plan));
        let (metrics, access) = (metrics.clone(), access.clone());
        let own = (config.own_services, serving.clone(), stops.drain.clone());
        let cors = config.cors.clone();
        let build = move || {
            metrics.worker(index, Handle::current());
            let lanes = Lanes::start(&clusters);
            let calls = policy::stack(Outbound::new(lanes.clone()), &metrics);
            let (switches, serving, stop) = own;
            let own = Own::new(switches, serving, stop, &metrics);
            (Edge::new(plan, calls, own, access, cors), lanes)
        };
        let (worker, built) = Worker::start(index, stops.drain.clone(), build).map_err(StartError::Worker)?;
        let ended = |_| StartError::Worker(io::Error::other("it ended while it started"));
        lanes.push(built.await.map_err(ended)?);
        workers.push(worker);
    }
    Ok((Workers::new(workers), lanes))
}

/// All clusters, none of them asked yet.
fn sources(config: &Config, clusters: &Clusters) -> Vec<Source> {
    let source = |(config, cluster): (&config::Cluster, &Arc<Cluster>)| Source {
        config: Arc::new(config.clone()),
        cluster: Arc::clone(cluster),
        schema: Err("its backends have not been asked yet".into()),
    };
    config.clusters.iter().zip(clusters.iter()).map(source).collect()
}

fn listen_error(name: &str, address: SocketAddr, source: io::Error) -> StartError {
    StartError::Listen { name: name.to_owned(), address, source }
}
