//! A request whose body is written while its answer is read.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, request::Builder};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

use crate::client::{self, Answer, Http};

/// What a request carries.
pub type Body = StreamBody<
    tokio_stream::adapters::Map<ReceiverStream<Bytes>, fn(Bytes) -> Result<Frame<Bytes>, Infallible>>,
>;

/// The end of a request's body that a test holds; dropped, the body ends.
#[derive(Debug)]
pub struct Upload(mpsc::Sender<Bytes>);

impl Upload {
    /// Sends some more of the body.
    pub async fn send(&self, bytes: impl Into<Bytes>) {
        assert!(self.try_send(bytes, PATIENCE).await, "the gateway reads no more");
    }

    /// Sends some more of the body, unless nobody takes it for this long.
    pub async fn try_send(&self, bytes: impl Into<Bytes>, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.0.send(bytes.into())).await.is_ok_and(|sent| sent.is_ok())
    }
}

/// A request with a body that is still to be written, of which one piece waits at most.
pub fn streamed(request: Builder) -> (Upload, Request<Body>) {
    let (sender, receiver) = mpsc::channel(1);
    let frame: fn(Bytes) -> Result<Frame<Bytes>, Infallible> = |bytes| Ok(Frame::data(bytes));
    let body = StreamBody::new(ReceiverStream::new(receiver).map(frame));
    (Upload(sender), request.body(body).expect("a request"))
}

/// Sends a request with a body in these pieces, and reads its answer.
pub async fn send(address: &str, http: Http, request: Builder, pieces: Vec<Bytes>) -> Answer {
    let (upload, request) = streamed(request);
    let write = async move {
        for piece in pieces {
            // A gateway that refuses the first of them need not read the others.
            if !upload.try_send(piece, PATIENCE).await {
                return;
            }
        }
    };
    let exchange = async {
        let write = tokio::spawn(write);
        let answer = client::collect(client::open(address, http, request).await, || {}).await;
        write.abort();
        answer
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("an answer that ends")
}

/// An answer that is read bit by bit.
#[derive(Debug)]
pub struct Download {
    body: Incoming,
    /// What has come so far.
    pub got: Vec<u8>,
}

impl Download {
    /// Of an answer whose head has come.
    pub fn new(body: Incoming) -> Self {
        Self { body, got: Vec::new() }
    }

    /// Reads until all that came is `expect`.
    pub async fn until(&mut self, expect: &str) {
        let read = async {
            while self.got.len() < expect.len() {
                let frame = self.body.frame().await.expect("more is to come").expect("the transport holds");
                self.got.extend(frame.into_data().unwrap_or_default());
            }
        };
        let read = tokio::time::timeout(PATIENCE, read).await;
        let got = String::from_utf8_lossy(&self.got);
        assert!(read.is_ok(), "expected {expect:?}, and no more came than {got:?}");
        assert_eq!(got, expect);
    }

    /// Reads to the end; whether it was a good one.
    pub async fn end(mut self) -> (String, bool) {
        let read = async {
            while let Some(frame) = self.body.frame().await {
                match frame {
                    Ok(frame) => self.got.extend(frame.into_data().unwrap_or_default()),
                    Err(_) => return false,
                }
            }
            true
        };
        let whole = tokio::time::timeout(PATIENCE, read).await.expect("it ends");
        (String::from_utf8_lossy(&self.got).into_owned(), whole)
    }
}

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);
