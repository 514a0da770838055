//! A backend of the tests that can be told how to be.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use h2::server::SendResponse;
use http::HeaderMap;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::task::AbortOnDropHandle;
use tonic::Code;

use crate::grpc::{CONTENT_TYPE, GRPC_STATUS, frame};

/// A backend that answers every call with one status, and health checks with one word.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    state: Arc<State>,
    frozen: watch::Sender<bool>,
    _task: AbortOnDropHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    code: AtomicU8,
    /// The `ServingStatus` that it gives.
    serving: AtomicU8,
    calls: AtomicUsize,
    checks: AtomicUsize,
    connections: AtomicUsize,
}

impl Peer {
    /// One that answers OK and SERVING.
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State { serving: AtomicU8::new(1), ..State::default() });
        let frozen = watch::Sender::new(false);
        let task = tokio::spawn(accept(listener, Arc::clone(&state), frozen.subscribe()));
        Self { address, state, frozen, _task: AbortOnDropHandle::new(task) }
    }

    /// Answers calls with this status from now on.
    pub(super) fn answers(&self, code: Code) {
        self.state.code.store(code as u8, Relaxed);
    }

    /// Answers checks with this number of `ServingStatus`, or [`NO_SERVICE`].
    pub(super) fn says(&self, serving: u8) {
        self.state.serving.store(serving, Relaxed);
    }

    /// What SIGSTOP does: the kernel goes on accepting connections and bytes, and nobody reads them.
    pub(super) fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }

    /// The calls that it has seen, health checks apart.
    pub(super) fn calls(&self) -> usize {
        self.state.calls.load(Relaxed)
    }

    /// The health checks that it has seen.
    pub(super) fn checks(&self) -> usize {
        self.state.checks.load(Relaxed)
    }

    /// The connections that are open.
    pub(super) fn connections(&self) -> usize {
        self.state.connections.load(Relaxed)
    }
}

/// There is no health service.
pub(super) const NO_SERVICE: u8 = u8::MAX;

async fn accept(listener: TcpListener, state: Arc<State>, frozen: watch::Receiver<bool>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let (state, mut frozen) = (Arc::clone(&state), frozen.clone());
        if frozen.wait_for(|frozen| !frozen).await.is_err() {
            return;
        }
        connections.spawn(async move {
            state.connections.fetch_add(1, Relaxed);
            serve(socket, &state, frozen).await;
            state.connections.fetch_sub(1, Relaxed);
        });
    }
}

async fn serve(socket: TcpStream, state: &State, mut frozen: watch::Receiver<bool>) {
    let Ok(mut connection) = h2::server::handshake(socket).await else { return };
    loop {
        if frozen.wait_for(|frozen| !frozen).await.is_err() {
            return;
        }
        tokio::select! {
            biased;
            changed = frozen.changed() => if changed.is_err() { return },
            exchange = connection.accept() => match exchange {
                Some(Ok((request, respond))) => answer(&request, respond, state),
                Some(Err(_)) | None => return,
            },
        }
    }
}

fn answer<T>(request: &http::Request<T>, mut respond: SendResponse<Bytes>, state: &State) {
    let head = || http::Response::builder().header("content-type", CONTENT_TYPE);
    let (code, message) = if request.uri().path().starts_with("/grpc.health.v1.Health/") {
        state.checks.fetch_add(1, Relaxed);
        match state.serving.load(Relaxed) {
            NO_SERVICE => (Code::Unimplemented as u8, Bytes::new()),
            word => (0, frame::encode(&[1 << 3, word])),
        }
    } else {
        state.calls.fetch_add(1, Relaxed);
        (state.code.load(Relaxed), frame::encode(b""))
    };
    // Clients that have gone are no matter of the tests.
    if code == 0 {
        let Ok(mut stream) = respond.send_response(head().body(()).unwrap(), false) else { return };
        let _ = stream.send_data(message, false);
        let _ = stream.send_trailers(HeaderMap::from_iter([(GRPC_STATUS, 0.into())]));
    } else {
        let refusal = head().header(GRPC_STATUS, i32::from(code)).body(()).unwrap();
        let _ = respond.send_response(refusal, true);
    }
}
