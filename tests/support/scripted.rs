//! A backend that does what a script says, right or wrong, at one address or several, with one ledger for all.
//!
//! An HTTP/2 server over `h2` that answers each request by a list of steps, and health checks by itself. What `h2` would
//! not send so (a GOAWAY with a last stream id of one's choice, a reset behind what is queued) is written past it on the
//! same socket, between two frames.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderMap;
use tokio::{
    net::TcpListener,
    task::{AbortHandle, JoinHandle},
    time::Instant,
};

#[path = "scripted/connection.rs"]
mod connection;
#[path = "scripted/exchange.rs"]
mod exchange;
#[path = "scripted/ledger.rs"]
mod ledger;

use connection::{Control, Port};
use ledger::Ledger;

/// Headers as they are to be sent; names may repeat.
pub type Headers = Vec<(&'static str, String)>;

/// One thing that a backend does with a request.
#[derive(Clone, Debug)]
pub enum Step {
    /// Reads the request to its end. Without it a request is answered unread.
    Request,
    /// Reads the request up to its first bytes.
    FirstBytes,
    /// Does what the call asks for, once: what [`Ledger::executions`](Ledger::executions) counts.
    Execute,
    /// Takes its time.
    Wait(Duration),
    /// Sends an informational head.
    Informational(u16),
    /// Sends a head that a body follows.
    Head(u16, Headers),
    /// Sends a head that nothing follows.
    Only(u16, Headers),
    /// Sends bytes.
    Data(Bytes),
    /// Sends bytes in DATA frames of this many.
    Pieces(Bytes, usize),
    /// Sends bytes again and again, as fast as the windows allow, until the stream is reset.
    Endless(Bytes),
    /// Ends the body without trailers.
    End,
    /// Ends the body with trailers.
    Trailers(Headers),
    /// Resets the stream with an error code.
    Reset(u32),
    /// Sends a GOAWAY with an error code whose last stream id is this stream, or the one before it.
    GoAway { below: bool, code: u32 },
    /// Sends no more bytes on this connection: the other side reads its end.
    Close,
    /// Aborts the connection.
    Abort,
    /// Waits until [`Scripted::release`](Scripted::release) names the call.
    Hold,
    /// Waits until the other side resets the stream, and notes when it did.
    Cancelled,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its `x-call` header: what the test calls it.
    pub id: String,
    /// Its path.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// How many requests with this id came before it.
    pub attempt: usize,
    /// The connection that it came by, counted over all addresses.
    pub connection: usize,
    /// The address that it came to, by its place among those of the backend.
    pub port: usize,
    /// When it came.
    pub at: Instant,
}

/// A running backend; dropped, it is gone.
pub struct Scripted {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    backend: Arc<Backend>,
    tasks: parking_lot::Mutex<Vec<Option<JoinHandle<()>>>>,
}

type Script = Box<dyn Fn(&Call) -> Vec<Step> + Send + Sync>;

struct Backend {
    script: Script,
    options: Options,
    ledger: Ledger,
    ports: Vec<Port>,
}

/// What its connections are like.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What it announces.
    pub most_streams: Option<u32>,
    /// After how long a connection takes no further stream.
    pub connection_age: Option<Duration>,
    /// Streams that the other side may have reset before they were looked at; more end the connection.
    pub most_pending_resets: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { most_streams: None, connection_age: None, most_pending_resets: 20 }
    }
}

impl Scripted {
    /// Listens on one port and answers by `script`.
    pub async fn start(script: impl Fn(&Call) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::start_with(1, None, script).await
    }

    /// Listens on `ports` ports and announces `most_streams` on each connection.
    pub async fn start_with(
        ports: usize,
        most_streams: Option<u32>,
        script: impl Fn(&Call) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let mut listeners = Vec::new();
        for _ in 0..ports {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.expect("a port on the loopback"));
        }
        Self::serve(listeners, Options { most_streams, ..Options::default() }, script)
    }

    /// Listens on these.
    pub fn serve(
        listeners: Vec<TcpListener>,
        options: Options,
        script: impl Fn(&Call) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let address = |listener: &TcpListener| listener.local_addr().expect("a listener has an address");
        let addresses: Vec<_> = listeners.iter().map(address).collect();
        let ledger = Ledger::new(addresses.len());
        let ports = addresses.iter().copied().map(Port::new).collect();
        let backend = Arc::new(Backend { script: Box::new(script), options, ledger, ports });
        let accept =
            |(port, listener)| tokio::spawn(connection::accept(Arc::clone(&backend), port, listener));
        let tasks = listeners.into_iter().enumerate().map(accept).map(Some).collect();
        Self { addresses, backend, tasks: parking_lot::Mutex::new(tasks) }
    }

    /// Its addresses as a target of the configuration.
    pub fn target(&self) -> String {
        let addresses: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
        format!("ipv4:{}", addresses.join(","))
    }

    /// What it has seen.
    pub fn ledger(&self) -> &Ledger {
        &self.backend.ledger
    }

    /// The requests with an id, in the order in which they came.
    pub fn calls(&self, id: &str) -> Vec<Call> {
        self.ledger().calls(id)
    }

    /// The messages of the requests with an id, as far as their script has read them.
    pub fn received(&self, id: &str) -> Vec<Bytes> {
        self.ledger().received(id)
    }

    /// Connections there have been.
    pub fn connections(&self) -> usize {
        self.ledger().look(|seen| seen.connections.len())
    }

    /// Waits until a request with this id has arrived.
    pub async fn called(&self, id: &str) {
        self.ledger().until(|seen| seen.calls.iter().any(|call| call.id == id)).await;
    }

    /// Waits until a call that came to [`Step::Cancelled`] was reset; when that was.
    pub async fn cancelled(&self, id: &str) -> Instant {
        self.ledger().until(|seen| seen.when_cancelled(id).is_some()).await;
        self.ledger().look(|seen| seen.when_cancelled(id)).expect("it was seen")
    }

    /// Lets a call that came to [`Step::Hold`] go on.
    pub fn release(&self, id: &str) {
        self.backend.ledger.note(|seen| seen.release(id));
    }

    /// Waits until every port has a connection that takes calls.
    pub async fn connected(&self) {
        self.ledger().until(|seen| seen.live.iter().all(|live| *live > 0)).await;
    }

    /// What health checks of an address are told from here on.
    pub fn serving(&self, port: usize, serving: bool) {
        self.backend.port(port).serving.send_replace(serving);
    }

    /// Sends the GOAWAYs of a graceful shutdown on every connection of an address, which goes on listening.
    pub fn drain(&self, port: usize) {
        // Nobody hears it where there is no connection.
        let _ = self.backend.port(port).control.send(Control::Drain);
    }

    /// Ends every connection of an address with a GOAWAY.
    pub fn go_away(&self, port: usize, code: u32, debug: &'static [u8]) {
        let _ = self.backend.port(port).control.send(Control::GoAway(code, debug));
    }

    /// Reads and writes nothing at an address, and takes connections all the same, as a stopped process does.
    pub fn freeze(&self, port: usize, frozen: bool) {
        self.backend.port(port).frozen.send_replace(frozen);
    }

    /// Ends an address as the kernel does for a process that is killed: nothing listens, connections are closed in the
    /// midst of whatever they did.
    pub async fn kill(&self, port: usize) {
        let task = self.task(port).take();
        if let Some(task) = task {
            task.abort();
            let _ = task.await;
        }
    }

    /// Ends an address in good order: listens no more, drains, and is gone when the last stream has ended.
    pub async fn exit(&self, port: usize) {
        let task = self.task(port).take();
        self.backend.port(port).open.send_replace(false);
        self.drain(port);
        if let Some(task) = task {
            task.await.expect("a task of the backend");
        }
    }

    /// Comes back at an address that was killed or exited.
    pub async fn restart(&self, port: usize) {
        let address = self.backend.port(port).address;
        let listener = TcpListener::bind(address).await.expect("nobody took the address");
        self.backend.port(port).open.send_replace(true);
        let task = tokio::spawn(connection::accept(Arc::clone(&self.backend), port, listener));
        *self.task(port) = Some(task);
    }

    fn task(&self, port: usize) -> parking_lot::MappedMutexGuard<'_, Option<JoinHandle<()>>> {
        parking_lot::MutexGuard::map(self.tasks.lock(), |tasks| {
            tasks.get_mut(port).expect("a port of its own")
        })
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        for task in self.tasks.lock().iter().flatten() {
            task.abort();
        }
    }
}

impl Backend {
    fn port(&self, port: usize) -> &Port {
        self.ports.get(port).expect("a port of its own")
    }
}

/// The head of a gRPC answer.
pub fn grpc() -> Step {
    Step::Head(200, vec![("content-type", "application/grpc".into())])
}

/// A message in its frame.
pub fn message(message: &impl prost::Message) -> Step {
    Step::Data(edgeway::grpc::frame::encode(&message.encode_to_vec()))
}

/// A message in its frame, by its bytes.
pub fn bytes(message: &[u8]) -> Step {
    Step::Data(edgeway::grpc::frame::encode(message))
}

/// Trailers with a status.
pub fn status(code: u16) -> Step {
    Step::Trailers(vec![("grpc-status", code.to_string())])
}

/// A port that accepts connections and never says a word.
pub struct Silent {
    /// Where it listens.
    pub address: SocketAddr,
    task: AbortHandle,
}

impl Silent {
    /// Listens on a port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on the loopback");
        let address = listener.local_addr().expect("a listener has an address");
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((socket, _)) = listener.accept().await {
                held.push(socket);
            }
        });
        Self { address, task: task.abort_handle() }
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.task.abort();
    }
}
