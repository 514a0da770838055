//! The page of the web demo, on an origin of its own: what is built from `web-demo/`, where the API is, and a switch
//! for the demo's backends.
//!
//! Nothing of it is cached: the files have no versions in their names, and a page that outlives an upgrade of the
//! binary would call an API that is not there.

mod control;
mod page;

use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use http::Uri;
use tokio::net::TcpListener;

use super::fleet::Fleet;

/// What the page has to know.
#[derive(Clone, Debug)]
pub struct WebOptions {
    /// The origin of the API, as a browser reaches it.
    pub api: ApiOrigin,
    /// The backends that the page may take down. Without any it says that it cannot.
    pub fleet: Option<Arc<Fleet>>,
}

/// An origin: scheme, host and port of a gateway, such as `http://127.0.0.1:8080`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiOrigin(String);

/// Text that is no origin.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an origin such as http://127.0.0.1:8080, found {0:?}")]
pub struct OriginError(String);

impl ApiOrigin {
    /// As it is written, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same for WebSockets: `ws` for `http`, `wss` for `https`.
    fn web_socket(&self) -> String {
        self.0.replacen("http", "ws", 1)
    }
}

impl From<SocketAddr> for ApiOrigin {
    fn from(address: SocketAddr) -> Self {
        Self(format!("http://{address}"))
    }
}

impl FromStr for ApiOrigin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || OriginError(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let bare = uri.path() == "/" && uri.query().is_none();
        let (Some("http" | "https"), Some(authority), true) = (uri.scheme_str(), uri.authority(), bare)
        else {
            return Err(wrong());
        };
        // It goes into a content security policy, where a comma or semicolon would begin something else.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
        if !authority.as_str().chars().all(plain) {
            return Err(wrong());
        }
        Ok(Self(format!("{}://{authority}", uri.scheme_str().unwrap_or_default())))
    }
}

/// Serves the page on `listener` until `shutdown` resolves.
///
/// # Errors
/// When the listener is of no use.
pub async fn serve_web(
    listener: TcpListener,
    options: WebOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = Router::new().merge(page::router(&options)).merge(control::router(options.fleet));
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_bare() {
        for (text, socket) in [
            ("http://127.0.0.1:8080", "ws://127.0.0.1:8080"),
            ("https://api.example.com/", "wss://api.example.com"),
            ("http://[::1]:80", "ws://[::1]:80"),
        ] {
            let origin: ApiOrigin = text.parse().expect(text);
            assert_eq!(origin.as_str(), text.trim_end_matches('/'));
            assert_eq!(origin.web_socket(), socket);
        }
        for text in
            ["", "127.0.0.1:8080", "ftp://a", "http://a/b", "http://a?b", "http://a;b", "http://u@a", "/"]
        {
            assert_eq!(text.parse::<ApiOrigin>(), Err(OriginError(text.to_owned())));
        }
    }
}
