//! Targets by name: `host:port`, and SRV records for a name without a port.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::{FORMS, Target, is_number};
use crate::config::value::{Invalid, quoted};

/// What stands behind `dns:`.
pub(super) fn dns(text: &str, rest: &str) -> Result<Target, Invalid> {
    let Some(rest) = rest.strip_prefix("//") else {
        return named(text, rest);
    };
    let Some((server, name)) = rest.split_once('/') else {
        return Err(Invalid::new(format!("expected a name after the DNS server, found {}", quoted(text)))
            .help(format!(
                "write `dns:///{rest}` to ask the system's servers, or `dns://10.0.0.53:53/{rest}`"
            )));
    };
    let target = named(text, name)?;
    if server.is_empty() {
        return Ok(target);
    }
    let asked = dns_server(server).ok_or_else(|| {
        Invalid::new(format!("expected the IP address of a DNS server, found {}", quoted(server))).help(
            "write `dns://10.0.0.53:53/orders:50051`, or `dns:///orders:50051` for the system's servers",
        )
    })?;
    Ok(match target {
        Target::Dns { host, port, .. } => Target::Dns { server: Some(asked), host, port },
        Target::Srv { name, .. } => Target::Srv { server: Some(asked), name },
        fixed @ (Target::Static(_) | Target::File(_)) => fixed,
    })
}

/// `host:port`, without a scheme or behind one.
pub(super) fn host_and_port(text: &str, name: &str) -> Result<Target, Invalid> {
    let wrong = |what: &str| Invalid::new(format!("expected {what}, found {}", quoted(text)));
    if name.starts_with('[') || name.matches(':').count() > 1 {
        return match name.parse::<SocketAddr>() {
            Ok(address) if address.port() != 0 => Ok(Target::Static(vec![address.into()])),
            _ => {
                let bare = name.trim_start_matches('[').trim_end_matches(']');
                let example = bare.parse::<Ipv6Addr>().map_or("fd00::1".into(), |ip| ip.to_string());
                Err(wrong("an IPv6 address in brackets and a port")
                    .help(format!("write `[{example}]:50051`")))
            }
        };
    }
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
    if is_srv(host) {
        return Err(wrong("the name of an SRV record without a port")
            .help(format!("write `dns:///{host}`: the record says the port")));
    }
    Ok(match host.parse::<IpAddr>() {
        Ok(ip) => Target::Static(vec![SocketAddr::new(ip, port).into()]),
        Err(_) => Target::Dns { server: None, host: host.to_owned(), port },
    })
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

/// A name without a port has its ports in SRV records.
fn named(text: &str, name: &str) -> Result<Target, Invalid> {
    if name.contains(':') || !is_host(name) || name.parse::<IpAddr>().is_ok() {
        return host_and_port(text, name);
    }
    if name.starts_with('_') && !is_srv(name) {
        return Err(Invalid::new(format!("expected the name of an SRV record, found {}", quoted(text)))
            .help("write `dns:///_grpc._tcp.orders`, or `dns:///orders` for the same"));
    }
    let name = if is_srv(name) { name.to_owned() } else { format!("{SERVICE}.{name}") };
    Ok(Target::Srv { server: None, name })
}

/// `_service._proto.name` (RFC 2782).
fn is_srv(name: &str) -> bool {
    let mut labels = name.split('.');
    let is_tag = |label: Option<&str>| label.is_some_and(|label| label.starts_with('_') && label.len() > 1);
    is_tag(labels.next()) && is_tag(labels.next()) && labels.next().is_some_and(|label| !label.is_empty())
}

fn dns_server(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = text.parse().ok().or_else(|| Some(SocketAddr::new(bare.parse().ok()?, 53)));
    address.filter(|address| address.port() != 0)
}

/// Under which a service registers gRPC (gRFC A24 has `_grpclb`, Consul and Kubernetes name the port).
const SERVICE: &str = "_grpc._tcp";
