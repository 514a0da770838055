//! `POST /control/backends/backend-2/stop` and `/start`, for the page alone.
//!
//! Any page that a user has open can send such a POST to a port of his machine. A browser says whose it is by `Origin`,
//! which has to be that of this page; the host in it has to be a literal address or `localhost`, since a name can be
//! made to point here.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::{CACHE_CONTROL, HOST, ORIGIN};
use http::{HeaderMap, StatusCode};

use crate::demo::fleet::{Fleet, FleetError};

pub(super) fn router(fleet: Option<Arc<Fleet>>) -> Router {
    let Some(fleet) = fleet else { return Router::new() };
    Router::new()
        .route("/control/backends", get(states))
        .route("/control/backends/{name}/{act}", post(turn))
        .with_state(fleet)
}

async fn states(State(fleet): State<Arc<Fleet>>) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(fleet.states())).into_response()
}

async fn turn(
    State(fleet): State<Arc<Fleet>>,
    Path((name, act)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if !from_this_page(&headers) {
        return refuse(
            StatusCode::FORBIDDEN,
            "expected a request of the demo's own page, found another Origin or none",
        );
    }
    let on = match act.as_str() {
        "start" => true,
        "stop" => false,
        _ => return refuse(StatusCode::NOT_FOUND, "expected start or stop at the end of the path"),
    };
    match fleet.turn(&name, on).await {
        Ok(()) => states(State(fleet)).await,
        Err(error @ FleetError::Unknown(_)) => refuse(StatusCode::NOT_FOUND, &error.to_string()),
        Err(error @ FleetError::Slow(_)) => refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
    }
}

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, [(CACHE_CONTROL, "no-store")], format!("{why}\n")).into_response()
}

fn from_this_page(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(host), Some(origin)) = (text(HOST), text(ORIGIN)) else { return false };
    let literal = host.parse::<SocketAddr>().is_ok();
    let local = host.rsplit_once(':').is_some_and(|(name, _)| name == "localhost");
    (literal || local) && origin.strip_prefix("http://") == Some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_page_itself_turns_backends() {
        let check = |host: &str, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().expect("a header"));
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().expect("a header"));
            }
            from_this_page(&headers)
        };
        assert!(check("127.0.0.1:8081", Some("http://127.0.0.1:8081")));
        assert!(check("localhost:8081", Some("http://localhost:8081")));
        for (host, origin) in [
            ("127.0.0.1:8081", None),
            ("127.0.0.1:8081", Some("null")),
            ("127.0.0.1:8081", Some("http://evil.example")),
            ("127.0.0.1:8081", Some("http://127.0.0.1:8080")),
            ("127.0.0.1:8081", Some("https://127.0.0.1:8081")),
            // A name that someone made to point to this machine.
            ("evil.example:8081", Some("http://evil.example:8081")),
        ] {
            assert!(!check(host, origin), "{host} {origin:?}");
        }
    }
}
