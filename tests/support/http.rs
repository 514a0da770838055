//! A client of each wire: HTTP/1.1 and HTTP/2, JSON, gRPC-Web and gRPC.

use std::{convert::Infallible, time::Duration};

use base64::Engine;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::{net::TcpStream, sync::mpsc, task::JoinHandle};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    One,
    Two,
}

/// What a request carries.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// One connection; dropped, its socket closes.
pub struct Client {
    address: String,
    sender: Sender,
    driver: JoinHandle<()>,
    /// For the close: hyper keeps a connection on which a request is still being sent.
    socket: std::net::TcpStream,
}

#[derive(Clone)]
enum Sender {
    /// Taken by the one call that is open.
    One(std::sync::Arc<tokio::sync::Mutex<http1::SendRequest<Body>>>),
    Two(http2::SendRequest<Body>),
}

/// A whole answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

impl Client {
    pub async fn open(address: &str, version: Version) -> Self {
        let stream = TcpStream::connect(address).await.expect("the address takes connections");
        stream.set_nodelay(true).expect("a TCP socket");
        Self::over(stream, address, version).await
    }

    /// Speaks over a socket that the test has tuned.
    pub async fn over(stream: TcpStream, address: &str, version: Version) -> Self {
        let stream = stream.into_std().expect("a socket of tokio's is one of the system's");
        let socket = stream.try_clone().expect("a descriptor is free");
        let io = TokioIo::new(TcpStream::from_std(stream).expect("it was tokio's before"));
        let (sender, driver) = match version {
            Version::One => {
                let (sender, connection) = http1::handshake(io).await.expect("a handshake without bytes");
                let driver = tokio::spawn(async move { drop(connection.await) });
                (Sender::One(std::sync::Arc::new(tokio::sync::Mutex::new(sender))), driver)
            }
            Version::Two => {
                let made = http2::handshake(TokioExecutor::new(), io).await;
                let (sender, connection) = made.expect("the peer speaks HTTP/2");
                (Sender::Two(sender), tokio::spawn(async move { drop(connection.await) }))
            }
        };
        Self { address: address.to_owned(), sender, driver, socket }
    }

    /// Sends a request; the answer's body is still to be read.
    pub async fn send(&self, request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        let request = self.addressed(request);
        match self.sender.clone() {
            Sender::One(sender) => {
                let mut sender = sender.lock().await;
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Two(mut sender) => sender.send_request(request).await,
        }
    }

    /// Sends a request and reads all of its answer.
    pub async fn call(&self, request: Request<Body>) -> hyper::Result<Reply> {
        let (head, body) = self.send(request).await?.into_parts();
        let collected = body.collect().await?;
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Ok(Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body: collected.to_bytes(),
            trailers,
        })
    }

    /// Whether the connection has ended.
    pub fn is_closed(&self) -> bool {
        self.driver.is_finished()
    }

    fn addressed(&self, mut request: Request<Body>) -> Request<Body> {
        let path = request.uri().path_and_query().expect("a path").as_str();
        match &self.sender {
            Sender::One(_) => {
                request.headers_mut().insert("host", self.address.parse().expect("an address is a header"));
            }
            Sender::Two(_) => {
                let uri = format!("http://{}{path}", self.address);
                *request.uri_mut() = uri.parse().expect("an address and a path are a URI");
            }
        }
        request
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.driver.abort();
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    /// The code of a gRPC or gRPC-Web answer, wherever it stands.
    pub fn grpc_code(&self) -> i32 {
        let header = |headers: &HeaderMap| headers.get("grpc-status")?.to_str().ok()?.parse().ok();
        let code = header(&self.trailers).or_else(|| header(&self.headers)).or_else(|| {
            let trailers = self.frames().into_iter().find(|(flags, _)| flags & 0x80 != 0)?;
            let text = String::from_utf8(trailers.1.to_vec()).ok()?;
            text.lines().find_map(|line| line.strip_prefix("grpc-status:"))?.trim().parse().ok()
        });
        code.unwrap_or_else(|| panic!("no grpc-status in {self:?}"))
    }

    /// The sizes of the messages of a gRPC or gRPC-Web answer.
    pub fn message_sizes(&self) -> Vec<usize> {
        let messages = self.frames().into_iter().filter(|(flags, _)| flags & 0x80 == 0);
        messages.map(|(_, bytes)| bytes.len()).collect()
    }

    /// The first message of a gRPC or gRPC-Web answer.
    pub fn message<M: Message + Default>(&self) -> M {
        let frames = self.frames();
        let (_, bytes) = frames.iter().find(|(flags, _)| flags & 0x80 == 0).expect("a message");
        M::decode(bytes.clone()).expect("the message of the method")
    }

    fn frames(&self) -> Vec<(u8, Bytes)> {
        let content_type = self.headers.get("content-type").and_then(|value| value.to_str().ok());
        let mut bytes = if content_type.is_some_and(|value| value.starts_with("application/grpc-web-text")) {
            decode_text(&self.body)
        } else {
            self.body.clone()
        };
        let mut frames = Vec::new();
        while bytes.len() >= PREFIX {
            let flags = bytes.get_u8();
            let length = bytes.get_u32() as usize;
            frames.push((flags, bytes.split_to(length)));
        }
        frames
    }
}

/// One GET on a connection of its own.
pub async fn get(address: &str, path: &str) -> Reply {
    let client = Client::open(address, Version::One).await;
    let request = Request::get(path).body(whole(Bytes::new())).expect("a path is a request");
    let reply = tokio::time::timeout(Duration::from_secs(10), client.call(request)).await;
    reply.expect("an answer in time").expect("an answer")
}

/// A GET that no `send` has addressed yet.
pub fn rest(path: &str) -> Request<Body> {
    Request::get(path).body(whole(Bytes::new())).expect("a path is a request")
}

/// A POST of JSON.
pub fn json(path: &str, body: &str) -> Request<Body> {
    let body = whole(Bytes::copy_from_slice(body.as_bytes()));
    Request::post(path).header("content-type", "application/json").body(body).expect("a path is a request")
}

/// A gRPC call.
pub fn grpc(path: &str, message: &impl Message) -> Request<Body> {
    rpc(path, "application/grpc", whole(frame(message)))
}

/// A gRPC-Web call, binary.
pub fn web(path: &str, message: &impl Message) -> Request<Body> {
    rpc(path, "application/grpc-web+proto", whole(frame(message)))
}

/// A gRPC-Web call, text.
pub fn web_text(path: &str, message: &impl Message) -> Request<Body> {
    let text = base64::engine::general_purpose::STANDARD.encode(frame(message));
    rpc(path, "application/grpc-web-text", whole(text.into()))
}

/// A gRPC call whose messages are sent as they are handed over, each in DATA frames of its own; dropping the sender ends
/// them.
pub fn grpc_stream(path: &str) -> (mpsc::Sender<Bytes>, Request<Body>) {
    let (sender, receiver) = mpsc::channel(16);
    let frames = ReceiverStream::new(receiver).map(|bytes| Ok(Frame::data(bytes)));
    (sender, rpc(path, "application/grpc", StreamBody::new(frames).boxed_unsync()))
}

/// A request with one more header.
pub fn with(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(name, value.parse().expect("the value is a header's"));
    request
}

fn whole(bytes: Bytes) -> Body {
    Full::from(bytes).boxed_unsync()
}

/// A message with the five bytes before it.
pub fn frame(message: &impl Message) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.encoded_len()).expect("a message of a test is small"));
    message.encode(&mut frame).expect("a BytesMut grows");
    frame.freeze()
}

fn rpc(path: &str, content_type: &str, body: Body) -> Request<Body> {
    let request = Request::post(path).header("content-type", content_type).header("te", "trailers");
    request.body(body).expect("a path is a request")
}

/// Base64 in segments, each padded by itself.
fn decode_text(text: &[u8]) -> Bytes {
    let groups = text.chunks(4).flat_map(|group| {
        base64::engine::general_purpose::STANDARD.decode(group).expect("whole groups of base64")
    });
    groups.collect()
}

const PREFIX: usize = 5;
