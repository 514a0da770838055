//! `clusters.NAME.tls`.

use std::net::IpAddr;
use std::path::Path;

use crate::config::check::cluster::path;
use crate::config::problems::Problems;
use crate::config::table::Table;
use crate::config::value::{Invalid, choice, quoted};
use crate::config::{ClientTls, Identity};

/// Relative paths are relative to `folder`.
pub(super) fn read(table: &Table<'_>, folder: &Path, problems: &mut Problems) -> ClientTls {
    let mut tls = ClientTls::default();
    let modes = [("verify", false), ("insecure", true)];
    table.set("mode", &mut tls.insecure, problems, |text| choice(text, &modes));
    tls.ca_file = table.read("ca_file", problems, |text| path(text, folder));
    tls.server_name = table.read("server_name", problems, server_name);
    if let Some(entry) = table.entry("ca_file").filter(|_| tls.insecure) {
        let message = "`ca_file` is not looked at with `mode: insecure`, which trusts whoever answers";
        problems.error(entry.span, message, Some("leave out one of the two".into()));
    }
    let cert_file = table.read("client_cert_file", problems, |text| path(text, folder));
    let key_file = table.read("client_key_file", problems, |text| path(text, folder));
    for (given, other) in [("client_cert_file", "client_key_file"), ("client_key_file", "client_cert_file")] {
        if let Some(entry) = table.entry(given).filter(|_| table.entry(other).is_none()) {
            let message = format!("expected `{other}` beside `{given}`, found none");
            let help = "a certificate and its key are given together";
            problems.error(entry.span, message, Some(help.into()));
        }
    }
    tls.identity = cert_file.zip(key_file).map(|(cert_file, key_file)| Identity { cert_file, key_file });
    tls
}

/// A name of DNS or an address, without a port.
fn server_name(text: &str) -> Result<String, Invalid> {
    let label = |label: &str| {
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        label.len() <= 63
            && label.chars().all(plain)
            && edge(label.chars().next())
            && edge(label.chars().next_back())
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    if text.parse::<IpAddr>().is_ok() || name.len() <= 253 && name.split('.').all(label) {
        return Ok(name.to_owned());
    }
    let wrong = Invalid::new(format!("expected the name of a host, found {}", quoted(text)));
    Err(wrong
        .help("write the name that stands in the certificate, such as `orders.internal`, without a port"))
}
