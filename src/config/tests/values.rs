//! Values that their keys do not take.

use crate::config::tests::check;

/// A value of the right shape that its key does not take.
#[test]
fn wrong_values() {
    check(
        r#"version: 2
clusters: {a: a:1}
"#,
        r#"error: version: expected `1`, found `2`
 --> edgeway.yaml:1:10
  |
1 | version: 2
  |          ^
  = help: this edgeway reads version 1 only"#,
    );
    check(
        r#"clusters: {a: a:1}
listen: 8080
"#,
        r#"error: listen: expected an address such as `0.0.0.0:8080`, found `8080`
 --> edgeway.yaml:2:9
  |
2 | listen: 8080
  |         ^^^^
  = help: write `0.0.0.0:8080` to listen on every interface"#,
    );
    check(
        r#"clusters: {a: a:1}
admin: {address: gateway:9901}
"#,
        r#"error: address: expected an address such as `0.0.0.0:8080`, found `gateway:9901`
 --> edgeway.yaml:2:18
  |
2 | admin: {address: gateway:9901}
  |                  ^^^^^^^^^^^^
  = help: the host is an IP address of this machine or `localhost`, names are not looked up"#,
    );
    check(
        r#"clusters: {a: orders}
"#,
        r#"error: clusters.a: expected a target with a port, found `orders`
 --> edgeway.yaml:1:15
  |
1 | clusters: {a: orders}
  |               ^^^^^^
  = help: write `orders:50051`, with the port that the service listens on"#,
    );
    check(
        r#"clusters: {a: 'xds:///shop.v1.orders..'}
"#,
        r#"error: clusters.a: targets of the scheme `xds` are not supported yet
 --> edgeway.yaml:1:15
  |
1 | clusters: {a: 'xds:///shop.v1.orders..'}
  |               ^^^^^^^^^^^^^^^^^^^^^^^^^
  = help: write `orders:50051`, `dns:///orders:50051`, `ipv4:10.0.0.1:50051,10.0.0.2:50051`, `unix:///run/orders.sock` or `file:///etc/orders.yaml`"#,
    );
    check(
        r#"clusters: {a b: a:1}
"#,
        r#"error: clusters: expected a name of letters, digits, `.`, `_` and `-`, found `a b`
 --> edgeway.yaml:1:12
  |
1 | clusters: {a b: a:1}
  |            ^^^"#,
    );
    check(
        r#"clusters: {a: {target: a:1, connect_timeout: 5, dns_refresh_rate: 0s, required: yes}}
"#,
        r#"error: connect_timeout: expected a duration, found `5`
 --> edgeway.yaml:1:46
  |
1 | clusters: {a: {target: a:1, connect_timeout: 5, dns_refresh_rate: 0s, required: yes}}
  |                                              ^
  = help: write a number with its unit, such as `300ms`, `5s`, `1m30s` or `1h`

error: dns_refresh_rate: expected a duration above zero, found `0s`
 --> edgeway.yaml:1:67
  |
1 | clusters: {a: {target: a:1, connect_timeout: 5, dns_refresh_rate: 0s, required: yes}}
  |                                                                   ^^

error: required: expected `true` or `false`, found `yes`
 --> edgeway.yaml:1:81
  |
1 | clusters: {a: {target: a:1, connect_timeout: 5, dns_refresh_rate: 0s, required: yes}}
  |                                                                                 ^^^"#,
    );
    check(
        r#"clusters: {a: {target: a:1, descriptors: {reflection: auot, protosets: ['']}}}
"#,
        r#"error: reflection: expected `auto`, `always` or `never`, found `auot`, did you mean `auto`?
 --> edgeway.yaml:1:55
  |
1 | clusters: {a: {target: a:1, descriptors: {reflection: auot, protosets: ['']}}}
  |                                                       ^^^^

error: protosets: expected the path of a file, found nothing
 --> edgeway.yaml:1:73
  |
1 | clusters: {a: {target: a:1, descriptors: {reflection: auot, protosets: ['']}}}
  |                                                                         ^^"#,
    );
    check(
        r#"clusters: {a: {target: a:1, expose: [Orders, 'shop.*.Get']}}
"#,
        r#"error: expose: expected a selector, found `Orders`
 --> edgeway.yaml:1:38
  |
1 | clusters: {a: {target: a:1, expose: [Orders, 'shop.*.Get']}}
  |                                      ^^^^^^
  = help: one name alone is no method; for all below it write `Orders.*`

error: expose: expected a selector, found `shop.*.Get`
 --> edgeway.yaml:1:46
  |
1 | clusters: {a: {target: a:1, expose: [Orders, 'shop.*.Get']}}
  |                                              ^^^^^^^^^^^^
  = help: a star stands alone or after the last dot; write `*`, `pkg.*`, `pkg.Service.*` or `pkg.Service.Method`"#,
    );
    check(
        r#"clusters: {a: a:1}
policies: [{selector: /shop.v1.Orders/Get, timeout: 0s, max_timeout: none, max_request_bytes: 4MB}]
"#,
        r#"error: selector: expected a selector, found `/shop.v1.Orders/Get`
 --> edgeway.yaml:2:23
  |
2 | policies: [{selector: /shop.v1.Orders/Get, timeout: 0s, max_timeout: none, max_request_bytes: 4MB}]
  |                       ^^^^^^^^^^^^^^^^^^^
  = help: a selector has dots only: `shop.v1.Orders.Get`

error: timeout: expected a duration above zero, found `0s`
 --> edgeway.yaml:2:53
  |
2 | policies: [{selector: /shop.v1.Orders/Get, timeout: 0s, max_timeout: none, max_request_bytes: 4MB}]
  |                                                     ^^
  = help: write `none` for no bound

error: max_timeout: expected a duration, found `none`
 --> edgeway.yaml:2:70
  |
2 | policies: [{selector: /shop.v1.Orders/Get, timeout: 0s, max_timeout: none, max_request_bytes: 4MB}]
  |                                                                      ^^^^
  = help: write a number with its unit, such as `300ms`, `5s`, `1m30s` or `1h`

error: max_request_bytes: expected a size in bytes, found `4MB`
 --> edgeway.yaml:2:95
  |
2 | policies: [{selector: /shop.v1.Orders/Get, timeout: 0s, max_timeout: none, max_request_bytes: 4MB}]
  |                                                                                               ^^^
  = help: write a whole number, alone or with `KiB`, `MiB` or `GiB`, such as `4MiB`"#,
    );
    check(
        r#"clusters: {a: a:1}
rest: {auto_mapping: on}
"#,
        r#"error: auto_mapping: expected `true` or `false`, found `on`
 --> edgeway.yaml:2:22
  |
2 | rest: {auto_mapping: on}
  |                      ^^"#,
    );
    check(
        r#"clusters: {a: a:1}
runtime: {worker_threads: -1}
"#,
        r#"error: worker_threads: expected a number from 0 to 1024, found `-1`
 --> edgeway.yaml:2:27
  |
2 | runtime: {worker_threads: -1}
  |                           ^^
  = help: 0 means one per CPU"#,
    );
    check(
        r#"clusters: {a: a:1}
telemetry: {logs: {level: warning, format: logfmt}}
"#,
        r#"error: level: expected `error`, `warn`, `info`, `debug`, `trace` or `off`, found `warning`
 --> edgeway.yaml:2:27
  |
2 | telemetry: {logs: {level: warning, format: logfmt}}
  |                           ^^^^^^^

error: format: `logfmt` is not supported yet
 --> edgeway.yaml:2:44
  |
2 | telemetry: {logs: {level: warning, format: logfmt}}
  |                                            ^^^^^^
  = help: write `json` or `text`"#,
    );
    check(
        r#"clusters: {a: a:1}
shutdown: {grace: 9000h}
"#,
        r#"error: grace: expected a duration of at most 8760h, found `9000h`
 --> edgeway.yaml:2:19
  |
2 | shutdown: {grace: 9000h}
  |                   ^^^^^"#,
    );
}
