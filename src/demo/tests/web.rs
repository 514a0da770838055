//! The page server as a browser meets it, and the fleet that it turns.

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::demo::{Fleet, WebOptions, serve_web};

struct Site {
    host: String,
    fleet: Arc<Fleet>,
}

impl Site {
    async fn start() -> Self {
        let fleet = Arc::new(Fleet::start(2).await.expect("ports"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let api = "https://api.example.com".parse().expect("an origin");
        let options = WebOptions { api, fleet: Some(Arc::clone(&fleet)) };
        tokio::spawn(serve_web(listener, options, std::future::pending()));
        Self { host, fleet }
    }

    async fn send(&self, method: Method, path: &str, origin: Option<&str>) -> Response<Incoming> {
        let io = TokioIo::new(TcpStream::connect(&self.host).await.expect("it listens"));
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("a connection");
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header("host", &self.host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        sender
            .send_request(request.body(Full::<Bytes>::default()).expect("a request"))
            .await
            .expect("an answer")
    }

    async fn turn(&self, path: &str) -> StatusCode {
        let origin = format!("http://{}", self.host);
        self.send(Method::POST, path, Some(&origin)).await.status()
    }
}

#[tokio::test]
async fn the_page_is_uncached_and_calls_nobody_but_the_api() {
    let site = Site::start().await;
    for (path, content_type, within) in [
        ("/", "text/html; charset=utf-8", "./app.js"),
        ("/app.js", "text/javascript; charset=utf-8", "config.json"),
        ("/app.css", "text/css; charset=utf-8", "color-scheme"),
        ("/config.json", "application/json", r#"{"api":"https://api.example.com","backends":2}"#),
    ] {
        let answer = site.send(Method::GET, path, None).await;
        let header =
            |name: &str| answer.headers().get(name).map(|value| value.to_str().expect("text").to_owned());
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(header("content-type").as_deref(), Some(content_type), "{path}");
        assert_eq!(header("cache-control").as_deref(), Some("no-store"), "{path}");
        if path != "/config.json" {
            let policy = header("content-security-policy").expect(path);
            let calls = "connect-src 'self' https://api.example.com wss://api.example.com;";
            assert!(policy.starts_with("default-src 'none';") && policy.contains(calls), "{path}: {policy}");
        }
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        assert!(String::from_utf8_lossy(&body).contains(within), "{path}");
    }
    assert_eq!(site.send(Method::GET, "/nothing", None).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_backend_goes_and_comes_back_on_its_port() {
    let site = Site::start().await;
    let addresses: Vec<_> = site.fleet.addresses().collect();
    let serving = || site.fleet.states().iter().map(|state| state.serving).collect::<Vec<_>>();
    assert_eq!(site.turn("/control/backends/backend-2/stop").await, StatusCode::OK);
    assert_eq!(serving(), [true, false]);
    assert!(TcpStream::connect(addresses[1]).await.is_err());
    // Twice is as good as once.
    assert_eq!(site.turn("/control/backends/backend-2/stop").await, StatusCode::OK);
    assert_eq!(site.turn("/control/backends/backend-2/start").await, StatusCode::OK);
    assert_eq!(serving(), [true, true]);
    assert!(TcpStream::connect(addresses[1]).await.is_ok());
    assert_eq!(site.fleet.addresses().collect::<Vec<_>>(), addresses);
}

#[tokio::test]
async fn what_another_site_sends_turns_nothing() {
    let site = Site::start().await;
    let path = "/control/backends/backend-1/stop";
    for origin in [None, Some("http://evil.example"), Some("null")] {
        assert_eq!(site.send(Method::POST, path, origin).await.status(), StatusCode::FORBIDDEN, "{origin:?}");
    }
    assert_eq!(site.send(Method::GET, path, None).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(site.turn("/control/backends/backend-9/stop").await, StatusCode::NOT_FOUND);
    assert_eq!(site.turn("/control/backends/backend-1/explode").await, StatusCode::NOT_FOUND);
    assert!(site.fleet.states().iter().all(|state| state.serving));
}
