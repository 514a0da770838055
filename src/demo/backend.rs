//! A backend put together: services, health, reflection, and the way it stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, Stream};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use super::FILE_DESCRIPTOR_SET;
use super::diagnostics::Diagnostics;
use super::drain::{self, Drain, Severable};
use super::meter::Meter;
use super::orders::Orders;
use super::proto::ecommerce::v1::diagnostics_service_server::{self, DiagnosticsServiceServer};
use super::proto::ecommerce::v1::order_service_server::{self, OrderServiceServer};
use super::stats::Stats;

/// What tells one backend from another.
#[derive(Clone, Debug)]
pub struct BackendOptions {
    /// What it calls itself, in answers and in the ids of orders.
    pub name: String,
    /// Whether it answers server reflection, v1 and v1alpha.
    pub reflection: bool,
}

/// Why a backend does not serve.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// The listener is of no use.
    #[error("the listener of the demo backend has no address")]
    Listener(#[source] io::Error),
    /// The descriptor set of the build cannot be served.
    #[error("the descriptors of the demo backend cannot be served by reflection")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// The server gave up.
    #[error("the server of the demo backend failed")]
    Server(#[source] tonic::transport::Error),
}

/// Serves the demo services on `listener` until `shutdown` resolves, then drains.
///
/// Draining: health answers `NOT_SERVING`, no connection is accepted, those that are open get GOAWAY, calls in
/// flight have three seconds to finish and end with `UNAVAILABLE` then, connections that are still there one
/// second later are cut. So this returns within four seconds of `shutdown`, mostly at once. Dropping the future
/// cuts everything at once, as the death of a process would.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use edgeway::demo::{BackendOptions, serve};
///
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:50051").await?;
/// let options = BackendOptions { name: "one".to_owned(), reflection: true };
/// serve(listener, options, async {
///     let _ = tokio::signal::ctrl_c().await;
/// })
/// .await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// When the listener has no address or the server fails; not for what a single connection does.
pub async fn serve(
    listener: TcpListener,
    options: BackendOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), BackendError> {
    let address = listener.local_addr().map_err(BackendError::Listener)?;
    let (draining, drain) = drain::channel();
    let stats = Arc::new(Stats::new());
    let health = HealthReporter::new();
    report(&health, ServingStatus::Serving).await;

    let (stop, stopped) = oneshot::channel::<()>();
    let server = Server::builder()
        // h2 closes a whole connection as abusive when many small DATA frames wait to be read. What it puts up
        // with is half of this window: at 64 MiB about 130,000 frames of a few bytes, where the default would
        // end honest uploads of tiny messages.
        .initial_connection_window_size(64 << 20)
        .layer(Meter::new(Arc::clone(&stats), drain.clone(), GRACE))
        .add_routes(routes(options, address, stats, health.clone())?)
        .serve_with_incoming_shutdown(accept(listener, drain), async {
            // A dropped sender stops the server as well.
            let _ = stopped.await;
        });
    tokio::pin!(server);

    tokio::select! {
        result = &mut server => return result.map_err(BackendError::Server),
        () = shutdown => {}
    }
    report(&health, ServingStatus::NotServing).await;
    draining.start();
    let _ = stop.send(());
    match tokio::time::timeout(GRACE + CUT_AFTER, server).await {
        Ok(result) => result.map_err(BackendError::Server),
        Err(_) => {
            tracing::warn!(%address, "demo backend cuts connections whose peers do not read");
            Ok(())
        }
    }
}

fn routes(
    options: BackendOptions,
    address: SocketAddr,
    stats: Arc<Stats>,
    health: HealthReporter,
) -> Result<Routes, BackendError> {
    let mut routes = RoutesBuilder::default();
    routes
        .add_service(OrderServiceServer::new(Orders::new(&options.name)))
        .add_service(
            DiagnosticsServiceServer::new(Diagnostics::new(options.name, address, stats))
                .max_decoding_message_size(MAX_DIAGNOSTICS_MESSAGE),
        )
        .add_service(HealthServer::new(HealthService::from_health_reporter(health)));
    if options.reflection {
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        routes
            .add_service(reflection().build_v1().map_err(BackendError::Reflection)?)
            .add_service(reflection().build_v1alpha().map_err(BackendError::Reflection)?);
    }
    Ok(routes.routes())
}

/// The connections of `listener`. It never ends: an accept that fails, for want of descriptors say, is tried
/// again after a pause.
fn accept(listener: TcpListener, drain: Drain) -> impl Stream<Item = io::Result<Severable>> {
    stream::unfold((listener, drain), |(listener, drain)| async move {
        loop {
            match listener.accept().await {
                Ok((io, _)) => {
                    // Small messages go out at once; where the option cannot be set they go out a little later.
                    let _ = io.set_nodelay(true);
                    let io = Severable::new(io, drain.clone());
                    return Some((Ok(io), (listener, drain)));
                }
                Err(error) => {
                    tracing::warn!(%error, "demo backend cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    })
}

async fn report(health: &HealthReporter, status: ServingStatus) {
    for service in ["", order_service_server::SERVICE_NAME, diagnostics_service_server::SERVICE_NAME] {
        health.set_service_status(service, status).await;
    }
}

/// How long calls in flight may go on when the backend stops.
const GRACE: Duration = Duration::from_secs(3);

/// How long after that their last bytes may take to be read.
const CUT_AFTER: Duration = Duration::from_secs(1);

/// Long enough for a descriptor to come free, short enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// So that the limits of a gateway are met before those of the backend: the largest payload of a stream, and
/// room for what is around it.
const MAX_DIAGNOSTICS_MESSAGE: usize = (64 << 20) + (64 << 10);
