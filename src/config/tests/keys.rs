//! Keys that are not known, or given twice.

use crate::config::tests::check;

/// Unknown keys name the nearest one, at each level.
#[test]
fn unknown_keys() {
    check(
        r#"clutsers:
  orders: orders:50051
"#,
        r#"error: unknown key `clutsers`, did you mean `clusters`?
 --> edgeway.yaml:1:1
  |
1 | clutsers:
  | ^^^^^^^^
  = help: expected `version`, `listen`, `listeners`, `admin`, `clusters`, `routes`, `policies`, `http`, `rest`, `cors`, `grpc`, `runtime`, `shutdown` or `telemetry`

error: expected at least one cluster, found none
 = help: name a backend by `clusters:` in the configuration file (`--config FILE`, `EDGEWAY_CONFIG`, or `edgeway.yaml` in the working directory), by `--upstream orders=orders:50051`, or by `EDGEWAY_UPSTREAMS=orders=orders:50051`"#,
    );
    check(
        r#"listeners:
  - name: public
    adress: 0.0.0.0:1
clusters: {a: a:1}
"#,
        r#"error: listeners[]: expected the key `address`, found none
 --> edgeway.yaml:2:5
  |
2 |   - name: public
  |     ^
  = help: add `address` (address)

error: unknown key `adress`, did you mean `address`?
 --> edgeway.yaml:3:5
  |
3 |     adress: 0.0.0.0:1
  |     ^^^^^^
  = help: expected `name` or `address`"#,
    );
    check(
        r#"admin: {adress: 0.0.0.0:1}
clusters: {a: a:1}
"#,
        r#"error: unknown key `adress`, did you mean `address`?
 --> edgeway.yaml:1:9
  |
1 | admin: {adress: 0.0.0.0:1}
  |         ^^^^^^
  = help: expected `address`"#,
    );
    check(
        r#"clusters:
  orders:
    target: orders:50051
    conect_timeout: 2s
"#,
        r#"error: unknown key `conect_timeout`, did you mean `connect_timeout`?
 --> edgeway.yaml:4:5
  |
4 |     conect_timeout: 2s
  |     ^^^^^^^^^^^^^^
  = help: expected `target`, `dns_refresh_rate`, `respect_dns_ttl`, `drain_timeout`, `connect_timeout`, `connections_per_endpoint`, `max_connection_age`, `http2`, `tls`, `required`, `expose`, `descriptors`, `slow_start_window`, `slow_start`, `locality`, `subset_size`, `healthy_panic_threshold`, `session_affinity`, `hash_balance_factor`, `health_checks`, `outlier_detection`, `circuit_breakers`, `adaptive_concurrency` or `service_config`"#,
    );
    check(
        r#"clusters:
  orders:
    target: orders:50051
    descriptors:
      reflecton: auto
"#,
        r#"error: unknown key `reflecton`, did you mean `reflection`?
 --> edgeway.yaml:5:7
  |
5 |       reflecton: auto
  |       ^^^^^^^^^
  = help: expected `reflection`, `refresh_interval`, `protosets` or `protos`"#,
    );
    check(
        r#"clusters:
  orders:
    target: orders:50051
    service_config:
      loadBalancingConfg: []
"#,
        r#"error: unknown key `loadBalancingConfg`, did you mean `loadBalancingConfig`?
 --> edgeway.yaml:5:7
  |
5 |       loadBalancingConfg: []
  |       ^^^^^^^^^^^^^^^^^^
  = help: expected `loadBalancingConfig`, `loadBalancingPolicy`, `healthCheckConfig`, `retryThrottling` or `methodConfig`"#,
    );
    check(
        r#"clusters:
  orders:
    target: orders:50051
    service_config:
      loadBalancingConfig: [{round_robbin: {}}]
"#,
        r#"error: unknown load balancing policy `round_robbin`, did you mean `round_robin`?
 --> edgeway.yaml:5:30
  |
5 |       loadBalancingConfig: [{round_robbin: {}}]
  |                              ^^^^^^^^^^^^
  = help: expected `least_request`, `round_robin`, `weighted_round_robin`, `ring_hash`, `pick_first` or `random` in the list"#,
    );
    check(
        r#"clusters:
  orders:
    target: orders:50051
    service_config:
      loadBalancingConfig: [{round_robin: {weight: 1}}]
"#,
        r#"error: unknown key `weight`
 --> edgeway.yaml:5:44
  |
5 |       loadBalancingConfig: [{round_robin: {weight: 1}}]
  |                                            ^^^^^^
  = help: `round_robin` has no keys"#,
    );
    check(
        r#"clusters: {a: a:1}
policies:
  - selector: '*'
    max_request_byte: 1KiB
"#,
        r#"error: unknown key `max_request_byte`, did you mean `max_request_bytes`?
 --> edgeway.yaml:4:5
  |
4 |     max_request_byte: 1KiB
  |     ^^^^^^^^^^^^^^^^
  = help: expected `selector`, `timeout`, `max_timeout`, `max_request_bytes`, `max_response_bytes`, `stream_idle_timeout`, `max_stream_duration`, `retry`, `idempotent` or `rest`"#,
    );
    check(
        r#"clusters: {a: a:1}
rest: {auto_maping: true}
"#,
        r#"error: unknown key `auto_maping`, did you mean `auto_mapping`?
 --> edgeway.yaml:2:8
  |
2 | rest: {auto_maping: true}
  |        ^^^^^^^^^^^
  = help: expected `auto_mapping`, `url_unescape_spec`, `trailing_slash`, `merge_slashes`, `reject_dot_segments`, `ignore_unknown_query_parameters`, `ignored_query_parameters`, `query_param_unescape_plus`, `reject_duplicate_query_parameters`, `reject_binding_collisions`, `reject_unexpected_body`, `require_content_type`, `fill_update_mask`, `bind_every_message`, `reject_unknown_json_fields`, `reject_unknown_json_enums`, `reject_duplicate_json_keys`, `case_insensitive_enum_parsing`, `max_json_depth`, `max_json_values`, `print_options`, `streaming`, `error_format` or `http_status`"#,
    );
    check(
        r#"clusters: {a: a:1}
rest: {print_options: {add_whitespaces: true}}
"#,
        r#"error: unknown key `add_whitespaces`, did you mean `add_whitespace`?
 --> edgeway.yaml:2:24
  |
2 | rest: {print_options: {add_whitespaces: true}}
  |                        ^^^^^^^^^^^^^^^
  = help: expected `always_print_primitive_fields`, `always_print_enums_as_ints`, `preserve_proto_field_names`, `add_whitespace`, `print_int64_as_numbers` or `strip_enum_prefixes`"#,
    );
    check(
        r#"clusters: {a: a:1}
runtime: {worker_thread: 1}
"#,
        r#"error: unknown key `worker_thread`, did you mean `worker_threads`?
 --> edgeway.yaml:2:11
  |
2 | runtime: {worker_thread: 1}
  |           ^^^^^^^^^^^^^
  = help: expected `worker_threads`"#,
    );
    check(
        r#"clusters: {a: a:1}
shutdown: {graze: 1s}
"#,
        r#"error: unknown key `graze`, did you mean `grace`?
 --> edgeway.yaml:2:12
  |
2 | shutdown: {graze: 1s}
  |            ^^^^^
  = help: expected `drain_delay` or `grace`"#,
    );
    check(
        r#"clusters: {a: a:1}
telemetry: {log: {level: info}}
"#,
        r#"error: unknown key `log`, did you mean `logs`?
 --> edgeway.yaml:2:13
  |
2 | telemetry: {log: {level: info}}
  |             ^^^
  = help: expected `logs`"#,
    );
    check(
        r#"clusters: {a: a:1}
telemetry: {logs: {levle: info}}
"#,
        r#"error: unknown key `levle`, did you mean `level`?
 --> edgeway.yaml:2:20
  |
2 | telemetry: {logs: {levle: info}}
  |                    ^^^^^
  = help: expected `level`, `format` or `access`"#,
    );
    check(
        r#"clusters: {a: a:1}
telemetry: {logs: {access: {enable: true}}}
"#,
        r#"error: unknown key `enable`, did you mean `enabled`?
 --> edgeway.yaml:2:29
  |
2 | telemetry: {logs: {access: {enable: true}}}
  |                             ^^^^^^
  = help: expected `enabled`"#,
    );
    check(
        r#"clusters: {a: a:1}
route: []
"#,
        r#"error: unknown key `route`, did you mean `routes`?
 --> edgeway.yaml:2:1
  |
2 | route: []
  | ^^^^^
  = help: expected `version`, `listen`, `listeners`, `admin`, `clusters`, `routes`, `policies`, `http`, `rest`, `cors`, `grpc`, `runtime`, `shutdown` or `telemetry`"#,
    );
    check(
        r#"clusters: {a: a:1}
something_else_entirely: 1
"#,
        r#"error: unknown key `something_else_entirely`
 --> edgeway.yaml:2:1
  |
2 | something_else_entirely: 1
  | ^^^^^^^^^^^^^^^^^^^^^^^
  = help: expected `version`, `listen`, `listeners`, `admin`, `clusters`, `routes`, `policies`, `http`, `rest`, `cors`, `grpc`, `runtime`, `shutdown` or `telemetry`"#,
    );
    check(
        r#"clusters: {a: a:1}
"li\nsten": 1
"#,
        r#"error: unknown key `li\nsten`, did you mean `listen`?
 --> edgeway.yaml:2:1
  |
2 | "li\nsten": 1
  | ^^^^^^^^^^
  = help: expected `version`, `listen`, `listeners`, `admin`, `clusters`, `routes`, `policies`, `http`, `rest`, `cors`, `grpc`, `runtime`, `shutdown` or `telemetry`"#,
    );
}

/// Both places of what is given twice.
#[test]
fn duplicates() {
    check(
        r#"listen: 0.0.0.0:1
clusters: {a: a:1}
listen: 0.0.0.0:2
"#,
        r#"error: the key `listen` is given twice
 --> edgeway.yaml:3:1
  |
3 | listen: 0.0.0.0:2
  | ^^^^^^
  = help: it stands at edgeway.yaml:1:1 already, remove one of the two"#,
    );
    check(
        r#"clusters:
  orders: orders:1
  users: users:1
  orders: orders:2
"#,
        r#"error: the key `orders` is given twice
 --> edgeway.yaml:4:3
  |
4 |   orders: orders:2
  |   ^^^^^^
  = help: it stands at edgeway.yaml:2:3 already, remove one of the two"#,
    );
    check(
        r#"clusters: {a: {target: a:1, service_config: {loadBalancingConfig: [{round_robin: {}}], LOADBALANCINGCONFIG: []}}}
"#,
        r#"error: the key `LOADBALANCINGCONFIG` is given twice in another spelling
 --> edgeway.yaml:1:88
  |
1 | clusters: {a: {target: a:1, service_config: {loadBalancingConfig: [{round_robin: {}}], LOADBALANCINGCONFIG: []}}}
  |                                                                                        ^^^^^^^^^^^^^^^^^^^"#,
    );
    check(
        r#"clusters: {a: a:1}
policies:
  - {selector: a.*, timeout: 1s}
  - {selector: b.*, timeout: 1s}
  - {selector: a.*, max_timeout: 1s}
"#,
        r#"error: two entries have the selector `a.*`
 --> edgeway.yaml:5:16
  |
5 |   - {selector: a.*, max_timeout: 1s}
  |                ^^^
  = help: the first stands at edgeway.yaml:3:16: put both into one entry"#,
    );
    check(
        r#"clusters: {a: a:1}
listeners:
  - {name: x, address: 0.0.0.0:1}
  - {name: x, address: 0.0.0.0:2}
"#,
        r#"error: two listeners have the name `x`
 --> edgeway.yaml:4:12
  |
4 |   - {name: x, address: 0.0.0.0:2}
  |            ^"#,
    );
}
