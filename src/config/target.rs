//! Where a cluster's endpoints come from: the names of gRPC name resolution
//! (<https://github.com/grpc/grpc/blob/master/doc/naming.md>).
//!
//! ```text
//! target = host ":" port                         as dns:///host:port; an IPv4 host as ipv4:
//!        | "dns:" [ "///" ] host ":" port
//!        | "dns://" server [ ":" port ] "/" host ":" port        asked at that DNS server, port 53 by default
//!        | "ipv4:" address *( "," address )
//! ```

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use crate::config::suggest::{closest, did_you_mean, one_of};
use crate::config::value::{Invalid, quoted};

/// Where a cluster's endpoints come from. Its `Display` is the canonical form and parses to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Fixed addresses: at least one, none twice.
    Static(Vec<Address>),
    /// Every address of a name, asked again and again.
    Dns {
        /// The DNS server to ask; `None` means the servers of the system.
        server: Option<SocketAddr>,
        /// The name to look up, as written.
        host: String,
        /// The port that is common to all addresses of the name.
        port: u16,
    },
}

/// Where one endpoint listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket, by its path; one that begins with NUL is abstract.
    Unix(Arc<Path>),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl Target {
    /// A cluster name for a target that was given without one: the first label of its host, or its first
    /// address. The second form, with the port, serves when the first is taken.
    pub(super) fn derived_names(&self) -> [String; 2] {
        match self {
            Self::Dns { host, port, .. } => {
                let label = host.split('.').next().unwrap_or(host);
                [label.to_owned(), format!("{label}-{port}")]
            }
            Self::Static(addresses) => match addresses.first() {
                Some(Address::Tcp(first)) => {
                    [first.ip().to_string(), format!("{}-{}", first.ip(), first.port())]
                }
                Some(Address::Unix(path)) => {
                    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                    [name.clone(), format!("{name}-unix")]
                }
                None => Default::default(),
            },
        }
    }
}

impl FromStr for Target {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Invalid::new("expected a target, found nothing").help(FORMS));
        }
        match scheme(text) {
            None => host_and_port(text, text),
            Some(("dns", rest)) => dns(text, rest),
            Some(("ipv4", rest)) => ipv4(text, rest),
            Some((scheme, _)) if LATER.contains(&scheme) => Err(not_yet(scheme)),
            Some((scheme @ ("http" | "https" | "grpc" | "grpcs" | "tcp"), rest)) => {
                let host = rest.trim_start_matches('/').split('/').next().unwrap_or_default();
                let host =
                    if host.contains(':') || host.is_empty() { host.into() } else { format!("{host}:50051") };
                let host = if host.is_empty() { "orders:50051".into() } else { host };
                Err(Invalid::new(format!(
                    "expected a target, found {} with the scheme `{scheme}`",
                    quoted(text)
                ))
                .help(format!("write {} without a scheme", quoted(&host))))
            }
            Some((scheme, _)) => {
                let known: Vec<&str> = ["dns", "ipv4"].into_iter().chain(LATER).collect();
                Err(Invalid::new(format!(
                    "expected the scheme {}, found {}{}",
                    one_of(&["dns", "ipv4"]),
                    quoted(scheme),
                    did_you_mean(closest(scheme, &known))
                ))
                .help(FORMS))
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static(addresses) => {
                f.write_str("ipv4:")?;
                for (index, address) in addresses.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{address}")?;
                }
                Ok(())
            }
            Self::Dns { server: None, host, port } => write!(f, "dns:///{host}:{port}"),
            Self::Dns { server: Some(server), host, port } => write!(f, "dns://{server}/{host}:{port}"),
        }
    }
}

/// Splits `scheme:rest`. `host:port` has no scheme: after a scheme stands never a bare number.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_word = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-'));
    let known = ["dns", "ipv4"].contains(&scheme) || LATER.contains(&scheme);
    let is_port = is_number(rest);
    (is_word && !is_port && (known || rest.starts_with("//") || rest.contains(':'))).then_some((scheme, rest))
}

fn dns(text: &str, rest: &str) -> Result<Target, Invalid> {
    let Some(rest) = rest.strip_prefix("//") else {
        return host_and_port(text, rest);
    };
    let Some((server, name)) = rest.split_once('/') else {
        return Err(Invalid::new(format!("expected a name after the DNS server, found {}", quoted(text)))
            .help(format!(
                "write `dns:///{rest}` to ask the system's servers, or `dns://10.0.0.53:53/{rest}`"
            )));
    };
    let target = host_and_port(text, name)?;
    if server.is_empty() {
        return Ok(target);
    }
    let server = dns_server(server).ok_or_else(|| {
        Invalid::new(format!("expected the IP address of a DNS server, found {}", quoted(server))).help(
            "write `dns://10.0.0.53:53/orders:50051`, or `dns:///orders:50051` for the system's servers",
        )
    })?;
    Ok(match target {
        Target::Dns { host, port, .. } => Target::Dns { server: Some(server), host, port },
        fixed @ Target::Static(_) => fixed,
    })
}

fn dns_server(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = text.parse().ok().or_else(|| Some(SocketAddr::new(bare.parse().ok()?, 53)));
    address.filter(|address| address.port() != 0)
}

fn ipv4(text: &str, rest: &str) -> Result<Target, Invalid> {
    let mut addresses = Vec::new();
    for part in rest.trim_start_matches("//").trim_start_matches('/').split(',').map(str::trim) {
        let address = match part.parse::<SocketAddr>() {
            Ok(address) if address.is_ipv4() && address.port() != 0 => address,
            _ => {
                return Err(Invalid::new(format!(
                    "expected IPv4 addresses with ports, found {}",
                    quoted(part)
                ))
                .help("write `ipv4:10.0.0.1:50051,10.0.0.2:50051`"));
            }
        };
        let address = Address::Tcp(address);
        if addresses.contains(&address) {
            return Err(Invalid::new(format!(
                "expected each address once, found {address} twice in {}",
                quoted(text)
            )));
        }
        addresses.push(address);
    }
    Ok(Target::Static(addresses))
}

fn host_and_port(text: &str, name: &str) -> Result<Target, Invalid> {
    if name.starts_with('[') || name.matches(':').count() > 1 {
        return Err(not_yet("ipv6"));
    }
    let wrong = |what: &str| Invalid::new(format!("expected {what}, found {}", quoted(text)));
    let Some((host, port)) = name.split_once(':') else {
        let host = if is_host(name) { name } else { "orders" };
        return Err(wrong("a target with a port")
            .help(format!("write `{host}:50051`, with the port that the service listens on")));
    };
    if !is_host(host) {
        return Err(wrong("a host name and a port").help(FORMS));
    }
    let port = match port.parse::<u16>() {
        // The standard library takes a sign, too.
        Ok(number) if number != 0 && is_number(port) => number,
        _ => return Err(wrong("a port from 1 to 65535").help(format!("write `{host}:50051`"))),
    };
    Ok(match host.parse::<IpAddr>() {
        Ok(ip) => Target::Static(vec![SocketAddr::new(ip, port).into()]),
        Err(_) => Target::Dns { server: None, host: host.to_owned(), port },
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A name of RFC 1123, with the underscore that Docker and SRV names use, or an IPv4 address. A last
/// label of digits alone is an address or a mistake (the rule of the URL standard).
fn is_host(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let numeric = name.rsplit('.').next().is_some_and(|label| label.chars().all(|c| c.is_ascii_digit()));
    name.len() <= 253 && name.split('.').all(is_label) && (!numeric || host.parse::<IpAddr>().is_ok())
}

fn not_yet(scheme: &str) -> Invalid {
    Invalid::new(format!("targets of the scheme `{scheme}` are not supported yet")).help(FORMS)
}

/// Schemes that the full example shows or gRPC knows, and that a later version resolves.
const LATER: [&str; 6] = ["unix", "unix-abstract", "ipv6", "vsock", "k8s", "xds"];

const FORMS: &str = "write `orders:50051`, `dns:///orders:50051`, `dns://10.0.0.53:53/orders:50051` \
                     or `ipv4:10.0.0.1:50051,10.0.0.2:50051`";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn canonical_forms() {
        for (text, expected) in [
            ("orders:50051", "dns:///orders:50051"),
            (" orders:50051 ", "dns:///orders:50051"),
            ("orders.shop.svc.cluster.local.:80", "dns:///orders.shop.svc.cluster.local.:80"),
            ("my_service:1", "dns:///my_service:1"),
            ("localhost:50051", "dns:///localhost:50051"),
            ("dns:///orders:50051", "dns:///orders:50051"),
            ("dns:orders:50051", "dns:///orders:50051"),
            ("dns://127.0.0.1:5353/orders:50051", "dns://127.0.0.1:5353/orders:50051"),
            ("dns://127.0.0.1/orders:50051", "dns://127.0.0.1:53/orders:50051"),
            ("dns://[::1]/orders:50051", "dns://[::1]:53/orders:50051"),
            ("127.0.0.1:50051", "ipv4:127.0.0.1:50051"),
            ("dns:///127.0.0.1:50051", "ipv4:127.0.0.1:50051"),
            ("ipv4:127.0.0.1:1,127.0.0.2:2", "ipv4:127.0.0.1:1,127.0.0.2:2"),
            ("ipv4:127.0.0.1:1, 127.0.0.2:2", "ipv4:127.0.0.1:1,127.0.0.2:2"),
            ("ipv4:///127.0.0.1:1", "ipv4:127.0.0.1:1"),
            ("dns:50051", "dns:///dns:50051"),
        ] {
            let target: Target = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(target.to_string(), expected, "{text}");
            assert_eq!(expected.parse(), Ok(target), "{expected}");
        }
    }

    #[test]
    fn refusals() {
        for (text, message, help) in [
            ("", "expected a target, found nothing", "write `orders:50051`"),
            (
                "orders",
                "expected a target with a port, found `orders`",
                "write `orders:50051`, with the port",
            ),
            ("dns:///orders", "expected a target with a port, found `dns:///orders`", "write `orders:50051`"),
            ("orders:", "expected a port from 1 to 65535, found `orders:`", "write `orders:50051`"),
            ("orders:0", "expected a port from 1 to 65535, found `orders:0`", "write `orders:50051`"),
            ("orders:+1", "expected a port from 1 to 65535, found `orders:+1`", ""),
            ("orders:grpc", "expected a port from 1 to 65535, found `orders:grpc`", ""),
            ("orders:50051/", "expected a port from 1 to 65535, found `orders:50051/`", ""),
            ("or ders:1", "expected a host name and a port, found `or ders:1`", ""),
            ("10.0.0.256:1", "expected a host name and a port, found `10.0.0.256:1`", ""),
            (
                "http://orders:50051",
                "expected a target, found `http://orders:50051` with the scheme `http`",
                "write `orders:50051` without a scheme",
            ),
            ("dms:///orders:1", "expected the scheme `dns` or `ipv4`, found `dms`, did you mean `dns`?", ""),
            ("dns://orders:50051", "expected a name after the DNS server", "write `dns:///orders:50051`"),
            ("dns://coredns/orders:1", "expected the IP address of a DNS server, found `coredns`", ""),
            ("ipv4:", "expected IPv4 addresses with ports, found nothing", "write `ipv4:10.0.0.1"),
            ("ipv4:10.0.0.1", "expected IPv4 addresses with ports, found `10.0.0.1`", ""),
            ("ipv4:10.0.0.1:1,10.0.0.1:1", "expected each address once, found 10.0.0.1:1 twice", ""),
            ("unix:///run/orders.sock", "targets of the scheme `unix` are not supported yet", ""),
            ("unix:/run/orders.sock", "targets of the scheme `unix` are not supported yet", ""),
            ("ipv6:[::1]:50051", "targets of the scheme `ipv6` are not supported yet", ""),
            ("[::1]:50051", "targets of the scheme `ipv6` are not supported yet", ""),
            ("k8s:///orders.shop:50051", "targets of the scheme `k8s` are not supported yet", ""),
            ("xds:///orders", "targets of the scheme `xds` are not supported yet", ""),
        ] {
            let error = text.parse::<Target>().expect_err(text);
            assert!(error.message.starts_with(message), "{text}: {}", error.message);
            assert!(error.help.unwrap_or_default().starts_with(help), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_target_or_an_error(text in ".{0,60}") {
            if let Ok(target) = text.parse::<Target>() {
                prop_assert_eq!(target.to_string().parse(), Ok(target));
            }
        }

        #[test]
        fn near_targets_are_targets_or_errors(text in "(dns:|ipv4:)?/{0,3}[a-z0-9.:,\\[\\]]{0,20}/?[a-z0-9.:,]{0,20}") {
            if let Ok(target) = text.parse::<Target>() {
                prop_assert_eq!(target.to_string().parse(), Ok(target));
            }
        }
    }
}
