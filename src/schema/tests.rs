//! Descriptor sets to schemas. Sources are proto text, compiled here with imports unless said otherwise.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet, MessageOptions,
};
use protox::file::{ChainFileResolver, DescriptorSetFileResolver, File, FileResolver, GoogleFileResolver};

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
fn built_in_files_fill_in_what_a_set_leaves_out() {
    let bare = only(&orders(), &["shop/v1/orders.proto", "shop/v1/money.proto"]);
    let schema = build(std::slice::from_ref(&bare)).unwrap();
    assert_eq!(rules(&schema).len(), 5);
    for name in ["google.rpc.BadRequest", "google.rpc.Status", "google.api.HttpBody", "google.protobuf.Any"] {
        assert!(schema.pool().get_message_by_name(name).is_some(), "{name}");
    }
    // What a schema gives out is complete and builds again to the same.
    let again = build(&[DescriptorSet::new("again", schema.set().clone())]).unwrap();
    assert_eq!(again.digest(), schema.digest());
}

#[test]
fn a_vendored_copy_under_another_name_is_no_clash() {
    let vendored = [
        (
            "vendor/google/rpc/status.proto",
            "syntax = \"proto3\"; package google.rpc; message Status { int32 code = 1; }",
        ),
        (
            "a.proto",
            "syntax = \"proto3\"; import \"vendor/google/rpc/status.proto\"; message A { google.rpc.Status s = 1; }",
        ),
    ];
    let schema = build(&[compile("a", &vendored, true)]).unwrap();
    assert_eq!(schema.pool().get_message_by_name("google.rpc.Status").unwrap().fields().len(), 1);
    assert!(schema.pool().get_message_by_name("google.rpc.BadRequest").is_some());
}

#[test]
fn sets_are_merged_in_order_and_the_first_definition_wins() {
    let file = |field: &str| format!("syntax = \"proto3\"; message A {{ string {field} = 1; }}");
    let one = compile("one", &[("a.proto", &file("first"))], true);
    let two = compile(
        "two",
        &[("a.proto", &file("second")), ("b.proto", "syntax = \"proto3\"; message B {}")],
        true,
    );
    for (sets, want) in [([one.clone(), two.clone()], "first"), ([two, one], "second")] {
        let schema = build(&sets).unwrap();
        let message = schema.pool().get_message_by_name("A").unwrap();
        assert!(message.get_field_by_name(want).is_some(), "{want}");
        assert!(schema.pool().get_message_by_name("B").is_some());
    }
}

#[test]
fn files_may_come_in_any_order() {
    let set = orders();
    let mut files = super::set::files(&set.bytes).unwrap();
    files.reverse();
    let reversed = DescriptorSet::new("reversed", super::set::encode(&files));
    assert_ne!(reversed.bytes, set.bytes);
    assert_eq!(reversed.digest(), set.digest());
    assert_eq!(build(&[reversed]).unwrap().digest(), build(&[set]).unwrap().digest());
}

#[test]
fn digests_tell_sets_apart() {
    let digest = |text: &str| compile("a", &[("a.proto", text)], true).digest();
    let one = digest("syntax = \"proto3\"; message A {}");
    assert_eq!(one, digest("syntax = \"proto3\"; message A {}"));
    assert_ne!(one, digest("syntax = \"proto3\"; message B {}"));
    assert_eq!(one.to_string().len(), 16);
    assert_ne!(DescriptorSet::new("", "x").digest(), DescriptorSet::new("", "y").digest());
}

#[test]
fn a_missing_import_is_named_with_the_way_out() {
    let bare = only(&orders(), &["shop/v1/orders.proto"]);
    assert_eq!(
        faults(&[bare]),
        ["shop/v1/orders.proto imports shop/v1/money.proto, which is in none of the sources: compile with \
          --include_imports"]
    );
}

fn plain(name: &str, imports: &[&str]) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(name.to_owned()),
        syntax: Some("proto3".to_owned()),
        dependency: imports.iter().map(|import| (*import).to_owned()).collect(),
        ..Default::default()
    }
}

/// A length-delimited field.
fn delimited(field: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![field << 3 | 2];
    prost::encoding::encode_varint(u64::try_from(content.len()).unwrap(), &mut bytes);
    bytes.extend(content);
    bytes
}

#[test]
fn a_syntax_that_no_one_knows_is_refused() {
    let odd = FileDescriptorProto { syntax: Some("proto4".to_owned()), ..plain("odd.proto", &[]) };
    assert_eq!(
        faults(&[raw("s", vec![odd])]),
        ["odd.proto of s has syntax \"proto4\", expected proto2, proto3 or editions"]
    );
}

#[test]
fn options_by_a_descriptor_proto_of_a_backend_never_panic() {
    // What is a bool to all others is a message to this one, which the pool sees too late to complain itself.
    let own = "syntax = \"proto2\"; package google.protobuf; \
               message MethodOptions { optional MethodOptions deprecated = 33; extensions 1000 to max; }";
    let own = compile("own", &[("google/protobuf/descriptor.proto", own)], true);
    let text = "syntax = \"proto3\"; message M {} \
                service S { rpc A(M) returns (M) { option deprecated = true; } }";
    let file = only(&compile("s", &[("a.proto", text)], true), &["a.proto"]);
    assert_eq!(
        faults(&[own, file]),
        ["a.proto of s: the options of S.A do not fit the google/protobuf/descriptor.proto given"]
    );
}

#[test]
fn all_faults_are_told_at_once_and_cycles_end() {
    let clash = |name: &str| FileDescriptorProto {
        message_type: vec![DescriptorProto { name: Some("A".to_owned()), ..Default::default() }],
        ..plain(name, &[])
    };
    let set = raw(
        "s",
        vec![
            plain("a.proto", &["b.proto"]),
            plain("b.proto", &["c.proto"]),
            plain("c.proto", &["b.proto"]),
            plain("self.proto", &["self.proto"]),
            plain("d.proto", &["lost.proto"]),
            plain("e.proto", &["d.proto"]),
            clash("x.proto"),
            clash("y.proto"),
        ],
    );
    let junk = DescriptorSet::new("junk", vec![0xff; 8]);
    assert_eq!(
        faults(&[set, junk]),
        [
            "junk: expected a google.protobuf.FileDescriptorSet",
            "d.proto imports lost.proto, which is in none of the sources: compile with --include_imports",
            "files import each other: b.proto -> c.proto -> b.proto",
            "files import each other: self.proto -> self.proto",
            "y.proto of s: name 'A' is already defined in file 'x.proto'",
        ]
    );
}

#[test]
fn a_backend_cannot_redefine_a_well_known_type() {
    let timestamp = "syntax = \"proto3\"; package google.protobuf; message Timestamp { string text = 1; }";
    let own = compile("s", &[("google/protobuf/timestamp.proto", timestamp)], true);
    let schema = build(&[own]).unwrap();
    let message = schema.pool().get_message_by_name("google.protobuf.Timestamp").unwrap();
    assert!(message.get_field_by_name("seconds").is_some());

    let other = compile("s", &[("evil.proto", timestamp)], true);
    let told = faults(&[other]).join("\n");
    assert!(told.contains("google.protobuf.Timestamp"), "{told}");
}

#[test]
fn limits_hold() {
    let many = (0..=super::build::MAX_FILES).map(|index| plain(&format!("f{index}.proto"), &[])).collect();
    assert_eq!(faults(&[raw("s", many)]), ["descriptor sets are 2001 files together, limit is 2000"]);
    let large = DescriptorSet::new("s", vec![0; super::build::MAX_BYTES + 1]);
    assert_eq!(faults(&[large]), ["descriptor sets are 16777217 bytes together, limit is 16777216"]);

    let value = |number: i32| EnumValueDescriptorProto {
        name: Some(format!("V{number}")),
        number: Some(number),
        ..Default::default()
    };
    let values = |count| FileDescriptorProto {
        enum_type: vec![EnumDescriptorProto {
            name: Some("E".to_owned()),
            value: (0..count).map(value).collect(),
            ..Default::default()
        }],
        ..plain("e.proto", &[])
    };
    assert!(build(&[raw("s", vec![values(65_536)])]).is_ok());
    assert_eq!(
        faults(&[raw("s", vec![values(65_537)])]),
        ["e.proto of s: enum E is 65537 long, limit is 65536"]
    );

    let named = |len: usize| FileDescriptorProto {
        message_type: vec![DescriptorProto { name: Some("M".repeat(len)), ..Default::default() }],
        ..plain("n.proto", &[])
    };
    assert!(build(&[raw("s", vec![named(1_024)])]).is_ok());
    assert!(faults(&[raw("s", vec![named(1_025)])])[0].contains("the name of a message is 1025 long"));
}

#[test]
fn deep_nesting_and_broken_descriptors_are_faults() {
    // Written from the inside out: encoding such a message would recurse as deep as reading it.
    let mut message = b"\x0a\x01M".to_vec();
    for _ in 0..10_000 {
        message = [b"\x0a\x01M".to_vec(), delimited(3, &message)].concat();
    }
    let file = [plain("deep.proto", &[]).encode_to_vec(), delimited(4, &message)].concat();
    let deep = DescriptorSet::new("s", delimited(1, &file));
    let told = faults(&[deep]).join(
        "
",
    );
    assert!(told.starts_with("deep.proto of s: ") && told.contains("recursion limit"), "{told}");

    let field = |name: &str, number| FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(Type::String.into()),
        ..Default::default()
    };
    let message = |fields: Vec<FieldDescriptorProto>| DescriptorProto {
        name: Some("M".to_owned()),
        field: fields,
        ..Default::default()
    };
    let entry = |fields| DescriptorProto {
        options: Some(MessageOptions { map_entry: Some(true), ..Default::default() }),
        ..message(fields)
    };
    let broken = [
        message(vec![field("a", 1), field("b", 1)]),
        message(vec![field("a_b", 1), field("aB", 2)]),
        message(vec![field("a", 0)]),
        message(vec![FieldDescriptorProto {
            type_name: Some(".no.Such".to_owned()),
            r#type: None,
            ..field("a", 1)
        }]),
        message(vec![FieldDescriptorProto { oneof_index: Some(7), ..field("a", 1) }]),
        entry(vec![]),
        entry(vec![field("key", 1)]),
        entry(vec![field("key", 3), field("value", 2)]),
        entry(vec![
            FieldDescriptorProto { r#type: Some(Type::Bytes.into()), ..field("key", 1) },
            field("value", 2),
        ]),
    ];
    for (index, message) in broken.into_iter().enumerate() {
        let built = build(&[raw(
            "s",
            vec![FileDescriptorProto { message_type: vec![message], ..plain("m.proto", &[]) }],
        )]);
        match built {
            Err(error) => assert!(error.to_string().starts_with("m.proto of s: "), "{index}: {error}"),
            Ok(_) => panic!("{index} is no schema"),
        }
    }
}

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

proptest::proptest! {
    #[test]
    fn damaged_sets_never_panic(at in 0_usize..4_096, with in proptest::prelude::any::<u8>(), cut in 0_usize..4_096) {
        let mut bytes = orders().bytes.to_vec();
        let len = bytes.len();
        bytes[at % len] = with;
        bytes.truncate(len - if cut % 4 == 0 { cut % len } else { 0 });
        let set = DescriptorSet::new("damaged", bytes);
        let _ = set.digest();
        let _ = build(&[set]);
    }
}
