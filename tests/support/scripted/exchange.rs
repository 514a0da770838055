//! One request and what its script does with it.

use std::{convert::Infallible, future::poll_fn, sync::Arc};

use bytes::Bytes;
use h2::{RecvStream, SendStream, server::SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use tokio::{sync::mpsc, time::Instant};

use super::{Backend, Call, Headers, Step, connection::Order, grpc, ledger::Seen, message, status};

/// Answers a request: a health check by itself, anything else by its script.
pub async fn answer(
    backend: Arc<Backend>,
    port: usize,
    connection: usize,
    request: http::Request<RecvStream>,
    respond: SendResponse<Bytes>,
    order: mpsc::UnboundedSender<Order>,
) {
    let (head, request) = request.into_parts();
    let path = head.uri.path().to_owned();
    let mut exchange = Exchange {
        backend,
        id: String::new(),
        request,
        respond,
        body: None,
        order,
        read: false,
        ended: false,
        open: None,
    };
    if let Some(method) = path.strip_prefix("/grpc.health.v1.Health/") {
        exchange.tell_health(port, method == "Watch").await;
        return;
    }
    let id = head.headers.get("x-call").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    exchange.id.clone_from(&id);
    let call = Call { id, path, headers: head.headers, attempt: 0, connection, port, at: Instant::now() };
    let call = exchange.backend.ledger.note(|seen| {
        seen.open += 1;
        seen.arrived(call)
    });
    exchange.open = Some(Open(Arc::clone(&exchange.backend)));
    let steps = (exchange.backend.script)(&call);
    for step in steps {
        if exchange.step(step).await.is_err() {
            return;
        }
    }
    if !(exchange.read && exchange.ended) {
        // Dropped now, a stream that is still open would be reset; most scripts that leave it open mean silence.
        exchange.reset().await;
    }
}

/// Counts a stream for as long as it is open.
struct Open(Arc<Backend>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.ledger.note(|seen| seen.open -= 1);
    }
}

struct Exchange {
    backend: Arc<Backend>,
    id: String,
    request: RecvStream,
    respond: SendResponse<Bytes>,
    body: Option<SendStream<Bytes>>,
    order: mpsc::UnboundedSender<Order>,
    /// Whether the request was read to its end.
    read: bool,
    /// Whether the answer has ended.
    ended: bool,
    open: Option<Open>,
}

impl Exchange {
    async fn step(&mut self, step: Step) -> Result<(), h2::Error> {
        match step {
            Step::Request => while self.read().await? {},
            Step::FirstBytes => {
                self.read().await?;
            }
            Step::Execute => self.backend.ledger.note(|seen| seen.executed(&self.id)),
            Step::Wait(duration) => tokio::select! {
                () = tokio::time::sleep(duration) => {}
                () = self.reset() => return Err(h2::Reason::CANCEL.into()),
            },
            Step::Informational(status) => {
                self.respond.send_informational(head(status, Vec::new()))?;
            }
            Step::Head(status, headers) => {
                self.body = Some(self.respond.send_response(head(status, headers), false)?);
            }
            Step::Only(status, headers) => {
                self.body = Some(self.respond.send_response(head(status, headers), true)?);
                self.ended = true;
            }
            Step::Data(bytes) => self.body().send_data(bytes, false)?,
            Step::Pieces(mut bytes, size) => {
                while !bytes.is_empty() {
                    let piece = bytes.split_to(size.min(bytes.len()));
                    self.body().send_data(piece, false)?;
                }
            }
            Step::Endless(bytes) => match self.send_endlessly(&bytes).await? {},
            Step::End => {
                self.body().send_data(Bytes::new(), true)?;
                self.ended = true;
            }
            Step::Trailers(headers) => {
                self.body().send_trailers(map(headers))?;
                self.ended = true;
            }
            Step::Reset(code) => {
                // `h2` does not know of it, and goes on to count the stream.
                self.open = None;
                self.tell(Order::Reset { stream: self.request.stream_id().as_u32(), code });
            }
            Step::GoAway { below, code } => {
                let id = self.request.stream_id().as_u32();
                self.tell(Order::GoAway { last: if below { id.saturating_sub(2) } else { id }, code });
            }
            Step::Close => self.tell(Order::Close),
            Step::Abort => self.tell(Order::Abort),
            Step::Hold => self.backend.ledger.until(|seen| seen.is_released(&self.id)).await,
            Step::Cancelled => {
                self.reset().await;
                self.backend.ledger.note(|seen| seen.cancelled(&self.id));
            }
        }
        Ok(())
    }

    /// Reads a piece of the request; `false` at its end.
    async fn read(&mut self) -> Result<bool, h2::Error> {
        let Some(data) = self.request.data().await else {
            self.read = true;
            return Ok(false);
        };
        let data = data?;
        self.request.flow_control().release_capacity(data.len())?;
        self.backend.ledger.note(|seen| seen.read(&self.id, &data));
        Ok(true)
    }

    /// Sends as much as there is room for, for ever; ends with the stream.
    async fn send_endlessly(&mut self, bytes: &Bytes) -> Result<Infallible, h2::Error> {
        let (body, ledger) = (self.body.as_mut().expect("a script sends a head first"), &self.backend.ledger);
        loop {
            body.reserve_capacity(bytes.len());
            while body.capacity() < bytes.len() {
                if poll_fn(|cx| body.poll_capacity(cx)).await.transpose()?.is_none() {
                    return Err(h2::Reason::CANCEL.into());
                }
            }
            body.send_data(bytes.clone(), false)?;
            ledger.note(|seen| seen.sent += bytes.len() as u64);
        }
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

    /// `Check`, or `Watch` for as long as the other side wants to know.
    async fn tell_health(&mut self, port: usize, watch: bool) {
        self.backend.ledger.note(|seen| Seen::count(&mut seen.checks, port, true));
        let mut serving = self.backend.port(port).serving.subscribe();
        if self.step(grpc()).await.is_err() {
            return;
        }
        loop {
            let status: i32 = if *serving.borrow_and_update() { 1 } else { 2 };
            if self.step(message(&Health { status })).await.is_err() {
                return;
            }
            if !watch {
                break;
            }
            tokio::select! {
                changed = serving.changed() => if changed.is_err() { return },
                () = self.reset() => return,
            }
        }
        let _ = self.step(status(0)).await;
    }
}

/// `grpc.health.v1.HealthCheckResponse`.
#[derive(Clone, PartialEq, prost::Message)]
struct Health {
    #[prost(int32, tag = "1")]
    status: i32,
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
