//! The cheapest honest gRPC backend: every call of `bench.v1.OrderService` reads its request to the end
//! and gets a reply that was encoded before the first connection came, so that what the comparison
//! measures is the gateway.
//!
//! Usage: `bench-backend [ADDRESS]`, by default `127.0.0.1:50051`; h2c only.

use std::{
    convert::Infallible,
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{BufMut, Bytes, BytesMut};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Request, Response,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::{TcpListener, TcpStream};

mod messages;

use messages::{ListOrdersResponse, Order, OrderUpdate};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:50051".to_owned());
    let listener = TcpListener::bind(&address).await?;
    let replies = Arc::new(Replies::encode());
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(serve(socket, Arc::clone(&replies)));
    }
}

async fn serve(socket: TcpStream, replies: Arc<Replies>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let replies = Arc::clone(&replies);
        async move {
            let path = request.uri().path().to_owned();
            let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let mut response = Response::new(replies.answer(&path, &body));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            Ok::<_, Infallible>(response)
        }
    });
    // Wide windows and no reset limits: the backend must never be what holds a gateway back.
    let connection = http2::Builder::new(TokioExecutor::new())
        .max_concurrent_streams(1000)
        .max_pending_accept_reset_streams(Some(10_000))
        .max_local_error_reset_streams(None)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(1 << 24)
        .serve_connection(TokioIo::new(socket), service);
    if let Err(error) = connection.await {
        eprintln!("connection ended: {error}");
    }
}

/// The encoded frames of every reply.
struct Replies {
    create: Bytes,
    small: Bytes,
    mid: Bytes,
    list: Bytes,
    updates: Vec<Bytes>,
}

impl Replies {
    fn encode() -> Self {
        Self {
            create: frame(&Order::sample(42, 3)),
            small: frame(&Order::sample(42, 2)),
            mid: frame(&Order::sample(42, 20)),
            list: frame(&ListOrdersResponse {
                orders: (0..200).map(|number| Order::sample(number, 5)).collect(),
                next_page_token: "abc".to_owned(),
            }),
            updates: (0..100).map(|number| frame(&OrderUpdate::sample(number))).collect(),
        }
    }

    /// `GetOrder` looks for `mid` anywhere in the request; no other method reads it.
    fn answer(&self, path: &str, request: &[u8]) -> Reply {
        let frames = match path.rsplit('/').next() {
            Some("CreateOrder") => vec![self.create.clone()],
            Some("GetOrder") if request.windows(3).any(|part| part == b"mid") => vec![self.mid.clone()],
            Some("GetOrder") => vec![self.small.clone()],
            Some("ListOrders") => vec![self.list.clone()],
            Some("WatchOrder") => self.updates.clone(),
            _ => return Reply { frames: Vec::new().into_iter(), status: Some("12") },
        };
        Reply { frames: frames.into_iter(), status: Some("0") }
    }
}

/// A response body: one DATA frame a message, then the status.
struct Reply {
    frames: std::vec::IntoIter<Bytes>,
    status: Option<&'static str>,
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(frame) = self.frames.next() {
            return Poll::Ready(Some(Ok(Frame::data(frame))));
        }
        Poll::Ready(self.status.take().map(|status| {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static(status));
            Ok(Frame::trailers(trailers))
        }))
    }
}

/// A message behind its five-byte gRPC prefix.
fn frame(message: &impl Message) -> Bytes {
    let length = u32::try_from(message.encoded_len()).expect("a reply is far below 4 GiB");
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(length);
    message.encode(&mut frame).expect("a BytesMut grows");
    frame.freeze()
}
