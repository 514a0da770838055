//! One call, by whichever door, and what it came to in the words that all doors share.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Buf, Bytes};
use edgeway::{
    demo::proto::ecommerce::v1::GetOrderRequest,
    grpc::{frame, status::BASE64},
};
use http::{HeaderMap, Request};
use http_body_util::Full;
use prost::Message;
use serde_json::Value;
use tonic_types::pb;

use crate::client::{self, Answer, Http};

/// How a client asks and reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// JSON; a stream as an array.
    Rest,
    /// JSON; a stream as lines.
    Lines,
    /// gRPC-Web.
    Web,
    /// gRPC-Web in base64.
    WebText,
    /// gRPC.
    Grpc,
    /// Connect with messages of protobuf, over HTTP/1.1.
    Connect,
    /// Connect with messages of JSON, over HTTP/2.
    ConnectJson,
}

/// Which method it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `GetOrder`.
    Unary,
    /// `WatchOrder`.
    Stream,
}

/// Every door with every method that it has an own way for.
pub const WAYS: [(Door, Kind); 13] = [
    (Door::Rest, Kind::Unary),
    (Door::Rest, Kind::Stream),
    (Door::Lines, Kind::Stream),
    (Door::Web, Kind::Unary),
    (Door::Web, Kind::Stream),
    (Door::WebText, Kind::Unary),
    (Door::WebText, Kind::Stream),
    (Door::Grpc, Kind::Unary),
    (Door::Grpc, Kind::Stream),
    (Door::Connect, Kind::Unary),
    (Door::Connect, Kind::Stream),
    (Door::ConnectJson, Kind::Unary),
    (Door::ConnectJson, Kind::Stream),
];

/// What a call came to.
#[derive(Debug)]
pub struct Outcome {
    /// Whole messages that the client could read.
    pub messages: usize,
    /// Every status that the client was told. One, if all is well.
    pub statuses: Vec<Status>,
    /// What it was read from.
    pub answer: Answer,
}

/// A status as a client sees it.
#[derive(Clone, Debug, Default)]
pub struct Status {
    pub code: i64,
    pub message: String,
    /// The `reason` of its ErrorInfo; empty when it has none.
    pub reason: String,
    /// How many details a client can make out.
    pub details: usize,
}

/// Calls `order-1` by a door; `id` is what a scripted backend knows the call by. `first` is called when the first
/// bytes of the answer's body are there.
pub async fn call(address: &str, door: Door, kind: Kind, id: &str, first: impl FnOnce()) -> Outcome {
    let (http, request) = request(door, kind, id);
    let answer = client::send(address, http, request, first).await;
    read(door, kind, answer)
}

fn request(door: Door, kind: Kind, id: &str) -> (Http, Request<Full<Bytes>>) {
    let (method, path) = match kind {
        Kind::Unary => ("GetOrder", "/v1/orders/order-1"),
        Kind::Stream => ("WatchOrder", "/v1/orders/order-1:watch"),
    };
    // `WatchOrderRequest` has the same one field.
    let message = GetOrderRequest { order_id: "order-1".into() }.encode_to_vec();
    let frames = frame::encode(&message);
    let rpc = format!("/ecommerce.v1.OrderService/{method}");
    let builder = Request::builder().header("x-call", id);
    let (http, request) = match door {
        Door::Rest => (Http::One, builder.uri(path).body(Bytes::new())),
        Door::Lines => {
            (Http::One, builder.uri(path).header("accept", "application/x-ndjson").body(Bytes::new()))
        }
        Door::Web => {
            let builder = builder.method("POST").header("content-type", "application/grpc-web+proto");
            (Http::One, builder.uri(rpc).body(frames))
        }
        Door::WebText => {
            let builder = builder.method("POST").header("content-type", "application/grpc-web-text");
            (Http::One, builder.uri(rpc).body(STANDARD.encode(&frames).into()))
        }
        Door::Grpc => {
            let builder = builder.method("POST").header("content-type", "application/grpc");
            (Http::Two, builder.header("te", "trailers").uri(rpc).body(frames))
        }
        Door::Connect | Door::ConnectJson => {
            let (http, format, message): (_, _, Bytes) = match door {
                Door::Connect => (Http::One, "proto", message.into()),
                _ => (Http::Two, "json", r#"{"orderId":"order-1"}"#.into()),
            };
            let (content_type, body) = match kind {
                Kind::Unary => (format!("application/{format}"), message),
                Kind::Stream => (format!("application/connect+{format}"), frame::encode(&message)),
            };
            let builder = builder.method("POST").header("content-type", content_type);
            (http, builder.header("connect-protocol-version", "1").uri(rpc).body(body))
        }
    };
    (http, request.expect("a request").map(Full::new))
}

/// Reads an answer by the rules of its door.
pub fn read(door: Door, kind: Kind, answer: Answer) -> Outcome {
    let (messages, statuses) = match door {
        Door::Rest | Door::Lines => {
            let grpc: Vec<_> =
                answer.headers.keys().filter(|name| name.as_str().starts_with("grpc-")).collect();
            assert!(grpc.is_empty(), "a REST reply carries {grpc:?}");
            match (door, kind) {
                _ if answer.http != 200 => (0, vec![json_status(&answer.json())]),
                (_, Kind::Unary) => {
                    assert!(answer.json().is_object());
                    (1, vec![Status::default()])
                }
                (Door::Lines, Kind::Stream) => lines(&answer),
                (_, Kind::Stream) => array(&answer),
            }
        }
        // No status of gRPC, whatever else it says.
        Door::Web | Door::WebText | Door::Grpc if answer.http != 200 => (0, Vec::new()),
        Door::Web | Door::WebText => {
            let body = if door == Door::WebText { text(&answer.body) } else { answer.body.clone() };
            let (messages, trailers) = frames(body);
            let mut statuses = header_statuses(&answer.headers);
            assert!(trailers.len() <= 1, "{} trailer frames", trailers.len());
            for trailers in trailers {
                statuses.extend(header_statuses(&trailers));
            }
            (messages, statuses)
        }
        Door::Grpc => {
            let (messages, trailers) = frames(answer.body.clone());
            assert!(trailers.is_empty(), "a trailer frame in native gRPC");
            let statuses = [&answer.headers, &answer.trailers].into_iter().flat_map(header_statuses);
            (messages, statuses.collect())
        }
        Door::Connect | Door::ConnectJson => {
            let grpc: Vec<_> =
                answer.headers.keys().filter(|name| name.as_str().starts_with("grpc-")).collect();
            assert!(grpc.is_empty() && answer.trailers.is_empty(), "a reply of Connect carries {grpc:?}");
            match kind {
                Kind::Unary if answer.http == 200 => (1, vec![Status::default()]),
                Kind::Unary => {
                    assert_eq!(answer.header("content-type"), "application/json");
                    (0, vec![connect_status(&answer.json())])
                }
                Kind::Stream => envelopes(&answer),
            }
        }
    };
    Outcome { messages, statuses, answer }
}

/// An array that broke off must not parse; what broke it is its last element.
fn array(answer: &Answer) -> (usize, Vec<Status>) {
    if !answer.broken {
        let elements = answer.json();
        let elements = elements.as_array().expect("a stream is an array");
        assert!(elements.iter().all(|element| element.get("error").is_none()));
        return (elements.len(), vec![Status::default()]);
    }
    assert!(serde_json::from_slice::<Value>(&answer.body).is_err(), "broken, yet whole: {}", answer.text());
    let closed = format!("{}]", answer.text());
    let elements: Vec<Value> = serde_json::from_str(&closed).expect("whole elements up to the break");
    with_error(&elements)
}

fn lines(answer: &Answer) -> (usize, Vec<Status>) {
    let elements: Vec<Value> =
        answer.text().lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    assert!(!answer.broken, "lines say in words what went wrong");
    assert!(answer.body.is_empty() || answer.body.ends_with(b"\n"));
    match elements.last().and_then(|last| last.get("error")) {
        Some(_) => with_error(&elements),
        None => (elements.len(), vec![Status::default()]),
    }
}

fn with_error(elements: &[Value]) -> (usize, Vec<Status>) {
    let errors: Vec<_> =
        elements.iter().filter_map(|element| element.get("error")).map(json_status).collect();
    assert!(elements.last().is_some_and(|last| last.get("error").is_some()), "the error is the last element");
    (elements.len() - errors.len(), errors)
}

/// Reads `{code, message, details}`, which has to be all there is.
pub fn json_status(status: &Value) -> Status {
    let fields = status.as_object().expect("a status is an object");
    assert_eq!(fields.keys().map(String::as_str).collect::<Vec<_>>(), ["code", "details", "message"]);
    let details = status["details"].as_array().expect("details are a list");
    let reason = details.iter().find_map(|detail| detail["reason"].as_str()).unwrap_or_default();
    Status {
        code: status["code"].as_i64().expect("a code is a number"),
        message: status["message"].as_str().expect("a message is text").to_owned(),
        reason: reason.to_owned(),
        details: details.len(),
    }
}

/// Reads `{code, message, details}` of Connect.
pub fn connect_status(error: &Value) -> Status {
    let name = error["code"].as_str().expect("a code is a name");
    let name = if name == "canceled" { "cancelled" } else { name };
    let code = edgeway::grpc::code::by_name(&name.to_uppercase()).expect("a code that exists");
    let details = error["details"].as_array().cloned().unwrap_or_default();
    let info = details.iter().find(|detail| detail["type"] == "google.rpc.ErrorInfo");
    Status {
        code: i64::from(code as i32),
        message: error["message"].as_str().unwrap_or_default().to_owned(),
        reason: info.and_then(|info| info.pointer("/debug/reason")?.as_str()).unwrap_or_default().to_owned(),
        details: details.len(),
    }
}

/// Whole messages of a stream of Connect, and the status of its last envelope.
fn envelopes(answer: &Answer) -> (usize, Vec<Status>) {
    assert_eq!(answer.http, 200);
    let (mut messages, mut statuses, mut body) = (0, Vec::new(), answer.body.clone());
    while body.len() >= frame::HEADER_LEN {
        let flags = body.get_u8();
        let length = body.get_u32() as usize;
        if body.len() < length {
            break;
        }
        let content = body.split_to(length);
        assert!(statuses.is_empty(), "an envelope after the last");
        if flags & 0x02 == 0 {
            messages += 1;
            continue;
        }
        let end: Value = serde_json::from_slice(&content).expect("the end of a stream is JSON");
        statuses.push(end.get("error").map_or_else(Status::default, connect_status));
    }
    assert_eq!(statuses.is_empty(), answer.broken, "a stream ends once, or breaks");
    (messages, statuses)
}

fn header_statuses(headers: &HeaderMap) -> Vec<Status> {
    let text = |name| headers.get(name).map_or("", |value| value.to_str().expect("it is ASCII"));
    let details = BASE64.decode(text("grpc-status-details-bin")).expect("details are base64");
    let details = pb::Status::decode(&*details).unwrap_or_default().details;
    let info = details.iter().find(|any| any.type_url.ends_with("/google.rpc.ErrorInfo"));
    let info = info.map(|any| pb::ErrorInfo::decode(&*any.value).expect("an ErrorInfo"));
    let status = Status {
        code: -1,
        message: percent_encoding::percent_decode_str(text("grpc-message")).decode_utf8_lossy().into_owned(),
        reason: info.map_or_else(String::new, |info| info.reason),
        details: details.len(),
    };
    let codes = headers.get_all("grpc-status").iter();
    codes
        .map(|code| {
            let code = code.to_str().ok().and_then(|code| code.parse().ok());
            // One that is no number stays the -1 that nobody expects.
            Status { code: code.unwrap_or(status.code), ..status.clone() }
        })
        .collect()
}

/// Whole messages, and the trailer frames of gRPC-Web. What is cut off at the end counts for nothing.
fn frames(mut body: Bytes) -> (usize, Vec<HeaderMap>) {
    let (mut messages, mut trailers) = (0, Vec::new());
    while body.len() >= frame::HEADER_LEN {
        let flags = body.get_u8();
        let length = body.get_u32() as usize;
        if body.len() < length {
            break;
        }
        let content = body.split_to(length);
        if flags & 0x80 == 0 {
            assert!(trailers.is_empty(), "a message after the trailers");
            messages += 1;
        } else {
            trailers.push(trailer_frame(&content));
        }
    }
    (messages, trailers)
}

fn trailer_frame(content: &[u8]) -> HeaderMap {
    let content = std::str::from_utf8(content).expect("trailers are text");
    assert!(content.is_empty() || content.ends_with("\r\n"), "{content:?}");
    let mut headers = HeaderMap::new();
    for line in content.split_terminator("\r\n") {
        let (name, value) = line.split_once(':').expect("name: value");
        let name: http::HeaderName = name.parse().expect("a header name");
        headers.append(name, value.trim().parse().expect("a header value"));
    }
    headers
}

/// Base64 in which padding may stand in the middle; what is cut off in the midst of a group counts for nothing.
fn text(body: &[u8]) -> Bytes {
    body.chunks_exact(4).flat_map(|group| STANDARD.decode(group).expect("groups of base64")).collect()
}
