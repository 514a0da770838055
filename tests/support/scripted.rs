//! A backend that does what a script says, right or wrong.
//!
//! An HTTP/2 server over `h2` that answers each request by a list of steps. What `h2` would not send so (a
//! GOAWAY with a last stream id of one's choice, a reset behind what is queued) is written past it on the same socket,
//! between two frames.

use std::{
    collections::{HashMap, HashSet},
    future::poll_fn,
    io::Write,
    net::{Shutdown, SocketAddr, TcpStream as Socket},
    sync::Arc,
};

use bytes::Bytes;
use h2::{RecvStream, SendStream, server::SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
    time::Instant,
};

/// Headers as they are to be sent; names may repeat.
pub type Headers = Vec<(&'static str, String)>;

/// One thing that a backend does with a request.
#[derive(Clone, Debug)]
pub enum Step {
    /// Reads the request to its end. Without it a request is answered unread.
    Request,
    /// Reads the request up to its first bytes.
    FirstBytes,
    /// Sends an informational head.
    Informational(u16),
    /// Sends a head that a body follows.
    Head(u16, Headers),
    /// Sends a head that nothing follows.
    Only(u16, Headers),
    /// Sends bytes.
    Data(Bytes),
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
    /// Waits until [`Scripted::release`] names the call.
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
}

/// A running backend; dropped, it is gone.
pub struct Scripted {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    backend: Arc<Backend>,
    tasks: Vec<AbortHandle>,
}

type Script = Box<dyn Fn(&Call) -> Vec<Step> + Send + Sync>;

struct Backend {
    script: Script,
    most_streams: Option<u32>,
    seen: watch::Sender<Seen>,
}

/// What has happened so far.
#[derive(Default)]
struct Seen {
    calls: Vec<Call>,
    cancelled: Vec<(String, Instant)>,
    released: HashSet<String>,
    /// The bytes of requests that scripts read, by id.
    received: HashMap<String, Vec<u8>>,
    connections: usize,
    /// Connections by address that take calls.
    live: Vec<isize>,
}

impl Seen {
    fn live(&mut self, port: usize, change: isize) {
        *self.live.get_mut(port).expect("a port of its own") += change;
    }
}

/// What a stream asks of its connection.
enum Order {
    GoAway {
        last: u32,
        code: u32,
    },
    Close,
    Abort,
    /// `h2` would throw away what it has queued for the stream.
    Reset {
        stream: u32,
        code: u32,
    },
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
        let seen = watch::Sender::new(Seen { live: vec![0; ports], ..Seen::default() });
        let backend = Arc::new(Backend { script: Box::new(script), most_streams, seen });
        let (mut addresses, mut tasks) = (Vec::new(), Vec::new());
        for port in 0..ports {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on the loopback");
            addresses.push(listener.local_addr().expect("a listener has an address"));
            tasks.push(tokio::spawn(accept(Arc::clone(&backend), port, listener)).abort_handle());
        }
        Self { addresses, backend, tasks }
    }

    /// Its addresses as a target of the configuration.
    pub fn target(&self) -> String {
        let addresses: Vec<_> = self.addresses.iter().map(ToString::to_string).collect();
        format!("ipv4:{}", addresses.join(","))
    }

    /// The requests with an id, in the order in which they came.
    pub fn calls(&self, id: &str) -> Vec<Call> {
        self.backend.seen.borrow().calls.iter().filter(|call| call.id == id).cloned().collect()
    }

    /// The messages of the requests with an id, as far as their script has read them.
    pub fn received(&self, id: &str) -> Vec<Bytes> {
        let mut decoder = edgeway::grpc::frame::Decoder::new(usize::MAX);
        decoder.push(self.backend.seen.borrow().received.get(id).map_or(&[], Vec::as_slice));
        let next = || decoder.next_message().expect("the gateway sends frames").map(|message| message.bytes);
        std::iter::from_fn(next).collect()
    }

    /// Connections there have been.
    pub fn connections(&self) -> usize {
        self.backend.seen.borrow().connections
    }

    /// Waits until a request with this id has arrived.
    pub async fn called(&self, id: &str) {
        self.until(|seen| seen.calls.iter().any(|call| call.id == id)).await;
    }

    /// Waits until a call that came to [`Step::Cancelled`] was reset; when that was.
    pub async fn cancelled(&self, id: &str) -> Instant {
        self.until(|seen| seen.cancelled.iter().any(|(cancelled, _)| cancelled == id)).await;
        let seen = self.backend.seen.borrow();
        seen.cancelled.iter().find(|(cancelled, _)| cancelled == id).map(|(_, at)| *at).expect("it was seen")
    }

    /// Lets a call that came to [`Step::Hold`] go on.
    pub fn release(&self, id: &str) {
        self.backend.seen.send_modify(|seen| {
            seen.released.insert(id.to_owned());
        });
    }

    /// Waits until every port has a connection that takes calls.
    pub async fn connected(&self) {
        self.until(|seen| seen.live.iter().all(|live| *live > 0)).await;
    }

    async fn until(&self, reached: impl FnMut(&Seen) -> bool) {
        let mut seen = self.backend.seen.subscribe();
        seen.wait_for(reached).await.expect("the sender lives as long as this");
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn accept(backend: Arc<Backend>, port: usize, listener: TcpListener) {
    // Dropped with this task, and all connections with it.
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        connections.spawn(serve(Arc::clone(&backend), port, socket));
    }
}

async fn serve(backend: Arc<Backend>, port: usize, socket: TcpStream) {
    let socket = socket.into_std().expect("an idle socket leaves its runtime");
    let raw = socket.try_clone().expect("a socket can have two handles");
    let socket = TcpStream::from_std(socket).expect("a socket finds back to its runtime");
    let mut builder = h2::server::Builder::new();
    if let Some(most) = backend.most_streams {
        builder.max_concurrent_streams(most);
    }
    let Ok(mut connection) = builder.handshake::<_, Bytes>(socket).await else { return };
    let mut number = 0;
    backend.seen.send_modify(|seen| {
        number = seen.connections;
        seen.connections += 1;
        seen.live(port, 1);
    });
    let mut live = Live { backend: &backend, port, counts: true };
    let (order, mut orders) = mpsc::unbounded_channel();
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            // Polled first: it writes what the streams have queued, so that an order comes after it.
            biased;
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                streams.spawn(answer(Arc::clone(&backend), number, request, respond, order.clone()));
            }
            Some(order) = orders.recv() => {
                if !matches!(order, Order::Reset { .. }) {
                    live.end();
                }
                if !obey(&raw, &order) {
                    return;
                }
            }
        }
    }
}

/// Does to the socket what a stream asks for; `false` when that ends the connection at once.
fn obey(mut raw: &Socket, order: &Order) -> bool {
    match order {
        Order::GoAway { last, code } => {
            let frame = [&[0, 0, 8, 7, 0, 0, 0, 0, 0], &last.to_be_bytes()[..], &code.to_be_bytes()];
            raw.write_all(&frame.concat()).is_ok()
        }
        Order::Reset { stream, code } => {
            let frame = [&[0, 0, 4, 3, 0], &stream.to_be_bytes()[..], &code.to_be_bytes()];
            raw.write_all(&frame.concat()).is_ok()
        }
        Order::Close => raw.shutdown(Shutdown::Write).is_ok(),
        Order::Abort => {
            let _ = SockRef::from(raw).set_linger(Some(std::time::Duration::ZERO));
            false
        }
    }
}

/// Counts a connection for as long as it takes calls.
struct Live<'a> {
    backend: &'a Backend,
    port: usize,
    counts: bool,
}

impl Live<'_> {
    fn end(&mut self) {
        if std::mem::take(&mut self.counts) {
            self.backend.seen.send_modify(|seen| seen.live(self.port, -1));
        }
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

async fn answer(
    backend: Arc<Backend>,
    connection: usize,
    request: http::Request<RecvStream>,
    respond: SendResponse<Bytes>,
    order: mpsc::UnboundedSender<Order>,
) {
    let (head, request) = request.into_parts();
    let id = head.headers.get("x-call").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let mut call =
        Call { id, path: head.uri.path().to_owned(), headers: head.headers, attempt: 0, connection };
    backend.seen.send_modify(|seen| {
        call.attempt = seen.calls.iter().filter(|other| other.id == call.id).count();
        seen.calls.push(call.clone());
    });
    let steps = (backend.script)(&call);
    let mut exchange = Exchange { backend, id: call.id, request, respond, body: None, order };
    for step in steps {
        if exchange.step(step).await.is_err() {
            return;
        }
    }
    // Dropped now, a stream that is still open would be reset; most scripts that leave it open mean silence.
    exchange.reset().await;
}

struct Exchange {
    backend: Arc<Backend>,
    id: String,
    request: RecvStream,
    respond: SendResponse<Bytes>,
    body: Option<SendStream<Bytes>>,
    order: mpsc::UnboundedSender<Order>,
}

impl Exchange {
    async fn step(&mut self, step: Step) -> Result<(), h2::Error> {
        match step {
            Step::Request => while self.read().await? {},
            Step::FirstBytes => {
                self.read().await?;
            }
            Step::Informational(status) => {
                self.respond.send_informational(head(status, Vec::new()))?;
            }
            Step::Head(status, headers) => {
                self.body = Some(self.respond.send_response(head(status, headers), false)?);
            }
            Step::Only(status, headers) => {
                self.body = Some(self.respond.send_response(head(status, headers), true)?);
            }
            Step::Data(bytes) => self.body().send_data(bytes, false)?,
            Step::End => self.body().send_data(Bytes::new(), true)?,
            Step::Trailers(headers) => self.body().send_trailers(map(headers))?,
            Step::Reset(code) => self.tell(Order::Reset { stream: self.request.stream_id().as_u32(), code }),
            Step::GoAway { below, code } => {
                let id = self.request.stream_id().as_u32();
                self.tell(Order::GoAway { last: if below { id.saturating_sub(2) } else { id }, code });
            }
            Step::Close => self.tell(Order::Close),
            Step::Abort => self.tell(Order::Abort),
            Step::Hold => {
                let mut seen = self.backend.seen.subscribe();
                let _ = seen.wait_for(|seen| seen.released.contains(&self.id)).await;
            }
            Step::Cancelled => {
                self.reset().await;
                let at = Instant::now();
                self.backend.seen.send_modify(|seen| seen.cancelled.push((self.id.clone(), at)));
            }
        }
        Ok(())
    }

    /// Reads a piece of the request; `false` at its end.
    async fn read(&mut self) -> Result<bool, h2::Error> {
        let Some(data) = self.request.data().await else { return Ok(false) };
        let data = data?;
        self.request.flow_control().release_capacity(data.len())?;
        self.backend.seen.send_modify(|seen| seen.received.entry(self.id.clone()).or_default().extend(&data));
        Ok(true)
    }

    fn body(&mut self) -> &mut SendStream<Bytes> {
        self.body.as_mut().expect("a script sends a head before a body")
    }

    /// Waits until the stream is over for a reason that is not this script.
    async fn reset(&mut self) {
        let _ = match &mut self.body {
            Some(body) => poll_fn(|cx| body.poll_reset(cx)).await,
            None => poll_fn(|cx| self.respond.poll_reset(cx)).await,
        };
    }

    fn tell(&self, order: Order) {
        // Nobody hears it when the connection is gone, which is what it would have led to.
        let _ = self.order.send(order);
    }
}

fn head(status: u16, headers: Headers) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status.try_into().expect("scripts send real status codes");
    *response.headers_mut() = map(headers);
    response
}

fn map(headers: Headers) -> HeaderMap {
    let entry = |(name, value): (&'static str, String)| {
        (HeaderName::from_static(name), HeaderValue::try_from(value).expect("scripts send real values"))
    };
    let mut map = HeaderMap::new();
    for (name, value) in headers.into_iter().map(entry) {
        map.append(name, value);
    }
    map
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
