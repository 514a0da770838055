//! Where a cluster's endpoints come from: the names of gRPC name resolution
//! (<https://github.com/grpc/grpc/blob/master/doc/naming.md>), and files.
//!
//! ```text
//! target = host ":" port                         as dns:///host:port; an IP address as ipv4: or ipv6:
//!        | "dns:" [ "///" ] host ":" port        its A and AAAA records
//!        | "dns:" [ "///" ] name                 its SRV records: those of _grpc._tcp.name, or of _service._proto.name
//!        | "dns://" server [ ":" port ] "/" ...  either, asked at that DNS server, port 53 by default
//!        | "ipv4:" address *( "," address )      address = a.b.c.d:port
//!        | "ipv6:" address *( "," address )      address = [a::b]:port
//!        | "unix:" path *( "," path )            relative to where the gateway is started, or absolute
//!        | "unix://" absolute-path *( "," path )
//!        | "unix-abstract:" name *( "," name )   Linux's sockets without a file
//!        | "file:" path | "file://" absolute-path    a list of endpoints, .yaml, .yml or .json
//! ```

mod address;
mod dns;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use crate::config::suggest::{closest, did_you_mean, one_of};
use crate::config::value::{Invalid, quoted};

pub use address::Address;

/// Where a cluster's endpoints come from. Its `Display` is the canonical form and parses to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Fixed addresses of one kind: at least one, none twice.
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
    /// What the SRV records of a name list, asked again and again.
    Srv {
        /// The DNS server to ask; `None` means the servers of the system.
        server: Option<SocketAddr>,
        /// `_service._proto.name`.
        name: String,
    },
    /// What a file lists, read again when it changes. See [`crate::config::Listed`].
    File(Arc<Path>),
}

impl Target {
    /// The name that stands for all endpoints: what a call carries as `:authority`, with the port where there is one,
    /// and what a certificate must name. `None` for addresses and files.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Dns { host, .. } => Some(host.trim_end_matches('.')),
            Self::Srv { name, .. } => {
                let host = name.splitn(3, '.').nth(2).unwrap_or(name);
                Some(host.trim_end_matches('.'))
            }
            Self::Static(_) | Self::File(_) => None,
        }
    }

    /// The target with the path of a file resolved against `folder`, as all paths of the configuration are.
    pub(super) fn below(self, folder: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(folder.join(path).into()),
            other => other,
        }
    }

    /// A cluster name for a target that was given without one: the first label of its host, or its first
    /// address. The second form, with the port, serves when the first is taken.
    pub(super) fn derived_names(&self) -> [String; 2] {
        let label = |host: &str| host.split('.').next().unwrap_or(host).to_owned();
        let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        match self {
            Self::Dns { host, port, .. } => [label(host), format!("{}-{port}", label(host))],
            Self::Srv { .. } => {
                let label = label(self.host().unwrap_or_default());
                [label.clone(), format!("{label}-srv")]
            }
            Self::File(path) => [stem(path), format!("{}-file", stem(path))],
            Self::Static(addresses) => match addresses.first() {
                Some(Address::Tcp(first)) => {
                    let ip = match first {
                        SocketAddr::V4(first) => first.ip().to_string(),
                        // No colon may stand in the name of a cluster.
                        SocketAddr::V6(first) => format!("ipv6-{}", first.ip().to_string().replace(':', "-")),
                    };
                    [ip.clone(), format!("{ip}-{}", first.port())]
                }
                Some(first @ Address::Unix(path)) => {
                    let name = match first.abstract_name() {
                        Some(name) => name.to_string_lossy().into_owned(),
                        None => stem(path),
                    };
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
            None => dns::host_and_port(text, text),
            Some(("dns", rest)) => dns::dns(text, rest),
            Some((scheme @ ("ipv4" | "ipv6"), rest)) => address::tcp_list(text, rest, scheme),
            Some(("unix", rest)) => address::unix_list(text, rest),
            Some(("unix-abstract", rest)) => address::abstract_list(text, rest),
            Some(("file", rest)) => file(text, rest),
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
                let known: Vec<&str> = SCHEMES.into_iter().chain(LATER).collect();
                Err(Invalid::new(format!(
                    "expected the scheme {}, found {}{}",
                    one_of(&SCHEMES),
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
        let from = |server: &Option<SocketAddr>| server.map_or_else(String::new, |server| server.to_string());
        match self {
            Self::Static(addresses) => {
                // Addresses of Unix sockets have their scheme themselves, which stands once.
                let scheme = match addresses.first() {
                    Some(Address::Tcp(SocketAddr::V6(_))) => "ipv6:",
                    Some(first @ Address::Unix(_)) if first.abstract_name().is_some() => "unix-abstract:",
                    Some(Address::Unix(_)) => "unix:",
                    Some(Address::Tcp(SocketAddr::V4(_))) | None => "ipv4:",
                };
                f.write_str(scheme)?;
                for (index, address) in addresses.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    let address = address.to_string();
                    write!(f, "{comma}{}", address.strip_prefix(scheme).unwrap_or(&address))?;
                }
                Ok(())
            }
            Self::Dns { server, host, port } => write!(f, "dns://{}/{host}:{port}", from(server)),
            Self::Srv { server, name } => write!(f, "dns://{}/{name}", from(server)),
            Self::File(path) if path.is_absolute() => write!(f, "file://{}", path.display()),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

/// Splits `scheme:rest`. `host:port` has no scheme: after a scheme stands never a bare number.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_word = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-'));
    let known = SCHEMES.contains(&scheme) || LATER.contains(&scheme);
    let is_port = is_number(rest);
    // An IPv6 address without its brackets is no scheme either.
    let is_ipv6 = text.parse::<std::net::Ipv6Addr>().is_ok();
    let is_scheme = is_word && !is_port && !is_ipv6;
    (is_scheme && (known || rest.starts_with("//") || rest.contains(':'))).then_some((scheme, rest))
}

fn file(text: &str, rest: &str) -> Result<Target, Invalid> {
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(path) => {
            return Err(Invalid::new(format!("expected `file:///` and a path, found {}", quoted(text)))
                .help(format!("write `file:///{path}`, or `file:{path}` for a relative path")));
        }
        None => rest,
    };
    let path = Path::new(path);
    let known = path.extension().and_then(|extension| extension.to_str());
    if !matches!(known, Some("yaml" | "yml" | "json")) || path.to_str().is_none_or(|path| path.contains('\0'))
    {
        return Err(Invalid::new(format!(
            "expected a file that ends in .yaml, .yml or .json, found {}",
            quoted(text)
        ))
        .help("write `file:///etc/edgeway/orders.yaml`"));
    }
    Ok(Target::File(path.into()))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn not_yet(scheme: &str) -> Invalid {
    Invalid::new(format!("targets of the scheme `{scheme}` are not supported yet")).help(FORMS)
}

const SCHEMES: [&str; 6] = ["dns", "ipv4", "ipv6", "unix", "unix-abstract", "file"];

/// Schemes that the full example shows or gRPC knows, and that a later version resolves.
const LATER: [&str; 3] = ["vsock", "k8s", "xds"];

const FORMS: &str = "write `orders:50051`, `dns:///orders:50051`, `ipv4:10.0.0.1:50051,10.0.0.2:50051`, \
                     `unix:///run/orders.sock` or `file:///etc/orders.yaml`";

#[cfg(test)]
mod tests;
