//! `http`: `google.api.Http` as it stands in a file.

use crate::config::tests::{check, config};
use crate::config::{Http, Origin};

/// The rules as lines: the selector, then each binding with its place.
fn shown(http: &Http) -> Vec<String> {
    let mut lines = Vec::new();
    for rule in &http.rules {
        lines.push(rule.selector.to_string());
        for binding in &rule.bindings {
            let (body, response) = (binding.body.as_deref(), binding.response_body.as_deref());
            lines.push(format!(
                "{} {} body={} response={} at {}",
                binding.method,
                binding.template,
                body.unwrap_or("-"),
                response.unwrap_or("-"),
                binding.origin
            ));
        }
    }
    lines
}

#[test]
fn rules_are_those_of_google_api_http() {
    let text = r#"clusters: {a: a:1}
http:
  rules:
    - selector: shop.v1.Orders.Get
      get: /v1/orders/{order_id}
      additional_bindings:
        - get: "/v1/{name=users/*/orders/*}"
        - custom: {kind: "*", path: /any/orders}
          body: "*"
    - {selector: shop.*, post: /v1/all, body: order, response_body: order}
    - {selector: "*", put: /v1/x, body: "", response_body: ""}
    - {selector: a.B.C, patch: /v1/y}
    - {selector: a.B.D, delete: /v1/z}
"#;
    let http = config(text).http;
    assert!(!http.fully_decode_reserved_expansion);
    assert_eq!(
        shown(&http),
        [
            "shop.v1.Orders.Get",
            "GET /v1/orders/{order_id} body=- response=- at edgeway.yaml:5:12",
            "GET /v1/{name=users/*/orders/*} body=- response=- at edgeway.yaml:7:16",
            "* /any/orders body=* response=- at edgeway.yaml:8:37",
            "shop.*",
            "POST /v1/all body=order response=order at edgeway.yaml:10:32",
            "*",
            "PUT /v1/x body=- response=- at edgeway.yaml:11:28",
            "a.B.C",
            "PATCH /v1/y body=- response=- at edgeway.yaml:12:32",
            "a.B.D",
            "DELETE /v1/z body=- response=- at edgeway.yaml:13:33",
        ]
    );
    assert!(matches!(&http.rules[0].origin, Origin::Place { line: 4, column: 17, .. }));
}

#[test]
fn keys_may_be_spelt_as_protojson_spells_them() {
    let text = "clusters: {a: a:1}
http:
  fullyDecodeReservedExpansion: true
  rules: [{selector: a.B.C, get: /x, responseBody: r, additionalBindings: [{get: /y}]}]
";
    let http = config(text).http;
    assert!(http.fully_decode_reserved_expansion);
    assert_eq!(http.rules[0].bindings.len(), 2);
    check(
        "clusters: {a: a:1}
http: {rules: [{selector: a.B.C, get: /x, responseBody: r, response_body: s}]}
",
        r"error: the key `response_body` is given twice in another spelling
 --> edgeway.yaml:2:60
  |
2 | http: {rules: [{selector: a.B.C, get: /x, responseBody: r, response_body: s}]}
  |                                                            ^^^^^^^^^^^^^",
    );
}

#[test]
fn what_is_no_rule_is_told_with_its_place() {
    let patterns = "`get`, `put`, `post`, `delete`, `patch` or `custom`";
    check(
        r#"clusters: {a: a:1}
http:
  rules:
    - selector: a.B.C
    - {selector: a.B.D, get: /x, put: /x}
    - {get: /x}
    - {selector: a.B.E, get: v1/x}
    - {selector: a.B.F, custom: {kind: "BAD KIND", path: /x}}
    - {selector: a.B.G, custom: {path: /x}}
    - {selector: a.B.H, get: /x, additional_bindings: [{selector: a.B.I, get: /y}]}
"#,
        &format!(
            r#"error: expected one of {patterns}, found none
 --> edgeway.yaml:4:7
  |
4 |     - selector: a.B.C
  |       ^
  = help: write the path by its method, such as `get: /v1/orders/{{id}}`

error: expected one of {patterns}, found get and put
 --> edgeway.yaml:5:7
  |
5 |     - {{selector: a.B.D, get: /x, put: /x}}
  |       ^
  = help: write the path by its method, such as `get: /v1/orders/{{id}}`

error: http.rules[]: expected the key `selector`, found none
 --> edgeway.yaml:6:7
  |
6 |     - {{get: /x}}
  |       ^
  = help: add `selector` (selector)

error: get: expected a path template that begins with `/`, found `v1/x`
 --> edgeway.yaml:7:30
  |
7 |     - {{selector: a.B.E, get: v1/x}}
  |                              ^^^^

error: kind: expected an HTTP method, found `BAD KIND`
 --> edgeway.yaml:8:40
  |
8 |     - {{selector: a.B.F, custom: {{kind: "BAD KIND", path: /x}}}}
  |                                        ^^^^^^^^^^
  = help: write a method such as `HEAD`, or `"*"` for every one

error: http.rules[].custom: expected the key `kind`, found none
 --> edgeway.yaml:9:33
  |
9 |     - {{selector: a.B.G, custom: {{path: /x}}}}
  |                                 ^
  = help: add `kind` (HTTP method, `*`)

error: unknown key `selector`
  --> edgeway.yaml:10:57
   |
10 |     - {{selector: a.B.H, get: /x, additional_bindings: [{{selector: a.B.I, get: /y}}]}}
   |                                                         ^^^^^^^^
   = help: expected {patterns}, `body` or `response_body`"#
        )
        .replace("`patch` or `custom`, `body`", "`patch`, `custom`, `body`"),
    );
}

#[test]
fn proto_files_need_a_list_and_have_a_folder() {
    let protos = |text: &str| {
        let text = format!("clusters: {{a: {{target: a:1, descriptors: {{reflection: never, {text}}}}}}}\n");
        let descriptors = config(&text).clusters.swap_remove(0).descriptors;
        let shown = |paths: Vec<std::path::PathBuf>| {
            paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
        };
        (shown(descriptors.protos.files), shown(descriptors.protos.import_paths))
    };
    assert_eq!(protos("protos: {files: [b.proto, /c.proto]}"), ("b.proto /c.proto".into(), String::new()));
    assert_eq!(
        protos("protos: {files: [b.proto], import_paths: [x, /y]}"),
        ("b.proto".into(), "x /y".into())
    );
    check(
        "clusters: {a: {target: a:1, descriptors: {protos: {import_paths: [x]}}}}\n",
        r"error: protos: expected the key `files`, found none
 --> edgeway.yaml:1:51
  |
1 | clusters: {a: {target: a:1, descriptors: {protos: {import_paths: [x]}}}}
  |                                                   ^
  = help: add `files` (list of paths), such as `files: [shop/v1/orders.proto]`",
    );
}
