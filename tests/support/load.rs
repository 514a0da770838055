//! Calls by the hundred, each with a name, and what became of every one of them.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use edgeway::demo::proto::ecommerce::v1::{CreateOrderRequest, GetOrderRequest, WatchOrderRequest};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::{
    net::TcpStream,
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior},
};
use tonic_types::pb;

/// Connections to a gateway that calls are spread over.
#[derive(Clone)]
pub struct Driver {
    connections: Arc<Vec<http2::SendRequest<Full<Bytes>>>>,
    address: Arc<str>,
    next: Arc<AtomicUsize>,
}

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `CreateOrder`, of which nobody says that it may run twice.
    Create,
    /// `GetOrder`, which has no side effects.
    Get,
    /// `WatchOrder`, a stream of answers.
    Watch,
}

/// A call as it ended.
#[derive(Clone)]
pub struct Record {
    /// What the backend knows it by.
    pub id: String,
    /// Its status; [`BROKEN`] where the client was not told one.
    pub code: i32,
    /// The reason in its `ErrorInfo`; empty without one.
    pub reason: String,
    /// Its message, or how the transport broke.
    pub message: String,
    /// Which address of the backend answered, where one did.
    pub peer: Option<usize>,
    /// How many messages came.
    pub messages: usize,
    pub started: Instant,
    pub latency: Duration,
}

/// An answer that is read message by message.
pub struct Stream {
    id: String,
    started: Instant,
    head: HeaderMap,
    body: Incoming,
    buffer: BytesMut,
    messages: usize,
}

/// Calls at a rate, until they are stopped.
pub struct Running {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Vec<Record>>,
}

impl Driver {
    /// Opens so many connections.
    pub async fn open(address: &str, connections: usize) -> Self {
        let mut opened = Vec::new();
        for _ in 0..connections {
            let socket = TcpStream::connect(address).await.expect("the gateway accepts");
            socket.set_nodelay(true).expect("a TCP socket");
            let made = http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await;
            let (sender, connection) = made.expect("the gateway speaks HTTP/2");
            tokio::spawn(connection);
            opened.push(sender);
        }
        Self { connections: Arc::new(opened), address: address.into(), next: Arc::default() }
    }

    /// Makes a call and reads its answer to the end.
    pub async fn call(&self, method: Method, id: &str) -> Record {
        self.call_with(method, id, &[]).await
    }

    /// The same, with more headers.
    pub async fn call_with(&self, method: Method, id: &str, headers: &[(&str, &str)]) -> Record {
        match self.begin(method, id, headers).await {
            Ok(stream) => stream.end().await,
            Err(record) => *record,
        }
    }

    /// Makes a call and waits for the head of its answer.
    pub async fn begin(
        &self,
        method: Method,
        id: &str,
        headers: &[(&str, &str)],
    ) -> Result<Stream, Box<Record>> {
        let at = self.next.fetch_add(1, Relaxed) % self.connections.len();
        let mut sender = self.connections.get(at).expect("at is below their number").clone();
        let started = Instant::now();
        let failed = |message: String| Box::new(Record::broken(id, started, message));
        let request = method.request(&self.address, id, headers);
        let sent = async {
            sender.ready().await?;
            sender.send_request(request).await
        };
        let response: Response<Incoming> = match tokio::time::timeout(PATIENCE, sent).await {
            Ok(response) => response.map_err(|error| failed(format!("{error:?}")))?,
            Err(_) => return Err(failed("no answer".into())),
        };
        let (head, body) = response.into_parts();
        if head.status != 200 {
            return Err(failed(format!("HTTP status {}", head.status)));
        }
        let (id, buffer) = (id.to_owned(), BytesMut::new());
        Ok(Stream { id, started, head: head.headers, body, buffer, messages: 0 })
    }

    /// Starts so many calls a second, whatever becomes of those before; the ids are the prefix and a number.
    pub fn run(&self, method: Method, prefix: &str, rate: u32) -> Running {
        let (driver, prefix, stop) = (self.clone(), prefix.to_owned(), Arc::<AtomicBool>::default());
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut calls = JoinSet::new();
            let mut records = Vec::new();
            let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut number = 0;
            while !stopped.load(Relaxed) {
                tokio::select! {
                    _ = ticks.tick() => {
                        let (driver, id) = (driver.clone(), format!("{prefix}-{number}"));
                        number += 1;
                        calls.spawn(async move { driver.call(method, &id).await });
                    }
                    Some(record) = calls.join_next() => records.push(record.expect("a call of the load")),
                }
            }
            while let Some(record) = calls.join_next().await {
                records.push(record.expect("a call of the load"));
            }
            records
        });
        Running { stop, task }
    }

    /// Makes so many calls, some side by side.
    pub async fn make(&self, method: Method, prefix: &str, count: usize, at_once: usize) -> Vec<Record> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..at_once {
            let (driver, next, prefix) = (self.clone(), Arc::clone(&next), prefix.to_owned());
            tasks.spawn(async move {
                let mut records = Vec::new();
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= count {
                        return records;
                    }
                    records.push(driver.call(method, &format!("{prefix}-{number}")).await);
                }
            });
        }
        tasks.join_all().await.concat()
    }
}

impl Running {
    /// Starts no further call and waits for those that are open.
    pub async fn end(self) -> Vec<Record> {
        self.stop.store(true, Relaxed);
        self.task.await.expect("the load")
    }
}

impl Method {
    fn request(self, address: &str, id: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
        let order_id = "order-1".to_owned();
        let (name, message) = match self {
            Self::Create => ("CreateOrder", CreateOrderRequest::default().encode_to_vec()),
            Self::Get => ("GetOrder", GetOrderRequest { order_id }.encode_to_vec()),
            Self::Watch => ("WatchOrder", WatchOrderRequest { order_id }.encode_to_vec()),
        };
        let mut request = Request::post(format!("http://{address}/ecommerce.v1.OrderService/{name}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("x-call", id);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Full::from(edgeway::grpc::frame::encode(&message))).expect("a request")
    }
}

impl Stream {
    /// The next message; `None` when no further one comes.
    pub async fn message(&mut self) -> Option<Bytes> {
        loop {
            if let Some(message) = take_message(&mut self.buffer) {
                self.messages += 1;
                return Some(message);
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.ok()??.ok()?;
            self.buffer.extend_from_slice(&frame.into_data().ok()?);
        }
    }

    /// Reads to the end.
    pub async fn end(self) -> Record {
        let Self { id, started, mut head, mut body, mut buffer, mut messages } = self;
        loop {
            while take_message(&mut buffer).is_some() {
                messages += 1;
            }
            let broken = match tokio::time::timeout(PATIENCE, body.frame()).await {
                Ok(Some(Ok(frame))) => {
                    match frame.into_data() {
                        Ok(data) => buffer.extend_from_slice(&data),
                        Err(frame) => head.extend(frame.into_trailers().unwrap_or_default()),
                    }
                    continue;
                }
                Ok(None) => return Record::read(id, started, &head, messages),
                Ok(Some(Err(error))) => format!("{error:?}"),
                Err(_) => "it does not end".to_owned(),
            };
            return Record { messages, ..Record::broken(&id, started, broken) };
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, code, reason, message, messages, latency, .. } = self;
        write!(f, "{id} ended with {code} {reason} \"{message}\" and {messages} messages after {latency:.1?}")
    }
}

impl Record {
    /// Whether all was well.
    pub fn is_ok(&self) -> bool {
        self.code == 0
    }

    fn read(id: String, started: Instant, headers: &HeaderMap, messages: usize) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let code = text("grpc-status").parse().unwrap_or(BROKEN);
        let (reason, message) = (reason(text("grpc-status-details-bin")), text("grpc-message").to_owned());
        let peer = text("x-peer").parse().ok();
        Self { id, code, reason, message, peer, messages, started, latency: started.elapsed() }
    }

    fn broken(id: &str, started: Instant, message: String) -> Self {
        Self {
            id: id.to_owned(),
            code: BROKEN,
            reason: String::new(),
            message,
            peer: None,
            messages: 0,
            started,
            latency: started.elapsed(),
        }
    }
}

/// Those that did not go well.
pub fn failures(records: &[Record]) -> Vec<&Record> {
    records.iter().filter(|record| !record.is_ok()).collect()
}

/// How many records each address answered.
pub fn shares(records: &[Record], peers: usize) -> Vec<usize> {
    let mut shares = vec![0; peers];
    for record in records {
        if let Some(share) = record.peer.and_then(|peer| shares.get_mut(peer)) {
            *share += 1;
        }
    }
    shares
}

/// The latency that this share of the records stays within.
pub fn quantile(records: &[Record], share: f64) -> Duration {
    let mut latencies: Vec<_> = records.iter().map(|record| record.latency).collect();
    latencies.sort_unstable();
    let place = (latencies.len() as f64 * share).ceil() as usize;
    latencies.get(place.saturating_sub(1)).copied().unwrap_or_default()
}

fn take_message(buffer: &mut BytesMut) -> Option<Bytes> {
    let mut prefix = buffer.get(1..5)?;
    let length = prefix.get_u32() as usize;
    if buffer.len() < 5 + length {
        return None;
    }
    buffer.advance(5);
    Some(buffer.split_to(length).freeze())
}

fn reason(details: &str) -> String {
    use base64::Engine;
    let bytes = edgeway::grpc::status::BASE64.decode(details).unwrap_or_default();
    let status = pb::Status::decode(bytes.as_slice()).unwrap_or_default();
    let infos = status.details.iter().filter(|any| any.type_url.ends_with("google.rpc.ErrorInfo"));
    let mut reasons = infos.filter_map(|any| pb::ErrorInfo::decode(any.value.as_slice()).ok());
    reasons.next().map(|info| info.reason).unwrap_or_default()
}

/// In place of a status where there was none.
pub const BROKEN: i32 = -1;

/// Longer than any call may take.
const PATIENCE: Duration = Duration::from_secs(40);
