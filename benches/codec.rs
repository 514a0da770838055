//! What a message costs between JSON and wire bytes: the codec of the gateway, its reference alone,
//! and prost-reflect's own serde beside both, on the messages that `bench/compare.py` sends about.
//!
//! Throughput is bytes of JSON, both ways.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use edgeway::codec::{MessageCodec, ReadOptions, WriteOptions, json_to_wire, wire_to_json};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};

/// One message in both forms.
struct Case {
    name: &'static str,
    codec: MessageCodec,
    json: String,
    wire: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/bench");
    let third_party = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let files = protox::compile(["order.proto"], [folder, third_party]).expect("order.proto compiles");
    let pool = DescriptorPool::from_file_descriptor_set(files).expect("order.proto resolves");
    let case = |name, message: &str, json: String| {
        let desc = pool.get_message_by_name(message).expect("a message of order.proto");
        let wire = json_to_wire(&desc, json.as_bytes(), &ReadOptions::default()).expect("JSON of it");
        let mut canonical = BytesMut::new();
        wire_to_json(&desc, &*wire, &WriteOptions::default(), &mut canonical).expect("it prints");
        let json = String::from_utf8(canonical.to_vec()).expect("JSON is UTF-8");
        Case { name, codec: MessageCodec::new(&desc), json, wire }
    };
    let list: Vec<String> = (0..100).map(|index| order(index, 12)).collect();
    let items: Vec<String> = (0..700).map(item).collect();
    vec![
        case("order_list", "bench.v1.ListOrdersResponse", format!(r#"{{"orders":[{}]}}"#, list.join(","))),
        case("order", "bench.v1.Order", order(1, 1)),
        case(
            "create_order",
            "bench.v1.CreateOrderRequest",
            format!(r#"{{"userId":"user-000294","items":[{}]}}"#, items.join(",")),
        ),
    ]
}

fn order(index: usize, items: usize) -> String {
    let items: Vec<String> = (0..items).map(|at| item(index * 31 + at)).collect();
    format!(
        r#"{{"id":"order-{index:08}","userId":"user-{index:06}","items":[{}],"totalAmount":{}.75,"status":"ORDER_STATUS_CONFIRMED","createdAt":"2024-06-01T12:{:02}:30.125Z"}}"#,
        items.join(","),
        index * 13 + 7,
        index % 60,
    )
}

fn item(index: usize) -> String {
    format!(
        r#"{{"productId":"product-{index:05}","quantity":{},"price":{}.{:02}}}"#,
        index % 9 + 1,
        index,
        index * 7 % 100
    )
}

fn wire_to_json_cases(criterion: &mut Criterion) {
    for case in cases() {
        let mut group = criterion.benchmark_group(format!("wire_to_json/{}", case.name));
        group.throughput(Throughput::Bytes(case.json.len() as u64));
        let options = WriteOptions::default();
        group.bench_function("edgeway", |bencher| {
            let mut out = BytesMut::new();
            bencher.iter(|| {
                out.clear();
                assert!(case.codec.fast_to_json(black_box(&case.wire), &options, &mut out));
            });
            assert_eq!(out, case.json);
        });
        group.bench_function("reference", |bencher| {
            let mut out = BytesMut::new();
            bencher.iter(|| {
                out.clear();
                wire_to_json(case.codec.descriptor(), black_box(&*case.wire), &options, &mut out)
            });
        });
        group.bench_function("prost_reflect", |bencher| {
            let mut out = Vec::new();
            bencher.iter(|| {
                out.clear();
                let desc = case.codec.descriptor().clone();
                let message = DynamicMessage::decode(desc, black_box(&*case.wire)).expect("it decodes");
                serde_json::to_writer(&mut out, &message)
            });
        });
    }
}

fn json_to_wire_cases(criterion: &mut Criterion) {
    for case in cases() {
        let mut group = criterion.benchmark_group(format!("json_to_wire/{}", case.name));
        group.throughput(Throughput::Bytes(case.json.len() as u64));
        let options = ReadOptions::default();
        group.bench_function("edgeway", |bencher| {
            let mut out = BytesMut::new();
            bencher.iter(|| {
                out.clear();
                assert!(case.codec.fast_to_wire(black_box(case.json.as_bytes()), &options, &mut out));
            });
            assert_eq!(&*out, &*case.wire);
        });
        group.bench_function("reference", |bencher| {
            bencher.iter(|| json_to_wire(case.codec.descriptor(), black_box(case.json.as_bytes()), &options));
        });
        group.bench_function("prost_reflect", |bencher| {
            bencher.iter(|| {
                let mut json = serde_json::Deserializer::from_str(black_box(&case.json));
                let message = DynamicMessage::deserialize(case.codec.descriptor().clone(), &mut json);
                message.expect("it reads").encode_to_vec()
            });
        });
    }
}

criterion_group!(benches, wire_to_json_cases, json_to_wire_cases);
criterion_main!(benches);
