//! Which pages may open a WebSocket.
//!
//! A browser asks nobody before it opens one, and sends the cookies of the gateway's own host along: without a look at
//! `Origin` any page could call in its visitor's name (RFC 6455 section 10.2). A client that is no browser sends none.
//!
//! | a page of | may | its cookies and HTTP authentication |
//! |---|---|---|
//! | the gateway's own host | yes | are metadata of the call |
//! | an origin of `cors.allow_origins` | yes | the same with `cors.allow_credentials`, else dropped |
//! | any other, or of none (`null`) | no | |

use http::{HeaderMap, Uri, header, request::Parts};

use crate::front::cors::{Asked, Cors};

/// What a page may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// It is one of the gateway's own, or there is none.
    Own,
    /// It is one of another origin that may call.
    Guest {
        /// Whether in the name of who looks at it.
        credentials: bool,
    },
    /// It may not.
    Refused,
}

/// What the page behind a request may do.
pub(super) fn page(head: &Parts, cors: Option<&Cors>) -> Page {
    let mut origins = head.headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return Page::Own };
    if origins.next().is_some() {
        return Page::Refused;
    }
    let host = host(&head.uri, &head.headers);
    let own = origin.to_str().ok().zip(host).and_then(|(origin, host)| same_host(origin, host));
    if own == Some(true) {
        return Page::Own;
    }
    match cors.map(|cors| (cors.asked(&head.headers), cors.has_credentials())) {
        Some((Asked::Allowed(_), credentials)) => Page::Guest { credentials },
        Some((Asked::Refused | Asked::Nobody, _)) | None => Page::Refused,
    }
}

/// What the client calls the gateway.
fn host<'h>(uri: &'h Uri, headers: &'h HeaderMap) -> Option<&'h str> {
    let target = uri.authority().map(http::uri::Authority::as_str);
    target.or_else(|| headers.get(header::HOST)?.to_str().ok())
}

/// Compares `scheme://host[:port]` with `host[:port]`. Which scheme the client used the gateway cannot know behind a
/// proxy that ends TLS; the default port of the origin's own scheme may be named or not.
fn same_host(origin: &str, host: &str) -> Option<bool> {
    let (scheme, authority) = origin.split_once("://")?;
    let port = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let bare = |authority: &str| authority.strip_suffix(port).unwrap_or(authority).to_ascii_lowercase();
    Some(bare(authority) == bare(host))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::config::{self, HostPattern, OriginPattern, PortPattern};

    fn check_with(cors: Option<&Cors>, host: &str, origins: &[&str], expect: Page) {
        let request = Request::builder().uri("/a.B/C").header("host", host);
        let request = origins.iter().fold(request, |request, origin| request.header("origin", *origin));
        let (head, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(page(&head, cors), expect, "{host} {origins:?}");
    }

    fn check(host: &str, origins: &[&str], expect: bool) {
        check_with(None, host, origins, if expect { Page::Own } else { Page::Refused });
    }

    fn cors(allow_credentials: bool) -> Cors {
        let host = HostPattern::Exact("b.test".into());
        let origin = OriginPattern::Of { scheme: "https", host, port: PortPattern::Default };
        Cors::new(config::Cors { allow_credentials, ..config::Cors::new(vec![origin]) })
    }

    #[test]
    fn a_page_that_is_named_may() {
        let (plain, with) = (cors(false), cors(true));
        check_with(Some(&plain), "a.test", &["https://b.test"], Page::Guest { credentials: false });
        check_with(Some(&with), "a.test", &["https://b.test"], Page::Guest { credentials: true });
        check_with(Some(&with), "a.test", &["https://a.test"], Page::Own);
        check_with(Some(&with), "a.test", &["https://c.test"], Page::Refused);
        check_with(Some(&with), "a.test", &["null"], Page::Refused);
        check_with(Some(&with), "a.test", &["https://b.test", "https://b.test"], Page::Refused);
    }

    #[test]
    fn a_page_of_the_same_host_may() {
        check("a.test", &[], true);
        check("a.test", &["https://a.test"], true);
        check("A.test:443", &["https://a.TEST"], true);
        check("a.test:80", &["http://a.test"], true);
        check("a.test:8080", &["http://a.test:8080"], true);
        check("[::1]:8080", &["http://[::1]:8080"], true);
    }

    #[test]
    fn any_other_page_may_not() {
        check("a.test", &["https://b.test"], false);
        check("a.test", &["https://a.test:8443"], false);
        check("a.test:80", &["https://a.test"], false);
        check("a.test", &["https://a.test.b.test"], false);
        check("a.test", &["null"], false);
        check("a.test", &["a.test"], false);
        check("a.test", &["file://a.test"], false);
        check("a.test", &[""], false);
        check("a.test", &["https://a.test", "https://a.test"], false);
    }
}
