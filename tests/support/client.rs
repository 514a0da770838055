//! An HTTP client that shows what arrived, byte by byte if need be.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// An answer as it ended.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub http: u16,
    /// The head's headers.
    pub headers: HeaderMap,
    /// The bytes that came.
    pub body: Bytes,
    /// The trailers, if there were any.
    pub trailers: HeaderMap,
    /// Whether the transport broke before the body had ended.
    pub broken: bool,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("the body is not JSON ({error}): {}", self.body.escape_ascii()))
    }

    /// A header as text; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("the header is text"))
    }
}

/// Which HTTP to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http {
    One,
    Two,
}

/// Sends one request on a connection of its own and reads the answer to its end. `first` is called when the first bytes
/// of its body are there.
pub async fn send(address: &str, http: Http, request: Request<Full<Bytes>>, first: impl FnOnce()) -> Answer {
    let what = format!("{} {} {:?}", request.method(), request.uri(), request.headers());
    let exchange = async { collect(open(address, http, request).await, first).await };
    let answer = tokio::time::timeout(PATIENCE, exchange).await;
    answer.unwrap_or_else(|_| panic!("no answer that ends within {PATIENCE:?} to {what}"))
}

/// Sends one request on a connection of its own and reads the head of the answer.
pub async fn open<B>(address: &str, http: Http, mut request: Request<B>) -> Response<Incoming>
where
    B: http_body::Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + Unpin + 'static,
{
    let socket = TcpStream::connect(address).await.expect("the gateway accepts");
    let io = TokioIo::new(socket);
    match http {
        Http::One => {
            request.headers_mut().entry("host").or_insert(address.try_into().expect("an address is a host"));
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(io).await.expect("HTTP/1 is spoken");
            tokio::spawn(connection);
            sender.send_request(request).await
        }
        Http::Two => {
            let path = request.uri().path_and_query().expect("a request has a path").clone();
            *request.uri_mut() =
                format!("http://{address}{path}").parse().expect("an address and a path are a URI");
            let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
                .max_header_list_size(1 << 20)
                .handshake(io)
                .await
                .expect("HTTP/2 is spoken");
            tokio::spawn(connection);
            sender.send_request(request).await
        }
    }
    .expect("the request is answered")
}

/// Reads an answer to its end, good or bad. `first` is called when the first bytes of its body are there.
pub async fn collect(response: Response<Incoming>, first: impl FnOnce()) -> Answer {
    let (head, mut incoming) = response.into_parts();
    let mut first = Some(first);
    let (mut body, mut trailers, mut broken) = (BytesMut::new(), HeaderMap::new(), false);
    while let Some(frame) = incoming.frame().await {
        match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(data)) => {
                body.extend_from_slice(&data);
                if let Some(first) = first.take() {
                    first();
                }
            }
            Ok(Err(frame)) => trailers = frame.into_trailers().unwrap_or_default(),
            Err(_) => {
                broken = true;
                break;
            }
        }
    }
    Answer { http: head.status.as_u16(), headers: head.headers, body: body.freeze(), trailers, broken }
}

/// Longer than any answer here may take.
const PATIENCE: Duration = Duration::from_secs(10);
