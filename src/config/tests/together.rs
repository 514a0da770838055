//! What only several values show, and many problems at once.

use crate::config::tests::{check, check_warnings};

/// What no single value shows.
#[test]
fn across_values() {
    check(
        "",
        r#"error: expected at least one cluster, found none
 = help: name a backend by `clusters:` in the configuration file (`--config FILE`, `EDGEWAY_CONFIG`, or `edgeway.yaml` in the working directory), by `--upstream orders=orders:50051`, or by `EDGEWAY_UPSTREAMS=orders=orders:50051`"#,
    );
    check(
        r#"listen: 0.0.0.0:8080
"#,
        r#"error: expected at least one cluster, found none
 = help: name a backend by `clusters:` in the configuration file (`--config FILE`, `EDGEWAY_CONFIG`, or `edgeway.yaml` in the working directory), by `--upstream orders=orders:50051`, or by `EDGEWAY_UPSTREAMS=orders=orders:50051`"#,
    );
    check(
        r#"clusters: {}
"#,
        r#"error: expected at least one cluster, found none
 = help: name a backend by `clusters:` in the configuration file (`--config FILE`, `EDGEWAY_CONFIG`, or `edgeway.yaml` in the working directory), by `--upstream orders=orders:50051`, or by `EDGEWAY_UPSTREAMS=orders=orders:50051`"#,
    );
    check(
        r#"clusters: {a: a:1}
listen: 0.0.0.0:1
listeners: [{name: x, address: 0.0.0.0:2}]
"#,
        r#"error: expected `listen` or `listeners`, found both
 --> edgeway.yaml:3:1
  |
3 | listeners: [{name: x, address: 0.0.0.0:2}]
  | ^^^^^^^^^
  = help: `listen` is short for one listener named `public`: move its address into the list"#,
    );
    check(
        r#"clusters: {a: a:1}
listeners:
  - {name: x, address: 0.0.0.0:1}
  - {name: y, address: 127.0.0.1:1}
"#,
        r#"error: listener `y` and listener `x` both listen on 127.0.0.1:1
 --> edgeway.yaml:4:24
  |
4 |   - {name: y, address: 127.0.0.1:1}
  |                        ^^^^^^^^^^^
  = help: the other is from edgeway.yaml:3:24: give one of them another port"#,
    );
    check(
        r#"clusters: {a: a:1}
listen: 127.0.0.1:9901
"#,
        r#"error: listener `public` and `admin` both listen on 127.0.0.1:9901
 --> edgeway.yaml:2:9
  |
2 | listen: 127.0.0.1:9901
  |         ^^^^^^^^^^^^^^
  = help: the other is from the defaults: give one of them another port"#,
    );
    check(
        r#"clusters: {a: a:1}
listen: 0.0.0.0:1
admin: {address: 127.0.0.1:1}
"#,
        r#"error: listener `public` and `admin` both listen on 0.0.0.0:1
 --> edgeway.yaml:2:9
  |
2 | listen: 0.0.0.0:1
  |         ^^^^^^^^^
  = help: the other is from edgeway.yaml:3:18: give one of them another port"#,
    );
    check(
        r#"clusters: {a: {target: a:1, descriptors: {reflection: never}}}
"#,
        r#"error: cluster `a` has no source of descriptors
 --> edgeway.yaml:1:12
  |
1 | clusters: {a: {target: a:1, descriptors: {reflection: never}}}
  |            ^
  = help: list `protosets` or `protos`, or let `reflection` be `auto`"#,
    );
    check(
        r#"clusters: {a: a:1}
policies: [{selector: '*', timeout: 2m, max_timeout: 1m}]
"#,
        r#"error: expected a timeout of at most max_timeout, 60s, found 120s
 --> edgeway.yaml:2:37
  |
2 | policies: [{selector: '*', timeout: 2m, max_timeout: 1m}]
  |                                     ^^
  = help: raise `max_timeout` or lower `timeout`"#,
    );
}

/// Problems of every kind and block, in the order of the file.
#[test]
fn everything_in_one_go() {
    check(
        r#"listen: 8080
clusters:
  orders:
    target: orders
    conect_timeout: 2s
    descriptors: { reflection: sometimes }
  users: ${UNSET}
  billing:
    target: billing:1
    descriptors: { reflection: never }
policies:
  - selector: Orders
    timeout: 5
  - { selector: "*", timeout: 2m, max_timeout: 1m }
rest: { auto_mapping: on }
openapi: {}
telemetry: { logs: { level: verbose } }
"#,
        r#"error: listen: expected an address such as `0.0.0.0:8080`, found `8080`
 --> edgeway.yaml:1:9
  |
1 | listen: 8080
  |         ^^^^
  = help: write `0.0.0.0:8080` to listen on every interface

error: target: expected a target with a port, found `orders`
 --> edgeway.yaml:4:13
  |
4 |     target: orders
  |             ^^^^^^
  = help: write `orders:50051`, with the port that the service listens on

error: unknown key `conect_timeout`, did you mean `connect_timeout`?
 --> edgeway.yaml:5:5
  |
5 |     conect_timeout: 2s
  |     ^^^^^^^^^^^^^^
  = help: expected `target`, `dns_refresh_rate`, `respect_dns_ttl`, `drain_timeout`, `connect_timeout`, `connections_per_endpoint`, `max_connection_age`, `http2`, `tls`, `required`, `expose`, `descriptors`, `slow_start_window`, `slow_start`, `locality`, `subset_size`, `healthy_panic_threshold`, `session_affinity`, `hash_balance_factor`, `health_checks`, `outlier_detection`, `circuit_breakers`, `adaptive_concurrency` or `service_config`

error: reflection: expected `auto`, `always` or `never`, found `sometimes`
 --> edgeway.yaml:6:32
  |
6 |     descriptors: { reflection: sometimes }
  |                                ^^^^^^^^^

error: variable `UNSET` is not set
 --> edgeway.yaml:7:10
  |
7 |   users: ${UNSET}
  |          ^^^^^^^^
  = help: set it, or write `${UNSET:-default}`; a literal dollar is written `$$`

error: cluster `billing` has no source of descriptors
 --> edgeway.yaml:8:3
  |
8 |   billing:
  |   ^^^^^^^
  = help: list `protosets` or `protos`, or let `reflection` be `auto`

error: selector: expected a selector, found `Orders`
  --> edgeway.yaml:12:15
   |
12 |   - selector: Orders
   |               ^^^^^^
   = help: one name alone is no method; for all below it write `Orders.*`

error: timeout: expected a duration, found `5`
  --> edgeway.yaml:13:14
   |
13 |     timeout: 5
   |              ^
   = help: write a number with its unit, such as `300ms`, `5s`, `1m30s` or `1h`, or `none`

error: expected a timeout of at most max_timeout, 60s, found 120s
  --> edgeway.yaml:14:31
   |
14 |   - { selector: "*", timeout: 2m, max_timeout: 1m }
   |                               ^^
   = help: raise `max_timeout` or lower `timeout`

error: auto_mapping: expected `true` or `false`, found `on`
  --> edgeway.yaml:15:23
   |
15 | rest: { auto_mapping: on }
   |                       ^^

error: `openapi` is not supported yet
  --> edgeway.yaml:16:1
   |
16 | openapi: {}
   | ^^^^^^^
   = help: this version would not act on it: leave it out

error: level: expected `error`, `warn`, `info`, `debug`, `trace` or `off`, found `verbose`
  --> edgeway.yaml:17:29
   |
17 | telemetry: { logs: { level: verbose } }
   |                             ^^^^^^^"#,
    );
}

/// What keeps nothing from starting.
#[test]
fn warnings() {
    check_warnings(
        r#"clusters: {a: a:1}
policies:
  - selector: shop.*
  - {selector: '*', timeout: 1s}
"#,
        r#"warning: the entry for `shop.*` sets nothing
 --> edgeway.yaml:3:15
  |
3 |   - selector: shop.*
  |               ^^^^^^"#,
    );
}
