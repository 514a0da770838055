//! `retryPolicy` and `hedgingPolicy`: gRPC's own cases of what is valid (gRFC A6).

use std::time::Duration;

use crate::config::tests::{check, check_warnings, loaded};
use crate::config::{Again, Codes, HedgingPolicy, RetryPolicy};
use crate::grpc::Code;

fn file(method_config: &str) -> String {
    format!(
        "clusters:\n  a:\n    target: a:1\n    service_config:\n      methodConfig:\n        - name: [{{service: s}}]\n          {method_config}\n"
    )
}

/// A retry policy that is valid but for what `change` says.
fn retry(change: &str) -> String {
    let keys = [
        "maxAttempts: 3",
        "initialBackoff: 1s",
        "maxBackoff: 120s",
        "backoffMultiplier: 1.6",
        "retryableStatusCodes: [ABORTED]",
    ];
    let changed = change.split(':').next().unwrap_or_default();
    let same = |key: &str| key.split(':').next().is_some_and(|name| name.eq_ignore_ascii_case(changed));
    let mut keys: Vec<&str> = keys.into_iter().filter(|key| !same(key)).collect();
    if change.contains(':') {
        keys.push(change);
    }
    file(&format!("retryPolicy: {{{}}}", keys.join(", ")))
}

#[track_caller]
fn again(text: &str) -> Option<Again> {
    let (config, warnings) = loaded(text).unwrap_or_else(|report| panic!("{text}\n{report}"));
    assert_eq!(warnings, [], "{text}");
    let mut methods = config.clusters.into_iter().flat_map(|cluster| cluster.service_config.methods);
    methods.next().expect("one entry").again
}

#[track_caller]
fn check_refused(text: &str, expected: &[&str]) {
    let report = loaded(text).expect_err(text);
    let said: Vec<&str> = report.diagnostics.iter().map(|found| found.message.as_str()).collect();
    assert_eq!(said, expected, "{text}");
}

#[test]
fn retry_policies() {
    let policy = || RetryPolicy {
        max_attempts: 3,
        initial_backoff: Duration::from_secs(1),
        max_backoff: Duration::from_secs(120),
        backoff_multiplier: 1.6,
        retryable: Codes::default().with(Code::Aborted),
        per_attempt_recv_timeout: None,
    };
    let codes = |codes: &[Code]| codes.iter().copied().collect::<Codes>();
    let seconds = Duration::from_secs_f64;
    for (change, expected) in [
        ("", policy()),
        ("maxAttempts: 2", RetryPolicy { max_attempts: 2, ..policy() }),
        ("MaxAttempts: \"5\"", RetryPolicy { max_attempts: 5, ..policy() }),
        ("initialBackoff: .01s", RetryPolicy { initial_backoff: seconds(0.01), ..policy() }),
        // gRPC does not compare the two.
        ("maxBackoff: 0.5s", RetryPolicy { max_backoff: seconds(0.5), ..policy() }),
        ("backoffMultiplier: \"1\"", RetryPolicy { backoff_multiplier: 1.0, ..policy() }),
        ("backoffMultiplier: 0.5", RetryPolicy { backoff_multiplier: 0.5, ..policy() }),
        (
            "retryableStatusCodes: [14, '8', unavailable, Data_Loss]",
            RetryPolicy {
                retryable: codes(&[Code::Unavailable, Code::ResourceExhausted, Code::DataLoss]),
                ..policy()
            },
        ),
        (
            "perAttemptRecvTimeout: 1s",
            RetryPolicy { per_attempt_recv_timeout: Some(seconds(1.0)), ..policy() },
        ),
        ("perAttemptRecvTimeout: null", policy()),
    ] {
        assert_eq!(again(&retry(change)), Some(Again::Retry(expected)), "{change}");
    }
    assert_eq!(again(&file("retryPolicy: null")), None);
    assert_eq!(again(&file("waitForReady: true")), None);
}

#[test]
fn wrong_retry_policies() {
    for (change, expected) in [
        ("maxAttempts: FOO", "maxAttempts: expected a number of at least 2, found `FOO`"),
        ("maxAttempts: 1", "maxAttempts: expected a number of at least 2, found `1`"),
        ("maxAttempts: 0", "maxAttempts: expected a number of at least 2, found `0`"),
        ("maxAttempts: -1", "maxAttempts: expected a number of at least 2, found `-1`"),
        ("maxAttempts: 2.5", "maxAttempts: expected a number of at least 2, found `2.5`"),
        ("maxAttempts: [2]", "maxAttempts: expected one value, found a list"),
        ("initialBackoff: 1sec", "initialBackoff: expected a duration in seconds, found `1sec`"),
        ("initialBackoff: 100ms", "initialBackoff: expected a duration in seconds, found `100ms`"),
        ("initialBackoff: 0s", "initialBackoff: expected a duration above zero, found `0s`"),
        ("initialBackoff: -1s", "initialBackoff: expected a duration in seconds, found `-1s`"),
        ("maxBackoff: 120sec", "maxBackoff: expected a duration in seconds, found `120sec`"),
        ("maxBackoff: 0s", "maxBackoff: expected a duration above zero, found `0s`"),
        ("backoffMultiplier: []", "backoffMultiplier: expected one value, found a list"),
        ("backoffMultiplier: 0", "backoffMultiplier: expected a number above zero, found `0`"),
        ("backoffMultiplier: -1", "backoffMultiplier: expected a number above zero, found `-1`"),
        ("backoffMultiplier: .inf", "backoffMultiplier: expected a number above zero, found `.inf`"),
        ("retryableStatusCodes: []", "retryableStatusCodes: expected at least one code, found none"),
        ("retryableStatusCodes: 0", "retryableStatusCodes: expected a list, found `0`"),
        ("retryableStatusCodes: [OK]", "retryableStatusCodes: expected the code of a failure, found `OK`"),
        ("retryableStatusCodes: [0]", "retryableStatusCodes: expected the code of a failure, found `OK`"),
        ("retryableStatusCodes: [17]", "retryableStatusCodes: expected a status code, found `17`"),
        ("retryableStatusCodes: [FOO]", "retryableStatusCodes: expected a status code, found `FOO`"),
        (
            "retryableStatusCodes: [CANCELED]",
            "retryableStatusCodes: expected a status code, found `CANCELED`, did you mean `CANCELLED`?",
        ),
        (
            "perAttemptRecvTimeout: 1sec",
            "perAttemptRecvTimeout: expected a duration in seconds, found `1sec`",
        ),
        ("perAttemptRecvTimeout: 0s", "perAttemptRecvTimeout: expected a duration above zero, found `0s`"),
        ("maxAttempt: 3", "unknown key `maxAttempt`, did you mean `maxAttempts`?"),
    ] {
        check_refused(&retry(change), &[expected]);
    }
    let place = "clusters.NAME.service_config.methodConfig[].retryPolicy";
    check_refused(&file("retryPolicy: 5"), &[&format!("{place}: expected a table, found `5`")]);
    let missing = |key: &str| format!("{place}: expected the key `{key}`, found none");
    let missing = ["maxAttempts", "initialBackoff", "maxBackoff", "backoffMultiplier"].map(missing);
    let mut all: Vec<&str> = missing.iter().map(String::as_str).collect();
    check_refused(&file("retryPolicy: {retryableStatusCodes: [ABORTED]}"), &all);
    all.push("retryableStatusCodes: expected at least one code, found none");
    check_refused(&file("retryPolicy: {}"), &all);
    check_refused(&file("retryPolicy: {maxAttempts: null, retryableStatusCodes: null}"), &all);
}

#[test]
fn hedging_policies() {
    let policy =
        || HedgingPolicy { max_attempts: 3, hedging_delay: Duration::ZERO, non_fatal: Codes::default() };
    for (text, expected) in [
        ("{maxAttempts: 3}", policy()),
        ("{maxAttempts: 3, hedgingDelay: 0s, nonFatalStatusCodes: []}", policy()),
        (
            "{maxAttempts: 2, hedgingDelay: 0.25s, nonFatalStatusCodes: [UNAVAILABLE, 10]}",
            HedgingPolicy {
                max_attempts: 2,
                hedging_delay: Duration::from_millis(250),
                non_fatal: Codes::default().with(Code::Unavailable).with(Code::Aborted),
            },
        ),
    ] {
        assert_eq!(again(&file(&format!("hedgingPolicy: {text}"))), Some(Again::Hedge(expected)), "{text}");
    }
    let place = "clusters.NAME.service_config.methodConfig[].hedgingPolicy";
    for (text, expected) in [
        ("{}", format!("{place}: expected the key `maxAttempts`, found none")),
        ("{maxAttempts: 1}", "maxAttempts: expected a number of at least 2, found `1`".into()),
        (
            "{maxAttempts: 2, hedgingDelay: 5}",
            "hedgingDelay: expected a duration in seconds, found `5`".into(),
        ),
        (
            "{maxAttempts: 2, nonFatalStatusCodes: [ok]}",
            "nonFatalStatusCodes: expected the code of a failure, found `OK`".into(),
        ),
        ("{maxAttempts: 2, maxBackoff: 1s}", "unknown key `maxBackoff`".into()),
    ] {
        check_refused(&file(&format!("hedgingPolicy: {text}")), &[&expected]);
    }
}

#[test]
fn one_way_or_the_other() {
    check(
        "clusters:
  a:
    target: a:1
    service_config:
      methodConfig:
        - name: [{}]
          hedgingPolicy: {maxAttempts: 2}
          retryPolicy: {maxAttempts: 2, initialBackoff: 1s, maxBackoff: 1s, backoffMultiplier: 1, retryableStatusCodes: [14]}
",
        "error: expected `retryPolicy` or `hedgingPolicy`, found both
 --> edgeway.yaml:7:11
  |
7 |           hedgingPolicy: {maxAttempts: 2}
  |           ^^^^^^^^^^^^^
  = help: a call is tried again in one of the two ways",
    );
}

#[test]
fn more_than_five_attempts_count_as_five() {
    check_warnings(
        "clusters:
  a:
    target: a:1
    service_config:
      methodConfig: [{name: [{}], hedgingPolicy: {maxAttempts: 6}}]
",
        "warning: maxAttempts: 6 attempts count as 5
 --> edgeway.yaml:5:64
  |
5 |       methodConfig: [{name: [{}], hedgingPolicy: {maxAttempts: 6}}]
  |                                                                ^
  = help: write `5`",
    );
    let (config, warnings) = loaded(&retry("maxAttempts: 4294967295")).expect("valid");
    assert_eq!(warnings.len(), 1);
    let methods = config.clusters.iter().flat_map(|cluster| &cluster.service_config.methods);
    let attempts: Vec<u32> = methods
        .filter_map(|method| match &method.again {
            Some(Again::Retry(retry)) => Some(retry.max_attempts),
            _ => None,
        })
        .collect();
    assert_eq!(attempts, [5]);
}
