//! Requests to the routes of `tests/data/binding/binding.proto`, each by the short way and by the tree.

use std::{path::Path, sync::Arc};

use bytes::BytesMut;
use prost_reflect::DynamicMessage;

use super::{Explanation, Fault, Request, short};
use crate::{
    codec::{WriteOptions, message_to_json, message_to_wire},
    config::{self, RestRule},
    plan::{Plan, Source},
    schema::{DescriptorSet, Schema},
    telemetry::Metrics,
    upstream::Clusters,
};

mod bodies;

mod collisions;

mod parameters;

mod update_mask;

/// The routes, with some switches set for all of them.
pub(super) fn routes(set: impl FnOnce(&mut RestRule)) -> Plan {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut compiler = protox::Compiler::new([root.join("tests/data/binding"), root.join("proto")])
        .expect("the folders are there");
    compiler.include_imports(true).open_file("binding.proto").expect("the proto compiles");
    let set_of_files = DescriptorSet::new("binding.binpb", compiler.encode_file_descriptor_set());
    let schema = Schema::build(&[set_of_files], |_| true).expect("a schema");

    let flags = config::Flags { upstreams: vec!["b=b:1".into()], ..config::Flags::default() };
    let mut config = config::load(&flags, &|_| None).expect("valid").config;
    set(&mut config.rest.methods);
    let cluster = config.clusters.first().expect("a cluster").clone();
    let metrics = Metrics::new();
    let clusters = Clusters::new([cluster.clone()], &metrics);
    let way_out = Arc::clone(clusters.iter().next().expect("a cluster"));
    let source = Source { config: Arc::new(cluster), cluster: way_out, schema: Ok(Arc::new(schema)) };
    let (plan, warnings) = Plan::compile(1, &config, &[source], &metrics);
    assert!(warnings.is_empty(), "{warnings:?}");
    plan
}

/// The strict defaults.
fn strict() -> Plan {
    routes(|_| {})
}

/// Binds `METHOD target` with a body both ways, which have to agree.
fn explain(plan: &Plan, target: &str, json: &[u8]) -> Result<Explanation, Fault> {
    let (method, target) = target.split_once(' ').expect("a method and a target");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let found = plan.routes.lookup(method, path).unwrap_or_else(|miss| panic!("{target}: {miss}"));
    let request = Request { binding: found.value, captures: &found.captures, query, json };
    let explained = request.explain();
    let mut wire = BytesMut::from("before");
    match (request.to_wire(&mut wire), &explained) {
        (Ok(()), Ok(explained)) => {
            let desc = found.value.method.method.input.clone();
            let message = DynamicMessage::decode(desc, wire.strip_prefix(b"before").expect("what was there"));
            let message = message.unwrap_or_else(|error| panic!("{target}: {error}"));
            assert_eq!(message_to_wire(&message), message_to_wire(&explained.message), "{target}");
        }
        (Err(wire), Err(tree)) => assert_eq!(wire.to_string(), tree.to_string(), "{target}"),
        (wire, tree) => panic!("{target}: {wire:?} but {tree:?}"),
    }
    explained
}

/// The message as JSON.
fn bind(plan: &Plan, target: &str, json: &str) -> Result<String, Fault> {
    let explained = explain(plan, target, json.as_bytes())?;
    let mut out = BytesMut::new();
    message_to_json(&explained.message, &WriteOptions::default(), &mut out).expect("it prints");
    Ok(String::from_utf8(out.to_vec()).expect("JSON is UTF-8"))
}

#[track_caller]
fn check(plan: &Plan, target: &str, json: &str, message: &str) {
    let bound = bind(plan, target, json).unwrap_or_else(|fault| panic!("{target} {json}: {fault}"));
    assert_eq!(bound, message, "{target} {json}");
}

/// The request is refused for `field`, saying `says`, and as INVALID_ARGUMENT with that field.
#[track_caller]
fn check_refused(plan: &Plan, target: &str, json: &str, field: &str, says: &str) {
    use tonic_types::StatusExt as _;
    let fault = match bind(plan, target, json) {
        Ok(message) => panic!("{target} {json} is bound: {message}"),
        Err(fault) => fault,
    };
    assert_eq!(fault.field(), field, "{target} {json}: {fault}");
    assert!(fault.to_string().contains(says), "{target} {json}: {fault}");
    let error = fault.into_error();
    assert_eq!(error.status().code(), tonic::Code::InvalidArgument);
    let violations = error.status().get_details_bad_request().expect("a BadRequest").field_violations;
    let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, [field], "{target}");
}

/// Whether the request needs no tree.
fn is_short(plan: &Plan, target: &str, json: &str) -> bool {
    let (method, target) = target.split_once(' ').expect("a method and a target");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let found = plan.routes.lookup(method, path).expect("a route");
    let request = Request { binding: found.value, captures: &found.captures, query, json: json.as_bytes() };
    short::write(&request, &mut BytesMut::new()).is_some()
}
