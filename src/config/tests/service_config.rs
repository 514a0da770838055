//! `service_config`: gRPC's own format and validation.

use std::time::Duration;

use proptest::prelude::*;

use crate::config::tests::{check, check_warnings, loaded};
use crate::config::{Cluster, HealthCheck, HealthMode, MethodName, Origin, RetryThrottling};

fn file(keys: &str) -> String {
    format!("clusters: {{a: {{target: a:1, {keys}}}}}\n")
}

#[track_caller]
fn cluster(keys: &str) -> Cluster {
    let (config, warnings) = loaded(&file(keys)).unwrap_or_else(|report| panic!("{keys}\n{report}"));
    assert_eq!(warnings, [], "{keys}");
    config.clusters.into_iter().next().expect("one cluster")
}

#[track_caller]
fn check_refused(keys: &str, expected: &[&str]) {
    let report = loaded(&file(keys)).expect_err(keys);
    let said: Vec<&str> = report.diagnostics.iter().map(|found| found.message.as_str()).collect();
    assert_eq!(said, expected, "{keys}");
}

/// JSON as gRPC's documents show it is YAML as it stands.
#[test]
fn json_of_the_documents() {
    let text = r#"service_config: {
  "loadBalancingPolicy": "round_robin",
  "methodConfig": [{
    "name": [{"service": "grpc.examples.echo.Echo"}],
    "waitForReady": true,
    "timeout": "0.5s",
    "retryPolicy": {
      "MaxAttempts": 4,
      "InitialBackoff": ".01s",
      "MaxBackoff": ".01s",
      "BackoffMultiplier": 1.0,
      "RetryableStatusCodes": [ "UNAVAILABLE" ]
    }
  }],
  "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
  "healthCheckConfig": null
}"#;
    let config = cluster(text).service_config;
    let method = config.method("grpc.examples.echo.Echo", "UnaryEcho").expect("the service's entry");
    assert_eq!((method.timeout, method.wait_for_ready), (Some(Duration::from_millis(500)), Some(true)));
    assert!(method.again.is_some());
    assert_eq!(config.retry_throttling, Some(RetryThrottling { max_tokens: 10, token_ratio_milli: 100 }));
    assert_eq!(config.method("other.Service", "Get"), None);
}

#[test]
fn names() {
    let names = |text: &str| -> Vec<MethodName> {
        let methods = cluster(&format!("service_config: {{methodConfig: [{text}]}}")).service_config.methods;
        methods.into_iter().flat_map(|method| method.names).collect()
    };
    let name = |service: &str, method: &str| MethodName { service: service.into(), method: method.into() };
    assert_eq!(names("{name: [{}]}"), [name("", "")]);
    assert_eq!(names("{name: [{service: null, method: ''}]}"), [name("", "")]);
    assert_eq!(
        names("{name: [{service: s}, {service: s, method: M}]}, {name: [{service: a.b.C, method: null}]}"),
        [name("s", ""), name("s", "M"), name("a.b.C", "")]
    );
}

#[test]
fn wrong_names() {
    check(
        "clusters:
  a:
    target: a:1
    service_config:
      methodConfig:
        - name: [{service: s, method: M}, {service: s, method: ''}, {}]
        - name:
            - {service: s, method: null}
            - {SERVICE: s, METHOD: M}
            - {service: ''}
            - {method: M}
",
        "error: methodConfig: the service `s` is named twice
 --> edgeway.yaml:8:15
  |
8 |             - {service: s, method: null}
  |               ^
  = help: it stands at edgeway.yaml:6:43 already, remove one of the two

error: methodConfig: `s.M` is named twice
 --> edgeway.yaml:9:15
  |
9 |             - {SERVICE: s, METHOD: M}
  |               ^
  = help: it stands at edgeway.yaml:6:18 already, remove one of the two

error: methodConfig: the default for all methods is named twice
  --> edgeway.yaml:10:15
   |
10 |             - {service: ''}
   |               ^
   = help: it stands at edgeway.yaml:6:69 already, remove one of the two

error: methodConfig: expected the service of a method, found none
  --> edgeway.yaml:11:15
   |
11 |             - {method: M}
   |               ^
   = help: write `{service: shop.v1.Orders, method: M}`, with its own service",
    );
    for (name, expected) in [
        (
            "{service: /shop.v1.Orders}",
            "service: expected the full name of a service, found `/shop.v1.Orders`",
        ),
        ("{service: shop..Orders}", "service: expected the full name of a service, found `shop..Orders`"),
        ("{service: s, method: s.Get}", "method: expected the name of a method alone, found `s.Get`"),
        ("{service: [s]}", "service: expected one value, found a list"),
        ("{services: s}", "unknown key `services`, did you mean `service`?"),
        ("s", "clusters.NAME.service_config.methodConfig[].name[]: expected a table, found `s`"),
    ] {
        check_refused(&format!("service_config: {{methodConfig: [{{name: [{name}]}}]}}"), &[expected]);
    }
    check_refused(
        "service_config: {methodConfig: [{name: {service: s}}]}",
        &["name: expected a list, found a table"],
    );
    check_refused("service_config: {methodConfig: {}}", &["methodConfig: expected a list, found a table"]);
    check_refused(
        "service_config: {methodConfig: [5]}",
        &["clusters.NAME.service_config.methodConfig[]: expected a table, found `5`"],
    );
}

/// gRPC passes over such an entry.
#[test]
fn entries_without_a_name() {
    check_warnings(
        "clusters:
  a:
    target: a:1
    service_config:
      methodConfig:
        - timeout: 1s
        - {name: [], timeout: 1s}
",
        "warning: methodConfig: an entry without a name holds for no method
 --> edgeway.yaml:6:11
  |
6 |         - timeout: 1s
  |           ^
  = help: write `name: [{service: shop.v1.Orders}]`, or `name: [{}]` for all methods

warning: methodConfig: an entry without a name holds for no method
 --> edgeway.yaml:7:11
  |
7 |         - {name: [], timeout: 1s}
  |           ^
  = help: write `name: [{service: shop.v1.Orders}]`, or `name: [{}]` for all methods",
    );
}

#[test]
fn values_of_methods() {
    let method = |keys: &str| {
        let keys = format!("service_config: {{methodConfig: [{{name: [{{}}], {keys}}}]}}");
        cluster(&keys).service_config.methods.into_iter().next().expect("one entry")
    };
    assert_eq!(method("timeout: 1.000340012s").timeout, Some(Duration::from_nanos(1_000_340_012)));
    assert_eq!(method("timeout: null, waitForReady: null").timeout, None);
    assert_eq!(method("waitforready: false").wait_for_ready, Some(false));
    assert_eq!(method("maxRequestMessageBytes: 0").max_request_message_bytes, Some(0));
    assert_eq!(method("maxRequestMessageBytes: '10'").max_request_message_bytes, Some(10));
    assert_eq!(method("maxResponseMessageBytes: 4294967295").max_response_message_bytes, Some(u32::MAX));
    for (keys, expected) in [
        ("timeout: 5", "timeout: expected a duration in seconds, found `5`"),
        ("timeout: 0s", "timeout: expected a duration above zero, found `0s`"),
        ("timeout: {seconds: 5}", "timeout: expected one value, found a table"),
        ("timeout: 1m", "timeout: expected a duration in seconds, found `1m`"),
        ("waitForReady: 1", "waitForReady: expected `true` or `false`, found `1`"),
        ("maxRequestMessageBytes: -1", "maxRequestMessageBytes: expected a number of at least 0, found `-1`"),
        (
            "maxRequestMessageBytes: 4MiB",
            "maxRequestMessageBytes: expected a number of at least 0, found `4MiB`",
        ),
        (
            "maxResponseMessageBytes: 4294967296",
            "maxResponseMessageBytes: expected a number of at most 4294967295, found `4294967296`",
        ),
        ("max_request_message_bytes: 1", "unknown key `max_request_message_bytes`"),
        ("retryPolicies: {}", "unknown key `retryPolicies`"),
    ] {
        check_refused(&format!("service_config: {{methodConfig: [{{name: [{{}}], {keys}}}]}}"), &[expected]);
    }
}

#[test]
fn retry_throttling() {
    let milli = |text: &str| {
        let throttling = cluster(&format!("service_config: {{retryThrottling: {{{text}}}}}")).service_config;
        let throttling = throttling.retry_throttling.expect("a throttle");
        (throttling.max_tokens, throttling.token_ratio_milli)
    };
    assert_eq!(milli("maxTokens: 2, tokenRatio: 1.0"), (2, 1000));
    assert_eq!(milli("maxTokens: 1000, tokenRatio: 1"), (1000, 1000));
    assert_eq!(milli("maxTokens: 1, tokenRatio: 0.001"), (1, 1));
    assert_eq!(milli("maxTokens: '10', tokenRatio: '0.2999'"), (10, 299));
    assert_eq!(milli("maxTokens: 10, tokenRatio: 1e9"), (10, 1_000_000));
    assert_eq!(cluster("service_config: {retryThrottling: null}").service_config.retry_throttling, None);
    let place = "clusters.NAME.service_config.retryThrottling";
    let missing =
        ["maxTokens", "tokenRatio"].map(|key| format!("{place}: expected the key `{key}`, found none"));
    let [tokens, ratio] = &missing;
    check_refused("service_config: {retryThrottling: {}}", &[tokens, ratio]);
    for (text, expected) in [
        ("maxTokens: 0, tokenRatio: 1", "maxTokens: expected a number from 1 to 1000, found `0`"),
        ("maxTokens: -2, tokenRatio: 1", "maxTokens: expected a number from 1 to 1000, found `-2`"),
        ("maxTokens: 1001, tokenRatio: 1", "maxTokens: expected a number from 1 to 1000, found `1001`"),
        ("maxTokens: 0.5, tokenRatio: 1", "maxTokens: expected a number from 1 to 1000, found `0.5`"),
        ("maxTokens: 2, tokenRatio: -1", "tokenRatio: expected a number of at least 0.001, found `-1`"),
        ("maxTokens: 2, tokenRatio: 0", "tokenRatio: expected a number of at least 0.001, found `0`"),
        (
            "maxTokens: 2, tokenRatio: 0.0009",
            "tokenRatio: expected a number of at least 0.001, found `0.0009`",
        ),
        ("maxTokens: 2, tokenRatio: x", "tokenRatio: expected a number of at least 0.001, found `x`"),
    ] {
        check_refused(&format!("service_config: {{retryThrottling: {{{text}}}}}"), &[expected]);
    }
}

#[test]
fn health_check_config() {
    let of =
        |mode, name: &str| Some(HealthCheck { mode, service_name: name.into(), ..HealthCheck::default() });
    let config = |name: &str| format!("service_config: {{healthCheckConfig: {{serviceName: {name}}}}}");
    assert_eq!(cluster(&config("shop.v1.Orders")).health_check, of(HealthMode::Watch, "shop.v1.Orders"));
    assert_eq!(cluster(&config("''")).health_check, of(HealthMode::Watch, ""));
    assert_eq!(cluster(&config("null")).health_check, None);
    assert_eq!(cluster("service_config: {healthCheckConfig: {}}").health_check, None);
    let beside = |check: &str, name: &str| {
        cluster(&format!("health_checks: [{check}], {}", config(name))).health_check
    };
    assert_eq!(beside("{}", "a.B"), of(HealthMode::Check, "a.B"));
    assert_eq!(beside("{mode: watch}", "''"), of(HealthMode::Watch, ""));
    let named = "{grpc_health_check: {service_name: a.B}}";
    assert_eq!(beside(named, "a.B"), of(HealthMode::Check, "a.B"));
    check_refused(
        &format!("health_checks: [{named}], {}", config("c.D")),
        &["`health_checks` asks for `a.B`, and `healthCheckConfig` for `c.D`"],
    );
    check_refused(
        &format!("health_checks: [{named}], {}", config("''")),
        &["`health_checks` asks for `a.B`, and `healthCheckConfig` for nothing"],
    );
    check_refused(
        "service_config: {healthCheckConfig: s}",
        &["clusters.NAME.service_config.healthCheckConfig: expected a table, found `s`"],
    );
}

/// Any tree that JSON can write: of words that mean something here and others, of the right shape now and then.
fn tree() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "0",
        "1",
        "2",
        "14",
        "-1",
        "1.5",
        "1e400",
        "0s",
        "1s",
        ".01s",
        "1m",
        "true",
        "false",
        "null",
        "OK",
        "UNAVAILABLE",
        "round_robin",
        "shop.v1.Orders",
        "Get",
        "x-user",
        "x-bin",
        "4294967296",
    ]);
    let quoted = "\\PC{0,8}".prop_map(|text| serde_json::to_string(&text).expect("text"));
    let leaf = prop_oneof![8 => words.prop_map(str::to_owned), 2 => quoted];
    let keys = prop::sample::select(vec![
        "loadBalancingConfig",
        "loadBalancingPolicy",
        "healthCheckConfig",
        "serviceName",
        "retryThrottling",
        "maxTokens",
        "tokenRatio",
        "methodConfig",
        "name",
        "service",
        "method",
        "timeout",
        "waitForReady",
        "maxRequestMessageBytes",
        "maxResponseMessageBytes",
        "retryPolicy",
        "hedgingPolicy",
        "maxAttempts",
        "initialBackoff",
        "maxBackoff",
        "backoffMultiplier",
        "retryableStatusCodes",
        "perAttemptRecvTimeout",
        "hedgingDelay",
        "nonFatalStatusCodes",
        "least_request",
        "choiceCount",
        "ring_hash",
        "minRingSize",
        "maxRingSize",
        "requestHashHeader",
        "pick_first",
        "weighted_round_robin",
        "blackoutPeriod",
        "other",
    ]);
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let entries = prop::collection::vec((keys.clone(), inner.clone()), 0..6);
        let table = entries.prop_map(|entries| {
            let entries: Vec<String> =
                entries.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
            format!("{{{}}}", entries.join(", "))
        });
        let list = prop::collection::vec(inner, 0..4).prop_map(|values| format!("[{}]", values.join(", ")));
        prop_oneof![3 => table, 2 => list]
    })
}

/// A service config of the right shape around trees.
fn near_config() -> impl Strategy<Value = String> {
    let some = || prop::collection::vec(tree(), 8);
    prop_oneof![
        tree(),
        some().prop_map(|t| format!(
            "{{methodConfig: [{{name: [{{service: {}, method: {}}}], timeout: {}, waitForReady: {}, retryPolicy: \
             {{maxAttempts: {}, initialBackoff: {}, backoffMultiplier: {}, retryableStatusCodes: [{}]}}}}]}}",
            t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7]
        )),
        some().prop_map(|t| format!(
            "{{loadBalancingConfig: [{}, {{ring_hash: {{minRingSize: {}, requestHashHeader: {}}}}}], healthCheckConfig: \
             {{serviceName: {}}}, retryThrottling: {{maxTokens: {}, tokenRatio: {}}}, methodConfig: [{}, {}]}}",
            t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7]
        )),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// Whatever stands there is taken, or refused where it stands.
    #[test]
    fn any_tree_is_a_service_config_or_refused_with_its_place(tree in near_config()) {
        let text = file(&format!("service_config: {tree}"));
        if let Err(report) = loaded(&text) {
            for diagnostic in &report.diagnostics {
                prop_assert!(matches!(&diagnostic.origin, Origin::Place { line: 1, .. }), "{text}\n{report}");
                prop_assert!(!diagnostic.message.contains('\n'), "{text}\n{report}");
            }
        }
    }
}
