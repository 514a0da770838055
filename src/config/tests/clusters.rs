//! The keys of a cluster beside its service config.

use std::time::Duration;

use crate::config::tests::{check, config, loaded};
use crate::config::{AdaptiveConcurrency, ClientTls, Cluster, HealthCheck, SessionAffinity, SlowStart};

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn file(keys: &str) -> String {
    format!("clusters: {{a: {{target: a:1, {keys}}}}}\n")
}

/// The cluster of these keys.
#[track_caller]
fn cluster(keys: &str) -> Cluster {
    config(&file(keys)).clusters.into_iter().next().expect("one cluster")
}

/// A block without keys is the block with its defaults.
#[test]
fn defaults_of_blocks() {
    let default = Cluster::new("a", "a:1".parse().expect("a target"));
    for keys in ["http2: {}", "http2:", "circuit_breakers: {}", "outlier_detection: {}", "health_checks: []"]
    {
        assert_eq!(cluster(keys), default, "{keys}");
    }
    for (keys, expected) in [
        ("tls: {}", Cluster { tls: Some(ClientTls::default()), ..default.clone() }),
        ("slow_start: {}", Cluster { slow_start: Some(SlowStart::default()), ..default.clone() }),
        ("health_checks: [{}]", Cluster { health_check: Some(HealthCheck::default()), ..default.clone() }),
        ("outlier_detection: none", Cluster { outlier_detection: None, ..default.clone() }),
        ("drain_timeout: 0s", Cluster { drain_timeout: Duration::ZERO, ..default.clone() }),
        (
            "adaptive_concurrency: {}",
            Cluster { adaptive_concurrency: Some(AdaptiveConcurrency::default()), ..default.clone() },
        ),
        (
            "session_affinity: {cookie: c}",
            Cluster {
                session_affinity: Some(SessionAffinity {
                    cookie: "c".into(),
                    path: "/".into(),
                    ttl: None,
                    secret: None,
                }),
                ..default
            },
        ),
    ] {
        assert_eq!(cluster(keys), expected, "{keys}");
    }
}

/// What switches a part off, and defaults that follow from other keys.
#[test]
fn values_with_a_meaning() {
    let detection = |keys: &str| {
        cluster(&format!("outlier_detection: {{{keys}}}")).outlier_detection.expect("outlier detection")
    };
    assert_eq!(detection("consecutive_gateway_failure: 0").consecutive_failures, None);
    assert_eq!(detection("enforcing_success_rate: 0, success_rate_minimum_hosts: 2").success_rate, None);
    assert_eq!(detection("enforcing_failure_percentage: 0%").failure_percentage, None);
    assert_eq!(detection("base_ejection_time: 10m").max_ejection_time, seconds(600.0));
    assert_eq!(detection("base_ejection_time: 1s").max_ejection_time, seconds(300.0));
    assert_eq!(detection("base_ejection_time: 1s, max_ejection_time: 1s").max_ejection_time, seconds(1.0));
    let limits = |keys: &str| {
        let limits =
            cluster(&format!("adaptive_concurrency: {{{keys}}}")).adaptive_concurrency.expect("limits");
        (limits.min_limit, limits.initial_limit, limits.max_limit)
    };
    assert_eq!(limits("max_limit: 10"), (10, 10, 10));
    assert_eq!(limits("min_limit: 300"), (300, 300, 300));
    assert_eq!(limits("min_limit: 1"), (1, 20, 200));
    assert_eq!(limits("initial_limit: 200"), (20, 200, 200));
    assert_eq!(cluster("max_connection_age: none").connection.max_connection_age, None);
    assert_eq!(cluster("healthy_panic_threshold: 0").panic_threshold, 0);
    let breakers = cluster("circuit_breakers: {max_requests: 4294967295, max_retries: 0}").circuit_breakers;
    assert_eq!((breakers.max_requests, breakers.max_retries), (4_294_967_295, 0));
    for name in ["orders.internal", "10.0.0.1", "::1", "xn--bcher-kva.example", "a_b", "orders.internal."] {
        let tls = cluster(&format!("tls: {{server_name: '{name}'}}")).tls.expect("TLS");
        assert_eq!(tls.server_name.as_deref(), Some(name.trim_end_matches('.')));
    }
}

#[test]
fn wrong_values() {
    let a_duration = "expected a duration above zero, found `0s`";
    let a_name = "expected the name of a host, found";
    for (keys, message) in [
        ("respect_dns_ttl: yes", "respect_dns_ttl: expected `true` or `false`, found `yes`".into()),
        ("drain_timeout: soon", "drain_timeout: expected a duration, found `soon`".into()),
        (
            "connections_per_endpoint: 0",
            "connections_per_endpoint: expected a number from 1 to 10, found `0`".into(),
        ),
        (
            "connections_per_endpoint: 11",
            "connections_per_endpoint: expected a number from 1 to 10, found `11`".into(),
        ),
        ("max_connection_age: 0s", format!("max_connection_age: {a_duration}")),
        ("http2: {keepalive_time: 0s}", format!("keepalive_time: {a_duration}")),
        ("http2: {keepalive_timeout: 0s}", format!("keepalive_timeout: {a_duration}")),
        (
            "http2: {permit_keepalive_without_calls: true}",
            "`permit_keepalive_without_calls` is not supported yet".into(),
        ),
        ("trip: {}", "`trip` is not supported yet".into()),
        ("preserve_host: true", "`preserve_host` is not supported yet".into()),
        ("slow_start_window: 0s", format!("slow_start_window: {a_duration}")),
        ("slow_start: {aggression: 0}", "aggression: expected a number above zero, found `0`".into()),
        (
            "slow_start: {min_weight_percent: 0}",
            "min_weight_percent: expected a percentage from 1 to 100, found `0`".into(),
        ),
        (
            "slow_start: {}, slow_start_window: 1s",
            "expected `slow_start_window` or `slow_start`, found both".into(),
        ),
        ("locality: {}", "clusters.NAME.locality: expected the key `zone`, found none".into()),
        ("locality: {zone: ''}", "zone: expected the name of a zone, found nothing".into()),
        ("subset_size: 0", "subset_size: expected a number of at least 1, found `0`".into()),
        (
            "healthy_panic_threshold: 101",
            "healthy_panic_threshold: expected a percentage from 0 to 100, found `101`".into(),
        ),
        (
            "session_affinity: {}",
            "clusters.NAME.session_affinity: expected the key `cookie`, found none".into(),
        ),
        ("session_affinity: {cookie: 'a b'}", "cookie: expected the name of a cookie, found `a b`".into()),
        ("session_affinity: {cookie: ''}", "cookie: expected the name of a cookie, found nothing".into()),
        (
            "session_affinity: {cookie: c, path: v1}",
            "path: expected a path that begins with `/`, found `v1`".into(),
        ),
        (
            "session_affinity: {cookie: c, path: '/a;b'}",
            "path: expected a path that begins with `/`, found `/a;b`".into(),
        ),
        ("session_affinity: {cookie: c, ttl: 0s}", format!("ttl: {a_duration}")),
        (
            "session_affinity: {cookie: c, secret: 0123456789abcde}",
            "secret: expected at least 16 characters, found 15".into(),
        ),
        (
            "hash_balance_factor: 150",
            "`hash_balance_factor` is about `ring_hash`, and the policy is another".into(),
        ),
        (
            "hash_balance_factor: 99, service_config: {loadBalancingConfig: [{ring_hash: {}}]}",
            "hash_balance_factor: expected a number from 100 to 10000, found `99`".into(),
        ),
        ("health_checks: {}", "health_checks: expected a list, found a table".into()),
        ("health_checks: [{}, {}]", "health_checks: expected at most one, found 2".into()),
        ("health_checks: [{mode: poll}]", "mode: expected `check` or `watch`, found `poll`".into()),
        ("health_checks: [{interval: 0s}]", format!("interval: {a_duration}")),
        ("health_checks: [{unhealthy_interval: 0s}]", format!("unhealthy_interval: {a_duration}")),
        ("health_checks: [{timeout: 0s}]", format!("timeout: {a_duration}")),
        (
            "health_checks: [{healthy_threshold: 0}]",
            "healthy_threshold: expected a number from 1 to 1000, found `0`".into(),
        ),
        (
            "health_checks: [{unhealthy_threshold: 1001}]",
            "unhealthy_threshold: expected a number from 1 to 1000, found `1001`".into(),
        ),
        ("health_checks: [{grpc_health_check: {service: a}}]", "unknown key `service`".into()),
        ("health_checks: [{http_health_check: {}}]", "unknown key `http_health_check`".into()),
        ("outlier_detection: off", "clusters.NAME.outlier_detection: expected a table, found `off`".into()),
        ("outlier_detection: {interval: 0s}", format!("interval: {a_duration}")),
        (
            "outlier_detection: {max_ejection_percent: 101%}",
            "max_ejection_percent: expected a percentage from 0 to 100, found `101%`".into(),
        ),
        (
            "outlier_detection: {max_ejection_time: 20s}",
            "expected a max_ejection_time of at least base_ejection_time, 30s, found 20s".into(),
        ),
        (
            "outlier_detection: {enforcing_success_rate: 101}",
            "enforcing_success_rate: expected a percentage from 0 to 100, found `101`".into(),
        ),
        (
            "outlier_detection: {success_rate_minimum_host: 5}",
            "unknown key `success_rate_minimum_host`, did you mean `success_rate_minimum_hosts`?".into(),
        ),
        (
            "circuit_breakers: {max_connections: 0}",
            "max_connections: expected a number of at least 1, found `0`".into(),
        ),
        (
            "circuit_breakers: {max_requests: 0}",
            "max_requests: expected a number of at least 1, found `0`".into(),
        ),
        (
            "circuit_breakers: {retry_budget_percent: 200}",
            "retry_budget_percent: expected a percentage from 0 to 100, found `200`".into(),
        ),
        ("circuit_breakers: {queue_timeout: 0s}", format!("queue_timeout: {a_duration}")),
        (
            "adaptive_concurrency: {min_limit: 9, max_limit: 8}",
            "expected a min_limit of at most max_limit, 8, found 9".into(),
        ),
        (
            "adaptive_concurrency: {initial_limit: 9, max_limit: 8}",
            "expected an initial_limit from min_limit, 8, to max_limit, 8, found 9".into(),
        ),
        (
            "adaptive_concurrency: {min_limit: 0}",
            "min_limit: expected a number of at least 1, found `0`".into(),
        ),
        ("tls: {mode: none}", "mode: expected `verify` or `insecure`, found `none`".into()),
        ("tls: {ca_file: ''}", "ca_file: expected the path of a file, found nothing".into()),
        (
            "tls: {client_cert_file: a.pem}",
            "expected `client_key_file` beside `client_cert_file`, found none".into(),
        ),
        (
            "tls: {client_key_file: a.key}",
            "expected `client_cert_file` beside `client_key_file`, found none".into(),
        ),
        (
            "tls: {mode: insecure, ca_file: a.pem}",
            "`ca_file` is not looked at with `mode: insecure`, which trusts whoever answers".into(),
        ),
        ("tls: {server_name: 'a:443'}", format!("server_name: {a_name} `a:443`")),
        ("tls: {server_name: 'https://a'}", format!("server_name: {a_name} `https://a`")),
        ("tls: {server_name: '*.a.b'}", format!("server_name: {a_name} `*.a.b`")),
        ("tls: {server_name: a..b}", format!("server_name: {a_name} `a..b`")),
        ("tls: {server_name: -a}", format!("server_name: {a_name} `-a`")),
        ("tls: {server_name: ''}", format!("server_name: {a_name} nothing")),
    ] {
        let report = loaded(&file(keys)).expect_err(keys);
        let said: Vec<&str> = report.diagnostics.iter().map(|found| found.message.as_str()).collect();
        assert_eq!(said, [message], "{keys}");
    }
}

#[test]
fn wrong_values_of_policies() {
    check(
        "clusters: {a: a:1}
policies: [{selector: '*', retry: none, idempotent: yes}]
",
        "error: retry: expected `never` or `allowed`, found `none`
 --> edgeway.yaml:2:35
  |
2 | policies: [{selector: '*', retry: none, idempotent: yes}]
  |                                   ^^^^

error: idempotent: expected `true` or `false`, found `yes`
 --> edgeway.yaml:2:53
  |
2 | policies: [{selector: '*', retry: none, idempotent: yes}]
  |                                                     ^^^",
    );
}

/// Problems of all blocks of a cluster in one go, each where it stands.
#[test]
fn everything_in_one_go() {
    check(
        "clusters:
  a:
    target: a:1
    connections_per_endpoint: 99
    http2: {keepalive_tine: 1s}
    tls:
      mode: verfy
      client_key_file: a.key
    slow_start_window: 10s
    slow_start: {window: 1s}
    session_affinity: {cookie: c, secret: '${HOST}'}
    health_checks:
      - interval: 10
      - interval: 5s
    outlier_detection: {max_ejection_time: 1s}
    circuit_breakers: {max_requests: many}
    service_config:
      retryThrottling: {maxTokens: 0}
",
        "error: connections_per_endpoint: expected a number from 1 to 10, found `99`
 --> edgeway.yaml:4:31
  |
4 |     connections_per_endpoint: 99
  |                               ^^

error: unknown key `keepalive_tine`, did you mean `keepalive_time`?
 --> edgeway.yaml:5:13
  |
5 |     http2: {keepalive_tine: 1s}
  |             ^^^^^^^^^^^^^^
  = help: expected `keepalive_time` or `keepalive_timeout`

error: mode: expected `verify` or `insecure`, found `verfy`, did you mean `verify`?
 --> edgeway.yaml:7:13
  |
7 |       mode: verfy
  |             ^^^^^

error: expected `client_cert_file` beside `client_key_file`, found none
 --> edgeway.yaml:8:7
  |
8 |       client_key_file: a.key
  |       ^^^^^^^^^^^^^^^
  = help: a certificate and its key are given together

error: expected `slow_start_window` or `slow_start`, found both
 --> edgeway.yaml:9:5
  |
9 |     slow_start_window: 10s
  |     ^^^^^^^^^^^^^^^^^
  = help: `slow_start_window` is short for `slow_start` with a `window`: move it into the table

error: secret: expected at least 16 characters, found 6
  --> edgeway.yaml:11:43
   |
11 |     session_affinity: {cookie: c, secret: '${HOST}'}
   |                                           ^^^^^^^^^
   = help: make one by `openssl rand -hex 16`, and give it by a variable: `${AFFINITY_SECRET}`

error: interval: expected a duration, found `10`
  --> edgeway.yaml:13:19
   |
13 |       - interval: 10
   |                   ^^
   = help: write a number with its unit, such as `300ms`, `5s`, `1m30s` or `1h`

error: health_checks: expected at most one, found 2
  --> edgeway.yaml:14:9
   |
14 |       - interval: 5s
   |         ^
   = help: an endpoint is asked by one check: leave one

error: expected a max_ejection_time of at least base_ejection_time, 30s, found 1s
  --> edgeway.yaml:15:44
   |
15 |     outlier_detection: {max_ejection_time: 1s}
   |                                            ^^
   = help: raise `max_ejection_time` or lower `base_ejection_time`

error: max_requests: expected a number of at least 1, found `many`
  --> edgeway.yaml:16:38
   |
16 |     circuit_breakers: {max_requests: many}
   |                                      ^^^^

error: clusters.NAME.service_config.retryThrottling: expected the key `tokenRatio`, found none
  --> edgeway.yaml:18:24
   |
18 |       retryThrottling: {maxTokens: 0}
   |                        ^
   = help: add `tokenRatio` (number)

error: maxTokens: expected a number from 1 to 1000, found `0`
  --> edgeway.yaml:18:36
   |
18 |       retryThrottling: {maxTokens: 0}
   |                                    ^",
    );
}

/// A secret shows in no log.
#[test]
fn secrets_are_not_shown() {
    let cluster = cluster("session_affinity: {cookie: c, secret: 0123456789abcdef}");
    let shown = format!("{cluster:?}");
    assert!(shown.contains("SessionAffinity") && !shown.contains("0123456789abcdef"), "{shown}");
}
