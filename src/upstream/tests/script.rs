//! A backend that answers its calls one after the other as it is told.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use parking_lot::Mutex;

use super::*;

/// What becomes of one call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Say {
    /// An answer of one message.
    Message,
    /// The status, in the head.
    Only(i32),
    /// Head, then the status.
    Status(i32),
    /// Head, and the status after so many milliseconds.
    Slowly(u64, i32),
    /// Head, a message, then the status.
    After(i32),
    /// The status in the head, with `grpc-retry-pushback-ms` of these values.
    Pushback(i32, &'static [&'static str]),
    /// Reset with a code.
    Reset(h2::Reason),
    /// HTTP without gRPC.
    Http(u16),
    /// Nothing, until it is reset.
    Nothing,
    /// The connection goes down.
    Hangup,
}

/// A call as the backend saw it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) previous: Option<String>,
    pub(super) body: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) address: SocketAddr,
    pub(super) seen: Arc<Mutex<Vec<Seen>>>,
    /// How many calls were cancelled.
    pub(super) cancelled: Arc<AtomicUsize>,
}

impl Script {
    /// `say` is asked with the number of calls before; requests are read to their end first.
    pub(super) async fn start(say: impl Fn(usize) -> Say + Send + Sync + 'static) -> Self {
        Self::with(&h2::server::Builder::new(), say).await
    }

    pub(super) async fn with(
        builder: &h2::server::Builder,
        say: impl Fn(usize) -> Say + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Self { address, seen: Arc::default(), cancelled: Arc::default() };
        let (serving, say, builder) = (script.clone(), Arc::new(say), builder.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (serving, say, builder) = (serving.clone(), Arc::clone(&say), builder.clone());
                tokio::spawn(async move {
                    let (hang_up, mut hung_up) = mpsc::unbounded_channel();
                    let Ok(mut connection) = builder.handshake::<_, Bytes>(socket).await else { return };
                    loop {
                        let exchange = tokio::select! {
                            _ = hung_up.recv() => return,
                            exchange = connection.accept() => exchange,
                        };
                        let Some(Ok(exchange)) = exchange else { return };
                        let say = Arc::clone(&say);
                        tokio::spawn(serving.clone().answer(exchange, say, hang_up.clone()));
                    }
                });
            }
        });
        script
    }

    pub(super) fn calls(&self) -> usize {
        self.seen.lock().len()
    }

    async fn answer(
        self,
        (request, mut respond): Exchange,
        say: Arc<impl Fn(usize) -> Say>,
        hang_up: mpsc::UnboundedSender<()>,
    ) {
        let (request, mut stream) = request.into_parts();
        let previous = request.headers.get("grpc-previous-rpc-attempts");
        let previous = previous.map(|value| value.to_str().unwrap().to_owned());
        let index = {
            let mut seen = self.seen.lock();
            seen.push(Seen { previous, body: Vec::new() });
            seen.len() - 1
        };
        while let Some(Ok(data)) = stream.data().await {
            stream.flow_control().release_capacity(data.len()).unwrap();
            self.seen.lock()[index].body.extend_from_slice(&data);
        }
        let only = |code: i32, pushback: &[&str]| {
            let mut head = head_of(code);
            for value in pushback {
                head.headers_mut().append("grpc-retry-pushback-ms", value.parse().unwrap());
            }
            head
        };
        match say(index) {
            Say::Message => message(&mut respond, 0),
            Say::After(code) => message(&mut respond, code),
            Say::Only(code) => drop(respond.send_response(only(code, &[]), true).unwrap()),
            Say::Pushback(code, values) => drop(respond.send_response(only(code, values), true).unwrap()),
            Say::Status(code) => {
                let mut stream = respond.send_response(head(), false).unwrap();
                stream.send_trailers(status(code)).unwrap();
            }
            Say::Slowly(millis, code) => {
                let mut stream = respond.send_response(head(), false).unwrap();
                tokio::time::sleep(Duration::from_millis(millis)).await;
                let _ = stream.send_trailers(status(code));
            }
            Say::Reset(reason) => respond.send_reset(reason),
            Say::Http(code) => {
                let head = http::Response::builder().status(code).body(()).unwrap();
                respond.send_response(head, true).unwrap();
            }
            Say::Nothing => {
                if poll_fn(|cx| respond.poll_reset(cx)).await.is_ok() {
                    self.cancelled.fetch_add(1, SeqCst);
                }
            }
            Say::Hangup => {
                hang_up.send(()).unwrap();
                // Dropped before the connection is, the stream would be reset.
                let _ = poll_fn(|cx| respond.poll_reset(cx)).await;
            }
        }
    }
}

fn message(respond: &mut SendResponse<Bytes>, code: i32) {
    let mut stream = respond.send_response(head(), false).unwrap();
    stream.send_data(frame::encode(b"answer"), false).unwrap();
    stream.send_trailers(status(code)).unwrap();
}

pub(super) fn head_of(code: i32) -> http::Response<()> {
    let mut head = head();
    head.headers_mut().extend(status(code));
    head
}

pub(super) fn status(code: i32) -> HeaderMap {
    HeaderMap::from_iter([(crate::grpc::GRPC_STATUS, code.to_string().parse().unwrap())])
}

/// The code that a call ended with.
pub(super) async fn code(answer: Result<Response, CallError>) -> i32 {
    let read = |headers: &HeaderMap| headers[crate::grpc::GRPC_STATUS].to_str().unwrap().parse().unwrap();
    match answer {
        Err(error) => error.status().code() as i32,
        Ok(answer) if answer.headers().contains_key(crate::grpc::GRPC_STATUS) => read(answer.headers()),
        Ok(answer) => match within(answer.into_body().collect()).await {
            Ok(body) => read(body.trailers().unwrap()),
            Err(error) => error.status().code() as i32,
        },
    }
}
