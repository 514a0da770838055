//! Which HTTP headers cross the waist as gRPC metadata.
//!
//! Inwards everything passes but what the table names; outwards everything passes but what belongs to the connection.
//!
//! | inwards, dropped | because |
//! |---|---|
//! | hop-by-hop headers and those that `Connection` names | they speak of the client's connection (RFC 9110 section 7.6.1) |
//! | `host`, `content-length`, `content-type`, `expect` | the call gets its own; the length changes on the way |
//! | `te`, `grpc-*` but the three of compression and time | set by Edgeway, or internal to gRPC |
//! | `accept*`, `content-encoding` | negotiated at the door, meaningless behind it |
//! | `origin`, `referer`, `sec-*`, `priority`, `dnt`, `x-grpc-web`, ... | browser noise |
//! | values with bytes outside 0x20..=0x7e | gRPC metadata has none (grpc `doc/PROTOCOL-HTTP2.md`) |
//! | `x-edgeway-*` | what Edgeway tells backends of a call is not for its client to say |
//! | `forwarded`, `x-forwarded-*`, `x-real-ip`, `x-envoy-*` | a client could claim to be anyone |
//!
//! `-bin` values pass as the base64 they are: on the wire of HTTP/2 they are base64 as well.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The prefix under which a REST client may name metadata that HTTP gives another meaning (grpc-gateway's convention).
pub const PREFIX: &str = "grpc-metadata-";

/// Turns a client's headers into the metadata of a call, in place.
///
/// `grpc-timeout`, `grpc-encoding` and `grpc-accept-encoding` stay: their doors read them, and those that must not
/// forward them remove them. `x-user-agent`, a browser client's stand-in, takes the place of `user-agent`.
pub fn from_client(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers.get_all(header::CONNECTION).iter().flat_map(named_by).collect();
    let (mut has_agent, mut cookies) = (false, 0);
    keep(headers, |name, value| {
        match name.as_str() {
            "x-user-agent" => has_agent = true,
            "cookie" => cookies += 1,
            _ => {}
        }
        crosses_inwards(name.as_str()) && !named.contains(name) && is_text(value)
    });
    if has_agent && let Some(agent) = headers.remove("x-user-agent") {
        headers.insert(header::USER_AGENT, agent);
    }
    if cookies > 1 {
        join_cookies(headers);
    }
}

/// Leaves the headers that cross.
///
/// They are moved to a new map: most do not cross, and one look at each is less than a search for each of those.
fn keep(headers: &mut HeaderMap, mut crosses: impl FnMut(&HeaderName, &HeaderValue) -> bool) {
    let mut last = None;
    for (name, value) in std::mem::take(headers) {
        // Only the first of several values comes with their name.
        last = name.or(last);
        if let Some(name) = &last
            && crosses(name, &value)
        {
            headers.append(name, value);
        }
    }
}

/// The headers that a value of `Connection` names.
fn named_by(value: &HeaderValue) -> impl Iterator<Item = HeaderName> {
    let names = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    names.filter_map(|name| HeaderName::from_bytes(name).ok())
}

/// HTTP/2 cuts a cookie header into crumbs for its compression; whoever reads metadata expects one line (RFC 9113
/// section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    // Made of valid values and a separator, it is one.
    if let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, cookie);
    }
}

/// Renames `grpc-metadata-x` to `x`, for REST; names that could not cross otherwise still cannot.
pub fn unprefix(headers: &mut HeaderMap) {
    let prefixed: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(PREFIX)).cloned().collect();
    for name in prefixed {
        let plain = name.as_str().strip_prefix(PREFIX).and_then(|rest| rest.parse::<HeaderName>().ok());
        let values: Vec<_> = headers.get_all(&name).iter().cloned().collect();
        headers.remove(&name);
        if let Some(plain) = plain.filter(|plain| crosses_inwards(plain.as_str())) {
            for value in values {
                headers.append(&plain, value);
            }
        }
    }
}

/// Removes from a backend's headers or trailers what belongs to its connection or to HTTP framing, in place.
pub fn from_backend(headers: &mut HeaderMap) {
    // All of most trailers do.
    if !headers.keys().all(|name| crosses_outwards(name.as_str())) {
        keep(headers, |name, _| crosses_outwards(name.as_str()));
    }
}

/// Whether a client's header of this name, in lower case, becomes metadata.
pub fn crosses(name: &str) -> bool {
    crosses_inwards(name) && !name.starts_with("grpc-")
}

fn crosses_inwards(name: &str) -> bool {
    if let Some(rest) = name.strip_prefix("grpc-") {
        return matches!(rest, "timeout" | "encoding" | "accept-encoding");
    }
    let prefixes = ["accept", "sec-", "x-forwarded-", "x-envoy-", "x-edgeway-", "access-control-", "proxy-"];
    !is_hop_by_hop(name)
        && !prefixes.iter().any(|prefix| name.starts_with(prefix))
        && !matches!(
            name,
            "host"
                | "content-length"
                | "content-type"
                | "content-encoding"
                | "expect"
                | "origin"
                | "referer"
                | "priority"
                | "dnt"
                | "save-data"
                | "pragma"
                | "upgrade-insecure-requests"
                | "x-grpc-web"
                | "x-requested-with"
                | "forwarded"
                | "x-real-ip"
                | "via"
        )
}

/// Metadata is visible ASCII and spaces; a value with other bytes is dropped, as gRPC asks, and fails no call.
fn is_text(value: &HeaderValue) -> bool {
    value.as_bytes().iter().all(|byte| (0x20..0x7f).contains(byte))
}

/// A backend's `access-control-*` or `set-cookie` would speak in the gateway's name to a browser, and `content-encoding`
/// of a body that Edgeway writes.
fn crosses_outwards(name: &str) -> bool {
    !is_hop_by_hop(name)
        && !name.starts_with("access-control-")
        && !matches!(
            name,
            "content-length"
                | "content-type"
                | "content-encoding"
                | "content-range"
                | "set-cookie"
                | "endpoint-load-metrics-bin"
                | "date"
                | "server"
                | "alt-svc"
                | "strict-transport-security"
                | "clear-site-data"
        )
}

fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            | "proxy-connection"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    fn map(names: &[&'static str]) -> HeaderMap {
        names.iter().map(|name| (HeaderName::from_static(name), "v".parse().unwrap())).collect()
    }

    #[test]
    fn what_a_client_may_say_crosses() {
        let kept = [
            "authorization",
            "cookie",
            "grpc-timeout",
            "traceparent",
            "x-request-id",
            "x-tenant",
            "x-trace-bin",
        ];
        let mut headers = map(&kept);
        headers.extend(map(&[
            "host",
            "te",
            "content-length",
            "accept",
            "accept-encoding",
            "origin",
            "sec-fetch-mode",
            "x-forwarded-for",
            "grpc-status",
            "grpc-previous-rpc-attempts",
            "x-grpc-web",
            "x-edgeway-mirror",
            "keep-alive",
            "priority",
            "via",
        ]));
        from_client(&mut headers);
        assert_eq!(names(&headers), kept);
    }

    #[test]
    fn cookie_crumbs_are_one_line() {
        let mut headers = HeaderMap::new();
        for crumb in ["a=1", "b=2; c=3", "d=4"] {
            headers.append("cookie", crumb.parse().unwrap());
        }
        from_client(&mut headers);
        let cookies: Vec<_> = headers.get_all("cookie").iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3; d=4"]);
    }

    /// On the wire of HTTP/2 they are base64 as well, padded or not, several in one line or in many.
    #[test]
    fn binary_values_cross_as_they_are() {
        for value in ["AQID", "AQI=", "AQI", "AQID,BAUG", "11250603"] {
            let mut headers = HeaderMap::new();
            headers.append("x-trace-bin", value.parse().unwrap());
            headers.append("x-trace-bin", "BA".parse().unwrap());
            let before = headers.clone();
            from_client(&mut headers);
            assert_eq!(headers, before);
            from_backend(&mut headers);
            assert_eq!(headers, before);
        }
    }

    #[test]
    fn headers_named_by_connection_stay_behind() {
        let mut headers = map(&["x-secret", "x-open"]);
        headers.insert("connection", "close, X-Secret".parse().unwrap());
        from_client(&mut headers);
        assert_eq!(names(&headers), ["x-open"]);
    }

    #[test]
    fn a_prefix_names_metadata_but_opens_no_back_door() {
        let mut headers =
            map(&["grpc-metadata-x-tenant", "grpc-metadata-grpc-status", "grpc-metadata-te", "x-a"]);
        unprefix(&mut headers);
        assert_eq!(names(&headers), ["x-a", "x-tenant"]);
    }

    #[test]
    fn a_browsers_user_agent_is_the_clients() {
        let mut headers = map(&["user-agent"]);
        headers.insert("x-user-agent", "grpc-web-javascript/0.1".parse().unwrap());
        from_client(&mut headers);
        assert_eq!(headers.get("user-agent").unwrap(), "grpc-web-javascript/0.1");
        assert_eq!(names(&headers), ["user-agent"]);
    }

    #[test]
    fn a_backend_cannot_speak_http_to_the_client() {
        let mut headers = map(&[
            "content-length",
            "content-encoding",
            "content-range",
            "transfer-encoding",
            "trailer",
            "access-control-allow-origin",
            "set-cookie",
            "x-order",
        ]);
        from_backend(&mut headers);
        assert_eq!(names(&headers), ["x-order"]);
    }
}
