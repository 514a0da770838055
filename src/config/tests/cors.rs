//! `cors`: origins as operators write them, and what is said of wrong ones.

use std::time::Duration;

use crate::config::cors::{Cors, HostPattern, OriginPattern, PortPattern};
use crate::config::tests::{check as check_report, config, loaded};

/// What is said of the lines below `cors:`.
#[track_caller]
fn check(lines: &str, message: &str, help: Option<&str>) {
    let report = loaded(&format!("clusters: {{a: a:1}}\ncors:\n  {lines}\n")).expect_err(lines);
    let said: Vec<(&str, Option<&str>)> = report
        .diagnostics
        .iter()
        .map(|diagnostic| (diagnostic.message.as_str(), diagnostic.help.as_deref()))
        .collect();
    assert_eq!(said, [(message, help)], "{lines}");
}

#[track_caller]
fn check_origin(text: &str, scheme: &'static str, host: HostPattern, port: PortPattern) {
    let config = config(&format!("clusters: {{a: a:1}}\ncors: {{ allow_origins: [\"{text}\"] }}\n"));
    let expected = Cors::new(vec![OriginPattern::Of { scheme, host, port }]);
    assert_eq!(config.cors, Some(expected), "{text}");
}

#[test]
fn origins() {
    let exact = |host: &str| HostPattern::Exact(host.into());
    let below = |host: &str| HostPattern::Below(host.into());
    check_origin("https://shop.example.com", "https", exact("shop.example.com"), PortPattern::Default);
    check_origin("HTTPS://Shop.Example.com:443", "https", exact("shop.example.com"), PortPattern::Default);
    check_origin("http://localhost:*", "http", exact("localhost"), PortPattern::Any);
    check_origin("http://localhost:443", "http", exact("localhost"), PortPattern::Exact(443));
    check_origin("https://*.example.com", "https", below("example.com"), PortPattern::Default);
    check_origin("http://*.localhost:*", "http", below("localhost"), PortPattern::Any);
    check_origin("http://[0:0:0::1]:3000", "http", exact("[::1]"), PortPattern::Exact(3000));
    check_origin("capacitor://localhost", "capacitor", exact("localhost"), PortPattern::Default);
    let any = config("clusters: {a: a:1}\ncors: { allow_origins: [\"*\"], max_age: 10m }\n").cors;
    assert_eq!(any, Some(Cors { max_age: Duration::from_secs(600), ..Cors::new(vec![OriginPattern::Any]) }));
}

#[test]
fn without_the_block_there_is_none() {
    assert_eq!(config("clusters: {a: a:1}\n").cors, None);
}

#[test]
fn wrong_origins() {
    for (origin, message, help) in [
        (
            "https://a.test/",
            "expected an origin, which has no path, found `https://a.test/`",
            "write `https://a.test`",
        ),
        (
            "https://u:p@a.test",
            "expected an origin, which names no user, found `https://u:p@a.test`",
            "write `https://a.test`",
        ),
        (
            "a.test",
            "expected an origin with its scheme, found `a.test`",
            "write it as `https://shop.example.com`",
        ),
        (
            "htps://a.test",
            "expected an origin of a scheme that browsers have, found `htps://a.test`, did you mean `https`?",
            "the schemes are https, http, chrome-extension, moz-extension, safari-web-extension, capacitor, ionic, \
             tauri, app",
        ),
        (
            "null",
            "expected an origin that tells who asks, found `null`",
            "sandboxed frames and local files of any site are all called `null`",
        ),
        (
            "https://*",
            "expected a star in place of the first labels of the host, or of the port, found `https://*`",
            "write `https://*.example.com`, `http://localhost:*`, or `*` alone for every origin",
        ),
        (
            "https://shop-*.example.com",
            "expected a star in place of the first labels of the host, or of the port, found \
             `https://shop-*.example.com`",
            "write `https://*.example.com`, `http://localhost:*`, or `*` alone for every origin",
        ),
        (
            "https://bücher.example",
            "expected the host as browsers send it, found `https://bücher.example`",
            "write the name in punycode, such as `xn--bcher-kva.example`",
        ),
        (
            "https://a..test",
            "expected an origin with a host, found `https://a..test`",
            "write it as `https://shop.example.com`",
        ),
        (
            "https://",
            "expected an origin with a host, found `https://`",
            "write it as `https://shop.example.com`",
        ),
        (
            "http://[::g]",
            "expected an IPv6 address in the brackets, found `http://[::g]`",
            "write it as `http://[::1]:*`",
        ),
    ] {
        let lines = format!("allow_origins: [\"{origin}\"]");
        check(&lines, &format!("allow_origins: {message}"), Some(help));
    }
    for port in ["0", "65536", "", "80:80", "http"] {
        let lines = format!("allow_origins: [\"https://a.test:{port}\"]");
        let report = loaded(&format!("clusters: {{a: a:1}}\ncors: {{{lines}}}\n")).expect_err(port);
        assert_eq!(report.diagnostics.len(), 1, "{report}");
    }
}

#[test]
fn origins_have_to_be_named() {
    let help = "list the origins whose pages may call, such as `https://shop.example.com`; without the block \
                `cors` none may";
    check("allow_origins: []", "allow_origins: expected at least one origin, found none", Some(help));
    check("max_age: 1m", "cors: expected the key `allow_origins`, found none", Some(help));
    check(
        "allow_origins: https://a.test",
        "allow_origins: expected a list, found `https://a.test`",
        Some("write `[https://a.test]`"),
    );
}

#[test]
fn credentials_need_origins_that_are_someones() {
    let help = "list the origins that may send credentials, such as `https://shop.example.com`";
    for origin in ["*", "https://*.com"] {
        let lines =
            format!("{{ allow_origins: [\"https://a.test\", \"{origin}\"], allow_credentials: true }}");
        let message =
            format!("`allow_credentials` with the origin `{origin}` would let any site act as its visitors");
        check(&lines, &message, Some(help));
    }
    let fine = ["https://*.example.com", "http://*.localhost:*", "http://localhost:*"];
    for origin in fine {
        let lines = format!("{{ allow_origins: [\"{origin}\"], allow_credentials: true }}");
        assert!(config(&format!("clusters: {{a: a:1}}\ncors: {lines}\n")).cors.is_some(), "{origin}");
    }
}

#[test]
fn headers_have_names() {
    let origins = "allow_origins: [https://a.test]\n  ";
    let check = |line: &str, message: &str, help| check(&format!("{origins}{line}"), message, help);
    check(
        "allow_headers: [\"*\"]",
        "allow_headers: expected the name of a header, found `*`",
        Some("leave the key out to allow every header"),
    );
    check(
        "expose_headers: [\"*\"]",
        "expose_headers: expected the name of a header, found `*`",
        Some("the headers of a reply are exposed without being listed"),
    );
    check("allow_headers: [x y]", "allow_headers: expected the name of a header, found `x y`", None);
}

#[test]
fn everything_with_its_place() {
    check_report(
        "clusters: {a: a:1}
cors:
  allow_origins:
    - https://a.test/path
  allow_credential: true
",
        "error: allow_origins: expected an origin, which has no path, found `https://a.test/path`
 --> edgeway.yaml:4:7
  |
4 |     - https://a.test/path
  |       ^^^^^^^^^^^^^^^^^^^
  = help: write `https://a.test`

error: unknown key `allow_credential`, did you mean `allow_credentials`?
 --> edgeway.yaml:5:3
  |
5 |   allow_credential: true
  |   ^^^^^^^^^^^^^^^^
  = help: expected `allow_origins`, `allow_credentials`, `allow_headers`, `expose_headers`, `max_age` or \
`allow_private_network`",
    );
}
