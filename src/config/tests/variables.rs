//! Places in a file with variables.

use crate::config::tests::{check, config};

/// Places stay true behind what is filled in.
#[test]
fn substitutions() {
    check(
        r#"clusters: {a: '${UNSET}'}
"#,
        r#"error: variable `UNSET` is not set
 --> edgeway.yaml:1:15
  |
1 | clusters: {a: '${UNSET}'}
  |               ^^^^^^^^^^
  = help: set it, or write `${UNSET:-default}`; a literal dollar is written `$$`"#,
    );
    check(
        r#"clusters:
  a: ${UNSET:?say where a is}
"#,
        r#"error: variable `UNSET` is not set or empty: say where a is
 --> edgeway.yaml:2:6
  |
2 |   a: ${UNSET:?say where a is}
  |      ^^^^^^^^^^^^^^^^^^^^^^^^"#,
    );
    check(
        r#"clusters:
  a: ${HOST}:grpc
"#,
        r#"error: clusters.a: expected a port from 1 to 65535, found `orders:grpc`
 --> edgeway.yaml:2:6
  |
2 |   a: ${HOST}:grpc
  |      ^^^^^^^^^^^^
  = help: write `orders:50051`"#,
    );
    check(
        r#"clusters: {a: {target: "${HOST}:1", expose: ["${HOST}.*", "${HOST}"], conect_timeout: 1s}}
"#,
        r#"error: expose: expected a selector, found `orders`
 --> edgeway.yaml:1:59
  |
1 | clusters: {a: {target: "${HOST}:1", expose: ["${HOST}.*", "${HOST}"], conect_timeout: 1s}}
  |                                                           ^^^^^^^^^
  = help: one name alone is no method; for all below it write `orders.*`

error: unknown key `conect_timeout`, did you mean `connect_timeout`?
 --> edgeway.yaml:1:71
  |
1 | clusters: {a: {target: "${HOST}:1", expose: ["${HOST}.*", "${HOST}"], conect_timeout: 1s}}
  |                                                                       ^^^^^^^^^^^^^^
  = help: expected `target`, `dns_refresh_rate`, `respect_dns_ttl`, `drain_timeout`, `connect_timeout`, `connections_per_endpoint`, `max_connection_age`, `http2`, `tls`, `required`, `expose`, `descriptors`, `slow_start_window`, `slow_start`, `locality`, `subset_size`, `healthy_panic_threshold`, `session_affinity`, `hash_balance_factor`, `health_checks`, `outlier_detection`, `circuit_breakers`, `adaptive_concurrency` or `service_config`"#,
    );
    check(
        r#"# ${UNSET} in a comment
clusters: {a: a:1}
listen: "${LONG}${LONG}" # ${UNSET}
"#,
        r#"error: listen: expected an address such as `0.0.0.0:8080`, found `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…`
 --> edgeway.yaml:3:9
  |
3 | listen: "${LONG}${LONG}" # ${UNSET}
  |         ^^^^^^^^^^^^^^^^
  = help: write an IP address or `localhost`, a colon and a port"#,
    );
    check(
        r#"clusters: {a: a:1}
listen: ${HOST:-0.0.0.0:1
"#,
        r#"error: expected `}` after `${`, found `${HOST:-0.0.0.0:1`
 --> edgeway.yaml:2:9
  |
2 | listen: ${HOST:-0.0.0.0:1
  |         ^^^^^^^^^^^^^^^^^
  = help: close it on the same line; a literal dollar is written `$$`"#,
    );
    check(
        r#"clusters:
  ${HOST}: a:1
"#,
        r#"error: clusters: expected a name of letters, digits, `.`, `_` and `-`, found `${HOST}`
 --> edgeway.yaml:2:3
  |
2 |   ${HOST}: a:1
  |   ^^^^^^^"#,
    );
    check(
        r#"clusters: {a: "${TRICKY}"}
"#,
        r#"error: clusters.a: expected the scheme `dns`, `ipv4`, `ipv6`, `unix`, `unix-abstract` or `file`, found `a`
 --> edgeway.yaml:1:15
  |
1 | clusters: {a: "${TRICKY}"}
  |               ^^^^^^^^^^^
  = help: write `orders:50051`, `dns:///orders:50051`, `ipv4:10.0.0.1:50051,10.0.0.2:50051`, `unix:///run/orders.sock` or `file:///etc/orders.yaml`"#,
    );
    check(
        r#"clusters: {a: $$HOST}
"#,
        r#"error: clusters.a: expected a target with a port, found `$HOST`
 --> edgeway.yaml:1:15
  |
1 | clusters: {a: $$HOST}
  |               ^^^^^^
  = help: write `orders:50051`, with the port that the service listens on"#,
    );
}

/// What an expression becomes as a target, in every style of scalar.
#[test]
fn expansions() {
    for (value, expected) in [
        ("${HOST}:1", "dns:///orders:1"),
        ("'${HOST}:1'", "dns:///orders:1"),
        ("\"${HOST}:1\"", "dns:///orders:1"),
        ("${UNSET:-users:2}", "dns:///users:2"),
        ("${EMPTY:-users:2}", "dns:///users:2"),
        ("${EMPTY-users:2}users:3", "dns:///users:3"),
        ("${HOST:?where}:1", "dns:///orders:1"),
        ("${UNSET:-${HOST}:4}", "dns:///orders:4"),
        (">-\n      ${HOST}:1", "dns:///orders:1"),
        ("{target: ${HOST}:1}", "dns:///orders:1"),
        ("${UNSET:-dns://10.0.0.1/${HOST}:1}", "dns://10.0.0.1:53/orders:1"),
    ] {
        let text = format!("clusters:\n  a: {value}\n");
        let config = config(&text);
        assert_eq!(
            config.clusters.iter().map(|c| c.target.to_string()).collect::<Vec<_>>(),
            [expected],
            "{text}"
        );
    }
    let config =
        config("clusters: {a: {target: a:1, expose: [\"${HOST}.*\", ${UNSET:-shop.v1.Orders}, shop.*]}}");
    let exposed = config.clusters.iter().flat_map(|c| c.expose.iter().flatten()).map(ToString::to_string);
    assert_eq!(exposed.collect::<Vec<_>>(), ["orders.*", "shop.v1.Orders", "shop.*"]);
}
