//! The operator's port.
//!
//! | path | answers |
//! |---|---|
//! | `/healthz` | 200 while the process serves at all; a restart is the cure for anything else |
//! | `/readyz` | 200 when calls can be served, 503 with the reason per cluster when not, and while draining |
//! | `/metrics` | OpenMetrics text |
//! | `/clusters` | every cluster, endpoint and connection as JSON; with `?format=text` as lines |

mod clusters;
mod ready;

pub use ready::{ClusterReadiness, Readiness};

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::telemetry::{Metrics, metrics};

/// What the port shows; asked anew for every request.
pub trait Inspect: Send + Sync + 'static {
    /// Whether calls can be served.
    fn readiness(&self) -> Readiness;

    /// A list of clusters, each with its endpoints and their connections, for people: of things that have a `name` or
    /// an `address`.
    fn clusters(&self) -> serde_json::Value;

    /// Brings gauges up to date that nobody keeps.
    fn refresh(&self);
}

#[derive(Clone)]
struct Shown {
    inspect: Arc<dyn Inspect>,
    metrics: Metrics,
}

/// Serves the port until `stop`; the last thing that a gateway closes.
///
/// # Errors
/// Those of the listener; one failed connection is none.
pub async fn serve(
    listener: TcpListener,
    inspect: Arc<dyn Inspect>,
    metrics: Metrics,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(scrape))
        .route("/clusters", get(list))
        .with_state(Shown { inspect, metrics });
    let stopped = stop.clone();
    let serve =
        axum::serve(listener, router).with_graceful_shutdown(async move { stopped.cancelled().await });
    tokio::select! {
        served = serve => served,
        // A scraper that keeps its connection open must not keep the process.
        () = async { stop.cancelled().await; tokio::time::sleep(LINGER).await } => Ok(()),
    }
}

async fn readyz(State(shown): State<Shown>) -> Response {
    let readiness = shown.inspect.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

async fn list(State(shown): State<Shown>, RawQuery(query): RawQuery) -> Response {
    let clusters = shown.inspect.clusters();
    match query.as_deref() {
        None | Some("" | "format=json") => Json(serde_json::json!({ "clusters": clusters })).into_response(),
        Some("format=text") => clusters::text(&clusters).into_response(),
        Some(_) => (StatusCode::BAD_REQUEST, "expected `format=json` or `format=text`\n").into_response(),
    }
}

async fn scrape(State(shown): State<Shown>) -> Response {
    shown.inspect.refresh();
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], shown.metrics.encode()).into_response()
}

/// How long an answer under way may take once the port closes.
const LINGER: Duration = Duration::from_millis(500);
