//! Values of the wrong shape, and the YAML around them.

use crate::config::tests::check;

/// A value of another shape than its key wants.
#[test]
fn wrong_types() {
    check(
        r#"orders:50051
"#,
        r#"error: the file: expected a table, found `orders:50051`
 --> edgeway.yaml:1:1
  |
1 | orders:50051
  | ^^^^^^^^^^^^
  = help: write a table with `version`, `listen`, `listeners`, `admin`, `clusters`, `routes`, `policies`, `http`, `rest`, `cors`, `grpc`, `runtime`, `shutdown` or `telemetry`"#,
    );
    check(
        r#"- clusters
"#,
        r#"error: the file: expected a table, found a list
 --> edgeway.yaml:1:1
  |
1 | - clusters
  | ^
  = help: write a table with `version`, `listen`, `listeners`, `admin`, `clusters`, `routes`, `policies`, `http`, `rest`, `cors`, `grpc`, `runtime`, `shutdown` or `telemetry`"#,
    );
    check(
        r#"clusters: orders:50051
"#,
        r#"error: clusters: expected a table of names and targets, found `orders:50051`
 --> edgeway.yaml:1:11
  |
1 | clusters: orders:50051
  |           ^^^^^^^^^^^^
  = help: write `orders: orders:50051` below `clusters:`"#,
    );
    check(
        r#"clusters: [orders:50051]
"#,
        r#"error: clusters: expected a table of names and targets, found a list
 --> edgeway.yaml:1:11
  |
1 | clusters: [orders:50051]
  |           ^
  = help: write `orders: orders:50051` below `clusters:`"#,
    );
    check(
        r#"clusters:
  orders: [orders:50051]
"#,
        r#"error: clusters.NAME: expected a table, found a list
 --> edgeway.yaml:2:11
  |
2 |   orders: [orders:50051]
  |           ^
  = help: write a table with `target`, `dns_refresh_rate`, `respect_dns_ttl`, `drain_timeout`, `connect_timeout`, `connections_per_endpoint`, `max_connection_age`, `http2`, `tls`, `required`, `expose`, `descriptors`, `slow_start_window`, `slow_start`, `locality`, `subset_size`, `healthy_panic_threshold`, `session_affinity`, `hash_balance_factor`, `health_checks`, `outlier_detection`, `circuit_breakers`, `adaptive_concurrency` or `service_config`"#,
    );
    check(
        r#"clusters:
  orders:
"#,
        r#"error: clusters.orders: expected a target, found nothing
 --> edgeway.yaml:2:9
  |
2 |   orders:
  |         ^
  = help: write `orders:50051`, `dns:///orders:50051`, `ipv4:10.0.0.1:50051,10.0.0.2:50051`, `unix:///run/orders.sock` or `file:///etc/orders.yaml`"#,
    );
    check(
        r#"clusters:
  orders:
    target: [orders:50051]
    expose: shop.v1.*
    descriptors: auto
"#,
        r#"error: target: expected one value, found a list
 --> edgeway.yaml:3:13
  |
3 |     target: [orders:50051]
  |             ^

error: expose: expected a list, found `shop.v1.*`
 --> edgeway.yaml:4:13
  |
4 |     expose: shop.v1.*
  |             ^^^^^^^^^
  = help: write `[shop.v1.*]`

error: clusters.NAME.descriptors: expected a table, found `auto`
 --> edgeway.yaml:5:18
  |
5 |     descriptors: auto
  |                  ^^^^
  = help: write a table with `reflection`, `refresh_interval`, `protosets` or `protos`"#,
    );
    check(
        r#"clusters:
  orders: {dns_refresh_rate: 5s}
"#,
        r#"error: clusters.NAME: expected the key `target`, found none
 --> edgeway.yaml:2:11
  |
2 |   orders: {dns_refresh_rate: 5s}
  |           ^
  = help: add `target` (target)"#,
    );
    check(
        r#"clusters:
  orders: {target: orders:50051, expose: []}
"#,
        r#"error: expose: expected at least one selector, found none
 --> edgeway.yaml:2:34
  |
2 |   orders: {target: orders:50051, expose: []}
  |                                  ^^^^^^
  = help: leave the key out to expose everything but `grpc.*`"#,
    );
    check(
        r#"clusters:
  orders: {target: orders:50051, service_config: {loadBalancingConfig: {round_robin: {}}}}
"#,
        r#"error: loadBalancingConfig: expected a list, found a table
 --> edgeway.yaml:2:72
  |
2 |   orders: {target: orders:50051, service_config: {loadBalancingConfig: {round_robin: {}}}}
  |                                                                        ^
  = help: begin each element with a dash"#,
    );
    check(
        r#"clusters:
  orders: {target: orders:50051, service_config: {loadBalancingConfig: []}}
"#,
        r#"error: loadBalancingConfig: expected at least one policy, found none
 --> edgeway.yaml:2:72
  |
2 |   orders: {target: orders:50051, service_config: {loadBalancingConfig: []}}
  |                                                                        ^
  = help: leave the key out for `least_request`"#,
    );
    check(
        r#"clusters:
  orders: {target: orders:50051, service_config: {loadBalancingConfig: [round_robin]}}
"#,
        r#"error: loadBalancingConfig: expected a table of one key, found `round_robin`
 --> edgeway.yaml:2:73
  |
2 |   orders: {target: orders:50051, service_config: {loadBalancingConfig: [round_robin]}}
  |                                                                         ^^^^^^^^^^^
  = help: write `[{least_request: {}}]`"#,
    );
    check(
        r#"clusters:
  orders: {target: orders:50051, service_config: {loadBalancingConfig: [{round_robin: {}, pick_first: {}}]}}
"#,
        r#"error: loadBalancingConfig: expected tables of one key, found one of another number
 --> edgeway.yaml:2:73
  |
2 |   orders: {target: orders:50051, service_config: {loadBalancingConfig: [{round_robin: {}, pick_first: {}}]}}
  |                                                                         ^
  = help: write `[{least_request: {}}]`"#,
    );
    check(
        r#"clusters: {a: a:1}
listeners: {name: public, address: 0.0.0.0:80}
"#,
        r#"error: listeners: expected a list, found a table
 --> edgeway.yaml:2:12
  |
2 | listeners: {name: public, address: 0.0.0.0:80}
  |            ^
  = help: begin each element with a dash"#,
    );
    check(
        r#"clusters: {a: a:1}
listeners: []
"#,
        r#"error: expected at least one listener, found none
 --> edgeway.yaml:2:1
  |
2 | listeners: []
  | ^^^^^^^^^
  = help: leave the key out to listen on 0.0.0.0:8080"#,
    );
    check(
        r#"clusters: {a: a:1}
listen: {address: 0.0.0.0:80}
"#,
        r#"error: listen: expected one value, found a table
 --> edgeway.yaml:2:9
  |
2 | listen: {address: 0.0.0.0:80}
  |         ^"#,
    );
    check(
        r#"clusters: {a: a:1}
policies: {selector: '*'}
"#,
        r#"error: policies: expected a list, found a table
 --> edgeway.yaml:2:11
  |
2 | policies: {selector: '*'}
  |           ^
  = help: begin each element with a dash"#,
    );
    check(
        r#"clusters: {a: a:1}
admin: 0.0.0.0:9901
"#,
        r#"error: admin: expected a table, found `0.0.0.0:9901`
 --> edgeway.yaml:2:8
  |
2 | admin: 0.0.0.0:9901
  |        ^^^^^^^^^^^^
  = help: write a table with `address`"#,
    );
    check(
        r#"clusters: {a: !!str a:1}
"#,
        r#"error: expected a value without a YAML tag
 --> edgeway.yaml:1:21
  |
1 | clusters: {a: !!str a:1}
  |                     ^^^
  = help: leave the tag out"#,
    );
}

/// What is no YAML, or more of it than a configuration is.
#[test]
fn yaml_itself() {
    check(
        r#"clusters: {a: a:1
"#,
        r#"error: this is not YAML: unclosed bracket '{'
 --> edgeway.yaml:1:11
  |
1 | clusters: {a: a:1
  |           ^"#,
    );
    check(
        r#"clusters:
  a: a:1
 b: b:1
"#,
        r#"error: this is not YAML: while parsing a block mapping, did not find expected key
 --> edgeway.yaml:3:2
  |
3 |  b: b:1
  |  ^"#,
    );
    check(
        r#"clusters:
	a: a:1
"#,
        r#"error: this is not YAML: tabs disallowed within this context (block indentation)
 --> edgeway.yaml:2:2
  |
2 |  a: a:1
  |  ^"#,
    );
    check(
        r#"clusters: {a: *nobody}
"#,
        r#"error: this is not YAML: while parsing node, found unknown anchor
 --> edgeway.yaml:1:15
  |
1 | clusters: {a: *nobody}
  |               ^"#,
    );
    check(
        r#"clusters: &c
  a: *c
"#,
        r#"error: expected an alias of a value that is complete
 --> edgeway.yaml:2:6
  |
2 |   a: *c
  |      ^^"#,
    );
    check(
        r#"clusters: {a: a:1}
---
clusters: {b: b:1}
"#,
        r#"error: expected one YAML document, found another
 --> edgeway.yaml:2:1
  |
2 | ---
  | ^^^"#,
    );
    check(
        r#"clusters: {a: a:1}
? [a]
: b
"#,
        r#"error: expected a key in one piece
 --> edgeway.yaml:2:3
  |
2 | ? [a]
  |   ^
  = help: a key is text, such as `listen`"#,
    );
    check(
        r#"clusters: {a: {<<: 1, target: a:1}}
"#,
        r#"error: expected a table to merge, found another value
 --> edgeway.yaml:1:16
  |
1 | clusters: {a: {<<: 1, target: a:1}}
  |                ^^
  = help: write `<<: *anchor`, or a list of such"#,
    );
}
