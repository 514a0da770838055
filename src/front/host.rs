//! The host that a client named.

use http::{header, request::Parts};

/// In lower case and without the port: `:authority` or the target of the request, else `Host` (RFC 9112 section 3.2.2).
pub(super) fn named(head: &Parts) -> Option<String> {
    let host = || head.headers.get(header::HOST)?.to_str().ok();
    let authority = head.uri.authority().map(http::uri::Authority::as_str).or_else(host)?;
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let end = match authority.find(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let name = authority.get(..end)?;
    // The root's own dot says nothing of which host it is.
    Some(name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn hosts() {
        let check = |uri: &str, host: Option<&str>, expect: Option<&str>| {
            let mut request = Request::get(uri);
            if let Some(host) = host {
                request = request.header("host", host);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            assert_eq!(named(&head).as_deref(), expect, "{uri} {host:?}");
        };
        check("/", Some("api.example.com"), Some("api.example.com"));
        check("/", Some("API.example.com.:8443"), Some("api.example.com"));
        check("/", Some("[::1]:8080"), Some("[::1]"));
        check("http://a.test:80/", Some("b.test"), Some("a.test"));
        check("/", Some(""), Some(""));
        check("/", None, None);
    }
}
