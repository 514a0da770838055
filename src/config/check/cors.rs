//! `cors`.

use std::net::Ipv6Addr;

use http::HeaderName;

use crate::config::cors::{Cors, HostPattern, OriginPattern, PortPattern};
use crate::config::document::Content;
use crate::config::keys::CORS;
use crate::config::problems::Problems;
use crate::config::suggest::{closest, did_you_mean};
use crate::config::table::{Table, list, read as read_value};
use crate::config::value::{Invalid, duration, quoted, switch};

/// The block `cors` of the file.
pub(super) fn read(root: &Table<'_>, problems: &mut Problems) -> Option<Cors> {
    let table = root.table("cors", &CORS, problems)?;
    let mut cors = Cors::new(origins(&table, problems));
    table.set("allow_credentials", &mut cors.allow_credentials, problems, switch);
    cors.allow_headers =
        headers(&table, "allow_headers", "leave the key out to allow every header", problems);
    let readable = "the headers of a reply are exposed without being listed";
    cors.expose_headers = headers(&table, "expose_headers", readable, problems).unwrap_or_default();
    table.set("max_age", &mut cors.max_age, problems, duration);
    table.set("allow_private_network", &mut cors.allow_private_network, problems, switch);
    credentials(&table, &cors, problems);
    Some(cors)
}

fn origins(table: &Table<'_>, problems: &mut Problems) -> Vec<OriginPattern> {
    let help = "list the origins whose pages may call, such as `https://shop.example.com`; without the block \
                `cors` none may";
    let Some(entry) = table.entry("allow_origins") else {
        let message = "cors: expected the key `allow_origins`, found none";
        problems.error(table.span(), message, Some(help.into()));
        return Vec::new();
    };
    let elements = list(&entry.value, "allow_origins", problems);
    if elements.is_empty() && matches!(entry.value.content, Content::List(_) | Content::Null) {
        let message = "allow_origins: expected at least one origin, found none";
        problems.error(entry.span, message, Some(help.into()));
    }
    elements.iter().filter_map(|node| read_value(node, "allow_origins", problems, origin)).collect()
}

/// A browser would refuse the first; the second lets whoever owns any name of a top-level domain act for visitors.
fn credentials(table: &Table<'_>, cors: &Cors, problems: &mut Problems) {
    let Some(entry) = table.entry("allow_credentials").filter(|_| cors.allow_credentials) else { return };
    let wide = cors.allow_origins.iter().find_map(|pattern| match pattern {
        OriginPattern::Any => Some("*".to_owned()),
        OriginPattern::Of { scheme, host: HostPattern::Below(domain), .. } => {
            (!domain.contains('.') && domain != "localhost").then(|| format!("{scheme}://*.{domain}"))
        }
        OriginPattern::Of { .. } => None,
    });
    if let Some(wide) = wide {
        let message =
            format!("`allow_credentials` with the origin `{wide}` would let any site act as its visitors");
        let help = "list the origins that may send credentials, such as `https://shop.example.com`";
        problems.error(entry.value.span, message, Some(help.into()));
    }
}

fn headers(
    table: &Table<'_>,
    key: &'static str,
    all: &'static str,
    problems: &mut Problems,
) -> Option<Vec<HeaderName>> {
    let entry = table.entry(key)?;
    let names = list(&entry.value, key, problems).iter();
    let header = |text: &str| {
        let wrong = || Invalid::new(format!("expected the name of a header, found {}", quoted(text)));
        if text == "*" {
            return Err(wrong().help(all));
        }
        HeaderName::from_bytes(text.as_bytes()).map_err(|_| wrong())
    };
    Some(names.filter_map(|node| read_value(node, key, problems, header)).collect())
}

fn origin(text: &str) -> Result<OriginPattern, Invalid> {
    let wrong = |expected: &str| Invalid::new(format!("expected {expected}, found {}", quoted(text)));
    match text {
        "*" => return Ok(OriginPattern::Any),
        "null" => {
            return Err(wrong("an origin that tells who asks")
                .help("sandboxed frames and local files of any site are all called `null`"));
        }
        _ => {}
    }
    let Some((found, authority)) = text.split_once("://") else {
        return Err(wrong("an origin with its scheme").help("write it as `https://shop.example.com`"));
    };
    let Some((scheme, default)) = SCHEMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(found)) else {
        let names = SCHEMES.map(|(name, _)| name);
        let near = did_you_mean(closest(found, &names));
        let message =
            format!("expected an origin of a scheme that browsers have, found {}{near}", quoted(text));
        return Err(Invalid::new(message).help(format!("the schemes are {}", names.join(", "))));
    };
    if let Some((host, _)) = authority.split_once(['/', '?', '#', '\\']) {
        return Err(wrong("an origin, which has no path").help(format!("write `{scheme}://{host}`")));
    }
    if let Some((_, host)) = authority.rsplit_once('@') {
        return Err(wrong("an origin, which names no user").help(format!("write `{scheme}://{host}`")));
    }
    let host_end = match authority.find(']') {
        Some(bracket) => bracket + 1,
        None => authority.rfind(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at_checked(host_end).unwrap_or((authority, ""));
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => PortPattern::Default,
        Some("*") => PortPattern::Any,
        Some(port) => match port.parse::<u16>() {
            Ok(port) if Some(port) == *default => PortPattern::Default,
            Ok(port @ 1..) => PortPattern::Exact(port),
            _ => return Err(wrong("a port from 1 to 65535 or `*`")),
        },
        None => return Err(wrong("a port behind a colon")),
    };
    Ok(OriginPattern::Of { scheme, host: host_pattern(host).map_err(|why| why.of(text))?, port })
}

/// What is wrong with the host of an origin.
pub(super) struct Unfit {
    expected: &'static str,
    help: &'static str,
}

impl Unfit {
    fn of(self, text: &str) -> Invalid {
        Invalid::new(format!("expected {}, found {}", self.expected, quoted(text))).help(self.help)
    }
}

pub(super) fn host_pattern(host: &str) -> Result<HostPattern, Unfit> {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').and_then(|address| address.parse::<Ipv6Addr>().ok());
        let unfit =
            Unfit { expected: "an IPv6 address in the brackets", help: "write it as `http://[::1]:*`" };
        return address.map(|address| HostPattern::Exact(format!("[{address}]"))).ok_or(unfit);
    }
    let (below, name) = match host.strip_prefix("*.") {
        Some(name) => (true, name),
        None => (false, host),
    };
    if name.contains('*') {
        return Err(Unfit {
            expected: "a star in place of the first labels of the host, or of the port",
            help: "write `https://*.example.com`, `http://localhost:*`, or `*` alone for every origin",
        });
    }
    if !name.is_ascii() {
        return Err(Unfit {
            expected: "the host as browsers send it",
            help: "write the name in punycode, such as `xn--bcher-kva.example`",
        });
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if name.split('.').any(|label| label.is_empty() || !label.bytes().all(plain)) {
        return Err(Unfit {
            expected: "an origin with a host",
            help: "write it as `https://shop.example.com`",
        });
    }
    let name = name.to_ascii_lowercase();
    Ok(if below { HostPattern::Below(name) } else { HostPattern::Exact(name) })
}

/// The schemes that pages come by, with the port that goes without saying: those of the web, of browser extensions, and
/// of the shells that make applications of pages.
const SCHEMES: [(&str, Option<u16>); 9] = [
    ("https", Some(443)),
    ("http", Some(80)),
    ("chrome-extension", None),
    ("moz-extension", None),
    ("safari-web-extension", None),
    ("capacitor", None),
    ("ionic", None),
    ("tauri", None),
    ("app", None),
];
