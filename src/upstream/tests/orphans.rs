//! Answers that came for nobody.

use std::pin::Pin;

use futures_util::FutureExt;

use super::{
    script::{code, status},
    *,
};

type Call = Pin<Box<dyn Future<Output = Result<Response, CallError>>>>;

/// Answers each call when it is told to, with its status.
struct Told {
    way: Arc<Way>,
    calls: mpsc::UnboundedReceiver<Exchange>,
}

impl Told {
    async fn start(kind: Kind) -> Self {
        let (told, calls) = mpsc::unbounded_channel();
        let address = backend(move |exchange| {
            let told = told.clone();
            async move { told.send(exchange).unwrap() }
        })
        .await;
        let way = Arc::new(Way::to(address, kind));
        way.connected().await;
        Self { way, calls }
    }

    /// A call that its backend has seen, and the backend's end of it.
    async fn call(&mut self) -> (Call, SendResponse<Bytes>) {
        let way = Arc::clone(&self.way);
        let mut call: Call = Box::pin(async move { way.call(Body::full(frame::encode(b"request"))).await });
        let seen = tokio::select! {
            _ = &mut call => panic!("nothing has answered it"),
            seen = within(self.calls.recv()) => seen.unwrap(),
        };
        (call, seen.1)
    }

    /// Another call goes there and back: what came on the connection before it has been read.
    async fn all_read(&mut self) {
        let (call, mut respond) = self.call().await;
        answer(&mut respond, 0);
        assert_eq!(code(within(call).await).await, 0);
    }

    fn orphans(&self) -> f64 {
        self.way.sum("edgeway_orphaned_rpcs_total")
    }
}

fn answer(respond: &mut SendResponse<Bytes>, code: i32) {
    let mut stream = respond.send_response(head(), false).unwrap();
    stream.send_data(frame::encode(b"answer"), false).unwrap();
    stream.send_trailers(status(code)).unwrap();
}

/// A unary call whose client leaves when its answer has been received, of which `answer` says how much there is.
async fn check(answer: impl FnOnce(&mut SendResponse<Bytes>), expect: f64) {
    let mut told = Told::start(Kind::Unary).await;
    let (call, mut respond) = told.call().await;
    answer(&mut respond);
    told.all_read().await;
    assert_eq!(told.orphans(), 0.0);
    drop(call);
    assert_eq!(told.orphans(), expect);
}

#[tokio::test]
async fn a_complete_answer_that_nobody_took_is_counted() {
    check(|respond| answer(respond, 0), 1.0).await;
    check(|respond| drop(respond.send_response(script::head_of(0), true).unwrap()), 1.0).await;
}

#[tokio::test]
async fn what_is_not_ok_or_not_complete_is_not_counted() {
    check(|_| {}, 0.0).await;
    check(|respond| answer(respond, 5), 0.0).await;
    check(|respond| drop(respond.send_response(script::head_of(14), true).unwrap()), 0.0).await;
    check(
        |respond| {
            let mut stream = respond.send_response(head(), false).unwrap();
            stream.send_data(frame::encode(b"answer"), false).unwrap();
            // Kept open: its end is what is missing.
            std::mem::forget(stream);
        },
        0.0,
    )
    .await;
}

#[tokio::test]
async fn an_answer_that_was_taken_in_part_is_counted_once_it_is_complete() {
    let mut told = Told::start(Kind::Unary).await;
    let (mut call, mut respond) = told.call().await;
    let mut stream = respond.send_response(head(), false).unwrap();
    told.all_read().await;
    assert!((&mut call).now_or_never().is_none(), "it has its head and waits for the rest");
    stream.send_data(frame::encode(b"answer"), false).unwrap();
    stream.send_trailers(ok()).unwrap();
    told.all_read().await;
    drop(call);
    assert_eq!(told.orphans(), 1.0);
}

#[tokio::test]
async fn a_stream_that_ended_unread_is_counted_and_one_that_was_read_is_not() {
    for reads in [false, true] {
        let mut told = Told::start(Kind::ServerStream).await;
        let (call, mut respond) = told.call().await;
        answer(&mut respond, 0);
        let body = within(call).await.unwrap().into_body();
        within(async {
            while told.way.in_flight() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        if reads {
            body.collect().await.unwrap();
        } else {
            drop(body);
        }
        assert_eq!(told.orphans(), if reads { 0.0 } else { 1.0 });
    }
}
