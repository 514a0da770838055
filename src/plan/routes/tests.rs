//! Rules of the configuration and of proto files as routes, and what is told about them.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::{
    config::{self, Flags},
    plan::{Plan, Source},
    schema::{Schema, source},
    telemetry::Metrics,
    upstream::Clusters,
};

const PROTO: &str = r#"syntax = "proto3";
package shop.v1;
import "google/api/annotations.proto";
service Orders {
  rpc Get(Order) returns (Order) {
    option (google.api.http) = { get: "/v1/orders/{id}" additional_bindings { get: "/v1/{name=users/*/orders/*}" } };
  }
  rpc Create(Order) returns (Order) { option (google.api.http) = { post: "/v1/orders" body: "*" }; }
  rpc Plain(Order) returns (Order);
}
message Order { string id = 1; string name = 2; Order parent = 3; repeated string tags = 4; }
"#;

/// A plan of `proto` with the lines `yaml` in the configuration.
fn plan(proto: &str, yaml: &str) -> (Plan, Vec<Warning>, TempDir) {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("edgeway.yaml");
    fs::write(&file, format!("clusters: {{orders: orders:1}}\n{yaml}")).expect("can be written");
    fs::write(folder.path().join("orders.proto"), proto).expect("can be written");
    let flags = Flags { config: Some(file), ..Flags::default() };
    let config = config::load(&flags, &|_| None).expect("valid").config;
    let set = source::compile(&["orders.proto".into()], &[folder.path().to_owned()]).expect("it compiles");
    let schema = Schema::build(&[set], |_| true).expect("a schema");
    let metrics = Metrics::new();
    let clusters = Clusters::new(config.clusters.iter().cloned(), &metrics);
    let sources: Vec<Source> = config
        .clusters
        .iter()
        .zip(clusters.iter())
        .map(|(config, cluster)| Source {
            config: Arc::new(config.clone()),
            cluster: Arc::clone(cluster),
            schema: Ok(Arc::new(schema.clone())),
        })
        .collect();
    let (plan, warnings) = Plan::compile(1, &config, &sources, &metrics);
    (plan, warnings, folder)
}

/// Compiles, and compares the routes and the warnings, with the folder of the configuration left out.
#[track_caller]
fn check(proto: &str, yaml: &str, routes: &[&str], warnings: &[&str]) {
    let (plan, warned, folder) = plan(proto, yaml);
    let folder = format!("{}/", folder.path().display());
    let found: Vec<String> = plan
        .routes
        .routes()
        .iter()
        .map(|route| {
            let method = route.value.method.method.selector();
            let method = method.trim_start_matches("shop.v1.");
            format!("{} {} {method} {}", route.method, route.template, route.value.source.as_str())
        })
        .collect();
    assert_eq!(found, routes, "{yaml}");
    let warned: Vec<String> = warned
        .iter()
        .map(|warning| format!("{}: {}", warning.place, warning.message).replace(&folder, ""))
        .collect();
    assert_eq!(warned, warnings, "{yaml}");
}

const AUTO: [&str; 3] = [
    "POST /shop.v1.Orders/Get Orders.Get auto",
    "POST /shop.v1.Orders/Create Orders.Create auto",
    "POST /shop.v1.Orders/Plain Orders.Plain auto",
];

#[test]
fn annotations_are_routes_and_every_method_has_its_own() {
    let mut routes = vec![
        "GET /v1/orders/{id} Orders.Get annotation",
        "GET /v1/{name=users/*/orders/*} Orders.Get annotation",
        "POST /v1/orders Orders.Create annotation",
    ];
    check(PROTO, "rest: {auto_mapping: false}\n", &routes, &[]);
    routes.extend(AUTO);
    check(PROTO, "", &routes, &[]);
}

#[test]
fn a_rule_replaces_the_annotations_of_its_methods() {
    check(
        PROTO,
        "rest: {auto_mapping: false}\nhttp:\n  rules:\n    - selector: shop.v1.Orders.Get\n      get: /v2/orders/{id}\n      \
         additional_bindings: [{custom: {kind: '*', path: '/v2/any/{id}'}}]\n    - {selector: shop.v1.Orders.Plain, \
         patch: '/v2/plain/{parent.id}', body: parent, response_body: tags}\n",
        &[
            "GET /v2/orders/{id} Orders.Get config",
            "* /v2/any/{id} Orders.Get config",
            "POST /v1/orders Orders.Create annotation",
            "PATCH /v2/plain/{parent.id} Orders.Plain config",
        ],
        &[],
    );
}

#[test]
fn the_last_rule_that_selects_a_method_counts() {
    check(
        PROTO,
        "rest: {auto_mapping: false}\nhttp:\n  rules:\n    - {selector: shop.v1.Orders.Get, get: /a}\n    - {selector: \
         shop.*, get: /b}\n    - {selector: shop.v1.Orders.Get, get: /c}\n    - {selector: shop.v1.Orders.Plain, get: /d}\n",
        &["GET /c Orders.Get config", "GET /b Orders.Create config", "GET /d Orders.Plain config"],
        &[
            "edgeway.yaml:5:18: http.rules: shop.v1.Orders.Get is replaced by later rules for every method that it \
           matches",
        ],
    );
}

#[test]
fn a_selector_that_matches_nothing_is_told_with_its_place() {
    let mut routes = vec![
        "GET /v1/orders/{id} Orders.Get annotation",
        "GET /v1/{name=users/*/orders/*} Orders.Get annotation",
        "POST /v1/orders Orders.Create annotation",
    ];
    routes.extend(AUTO);
    check(
        PROTO,
        "http:\n  rules:\n    - selector: shop.v1.Order.*\n      get: /x\n",
        &routes,
        &["edgeway.yaml:4:17: http.rules: shop.v1.Order.* matches no method of any schema"],
    );
}

#[test]
fn what_fits_no_method_is_told_with_its_place() {
    let rule = |rest: &str| {
        format!(
            "rest: {{auto_mapping: false}}\nhttp: {{rules: [{{selector: shop.v1.Orders.Get, {rest}}}]}}\n"
        )
    };
    let place = "shop.v1.Orders.Get (edgeway.yaml:3:52)";
    for (text, warning) in [
        ("get: '/x/{none}'", "GET `/x/{none}`: variable {none}: "),
        ("get: '/x/{tags}'", "GET `/x/{tags}`: variable {tags}: "),
        ("post: /x, body: none", "POST `/x`: expected a field of shop.v1.Order, found `none`"),
        ("post: /x, response_body: none", "POST `/x`: expected a field of shop.v1.Order, found `none`"),
        ("get: /x, body: '*'", "GET `/x` has a body, which many clients and proxies drop"),
    ] {
        let (_, warned, folder) = plan(PROTO, &rule(text));
        let folder = format!("{}/", folder.path().display());
        let [warning_found] = warned.as_slice() else { panic!("{text}: {warned:?}") };
        let column = if text.starts_with("post") { "53" } else { "52" };
        assert_eq!(warning_found.place.replace(&folder, ""), place.replace("52", column), "{text}");
        assert!(warning_found.message.starts_with(warning), "{text}: {}", warning_found.message);
    }
}

#[test]
fn rule_1_conflicts_name_both_selectors_and_both_places() {
    check(
        PROTO,
        "rest: {auto_mapping: false}\nhttp:\n  rules:\n    - {selector: shop.v1.Orders.Plain, get: '/v1/orders/{name}'}\n",
        &[
            "GET /v1/orders/{id} Orders.Get annotation",
            "GET /v1/{name=users/*/orders/*} Orders.Get annotation",
            "POST /v1/orders Orders.Create annotation",
        ],
        &["shop.v1.Orders.Plain (edgeway.yaml:5:45): GET /v1/orders/{name} of shop.v1.Orders.Plain \
           (edgeway.yaml:5:45) cannot be reached: GET /v1/orders/{id} of shop.v1.Orders.Get (orders.proto) answers \
           the same requests and stands first"],
    );
}

#[test]
fn rule_1_a_written_rule_comes_before_an_automatic_one() {
    // The method whose automatic route is taken stands first in the file.
    check(
        PROTO,
        "http:\n  rules:\n    - {selector: shop.v1.Orders.Plain, post: /shop.v1.Orders/Get, body: '*'}\n    - {selector: \
         shop.v1.Orders.Create, post: /shop.v1.Orders/Create, body: '*'}\n",
        &[
            "GET /v1/orders/{id} Orders.Get annotation",
            "GET /v1/{name=users/*/orders/*} Orders.Get annotation",
            "POST /shop.v1.Orders/Create Orders.Create config",
            "POST /shop.v1.Orders/Get Orders.Plain config",
            "POST /shop.v1.Orders/Plain Orders.Plain auto",
        ],
        &[
            "shop.v1.Orders.Get (orders.proto, automatic): POST /shop.v1.Orders/Get of shop.v1.Orders.Get (orders.proto, \
           automatic) cannot be reached: POST /shop.v1.Orders/Get of shop.v1.Orders.Plain (edgeway.yaml:4:46) answers \
           the same requests and stands first",
        ],
    );
}

#[test]
fn rule_1_a_route_whose_requests_others_answer_is_told() {
    check(
        PROTO,
        "rest: {auto_mapping: false}\nhttp:\n  rules:\n    - {selector: shop.v1.Orders.Get, get: '/a/{id=**}/{name}'}\n    \
         - {selector: shop.v1.Orders.Create, get: '/a/{name}/{id=**}'}\n",
        &["GET /a/{id=**}/{name} Orders.Get config", "GET /a/{name}/{id=**} Orders.Create config"],
        &[
            "shop.v1.Orders.Get (edgeway.yaml:5:43): GET /a/{id=**}/{name} of shop.v1.Orders.Get (edgeway.yaml:5:43) \
           cannot be reached: all of its requests are answered by GET /a/{name}/{id=**} of shop.v1.Orders.Create \
           (edgeway.yaml:6:46)",
        ],
    );
}

#[test]
fn templates_that_are_none_are_refused_with_their_place() {
    let (_, _, folder) = plan(PROTO, "");
    let file = folder.path().join("bad.yaml");
    let text = "clusters: {a: a:1}\nhttp:\n  rules:\n    - {selector: a.B.C, get: '/x/{a', additional_bindings: \
                [{get: '/**/**'}, {get: /fine}]}\n";
    fs::write(&file, text).expect("can be written");
    let flags = Flags { config: Some(file), ..Flags::default() };
    let config = config::load(&flags, &|_| None).expect("valid in itself").config;
    let report = check_templates(&config.http).expect_err("two templates that are none");
    let shown: Vec<String> = report.diagnostics.iter().map(|d| d.message.clone()).collect();
    assert_eq!(
        shown,
        [
            "path template `/x/{a`, offset 3: expected `}` to close the variable",
            "path template `/**/**`, offset 4: expected at most one `**`, found a second"
        ]
    );
    assert!(report.to_string().contains("bad.yaml:4:30"), "{report}");
    assert_eq!(check_templates(&Http::default()), Ok(()));
}

#[test]
fn rules_6_10_and_15_are_switched_by_the_configuration() {
    let options_of = |yaml: &str| plan(PROTO, yaml).0.routes.options();
    assert_eq!(options_of(""), Options::default());
    for (spec, expand, unescape) in [
        ("all_characters_except_reserved", false, Unescape::ExceptReserved),
        ("all_characters_except_reserved", true, Unescape::ExceptSlash),
        ("all_characters_except_slash", false, Unescape::ExceptSlash),
        ("all_characters_except_slash", true, Unescape::ExceptSlash),
        ("all_characters", false, Unescape::All),
        ("all_characters", true, Unescape::All),
    ] {
        let yaml = format!(
            "rest: {{url_unescape_spec: {spec}}}\nhttp: {{fully_decode_reserved_expansion: {expand}}}\n"
        );
        assert_eq!(options_of(&yaml), Options { unescape, ..Options::default() }, "{yaml}");
    }
    let yaml = "rest: {trailing_slash: redirect, merge_slashes: true, reject_dot_segments: false}\n";
    let expected = Options {
        trailing_slash: route::TrailingSlash::Redirect,
        merge_slashes: true,
        reject_dot_segments: false,
        ..Options::default()
    };
    assert_eq!(options_of(yaml), expected);
    let ignore = Options { trailing_slash: route::TrailingSlash::Ignore, ..Options::default() };
    assert_eq!(options_of("rest: {trailing_slash: ignore}\n"), ignore);
}
