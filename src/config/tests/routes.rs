//! `routes`: what is said of wrong ones.

use crate::config::tests::{config, loaded};
use crate::config::{HeaderTest, Mirror};

/// What is said of one route, the keys of which are these.
#[track_caller]
fn check(keys: &str, expected: &[(&str, Option<&str>)]) {
    let report =
        loaded(&format!("clusters: {{ a: a:1, b: b:1 }}\nroutes: [{{ {keys} }}]\n")).expect_err(keys);
    let said: Vec<(&str, Option<&str>)> = report
        .diagnostics
        .iter()
        .map(|diagnostic| (diagnostic.message.as_str(), diagnostic.help.as_deref()))
        .collect();
    assert_eq!(said, expected, "{keys}");
}

#[test]
fn where_to() {
    let both = Some("write `cluster: orders`, or `weighted_clusters: [{ name: orders, weight: 95 }, ...]`");
    check("name: x", &[("routes[]: expected the key `cluster` or `weighted_clusters`, found none", both)]);
    check(
        "name: x, cluster: a, weighted_clusters: []",
        &[("routes[]: expected `cluster` or `weighted_clusters`, found both", both)],
    );
    check("name: x, cluster: bb", &[("expected the name of a cluster, found `bb`, did you mean `b`?", None)]);
    check(
        "name: x, cluster: a, mirror: { cluster: c }",
        &[("expected the name of a cluster, found `c`, did you mean `a`?", None)],
    );
    check("cluster: a", &[("routes[]: expected the key `name`, found none", Some("add `name` (text)"))]);
    check(
        "name: x y, cluster: a",
        &[("name: expected a name of letters, digits, `.`, `_` and `-`, found `x y`", None)],
    );
    check("name: x, cluster: a }, { name: x, cluster: b", &[("two routes have the name `x`", None)]);
}

#[test]
fn shares() {
    check(
        "name: x, weighted_clusters: [{ name: a, weight: 0 }, { name: b, weight: 0 }]",
        &[("weighted_clusters: expected at least one cluster with a weight above zero, found none", None)],
    );
    check(
        "name: x, weighted_clusters: []",
        &[("weighted_clusters: expected at least one cluster with a weight above zero, found none", None)],
    );
    check(
        "name: x, weighted_clusters: [{ name: a, weight: 1000001 }]",
        &[("weight: expected a number from 0 to 1000000, found `1000001`", None)],
    );
    check(
        "name: x, weighted_clusters: [{ name: a, weight: 1 }, { name: a, weight: 2 }]",
        &[("weighted_clusters: the cluster `a` is listed twice", Some("give it the sum of both weights"))],
    );
    check(
        "name: x, cluster: a, sticky_header: user-id",
        &[("sticky_header: there is nothing to choose from", Some("list at least two `weighted_clusters`"))],
    );
}

#[test]
fn headers() {
    let seen = Some("routes see the metadata of a call: what a backend would");
    for (name, message, help) in [
        (
            "x-a-bin",
            "headers: expected the name of a header with a text, found `x-a-bin`",
            Some("binary metadata is never matched"),
        ),
        ("a b", "headers: expected the name of a header, found `a b`", None),
        ("Host", "headers: expected a header that reaches backends, found `Host`", {
            Some("the host is matched by `hosts`")
        }),
        ("origin", "headers: expected a header that reaches backends, found `origin`", seen),
        ("grpc-timeout", "headers: expected a header that reaches backends, found `grpc-timeout`", seen),
        (
            "x-forwarded-for",
            "headers: expected a header that reaches backends, found `x-forwarded-for`",
            seen,
        ),
    ] {
        check(&format!("name: x, cluster: a, match: {{ headers: {{ {name}: v }} }}"), &[(message, help)]);
    }
    for (value, message, help) in [
        (
            "{ prefix: a, suffix: b }",
            "headers: expected one of `exact`, `prefix`, `suffix`, `present`, `regex` or `range`, found prefix and \
             suffix",
            None,
        ),
        (
            "{ invert: true }",
            "headers: expected one of `exact`, `prefix`, `suffix`, `present`, `regex` or `range`, found none",
            None,
        ),
        (
            "{ prefix: '' }",
            "prefix: expected a part of a value, found nothing",
            Some("write `present: true`"),
        ),
        ("{ range: { start: 5, end: 5 } }", "range: expected an end above the start, found 5..5", {
            Some("the end itself is not part of the range")
        }),
        ("{ range: { start: 1.5, end: 5 } }", "start: expected a whole number, found `1.5`", None),
        (
            "{ regex: 'a[' }",
            "regex: expected a regular expression, found `a[`: unclosed character class",
            None,
        ),
        ("tea ☕", "headers: expected the value of a header, found `tea ☕`", {
            Some("metadata is ASCII, and has no space around it")
        }),
        ("[v2]", "headers: expected one value, found a list", None),
    ] {
        check(&format!("name: x, cluster: a, match: {{ headers: {{ x-v: {value} }} }}"), &[(message, help)]);
    }
    check(
        "name: x, cluster: a, match: { headers: { x-v: a, X-V: b } }",
        &[("headers: `x-v` is given twice", None)],
    );
    let config = config(
        "clusters: { a: a:1 }\nroutes: [{ name: x, cluster: a, match: { headers: { x-empty: '' } } }]\n",
    );
    let route = config.routes.first().expect("a route");
    assert_eq!(route.headers.first().map(|header| &header.test), Some(&HeaderTest::Exact(String::new())));
}

#[test]
fn hosts() {
    let help = Some("write `api.example.com`, `*.example.com`, `[::1]` or `*`");
    for (host, message) in [
        ("https://a.test", "hosts: expected a host without scheme and port, found `https://a.test`"),
        ("a.test:8080", "hosts: expected a host without scheme and port, found `a.test:8080`"),
        ("'a.*'", "hosts: expected a host without scheme and port, found `a.*`"),
    ] {
        check(&format!("name: x, cluster: a, match: {{ hosts: [{host}] }}"), &[(message, help)]);
    }
    check(
        "name: x, cluster: a, match: { hosts: [] }",
        &[("hosts: expected at least one host, found none", Some("leave the key out for every host"))],
    );
}

#[test]
fn fractions() {
    for (fraction, help) in [
        ("1.1", "write `0.01` for one call in a hundred"),
        ("-0.1", "write `0.01` for one call in a hundred"),
        ("5%", "write `0.01` for one call in a hundred"),
        ("NaN", "write `0.01` for one call in a hundred"),
        ("0.0000001", "the least share is one call in a million, `0.000001`"),
    ] {
        let message = format!("fraction: expected a number from 0 to 1, found `{fraction}`");
        check(
            &format!("name: x, cluster: a, mirror: {{ cluster: b, fraction: {fraction} }}"),
            &[(&message, Some(help))],
        );
    }
    for (fraction, per_million) in [("", 1_000_000), (", fraction: 0.25", 250_000), (", fraction: 0", 0)] {
        let text = format!(
            "clusters: {{ a: a:1 }}\nroutes: [{{ name: x, cluster: a, mirror: {{ cluster: a{fraction} }} }}]\n"
        );
        let mirror = config(&text).routes.into_iter().next().and_then(|route| route.mirror);
        assert_eq!(mirror, Some(Mirror { cluster: "a".into(), per_million }), "{fraction}");
    }
}
