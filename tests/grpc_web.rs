//! gRPC-Web beyond what its clients show: JSON, compression that nobody asked for, and requests that are none.

#![expect(clippy::unwrap_used, reason = "a test that fails here says enough")]

#[path = "support/client.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod client;
#[path = "support/edge.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod edge;
#[path = "support/exchange.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod exchange;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;
#[path = "support/scripted.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod scripted;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use edgeway::{
    demo::proto::ecommerce::v1::{GetOrderRequest, Order},
    grpc::{frame, gzip, text},
};
use http::{Request, request::Builder};
use prost::Message;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Http},
    edge::Edge,
    scripted::{Call, Scripted, Step, grpc, message, status},
};

const GET: &str = "/ecommerce.v1.OrderService/GetOrder";
const WATCH: &str = "/ecommerce.v1.OrderService/WatchOrder";

/// Calls through a gateway before a backend that answers by `script`.
async fn call(script: impl Fn(&Call) -> Vec<Step> + Send + Sync + 'static, requests: Vec<Sent>) -> Vec<Read> {
    let backend = Scripted::start(script).await;
    let edge = Edge::start(&backend.target(), "policies: [{selector: '*', max_response_bytes: 64KiB}]");
    let mut found = Vec::new();
    for (index, sent) in requests.into_iter().enumerate() {
        let id = index.to_string();
        let builder = sent.builder.header("x-call", &id);
        let answer = exchange::send(edge.address(), Http::One, builder, sent.pieces).await;
        found.push(Read::new(answer, backend.received(&id).concat().into()));
    }
    found
}

struct Sent {
    builder: Builder,
    pieces: Vec<Bytes>,
}

fn post(path: &str, content_type: &str, body: impl Into<Bytes>) -> Sent {
    let builder = Request::post(path).header("content-type", content_type);
    Sent { builder, pieces: vec![body.into()] }
}

/// What a client makes of an answer.
#[derive(Debug)]
struct Read {
    answer: Answer,
    messages: Vec<(u8, Bytes)>,
    trailers: String,
    /// The messages that the backend got.
    received: Bytes,
}

impl Read {
    fn new(answer: Answer, received: Bytes) -> Self {
        let mut body = answer.body.clone();
        if answer.header("content-type").starts_with("application/grpc-web-text") {
            let mut decoder = text::Decoder::default();
            body = decoder.decode(&body).unwrap();
            decoder.finish().unwrap();
        }
        let (mut messages, mut trailers) = (Vec::new(), String::new());
        while answer.http == 200 && body.has_remaining() {
            let flags = body.get_u8();
            let length = body.get_u32() as usize;
            let bytes = body.split_to(length);
            assert!(trailers.is_empty(), "a frame behind the trailers");
            match flags {
                0x80 => trailers = String::from_utf8(bytes.to_vec()).unwrap(),
                _ => messages.push((flags, bytes)),
            }
        }
        Self { answer, messages, trailers, received }
    }

    /// The one status, wherever it stands.
    fn code(&self) -> String {
        let trailer = self.trailers.lines().find_map(|line| line.strip_prefix("grpc-status:"));
        let codes: Vec<_> = trailer.into_iter().chain(Some(self.answer.header("grpc-status"))).collect();
        codes.concat()
    }

    fn json(&self) -> Vec<Value> {
        self.messages.iter().map(|(_, json)| serde_json::from_slice(json).unwrap()).collect()
    }
}

fn order(id: &str) -> Order {
    Order { order_id: id.into(), ..Order::default() }
}

fn orders(count: usize) -> impl Fn(&Call) -> Vec<Step> + Send + Sync + 'static {
    move |_| {
        let mut steps = vec![Step::Request, grpc()];
        steps.extend((0..count).map(|index| message(&order(&format!("order-{index}")))));
        steps.push(status(0));
        steps
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_both_ways() {
    let request = frame::encode(br#"{"orderId": "order-0"}"#);
    let text = STANDARD.encode(&request);
    let sent = vec![
        post(GET, "application/grpc-web+json", request.clone()),
        post(GET, "application/grpc-web-text+json; charset=utf-8", text),
    ];
    let found = call(orders(1), sent).await;
    let types = ["application/grpc-web+json", "application/grpc-web-text+json"];
    for (read, content_type) in found.iter().zip(types) {
        assert_eq!((read.answer.http, read.answer.header("content-type")), (200, content_type));
        assert_eq!((read.json(), read.code().as_str()), (vec![json!({"orderId": "order-0"})], "0"));
        assert_eq!(read.received, GetOrderRequest { order_id: "order-0".into() }.encode_to_vec());
    }
    let found = call(orders(3), vec![post(WATCH, "application/grpc-web+json", request)]).await;
    let ids: Vec<_> = found[0].json().into_iter().map(|order| order["orderId"].clone()).collect();
    assert_eq!(
        (ids, found[0].code().as_str()),
        (vec!["order-0".into(), "order-1".into(), "order-2".into()], "0")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn json_may_be_compressed_and_may_be_wrong() {
    let json = br#"{"orderId": "order-0"}"#;
    let mut packed = BytesMut::new();
    frame::put_flagged(&mut packed, frame::COMPRESSED, |out| {
        gzip::deflate(json, out);
        Ok::<_, ()>(())
    })
    .unwrap();
    let with = |coding: &str, body: Bytes| {
        let mut sent = post(GET, "application/grpc-web+json", body);
        sent.builder = sent.builder.header("grpc-encoding", coding);
        sent
    };
    let packed = packed.freeze();
    let wrong = post(GET, "application/grpc-web+json", frame::encode(br#"{"order": 1}"#));
    let sent =
        vec![with("gzip", packed.clone()), with("zstd", packed.clone()), with("identity", packed), wrong];
    let found = call(orders(1), sent).await;
    let codes: Vec<_> = found.iter().map(Read::code).collect();
    assert_eq!(codes, ["0", "12", "13", "3"]);
    assert!(found[3].answer.header("grpc-message").contains("order"), "{:?}", found[3]);
}

/// What a backend sends: messages that are flagged as compressed.
fn compressed(coding: Option<&'static str>, plain: &[u8], messages: usize) -> Vec<Step> {
    let mut head = vec![("content-type", "application/grpc".to_owned())];
    head.extend(coding.map(|coding| ("grpc-encoding", coding.to_owned())));
    let mut frame = BytesMut::new();
    frame::put_flagged(&mut frame, frame::COMPRESSED, |out| {
        gzip::deflate(plain, out);
        Ok::<_, ()>(())
    })
    .unwrap();
    let frame = frame.freeze();
    let mut steps = vec![Step::Request, Step::Head(200, head)];
    steps.extend((0..messages).map(|_| Step::Data(frame.clone())));
    steps.push(status(0));
    steps
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_compressed_reaches_a_client_that_did_not_ask() {
    let request = frame::encode(&GetOrderRequest { order_id: "order-0".into() }.encode_to_vec());
    let plain = order("order-0").encode_to_vec();
    for (path, count) in [(GET, 1), (WATCH, 3)] {
        let asked = |accept: &str| {
            let mut sent = post(path, "application/grpc-web+proto", request.clone());
            if !accept.is_empty() {
                sent.builder = sent.builder.header("grpc-accept-encoding", accept);
            }
            sent
        };
        for (coding, accept, code, compresses) in [
            (Some("gzip"), "", "0", false),
            (Some("gzip"), "identity,br", "0", false),
            (Some("gzip"), "identity, gzip", "0", true),
            (Some("zstd"), "", "13", false),
            (None, "", "13", false),
        ] {
            let steps = compressed(coding, &plain, count);
            let found = call(move |_| steps.clone(), vec![asked(accept)]).await;
            let what = format!("{path} {coding:?} {accept:?}");
            assert_eq!(found[0].code(), code, "{what}");
            let expect = if code == "0" { count } else { 0 };
            assert_eq!(found[0].messages.len(), expect, "{what}");
            let head = found[0].answer.header("grpc-encoding");
            assert_eq!(head, if compresses { "gzip" } else { "" }, "{what}");
            for (flags, bytes) in &found[0].messages {
                assert_eq!(*flags, u8::from(compresses), "{what}");
                assert!(compresses || **bytes == *plain, "{what}");
            }
        }
        // A little that would become much.
        let steps = compressed(Some("gzip"), &vec![0; 1 << 20], count);
        let found = call(move |_| steps.clone(), vec![asked("")]).await;
        assert_eq!((found[0].code().as_str(), found[0].messages.len()), ("8", 0), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_none() {
    let request = frame::encode(&GetOrderRequest { order_id: "order-0".into() }.encode_to_vec());
    let mut trailers = BytesMut::from(&*request);
    trailers.put_slice(b"\x80\0\0\0\x0fgrpc-status:0\r\n");
    let proto = "application/grpc-web+proto";
    let two = [request.clone(), request.clone()].concat();
    let sent = vec![
        post(GET, proto, trailers.freeze()),
        post(GET, proto, two),
        post(GET, proto, Bytes::new()),
        post(GET, proto, request.slice(..7)),
        post(GET, "application/grpc-web-text", "AAA"),
        post(GET, "application/grpc-web+thrift", request.clone()),
        post(GET, "application/grpc-web-text+xml", request.clone()),
        post(GET, "image/jpeg", request),
    ];
    let found = call(orders(1), sent).await;
    let told: Vec<_> = found.iter().map(|read| (read.answer.http, read.code())).collect();
    let told: Vec<_> = told.iter().map(|(http, code)| (*http, code.as_str())).collect();
    let codes = ["13", "12", "12", "13", "3"].map(|code| (200, code));
    assert_eq!(told, [codes.as_slice(), &[(415, ""); 3]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn text_may_be_cut_anywhere() {
    let request = frame::encode(&GetOrderRequest { order_id: "order-0".into() }.encode_to_vec());
    // Two segments, each with its padding: the header of the frame and what is behind it.
    let (header, rest) = request.split_at(5);
    let text = STANDARD.encode(header) + &STANDARD.encode(rest);
    let cuts = (1..text.len()).map(|cut| {
        let mut sent = post(GET, "application/grpc-web-text", "");
        sent.pieces = vec![text[..cut].to_owned().into(), text[cut..].to_owned().into()];
        sent
    });
    let mut all = post(GET, "application/grpc-web-text", "");
    all.pieces = text.bytes().map(|byte| vec![byte].into()).collect();
    let found = call(orders(1), cuts.chain([all]).collect()).await;
    for read in &found {
        assert_eq!((read.code().as_str(), read.messages.len()), ("0", 1), "{read:?}");
        assert_eq!(read.received, request.slice(5..));
    }
}
