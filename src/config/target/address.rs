//! Where one endpoint listens, and targets that are lists of such places.

use std::ffi::OsStr;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use super::Target;
use crate::config::value::{Invalid, quoted};

/// Where one endpoint listens. Its `Display` is a target and parses to itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// TCP.
    Tcp(SocketAddr),
    /// A Unix socket, by its path; one that begins with NUL is abstract.
    Unix(Arc<Path>),
}

impl Address {
    /// The name of a Unix socket in the abstract namespace.
    pub(super) fn abstract_name(&self) -> Option<&OsStr> {
        match self {
            Self::Unix(path) => path.as_os_str().as_bytes().strip_prefix(b"\0").map(OsStr::from_bytes),
            Self::Tcp(_) => None,
        }
    }

    fn unix(path: &str) -> Result<Self, Invalid> {
        if path.is_empty() || path.contains('\0') {
            return Err(Invalid::new(format!("expected the path of a socket, found {}", quoted(path)))
                .help("write `unix:///run/orders.sock`"));
        }
        // `//a` is `/a`, and behind `unix:` it would look like the start of `unix:///a`.
        let relative = path.trim_start_matches('/');
        let path = if relative.len() == path.len() { path.to_owned() } else { format!("/{relative}") };
        check_length(&path)?;
        Ok(Self::Unix(Path::new(&path).into()))
    }

    fn unix_abstract(name: &str) -> Result<Self, Invalid> {
        if name.is_empty() || name.contains('\0') {
            return Err(Invalid::new(format!("expected the name of a socket, found {}", quoted(name)))
                .help("write `unix-abstract:orders`"));
        }
        check_length(name)?;
        Ok(Self::Unix(Path::new(&format!("\0{name}")).into()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.abstract_name()) {
            (Self::Tcp(address), _) => address.fmt(f),
            (Self::Unix(_), Some(name)) => write!(f, "unix-abstract:{}", name.display()),
            (Self::Unix(path), None) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// An IP address with its port, or a Unix socket with its scheme; no name.
impl FromStr for Address {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if let Some(name) = text.strip_prefix("unix-abstract:") {
            return Self::unix_abstract(name);
        }
        if let Some(rest) = text.strip_prefix("unix:") {
            return Self::unix(unix_path(text, rest)?);
        }
        match text.parse::<SocketAddr>() {
            Ok(address) if address.port() != 0 => Ok(Self::Tcp(address)),
            _ => Err(Invalid::new(format!(
                "expected an IP address with its port, or a Unix socket, found {}",
                quoted(text)
            ))
            .help("write `10.0.0.1:50051`, `[fd00::1]:50051` or `unix:///run/orders.sock`")),
        }
    }
}

/// `ipv4:` and `ipv6:`.
pub(super) fn tcp_list(text: &str, rest: &str, scheme: &str) -> Result<Target, Invalid> {
    let (version, example, v4) = match scheme {
        "ipv6" => ("IPv6", "ipv6:[fd00::1]:50051,[fd00::2]:50051", false),
        _ => ("IPv4", "ipv4:10.0.0.1:50051,10.0.0.2:50051", true),
    };
    let rest = rest.trim_start_matches("//").trim_start_matches('/');
    list(text, rest, |part| match part.parse::<SocketAddr>() {
        Ok(address) if address.is_ipv4() == v4 && address.port() != 0 => Ok(Address::Tcp(address)),
        _ => Err(Invalid::new(format!("expected {version} addresses with ports, found {}", quoted(part)))
            .help(format!("write `{example}`"))),
    })
}

/// `unix:path`, `unix:///absolute/path`, and several of them.
pub(super) fn unix_list(text: &str, rest: &str) -> Result<Target, Invalid> {
    list(text, unix_path(text, rest)?, |part| {
        refuse_scheme(text, part)?;
        Address::unix(part)
    })
}

/// What stands behind `unix:` without the `//` before an absolute path.
fn unix_path<'a>(text: &str, rest: &'a str) -> Result<&'a str, Invalid> {
    match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => Ok(path),
        Some(path) => Err(Invalid::new(format!("expected `unix:///` and a path, found {}", quoted(text)))
            .help(format!("write `unix:///{path}`, or `unix:{path}` for a relative path"))),
        None => Ok(rest),
    }
}

/// `unix-abstract:name`, and several of them.
pub(super) fn abstract_list(text: &str, rest: &str) -> Result<Target, Invalid> {
    list(text, rest, |part| {
        refuse_scheme(text, part)?;
        Address::unix_abstract(part)
    })
}

fn list(text: &str, rest: &str, parse: impl Fn(&str) -> Result<Address, Invalid>) -> Result<Target, Invalid> {
    let mut addresses = Vec::new();
    for part in rest.split(',').map(str::trim) {
        let address = parse(part)?;
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

/// A list has one scheme, which stands before it; a second one in it would be taken for a path.
fn refuse_scheme(text: &str, part: &str) -> Result<(), Invalid> {
    let schemes = ["ipv4:", "ipv6:", "unix:", "unix-abstract:", "dns:", "file:"];
    match schemes.iter().find(|scheme| part.starts_with(**scheme)) {
        Some(scheme) => {
            Err(Invalid::new(format!("expected addresses of one kind, found {scheme} in {}", quoted(text)))
                .help("list them in a file, and write `file:///etc/edgeway/orders.yaml`"))
        }
        None => Ok(()),
    }
}

/// What `sockaddr_un` has room for, with a NUL before or behind it.
fn check_length(path: &str) -> Result<(), Invalid> {
    if path.len() < SUN_PATH {
        return Ok(());
    }
    Err(Invalid::new(format!(
        "expected the path of a socket of at most {} bytes, found {}",
        SUN_PATH - 1,
        path.len()
    ))
    .help("move the socket, or write a relative path"))
}

const SUN_PATH: usize = 108;
