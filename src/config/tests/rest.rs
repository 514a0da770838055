//! `rest` and `policies[].rest`: wrong values, and which place holds.

use crate::config::tests::{config, loaded};

/// What is said of one line below `rest:`.
#[track_caller]
fn check(line: &str, message: &str, help: Option<&str>) {
    let report = loaded(&format!("clusters: {{a: a:1}}\nrest:\n  {line}\n")).expect_err(line);
    let said: Vec<(&str, Option<&str>)> = report
        .diagnostics
        .iter()
        .map(|diagnostic| (diagnostic.message.as_str(), diagnostic.help.as_deref()))
        .collect();
    assert_eq!(said, [(message, help)], "{line}");
}

#[test]
fn wrong_values() {
    check("max_json_depth: 101", "max_json_depth: expected a number from 1 to 100, found `101`", None);
    check("max_json_values: 0", "max_json_values: expected a number from 1 to 10000000, found `0`", None);
    check(
        "trailing_slash: strip",
        "trailing_slash: expected `strict`, `ignore` or `redirect`, found `strip`, did you mean `strict`?",
        None,
    );
    check(
        "error_format: problem",
        "error_format: expected `status`, `aip193` or `problem_json`, found `problem`",
        None,
    );
    check(
        "ignored_query_parameters: [u*m]",
        "ignored_query_parameters: expected the name of a query parameter, found `u*m`",
        Some("a star stands at the end, as in `utm_*`"),
    );
    check(
        "streaming: { offer: [] }",
        "offer: expected at least one format, found none",
        Some("leave the key out to offer all of them"),
    );
    check(
        "http_status: { NOTFOUND: 410 }",
        "expected the name of an error code, found `NOTFOUND`, did you mean `NOT_FOUND`?",
        Some("write it as `NOT_FOUND`"),
    );
    check(
        "http_status: { OK: 400 }",
        "expected the name of an error code, found `OK`",
        Some("write it as `NOT_FOUND`"),
    );
    check(
        "http_status: { NOT_FOUND: 200 }",
        "NOT_FOUND: expected a number from 400 to 599, found `200`",
        None,
    );
    check(
        "http_status: 410",
        "http_status: expected a table, found `410`",
        Some("write `FAILED_PRECONDITION: 412` below it"),
    );
}

#[test]
fn what_concerns_paths_holds_for_the_gateway() {
    let text = "clusters: {a: a:1}\npolicies:\n  - selector: a.B.C\n    rest: { trailing_slash: ignore }\n";
    let report = loaded(text).expect_err(text);
    assert_eq!(report.diagnostics.len(), 1);
    assert_eq!(
        report.diagnostics[0].message,
        "`trailing_slash` holds for the whole gateway: a path is read before its method is known"
    );
}

#[test]
fn the_most_specific_place_holds_field_by_field() {
    let config = config(
        "clusters: {a: a:1}
rest:
  max_json_depth: 50
  fill_update_mask: false
policies:
  - selector: a.B.C
    rest: { max_json_depth: 10 }
  - selector: a.*
    rest: { max_json_depth: 20, print_options: { add_whitespace: true } }
",
    );
    for (service, method, depth, whitespace) in
        [("a.B", "C", 10, true), ("a.B", "D", 20, true), ("b.B", "C", 50, false)]
    {
        let policy = config.rest_for(service, method);
        assert_eq!((policy.max_json_depth, policy.add_whitespace), (depth, whitespace), "{service} {method}");
        assert!(!policy.fill_update_mask && policy.reject_unknown_json_fields);
    }
    assert_eq!(config.rest_default().max_json_depth, 50);
}
