//! Descriptor sets to schemas. Sources are proto text, compiled here with imports unless said otherwise.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use protox::file::{ChainFileResolver, DescriptorSetFileResolver, File, FileResolver, GoogleFileResolver};

mod faults;
mod rules;
mod sources;

use super::{Body, BuildError, DescriptorSet, Idempotency, Schema};
use crate::call::Kind;

struct Memory(HashMap<String, String>);

impl FileResolver for Memory {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.get(name) {
            Some(text) => File::from_source(name, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// Compiles `files`; with their imports, as `--include_imports` does, or without.
pub(super) fn compile(origin: &str, files: &[(&str, &str)], imports: bool) -> DescriptorSet {
    let memory = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let google = include_bytes!(concat!(env!("OUT_DIR"), "/google.binpb"));
    let mut resolver = ChainFileResolver::new();
    resolver.add(Memory(memory));
    resolver.add(GoogleFileResolver::new());
    resolver.add(DescriptorSetFileResolver::decode(google.as_slice()).unwrap());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(imports).include_source_info(true);
    for (name, _) in files {
        compiler.open_file(name).unwrap();
    }
    DescriptorSet::new(origin, compiler.encode_file_descriptor_set())
}

/// A set of the files named, out of another.
fn only(set: &DescriptorSet, names: &[&str]) -> DescriptorSet {
    let files = super::set::files(&set.bytes).unwrap();
    let kept = files.iter().filter(|file| names.contains(&file.name.as_str()));
    DescriptorSet::new(set.origin.clone(), super::set::encode(kept))
}

fn raw(origin: &str, file: Vec<FileDescriptorProto>) -> DescriptorSet {
    DescriptorSet::new(origin, FileDescriptorSet { file }.encode_to_vec())
}

fn build(sets: &[DescriptorSet]) -> Result<Schema, BuildError> {
    Schema::build(sets, |_| true)
}

fn faults(sets: &[DescriptorSet]) -> Vec<String> {
    build(sets).unwrap_err().faults.iter().map(ToString::to_string).collect()
}

/// Every binding of a schema as a line.
fn rules(schema: &Schema) -> Vec<String> {
    let line = |method: &super::Method| {
        let name = method.name.clone();
        let bindings = method.rules.iter().map(move |rule| {
            let body = match &rule.body {
                Body::None => String::new(),
                Body::All => " body *".to_owned(),
                Body::Field(field) => format!(" body {field}"),
            };
            let response = rule.response_body.as_ref().map(|field| format!(" response {field}"));
            format!("{name}: {} {}{body}{}", rule.verb.as_str(), rule.template, response.unwrap_or_default())
        });
        bindings.collect::<Vec<_>>()
    };
    schema.methods().flat_map(|method| line(method)).collect()
}

fn problems(schema: &Schema) -> Vec<String> {
    schema.problems().iter().map(ToString::to_string).collect()
}

const ORDERS: &str = r#"
    syntax = "proto3";
    package shop.v1;
    import "google/api/annotations.proto";
    import "google/protobuf/timestamp.proto";
    import "shop/v1/money.proto";
    service Orders {
        rpc Get(GetRequest) returns (Order) {
            option idempotency_level = NO_SIDE_EFFECTS;
            option (google.api.http) = {
                get: "/v1/orders/{id}"
                additional_bindings { get: "/v1/{name=shops/*/orders/*}" response_body: "total" }
                additional_bindings { custom: { kind: "PURGE" path: "/v1/orders/{id}" } }
            };
        }
        rpc Create(stream Order) returns (Order) {
            option (google.api.http) = { post: "/v1/orders" body: "*" };
        }
        rpc Update(Order) returns (stream Order) {
            option idempotency_level = IDEMPOTENT;
            option (google.api.http) = { patch: "/v1/orders" body: "total" };
        }
        rpc Chat(stream Order) returns (stream Order);
    }
    message GetRequest { string id = 1; string name = 2; }
    message Order { string id = 1; Money total = 2; google.protobuf.Timestamp at = 3; }
"#;

const MONEY: &str = r#"syntax = "proto3"; package shop.v1; message Money { int64 units = 1; }"#;

fn orders() -> DescriptorSet {
    static SET: LazyLock<DescriptorSet> = LazyLock::new(compiled_orders);
    SET.clone()
}

fn compiled_orders() -> DescriptorSet {
    compile("orders.binpb", &[("shop/v1/orders.proto", ORDERS), ("shop/v1/money.proto", MONEY)], true)
}

#[test]
fn services_methods_and_rules_are_read() {
    let schema = build(&[orders()]).unwrap();
    let names: Vec<&str> = schema.services().iter().map(|service| &*service.name).collect();
    assert_eq!(names, ["shop.v1.Orders"]);
    assert_eq!(
        rules(&schema),
        [
            "Get: GET /v1/orders/{id}",
            "Get: GET /v1/{name=shops/*/orders/*} response total",
            "Get: PURGE /v1/orders/{id}",
            "Create: POST /v1/orders body *",
            "Update: PATCH /v1/orders body total",
        ]
    );
    let method = |name: &str| schema.method(&format!("/shop.v1.Orders/{name}")).unwrap();
    let facts = ["Get", "Create", "Update", "Chat"].map(|name| (method(name).kind, method(name).idempotency));
    assert_eq!(
        facts,
        [
            (Kind::Unary, Idempotency::NoSideEffects),
            (Kind::ClientStream, Idempotency::Unknown),
            (Kind::ServerStream, Idempotency::Idempotent),
            (Kind::Bidi, Idempotency::Unknown),
        ]
    );
    assert_eq!(method("Get").selector(), "shop.v1.Orders.Get");
    assert_eq!(method("Get").input.full_name(), "shop.v1.GetRequest");
    assert_eq!(method("Get").output.full_name(), "shop.v1.Order");
    assert!(schema.method("/shop.v1.Orders/Nope").is_none());
    assert!(problems(&schema).is_empty(), "{:?}", problems(&schema));
}

#[test]
fn only_accepted_services_are_offered() {
    let text = "syntax = \"proto3\"; package grpc.health.v1; message M {} \
                service Health { rpc Check(M) returns (M); }";
    let set = [orders(), compile("h", &[("health.proto", text)], true)];
    let schema = Schema::build(&set, |service| !service.starts_with("grpc.")).unwrap();
    assert!(schema.method("/grpc.health.v1.Health/Check").is_none());
    assert!(schema.pool().get_service_by_name("grpc.health.v1.Health").is_some());

    let nothing = Schema::build(&[], |_| true).unwrap();
    assert_eq!(problems(&nothing), ["the schema exposes no service"]);
}

#[test]
fn two_hundred_services_load() {
    let texts: Vec<(String, String)> = (0..200)
        .map(|index| {
            let text = format!(
                "syntax = \"proto3\"; package p{index}; import \"google/api/annotations.proto\"; message M {{ string a = 1; }} \
                 service S {{ rpc A(M) returns (M) {{ option (google.api.http) = {{ get: \"/p{index}/{{a}}\" }}; }} }}"
            );
            (format!("p{index}.proto"), text)
        })
        .collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let schema = build(&[compile("s", &files, true)]).unwrap();
    assert_eq!(schema.services().len(), 200);
    assert_eq!(rules(&schema).len(), 200);
    assert!(schema.problems().is_empty());
}
