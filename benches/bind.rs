//! What it costs to make one message of path, query and body: requests of a shop, as the REST door binds them.

use std::{hint::black_box, sync::Arc};

use bytes::BytesMut;
use criterion::{Criterion, criterion_group, criterion_main};
use edgeway::{
    config,
    front::bind::Request,
    plan::{Plan, Source},
    schema::{DescriptorSet, Schema},
    telemetry::Metrics,
    upstream::Clusters,
};

/// The routes of `tests/data/binding`.
fn routes() -> Plan {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut compiler = protox::Compiler::new([root.join("tests/data/binding"), root.join("proto")])
        .expect("the folders exist");
    compiler.include_imports(true).open_file("binding.proto").expect("binding.proto compiles");
    let set = DescriptorSet::new("binding.binpb", compiler.encode_file_descriptor_set());
    let schema = Schema::build(&[set], |_| true).expect("a schema");
    let flags = config::Flags { upstreams: vec!["b=b:1".into()], ..config::Flags::default() };
    let config = config::load(&flags, &|_| None).expect("a configuration").config;
    let cluster = config.clusters.first().expect("a cluster").clone();
    let metrics = Metrics::new();
    let clusters = Clusters::new([cluster.clone()], &metrics);
    let way_out = Arc::clone(clusters.iter().next().expect("a cluster"));
    let source = Source { config: Arc::new(cluster), cluster: way_out, schema: Ok(Arc::new(schema)) };
    Plan::compile(1, &config, &[source], &metrics).0
}

fn bind(criterion: &mut Criterion) {
    let plan = routes();
    let small = r#"{"fooBar":"user-000294","i64":"17","ts":"2024-06-01T12:01:30.125Z","texts":["a","b"],"child":{"i32":5}}"#;
    let children: Vec<String> = (0..100)
        .map(|index| format!(r#"{{"text":"product-{index:05}","i32":{index},"dbl":{index}.25}}"#))
        .collect();
    let large = format!(r#"{{"fooBar":"user-000294","children":[{}]}}"#, children.join(","));
    for (name, target, json) in [
        ("path", "GET /v1/path/text/order-00000294", ""),
        ("query", "GET /v1/query?text=alice&i32=50&ts=2024-06-01T12:01:30Z&texts=a&texts=b", ""),
        ("body", "POST /v1/whole", small),
        ("body_and_path", "PUT /v1/whole/order-00000294", small),
        ("large_body_and_path", "PUT /v1/whole/order-00000294", &large),
        ("field_path_and_query", "PUT /v1/field/order-00000294/child?i32=50", small),
        ("update", "PATCH /v1/update/order-00000294?reason=typo", small),
    ] {
        let (method, target) = target.split_once(' ').expect("a method and a target");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let found = plan.routes.lookup(method, path).expect("a route");
        let request =
            Request { binding: found.value, captures: &found.captures, query, json: json.as_bytes() };
        let mut group = criterion.benchmark_group(format!("bind/{name}"));
        let mut out = BytesMut::new();
        group.bench_function("edgeway", |bencher| {
            bencher.iter(|| {
                out.clear();
                black_box(&request).to_wire(&mut out)
            });
        });
        group.bench_function("tree", |bencher| {
            bencher.iter(|| {
                let explained = black_box(&request).explain().expect("it binds");
                edgeway::codec::message_to_wire(&explained.message)
            });
        });
    }
}

criterion_group!(benches, bind);
criterion_main!(benches);
