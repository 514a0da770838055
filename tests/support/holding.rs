//! A backend that never ends a call and notes when each one came and went.

use std::{convert::Infallible, net::SocketAddr, pin::Pin, task::Poll, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpListener,
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::JoinHandle,
    time::Instant,
};

/// The backend, in the test's own process.
///
/// Methods whose name is of a stream of answers (`Stream`, `Chat`, `WatchOrder`) send a head and one message; all others
/// send nothing. No call ends by itself and no `grpc-timeout` is heeded.
pub struct Holding {
    pub address: SocketAddr,
    came: UnboundedReceiver<()>,
    went: UnboundedReceiver<Instant>,
    task: JoinHandle<()>,
}

impl Holding {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (came_out, came) = mpsc::unbounded_channel();
        let (went_out, went) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let (came, went) = (came_out.clone(), went_out.clone());
                tokio::spawn(async move {
                    let serve = service_fn(move |request| hold(request, came.clone(), went.clone()));
                    let served = http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), serve);
                    drop(served.await);
                });
            }
        });
        Self { address, came, went, task }
    }

    /// Waits for the next call to arrive.
    pub async fn came(&mut self) {
        let came = tokio::time::timeout(PATIENCE, self.came.recv()).await;
        came.expect("a call arrives").expect("the backend runs");
    }

    /// Waits until the next call was cancelled; when that was.
    pub async fn went(&mut self) -> Instant {
        let went = tokio::time::timeout(PATIENCE, self.went.recv()).await;
        went.expect("the call is cancelled").expect("the backend runs")
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn hold(
    request: Request<Incoming>,
    came: UnboundedSender<()>,
    went: UnboundedSender<Instant>,
) -> Result<Response<Held>, Infallible> {
    let departure = Departure(went);
    let streams = ["/Stream", "/Chat", "/WatchOrder"].iter().any(|name| request.uri().path().ends_with(name));
    let _ = came.send(());
    if streams {
        // An empty message is one of every type.
        let body = Held { first: Some(Bytes::from_static(&[0; 5])), _departure: departure };
        return Ok(Response::builder()
            .header("content-type", "application/grpc")
            .body(body)
            .expect("a head"));
    }
    // Reads whatever comes, as a backend of a client stream does.
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    std::future::pending().await
}

/// An answer that stays open.
struct Held {
    first: Option<Bytes>,
    _departure: Departure,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.first.take().map_or(Poll::Pending, |first| Poll::Ready(Some(Ok(Frame::data(first)))))
    }
}

/// Notes the moment at which its call is dropped.
struct Departure(UnboundedSender<Instant>);

impl Drop for Departure {
    fn drop(&mut self) {
        let _ = self.0.send(Instant::now());
    }
}

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);
