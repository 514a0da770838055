//! A WebSocket client of both subprotocols, over HTTP/1.1 and over HTTP/2.

use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::Role},
};

/// protobuf in frames.
pub const FRAMES: &str = "grpc-websockets";

/// JSON.
pub const JSON: &str = "edgeway.json.v1";

/// A WebSocket on a connection of its own.
pub struct Socket<S> {
    pub stream: WebSocketStream<S>,
    unread: Vec<u8>,
}

/// What a server said in frames.
#[derive(Debug, PartialEq)]
pub enum Part {
    /// A message of the call.
    Message(Bytes),
    /// Headers or trailers.
    Block(HeaderMap),
}

/// How a socket ended: its close code.
pub type Code = Option<u16>;

/// Opens a WebSocket over HTTP/1.1.
pub async fn open(address: &str, path: &str, subprotocol: &str) -> Socket<TcpStream> {
    open_with(address, path, subprotocol, &[]).await.expect("the handshake succeeds")
}

/// The same with further headers.
pub async fn open_with(
    address: &str,
    path: &str,
    subprotocol: &str,
    headers: &[(&'static str, &str)],
) -> Result<Socket<TcpStream>, Error> {
    let mut request = format!("ws://{address}{path}").into_client_request()?;
    let protocol = HeaderValue::from_str(subprotocol).expect("a subprotocol is a header's value");
    request.headers_mut().insert("sec-websocket-protocol", protocol);
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).expect("the value is a header's");
        request.headers_mut().insert(*name, value);
    }
    let tcp = TcpStream::connect(address).await.expect("the gateway accepts");
    tcp.set_nodelay(true).expect("a TCP socket");
    let (stream, response) = client_async(request, tcp).await?;
    assert_eq!(response.headers()["sec-websocket-protocol"], subprotocol);
    Ok(Socket { stream, unread: Vec::new() })
}

/// Opens a WebSocket over HTTP/2 by the CONNECT of RFC 8441.
pub async fn open_over_http2(address: &str, path: &str, subprotocol: &str) -> Socket<DuplexStream> {
    let tcp = TcpStream::connect(address).await.expect("the gateway accepts");
    let (sender, connection) = h2::client::handshake(tcp).await.expect("HTTP/2 is spoken");
    tokio::spawn(connection);
    let mut sender = sender.ready().await.expect("a stream may be opened");
    let request = Request::builder()
        .method("CONNECT")
        .uri(format!("http://{address}{path}"))
        .extension(h2::ext::Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", subprotocol)
        .body(())
        .expect("a request");
    let (response, mut out) = sender.send_request(request, false).expect("it is sent");
    let response = response.await.expect("an answer");
    assert_eq!(response.status(), 200, "{:?}", response.headers());
    assert_eq!(response.headers()["sec-websocket-protocol"], subprotocol);
    let mut body = response.into_body();
    let (near, far) = tokio::io::duplex(64 << 10);
    let (mut from_client, mut to_client) = tokio::io::split(far);
    tokio::spawn(async move {
        let mut buffer = vec![0; 16 << 10];
        // A test's messages fit into the window that a stream begins with.
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            let bytes = Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default());
            if out.send_data(bytes, false).is_err() {
                return;
            }
        }
        let _ = out.send_data(Bytes::new(), true);
    });
    tokio::spawn(async move {
        let _sender = sender;
        while let Some(Ok(bytes)) = body.data().await {
            let _ = body.flow_control().release_capacity(bytes.len());
            if to_client.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    Socket { stream: WebSocketStream::from_raw_socket(near, Role::Client, None).await, unread: Vec::new() }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Sends a binary message.
    pub async fn binary(&mut self, bytes: impl AsRef<[u8]>) {
        let message = Message::Binary(Bytes::copy_from_slice(bytes.as_ref()));
        self.stream.send(message).await.expect("the socket takes a message");
    }

    /// Sends a text message.
    pub async fn text(&mut self, text: impl Into<String>) {
        self.stream.send(Message::text(text.into())).await.expect("the socket takes a message");
    }

    /// Sends a message of the call in a frame.
    pub async fn message(&mut self, message: &impl prost::Message) {
        let mut bytes = vec![0, 0];
        bytes.extend_from_slice(&u32::try_from(message.encoded_len()).expect("it is small").to_be_bytes());
        message.encode(&mut bytes).expect("a Vec grows");
        self.binary(bytes).await;
    }

    /// The next message of the WebSocket, or its close code, or `None` where it ended without.
    pub async fn next(&mut self) -> Result<Message, Code> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.stream.next()).await;
            match next.expect("the gateway says something in time") {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(frame))) => {
                    return Err(Some(frame.map_or(1005, |frame| frame.code.into())));
                }
                Some(Ok(message)) => return Ok(message),
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// The next JSON message.
    pub async fn json(&mut self) -> Value {
        match self.next().await {
            Ok(Message::Text(text)) => serde_json::from_str(&text).expect("it is JSON"),
            other => panic!("expected text, found {other:?}"),
        }
    }

    /// The next frame.
    pub async fn part(&mut self) -> Part {
        loop {
            if let Some(&[flags, a, b, c, d]) = self.unread.first_chunk::<5>() {
                let length = u32::from_be_bytes([a, b, c, d]) as usize;
                if self.unread.len() >= 5 + length {
                    let rest = self.unread.split_off(5 + length);
                    let mut frame = Bytes::from(std::mem::replace(&mut self.unread, rest));
                    frame.advance(5);
                    return if flags == 0x80 { Part::Block(block(&frame)) } else { Part::Message(frame) };
                }
            }
            match self.next().await {
                Ok(Message::Binary(bytes)) => self.unread.extend_from_slice(&bytes),
                other => panic!("expected bytes, found {other:?}"),
            }
        }
    }

    /// The next frame, which is a message.
    pub async fn answer<M: prost::Message + Default>(&mut self) -> M {
        match self.part().await {
            Part::Message(bytes) => M::decode(bytes).expect("the message is of its type"),
            Part::Block(headers) => panic!("expected a message, found {headers:?}"),
        }
    }

    /// The next frame, which is a block of headers.
    pub async fn headers(&mut self) -> HeaderMap {
        match self.part().await {
            Part::Block(headers) => headers,
            Part::Message(bytes) => panic!("expected headers, found a message of {} bytes", bytes.len()),
        }
    }

    /// The close code, which has to be next.
    pub async fn closed(&mut self) -> Code {
        match self.next().await {
            Ok(message) => panic!("expected a close frame, found {message:?}"),
            Err(code) => code,
        }
    }
}

fn block(bytes: &[u8]) -> HeaderMap {
    assert!(bytes.is_empty() || bytes.ends_with(b"\r\n"), "every line has its end");
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (name, value) = std::str::from_utf8(line).expect("ASCII").split_once(':').expect("a colon");
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            (name, HeaderValue::from_str(value.trim()).expect("a value"))
        })
        .collect()
}

/// How long the gateway may be silent where it has something to say.
const PATIENCE: Duration = Duration::from_secs(20);
