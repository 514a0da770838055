//! Bodies that are no JSON: `google.api.HttpBody` both ways, and what `response_body` names.

#[path = "support/client.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod client;
#[path = "support/edge.rs"]
mod edge;
#[path = "support/exchange.rs"]
mod exchange;
#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;
#[path = "support/proto.rs"]
mod proto;
#[path = "support/scripted.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod scripted;

use std::time::Duration;

use bytes::Bytes;
use edgeway::demo::proto::google::api::HttpBody;
use http::{Request, request::Builder};
use prost::Message as _;
use serde_json::{Value, json};

use client::{Answer, Http};
use edge::Edge;
use exchange::{Download, streamed};
use proto::descriptors;
use scripted::{Scripted, Step, bytes, grpc, message, status};

/// A gateway before a demo backend.
struct Demo {
    gateway: Edge,
}

impl Demo {
    fn start() -> Self {
        Self { gateway: Edge::before_demo("") }
    }

    async fn get(&self, path: &str) -> Answer {
        send(&self.gateway, Http::One, Request::get(path), &[]).await
    }
}

async fn send(gateway: &Edge, http: Http, request: Builder, pieces: &[&[u8]]) -> Answer {
    let pieces = pieces.iter().map(|piece| Bytes::copy_from_slice(piece)).collect();
    let answer = exchange::send(gateway.address(), http, request, pieces).await;
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("grpc-")), "{:?}", answer.headers);
    answer
}

/// A gateway before a backend with `FILES`.
fn files(backend: &Scripted, more: &str) -> Edge {
    let descriptors_of = "{reflection: never, protosets: [demo.binpb]}";
    let cluster = format!("{{target: \"{}\", descriptors: {descriptors_of}}}", backend.target());
    Edge::start_over(&descriptors(FILES), &cluster, more)
}

const FILES: &str = r#"
    syntax = "proto3";
    package files.v1;
    import "google/api/annotations.proto";
    import "google/api/httpbody.proto";
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/wrappers.proto";
    message Part {
      string name = 1;
      google.api.HttpBody file = 2;
      repeated google.api.HttpBody files = 3;
      repeated int32 list = 4;
      map<string, string> map = 5;
      string text = 6;
      Color color = 7;
      Part part = 8;
      google.protobuf.StringValue wrapper = 9;
      google.protobuf.Timestamp time = 10;
      optional int64 number = 11;
      bytes data = 12;
    }
    enum Color { COLOR_UNSPECIFIED = 0; COLOR_RED = 1; }
    service Files {
      rpc Whole(google.api.HttpBody) returns (google.api.HttpBody) {
        option (google.api.http) = { post: "/v1/whole" body: "*" };
      }
      rpc Field(Part) returns (Part) {
        option (google.api.http) = { put: "/v1/files/{name}" body: "file" response_body: "file" };
      }
      rpc Inside(Part) returns (Part) {
        option (google.api.http) = { put: "/v1/typed/{file.content_type}" body: "file" };
      }
      rpc Listed(Part) returns (Part) {
        option (google.api.http) = { put: "/v1/listed" body: "files" response_body: "files" };
      }
      rpc Pieces(stream Part) returns (Part) {
        option (google.api.http) = { post: "/v1/files/{name}:pieces" body: "file" };
      }
      rpc List(Part) returns (stream Part) {
        option (google.api.http) = {
          get: "/v1/stream/list" response_body: "list"
          additional_bindings { get: "/v1/stream/map" response_body: "map" }
          additional_bindings { get: "/v1/stream/text" response_body: "text" }
          additional_bindings { get: "/v1/stream/part" response_body: "part" }
          additional_bindings { get: "/v1/stream/wrapper" response_body: "wrapper" }
        };
      }
      rpc One(Part) returns (Part) {
        option (google.api.http) = {
          get: "/v1/one/list" response_body: "list"
          additional_bindings { get: "/v1/one/map" response_body: "map" }
          additional_bindings { get: "/v1/one/text" response_body: "text" }
          additional_bindings { get: "/v1/one/color" response_body: "color" }
          additional_bindings { get: "/v1/one/part" response_body: "part" }
          additional_bindings { get: "/v1/one/wrapper" response_body: "wrapper" }
          additional_bindings { get: "/v1/one/time" response_body: "time" }
          additional_bindings { get: "/v1/one/number" response_body: "number" }
          additional_bindings { get: "/v1/one/data" response_body: "data" }
        };
      }
    }"#;

/// The fields of `Part` that the cases look at.
#[derive(Clone, PartialEq, prost::Message)]
struct Part {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    file: Option<HttpBody>,
    #[prost(message, repeated, tag = "3")]
    files: Vec<HttpBody>,
    #[prost(int32, repeated, tag = "4")]
    list: Vec<i32>,
    #[prost(map = "string, string", tag = "5")]
    map: std::collections::HashMap<String, String>,
    #[prost(string, tag = "6")]
    text: String,
    #[prost(int32, tag = "7")]
    color: i32,
    #[prost(message, optional, boxed, tag = "8")]
    part: Option<Box<Self>>,
    #[prost(message, optional, tag = "9")]
    wrapper: Option<String>,
    #[prost(message, optional, tag = "10")]
    time: Option<prost_types::Timestamp>,
    #[prost(int64, optional, tag = "11")]
    number: Option<i64>,
    #[prost(bytes = "bytes", tag = "12")]
    data: Bytes,
}

fn raw(content_type: &str, data: &[u8]) -> HttpBody {
    HttpBody { content_type: content_type.into(), data: Bytes::copy_from_slice(data), extensions: Vec::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_sends_files_both_ways() {
    let demo = Demo::start();
    let full = demo.get("/v1/orders/order-2/invoice").await;
    assert_eq!((full.http, full.header("content-type")), (200, "text/plain; charset=utf-8"));
    assert!(full.text().starts_with("Invoice of order-2 for Alice Archer\n"), "{}", full.text());
    assert_eq!(full.header("content-length"), full.body.len().to_string());
    assert_eq!(full.header("x-content-type-options"), "nosniff");
    let head = send(&demo.gateway, Http::One, Request::head("/v1/orders/order-2/invoice"), &[]).await;
    assert_eq!((head.http, head.body.len()), (200, 0));
    for name in ["content-type", "content-length"] {
        assert_eq!(head.header(name), full.header(name));
    }
    let missing = demo.get("/v1/orders/order-99/invoice").await;
    assert_eq!((missing.http, missing.header("content-type")), (404, "application/json"));
    assert_eq!(missing.json()["code"], 5);

    for http in [Http::One, Http::Two] {
        // More than one message may have, in any number of pieces.
        let piece = vec![b'x'; 1 << 20];
        let pieces: Vec<&[u8]> = vec![&piece; 6];
        let request =
            Request::put("/v1/diagnostics/files/a%20b.bin").header("content-type", "image/x-any; a=b");
        let summary = send(&demo.gateway, http, request, &pieces).await.json();
        assert_eq!(
            (&summary["name"], &summary["contentType"]),
            (&json!("a b.bin"), &json!("image/x-any; a=b"))
        );
        assert_eq!(summary["bytes"], (6 << 20).to_string());
        let messages: u64 = summary["messages"].as_str().expect("a number").parse().expect("a number");
        assert!(messages >= 6 * 16, "{messages} messages");

        let request = Request::put("/v1/diagnostics/files/empty");
        let summary = send(&demo.gateway, http, request, &[]).await.json();
        assert_eq!(summary, json!({"name": "empty", "messages": "1"}));

        let bytes: Vec<u8> =
            (0..3_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let pieces: Vec<_> = bytes.chunks(100_000).collect();
        let request = Request::post("/v1/diagnostics/relay").header("content-type", "application/zip");
        let echo = send(&demo.gateway, http, request, &pieces).await;
        assert_eq!((echo.http, echo.header("content-type"), echo.broken), (200, "application/zip", false));
        assert!(echo.body == bytes, "{} bytes came back", echo.body.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_streamed_as_it_is() {
    let demo = Demo::start();
    let path = "/v1/diagnostics/files/a?stream.size=4";
    let answer = demo.get(&format!("{path}&stream.count=3&content_type=text/csv")).await;
    assert_eq!((answer.http, answer.header("content-type")), (200, "text/csv"));
    assert_eq!((answer.text(), answer.broken), ("eeeeeeeeeeee", false));
    assert_eq!((answer.header("content-length"), answer.header("x-content-type-options")), ("", "nosniff"));
    assert_eq!(answer.header("content-security-policy"), "");
    let answer = demo.get(&format!("{path}&stream.count=1&content_type=text/html")).await;
    assert_eq!(answer.header("content-type"), "text/html");
    assert_eq!(answer.header("content-security-policy"), "sandbox");
    let answer = demo.get(&format!("{path}&stream.count=1")).await;
    assert_eq!((answer.header("content-type"), answer.text()), ("application/octet-stream", "eeee"));
    let answer = demo.get(&format!("{path}&stream.count=1&content_type=a%0D%0Ab")).await;
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    // Nothing has no type.
    let answer = demo.get(&format!("{path}&stream.count=0")).await;
    assert_eq!((answer.http, answer.text(), answer.broken), (200, "", false));
    assert!(!answer.headers.contains_key("content-type"));
    // Messages without a byte are legal.
    let answer = demo.get("/v1/diagnostics/files/a?stream.count=3&content_type=text/csv").await;
    assert_eq!((answer.header("content-type"), answer.text(), answer.broken), ("text/csv", "", false));

    let answer = demo.get(&format!("{path}&stream.count=0&failure.code=ABORTED")).await;
    assert_eq!((answer.http, &answer.json()["code"]), (409, &json!(10)));
    for (http, count) in [(Http::One, 1), (Http::Two, 1), (Http::One, 1000), (Http::Two, 1000)] {
        let path = format!("{path}&stream.count={count}&failure.code=ABORTED&content_type=text/csv");
        let answer = send(&demo.gateway, http, Request::get(&path), &[]).await;
        assert!(answer.broken, "a clean end after {} bytes", answer.body.len());
        assert_eq!((answer.http, answer.body.len()), (200, 4 * count), "what came before is not lost");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pieces_go_as_they_come() {
    let demo = Demo::start();
    for http in [Http::One, Http::Two] {
        let request = Request::post("/v1/diagnostics/relay").header("content-type", "text/plain");
        let (upload, request) = streamed(request);
        let address = demo.gateway.address().to_owned();
        let opened = tokio::spawn(async move { client::open(&address, http, request).await });
        upload.send("one").await;
        let response = opened.await.expect("a head");
        let mut download = Download::new(response.into_body());
        download.until("one").await;
        upload.send(" two").await;
        download.until("one two").await;
        drop(upload);
        assert_eq!(download.end().await, ("one two".to_owned(), true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_requests_are_messages() {
    let answer = message(&Part { file: Some(raw("text/plain", b"yes")), ..Part::default() });
    let backend = Scripted::start(move |call| match &*call.path {
        "/files.v1.Files/Whole" => vec![Step::Request, grpc(), message(&raw("", b"")), status(0)],
        _ => vec![Step::Request, grpc(), answer.clone(), status(0)],
    })
    .await;
    let gateway = files(&backend, "policies: [{ selector: '*', max_request_bytes: 1000 }]");
    let call = async |method: &str, path: &str, content_type: &str, body: &[u8]| {
        let mut request = Request::builder().method(method).uri(path).header("x-call", path);
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        send(&gateway, Http::One, request, &[body]).await
    };
    let received = |id: &str| backend.received(id).pop().unwrap_or_default();
    // Any media type, and none.
    for content_type in
        ["text/plain; charset=latin1", "application/json", "multipart/form-data; boundary=x", ""]
    {
        let answer = call("POST", "/v1/whole", content_type, b"\x00{\xff").await;
        assert_eq!((answer.http, answer.body.len()), (200, 0), "{content_type}");
        assert_eq!(answer.header("content-length"), "0");
        assert!(!answer.headers.contains_key("content-type"), "nothing has no type");
        assert_eq!(HttpBody::decode(received("/v1/whole")).expect("a body"), raw(content_type, b"\x00{\xff"));
    }
    let answer = call("PUT", "/v1/files/a%2Fb?text=t&list=1&list=2", "image/png", b"png").await;
    assert_eq!((answer.http, answer.header("content-type"), answer.text()), (200, "text/plain", "yes"));
    let expect = Part {
        name: "a/b".into(),
        text: "t".into(),
        list: vec![1, 2],
        file: Some(raw("image/png", b"png")),
        ..Part::default()
    };
    let got = received("/v1/files/a%2Fb?text=t&list=1&list=2");
    assert_eq!(Part::decode(got).expect("a message"), expect);
    // The path holds before the body's own headers.
    let answer = call("PUT", "/v1/typed/text%2Fcsv", "image/png", b"a,b").await;
    assert_eq!(answer.json()["file"], json!({"contentType": "text/plain", "data": "eWVz"}));
    let got = received("/v1/typed/text%2Fcsv");
    assert_eq!(Part::decode(got).expect("a message").file, Some(raw("text/csv", b"a,b")));
    // A list of them is JSON.
    let body = json!([{"contentType": "a/b", "data": "AA=="}]).to_string();
    let answer = call("PUT", "/v1/listed", "application/json", body.as_bytes()).await;
    assert_eq!((answer.header("content-type"), answer.text()), ("application/json", "[]"));
    let got = received("/v1/listed");
    assert_eq!(Part::decode(got).expect("a message").files, [raw("a/b", b"\0")]);
    assert_eq!(call("PUT", "/v1/listed", "text/plain", b"[]").await.http, 415);

    // At the limit of a message, what stands beside the data included, and above it.
    let full = vec![b'x'; 1000 - 3];
    assert_eq!(call("POST", "/v1/whole", "", &full).await.http, 200);
    for body in [vec![b'x'; 1000 - 2], vec![b'x'; 2000]] {
        let answer = call("POST", "/v1/whole", "", &body).await;
        assert_eq!((answer.http, &answer.json()["code"]), (413, &json!(8)));
    }
    // Pieces are not bounded by it.
    let answer = call("POST", "/v1/files/a:pieces?text=t", "text/csv", &[b'x'; 5000]).await;
    assert_eq!(answer.http, 200);
    let parts: Vec<_> = backend
        .received("/v1/files/a:pieces?text=t")
        .into_iter()
        .map(|part| {
            assert!(part.len() <= 1000);
            Part::decode(part).expect("a message")
        })
        .collect();
    let data: usize = parts.iter().flat_map(|part| &part.file).map(|file| file.data.len()).sum();
    assert_eq!(data, 5000);
    for (index, part) in parts.iter().enumerate() {
        let content_type = part.file.as_ref().map_or("", |file| &file.content_type);
        let bound = if index == 0 { ("a", "t", "text/csv") } else { ("", "", "") };
        assert_eq!((&*part.name, &*part.text, content_type), bound, "message {index}");
    }
    let gzip = Request::post("/v1/whole").header("content-encoding", "gzip");
    assert_eq!(send(&gateway, Http::One, gzip, &[b"x"]).await.http, 415);
    let odd = Request::post("/v1/whole")
        .header("content-type", http::HeaderValue::from_bytes(b"a/\xff").expect("a value"));
    assert_eq!(send(&gateway, Http::One, odd, &[b"x"]).await.http, 400);
    let twice = call("PUT", "/v1/files/a?name=b", "", b"").await;
    assert_eq!(twice.http, 400, "{}", twice.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_reply_that_is_none_is_an_error() {
    let backend = Scripted::start(|call| {
        let body = match &*call.id {
            "damaged" => bytes(b"\x12\x05a"),
            "extended" => bytes(b"\x1a\x02\x0a\x00\x12\x02ok\x0a\x03a/b"),
            _ => Step::Data(Bytes::from_static(b"\x01\0\0\0\x01x")),
        };
        vec![Step::Request, grpc(), body, status(0)]
    })
    .await;
    let gateway = files(&backend, "");
    for (id, http) in [("damaged", 500), ("compressed", 500), ("extended", 200)] {
        let answer = send(&gateway, Http::One, Request::post("/v1/whole").header("x-call", id), &[]).await;
        assert_eq!(answer.http, http, "{id}");
        match http {
            200 => assert_eq!((answer.header("content-type"), answer.text()), ("a/b", "ok")),
            _ => assert_eq!(answer.json()["details"][0]["reason"], "EXECUTED_REPLY_LOST"),
        }
    }
}

/// What `response_body` names, of a reply with all of it and of one with nothing.
#[tokio::test(flavor = "multi_thread")]
async fn any_field_is_a_response() {
    let full = Part {
        list: vec![1, 2],
        map: [("a".to_owned(), "b".to_owned())].into(),
        text: "a\"b".into(),
        color: 1,
        part: Some(Box::new(Part { text: "inner".into(), ..Part::default() })),
        wrapper: Some("w".into()),
        time: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
        number: Some(0),
        data: Bytes::from_static(b"\0"),
        ..Part::default()
    };
    let backend = Scripted::start(move |call| {
        let (first, second) = (message(&full), message(&Part::default()));
        let first = if call.id == "full" { first } else { second.clone() };
        match &*call.path {
            "/files.v1.Files/List" => vec![Step::Request, grpc(), first, second, status(0)],
            _ => vec![Step::Request, grpc(), first, status(0)],
        }
    })
    .await;
    let gateway = files(&backend, "");
    let get = async |path: &str, id: &str| {
        let answer = send(&gateway, Http::One, Request::get(path).header("x-call", id), &[]).await;
        assert_eq!((answer.http, answer.header("content-type")), (200, "application/json"), "{path}");
        let head = send(&gateway, Http::One, Request::head(path).header("x-call", id), &[]).await;
        assert_eq!(head.header("content-length"), answer.header("content-length"), "{path}");
        assert_eq!(head.body.len(), 0);
        answer.json()
    };
    for (name, given, absent) in [
        ("list", json!([1, 2]), json!([])),
        ("map", json!({"a": "b"}), json!({})),
        ("text", json!("a\"b"), json!("")),
        ("color", json!("COLOR_RED"), json!("COLOR_UNSPECIFIED")),
        ("part", json!({"text": "inner"}), Value::Null),
        ("wrapper", json!("w"), Value::Null),
        ("time", json!("1970-01-01T00:00:01Z"), Value::Null),
        ("number", json!("0"), Value::Null),
        ("data", json!("AA=="), json!("")),
    ] {
        assert_eq!(get(&format!("/v1/one/{name}"), "full").await, given, "{name}");
        assert_eq!(get(&format!("/v1/one/{name}"), "none").await, absent, "{name}");
        if matches!(name, "list" | "map" | "text" | "part" | "wrapper") {
            assert_eq!(get(&format!("/v1/stream/{name}"), "full").await, json!([given, absent]), "{name}");
        }
    }
}

/// A reader that stops does not make the gateway keep a file.
#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_nobody_reads_waits_at_its_backend() {
    let demo = Demo::start();
    let path = "/v1/diagnostics/files/a?stream.count=4000000000&stream.size=1024&content_type=text/csv";
    let (_, request) = streamed(Request::get(path));
    let _unread = client::open(demo.gateway.address(), Http::Two, request).await;
    let sent = async || {
        let stats = demo.get("/v1/diagnostics/stats").await.json();
        let method = &stats["methods"]["ecommerce.v1.DiagnosticsService/Download"];
        method["bytesSent"].as_str().map_or(0_u64, |text| text.parse().expect("a number"))
    };
    let mut before = 0;
    let still = async {
        loop {
            let now = sent().await;
            if now > 0 && now == before {
                return now;
            }
            before = now;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let bytes =
        tokio::time::timeout(Duration::from_secs(10), still).await.expect("the backend comes to rest");
    assert!(bytes < 4 << 20, "{bytes} bytes for a reader that takes none");
}
