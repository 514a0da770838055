//! Rules that make no binding.

use super::{build, compile, problems, rules};

#[test]
fn faulty_rules_are_reported_and_the_rest_stands() {
    let text = r#"
        syntax = "proto3";
        import "google/api/annotations.proto";
        service S {
            rpc A(M) returns (M) { option (google.api.http) = { body: "*" }; }
            rpc B(M) returns (M) { option (google.api.http) = { post: "/b" body: "nope" additional_bindings { post: "/b2" } }; }
            rpc C(M) returns (M) { option (google.api.http) = { get: "/c" response_body: "nope" }; }
            rpc D(M) returns (M) { option (google.api.http) = { custom: { kind: "not a method" path: "/d" } }; }
            rpc E(M) returns (M) { option (google.api.http) = {
                get: "/e" additional_bindings { get: "/e2" additional_bindings { get: "/e3" } } }; }
            rpc F(M) returns (M) { option (google.api.http) = { get: "/f" body: "*" }; }
            rpc G(M) returns (M) { option (google.api.http) = { custom: { kind: "*" path: "/g" } }; }
        }
        message M { string a = 1; }
    "#;
    let schema = build(&[compile("s", &[("s.proto", text)], true)]).unwrap();
    assert_eq!(rules(&schema), ["B: POST /b2", "E: GET /e", "E: GET /e2", "F: GET /f body *", "G: * /g"]);
    assert_eq!(
        problems(&schema),
        [
            "S.A (s.proto): expected one of get, put, post, delete, patch or custom with a path, found none; \
             the binding is ignored",
            "S.B (s.proto): `/b`: body `nope` is no field of M; the binding is ignored",
            "S.C (s.proto): `/c`: response_body `nope` is no field of M; the binding is ignored",
            "S.D (s.proto): expected an HTTP method or `*` as custom kind, found \"not a method\"; the binding \
             is ignored",
            "S.E (s.proto): additional_bindings inside `/e2`, itself an additional binding, are not allowed and \
             ignored",
            "S.F (s.proto): GET `/f` has a body, which many clients and proxies drop",
        ]
    );
}

#[test]
fn an_extension_that_is_no_http_rule_is_reported() {
    let http = "syntax = \"proto3\"; package google.api; import \"google/protobuf/descriptor.proto\"; \
                extend google.protobuf.MethodOptions { string http = 72295728; }";
    let text = "syntax = \"proto3\"; import \"h.proto\"; message M {} \
                service S { rpc A(M) returns (M) { option (google.api.http) = \"GET /\"; } }";
    let schema = build(&[compile("s", &[("h.proto", http), ("s.proto", text)], true)]).unwrap();
    assert_eq!(
        problems(&schema),
        [
            "S.A (s.proto): google.api.http is not a google.api.HttpRule in this schema, the annotation is ignored"
        ]
    );
}
