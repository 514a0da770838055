//! The files of the page, built from `web-demo/`, and what it reads first: where the API is.

use std::future::ready;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use serde_json::json;

use super::WebOptions;

pub(super) fn router(options: &WebOptions) -> Router {
    let policy = policy(options);
    let config = json!({
        "api": options.api.as_str(),
        "backends": options.fleet.as_ref().map(|fleet| fleet.states().len()),
    })
    .to_string();
    let told = move || ready(answer("application/json", config.clone()));
    let mut router = Router::new().route("/config.json", get(told));
    for (path, content_type, bytes) in FILES {
        let policy = policy.clone();
        let file = move || ready(([(CONTENT_SECURITY_POLICY, policy.clone())], answer(content_type, bytes)));
        router = router.route(path, get(file));
    }
    router
}

fn answer(content_type: &'static str, body: impl IntoResponse) -> Response {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, body).into_response()
}

/// The page runs its own script, calls its own origin and the API, and does nothing else.
fn policy(options: &WebOptions) -> String {
    let (api, socket) = (options.api.as_str(), options.api.web_socket());
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' {api} {socket}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

const FILES: [(&str, &str, &[u8]); 3] = [
    ("/", "text/html; charset=utf-8", include_bytes!("../../../web-demo/dist/index.html")),
    ("/app.js", "text/javascript; charset=utf-8", include_bytes!("../../../web-demo/dist/app.js")),
    ("/app.css", "text/css; charset=utf-8", include_bytes!("../../../web-demo/dist/app.css")),
];
