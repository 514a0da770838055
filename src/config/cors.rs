//! Which pages of other origins may call, as a browser asks it.
//!
//! ```text
//! pattern = "*" | scheme "://" host [ ":" ( port | "*" ) ]
//! host    = name | "*." name | IPv4 | "[" IPv6 "]"
//! origin  = scheme "://" host [ ":" port ]              RFC 6454 section 6.2, as browsers write it
//! ```

use std::{fmt, time::Duration};

use http::HeaderName;

/// Cross-origin resource sharing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// The origins whose pages may read replies. At least one.
    pub allow_origins: Vec<OriginPattern>,
    /// Whether pages may send the cookies of their visitors; with a star for an origin, they may not.
    pub allow_credentials: bool,
    /// The headers that pages may send beside those of the protocols; `None` for all.
    pub allow_headers: Option<Vec<HeaderName>>,
    /// Headers that pages may read beside those that a reply has.
    pub expose_headers: Vec<HeaderName>,
    /// How long a browser may keep the answer to a preflight, in whole seconds.
    pub max_age: Duration,
    /// Whether pages of public sites may call into a private network.
    pub allow_private_network: bool,
}

/// One origin, or many of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginPattern {
    /// Every one but `null`.
    Any,
    /// Of one scheme.
    Of {
        /// In lower case.
        scheme: &'static str,
        /// The host, or the domain above it.
        host: HostPattern,
        /// The port.
        port: PortPattern,
    },
}

/// The host of an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// In lower case; an IPv6 address in brackets and in its shortest form.
    Exact(String),
    /// All names below this one, which is not among them.
    Below(String),
}

/// The port of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortPattern {
    /// The one that the scheme stands for, which no browser writes.
    Default,
    /// Any other.
    Exact(u16),
    /// Whichever.
    Any,
}

impl Cors {
    /// With the defaults for everything but the origins.
    pub fn new(allow_origins: Vec<OriginPattern>) -> Self {
        Self {
            allow_origins,
            allow_credentials: false,
            allow_headers: None,
            expose_headers: Vec::new(),
            // What Chrome keeps at most; Firefox would keep a day.
            max_age: Duration::from_secs(7200),
            allow_private_network: false,
        }
    }

    /// Whether a page of `origin`, the value of an `Origin` header, may call and read what is answered.
    ///
    /// `null` never may: sandboxed frames, local files and redirects of any site are all called so.
    pub fn allows(&self, origin: &[u8]) -> bool {
        let Ok(origin) = std::str::from_utf8(origin) else { return false };
        let Some(origin) = Written::split(origin) else { return false };
        self.allow_origins.iter().any(|pattern| pattern.matches(&origin))
    }

    /// Whether every origin may, so that a reply does not have to name the one that asked.
    pub fn allows_any(&self) -> bool {
        self.allow_origins.contains(&OriginPattern::Any)
    }
}

impl OriginPattern {
    fn matches(&self, origin: &Written<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Of { scheme, host, port } => {
                *scheme == origin.scheme && host.matches(origin.host) && port.matches(origin.port)
            }
        }
    }
}

impl HostPattern {
    /// Whether `host`, in lower case, is the one or below it.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == host,
            Self::Below(domain) => {
                let labels = host.strip_suffix(domain.as_str()).and_then(|rest| rest.strip_suffix('.'));
                labels.is_some_and(|labels| !labels.is_empty())
            }
        }
    }
}

/// As it is written.
impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(exact) => f.write_str(exact),
            Self::Below(domain) => write!(f, "*.{domain}"),
        }
    }
}

impl PortPattern {
    fn matches(self, port: Option<u16>) -> bool {
        match (self, port) {
            (Self::Any, _) | (Self::Default, None) => true,
            (Self::Exact(exact), Some(port)) => exact == port,
            (Self::Default, Some(_)) | (Self::Exact(_), None) => false,
        }
    }
}

/// An origin as a browser writes it.
struct Written<'o> {
    scheme: &'o str,
    host: &'o str,
    port: Option<u16>,
}

impl<'o> Written<'o> {
    /// `None` for what no browser writes: upper case, a path, a user, empty labels, ports with leading zeros.
    fn split(origin: &'o str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let host_end = if authority.starts_with('[') {
            authority.find(']')? + 1
        } else {
            authority.find(':').unwrap_or(authority.len())
        };
        let (host, rest) = authority.split_at_checked(host_end)?;
        let port = match rest {
            "" => None,
            rest => Some(rest.strip_prefix(':')?).filter(|port| !port.starts_with(['0', '+'])),
        };
        if !rest.is_empty() && port.is_none() {
            return None;
        }
        let port = port.map(str::parse).transpose().ok()?;
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
        let named = host.bytes().all(plain) && host.split('.').all(|label| !label.is_empty());
        (named || host.starts_with('[')).then_some(Self { scheme, host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(host: HostPattern, port: PortPattern) -> Cors {
        Cors::new(vec![OriginPattern::Of { scheme: "https", host, port }])
    }

    #[track_caller]
    fn check(cors: &Cors, allowed: &[&str], refused: &[&str]) {
        for origin in allowed {
            assert!(cors.allows(origin.as_bytes()), "{origin}");
        }
        for origin in refused {
            assert!(!cors.allows(origin.as_bytes()), "{origin}");
        }
    }

    #[test]
    fn one_origin() {
        let cors = of(HostPattern::Exact("shop.example.com".into()), PortPattern::Default);
        check(
            &cors,
            &["https://shop.example.com"],
            &[
                "http://shop.example.com",
                "https://shop.example.com:443",
                "https://shop.example.com:8443",
                "https://shop.example.com.evil.test",
                "https://evil-shop.example.com",
                "https://example.com",
                "https://shop.example.com/",
                "https://shop.example.com.",
                "https://shop.example.com@evil.test",
                "https://SHOP.example.com",
                "https://shop.example.com https://evil.test",
                "https://shop.example.com, https://evil.test",
                "shop.example.com",
                "null",
                "",
            ],
        );
    }

    #[test]
    fn names_below_a_domain() {
        let cors = of(HostPattern::Below("example.com".into()), PortPattern::Default);
        check(
            &cors,
            &["https://a.example.com", "https://a.b.example.com", "https://xn--bcher-kva.example.com"],
            &[
                "https://example.com",
                "https://.example.com",
                "https://evilexample.com",
                "https://a..example.com",
                "https://evil.test/.example.com",
                "https://evil.test#.example.com",
                "https://evil.test\\.example.com",
                "https://user@a.example.com",
                "https://a.example.com:8443",
                "https://a.example.com.evil.test",
                "http://a.example.com",
            ],
        );
    }

    #[test]
    fn ports() {
        let host = || HostPattern::Exact("localhost".into());
        let any = of(host(), PortPattern::Any);
        check(
            &any,
            &["https://localhost", "https://localhost:1", "https://localhost:65535"],
            &[
                "https://localhost:",
                "https://localhost:0",
                "https://localhost:080",
                "https://localhost:+80",
                "https://localhost:65536",
                "https://localhost:80:80",
                "https://localhost:80.evil.test",
                "https://localhost:*",
                "https://localhost.evil.test:80",
            ],
        );
        let one = of(host(), PortPattern::Exact(8443));
        check(&one, &["https://localhost:8443"], &["https://localhost", "https://localhost:443"]);
        let v6 = of(HostPattern::Exact("[::1]".into()), PortPattern::Any);
        check(
            &v6,
            &["https://[::1]:80", "https://[::1]"],
            &["https://[::2]", "https://[::1", "https://[::1]x"],
        );
    }

    #[test]
    fn any_is_every_origin_but_null() {
        let cors = Cors::new(vec![OriginPattern::Any]);
        check(
            &cors,
            &["https://a.test", "http://localhost:3000", "chrome-extension://abcdef", "http://[::1]:80"],
            &["null", "NULL", "", "a.test", "https://", "https://a.test/", "https://a.test\u{e9}"],
        );
        assert!(!cors.allows(b"https://\xff.test"));
        assert!(cors.allows_any());
    }
}
