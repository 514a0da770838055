//! What the build makes of the protos.

use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, ReflectMessage};
use prost_types::method_options::IdempotencyLevel;

use crate::demo::FILE_DESCRIPTOR_SET;

#[test]
fn the_set_keeps_http_rules_and_idempotency() {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let orders = pool.get_service_by_name("ecommerce.v1.OrderService").unwrap();
    let table: Vec<_> = orders
        .methods()
        .map(|method| format!("{} {} {:?}", method.name(), rules(&method).join(", "), idempotency(&method)))
        .collect();
    let expected = [
        "CreateOrder POST /v1/orders * IdempotencyUnknown",
        "GetOrder GET /v1/orders/{order_id} NoSideEffects",
        "GetInvoice GET /v1/orders/{order_id}/invoice NoSideEffects",
        "WatchOrder GET /v1/orders/{order_id}:watch NoSideEffects",
        "ListOrders GET /v1/users/{user_id}/orders NoSideEffects",
        "BatchCreateOrders POST /v1/orders:batchCreate * IdempotencyUnknown",
        "ProcessOrders POST /v1/orders:process * IdempotencyUnknown",
    ];
    assert_eq!(table, expected);

    let diagnostics = pool.get_service_by_name("ecommerce.v1.DiagnosticsService").unwrap();
    for method in diagnostics.methods() {
        let rules = rules(&method);
        let inside = rules.iter().all(|rule| rule.contains(" /v1/diagnostics/"));
        assert!(inside && !rules.is_empty(), "{}: {rules:?}", method.name());
    }
}

#[test]
fn the_set_keeps_comments() {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let file = pool.get_file_by_name("ecommerce/v1/order_service.proto").unwrap();
    let info = file.file_descriptor_proto().source_code_info.as_ref().unwrap();
    let comments: Vec<_> = info.location.iter().filter_map(|one| one.leading_comments.as_deref()).collect();
    assert!(comments.iter().any(|comment| comment.starts_with(" Shows one order.")), "{comments:?}");
}

#[test]
fn the_google_set_stands_alone() {
    let set = include_bytes!(concat!(env!("OUT_DIR"), "/google.binpb"));
    let pool = DescriptorPool::decode(set.as_slice()).unwrap();
    for name in [
        "google.api.HttpRule",
        "google.api.HttpBody",
        "google.rpc.Status",
        "google.rpc.BadRequest",
        "google.protobuf.Any",
        "google.protobuf.FieldMask",
        "google.protobuf.DoubleValue",
    ] {
        assert!(pool.get_message_by_name(name).is_some(), "{name}");
    }
    assert!(pool.get_extension_by_name("google.api.http").is_some());
    assert!(pool.get_enum_by_name("google.rpc.Code").is_some());
}

/// The HTTP rules of a method, each `VERB path body`: its own, then the additional ones.
fn rules(method: &MethodDescriptor) -> Vec<String> {
    let http =
        method.parent_pool().get_extension_by_name("google.api.http").expect("annotations are imported");
    let options = method.options();
    let value = options.get_extension(&http);
    let message = value.as_message().expect("a rule");
    let more = message.get_field_by_name("additional_bindings").expect("a field of HttpRule");
    let more = more.as_list().expect("a list").iter().filter_map(|binding| rule(binding.as_message()?));
    rule(message).into_iter().chain(more).collect()
}

fn rule(message: &DynamicMessage) -> Option<String> {
    let pattern = message.descriptor().oneofs().find(|oneof| oneof.name() == "pattern")?;
    let field = pattern.fields().find(|field| message.has_field(field))?;
    let path = message.get_field(&field);
    let body = message.get_field_by_name("body")?;
    let rule = format!("{} {} {}", field.name().to_uppercase(), path.as_str()?, body.as_str()?);
    Some(rule.trim_end().to_owned())
}

fn idempotency(method: &MethodDescriptor) -> IdempotencyLevel {
    let options = method.method_descriptor_proto().options.as_ref();
    options.map_or(IdempotencyLevel::IdempotencyUnknown, |options| options.idempotency_level())
}
