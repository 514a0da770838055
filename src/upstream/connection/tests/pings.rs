//! Suspicion, over pipes on a paused clock.

use std::{sync::Arc, time::Duration};

use h2::client::ResponseFuture;
use tokio::{
    io::DuplexStream,
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::peer::{ACK, DATA, Frame, GOAWAY, HEADERS, PING, Peer};
use crate::{
    config::ConnectionSettings,
    upstream::connection::{Connection, Pace},
};

/// A server that enforces gRFC A8 as grpc-go does by default, and tells of each PING by the strikes that it counts then.
struct Strict {
    pings: mpsc::UnboundedSender<u32>,
    /// Each message has it send a part of an answer.
    answer: mpsc::UnboundedReceiver<()>,
}

impl Strict {
    async fn serve(mut self, pipe: DuplexStream) {
        let mut peer = Peer::accept(pipe).await.unwrap();
        let (mut last, mut strikes, mut sent, mut streams) = (None, 0, true, 0);
        loop {
            let frame = tokio::select! {
                frame = peer.next() => match frame {
                    Ok(frame) => frame,
                    Err(_) => return,
                },
                answer = self.answer.recv() => match answer {
                    None => return,
                    Some(()) => {
                        peer.send(DATA, 0, 1, b"\0\0\0\0\0").await.unwrap();
                        sent = true;
                        continue;
                    }
                },
            };
            match frame.kind {
                HEADERS => {
                    streams += 1;
                    peer.head(frame.stream).await.unwrap();
                    sent = true;
                }
                PING if frame.flags & ACK == 0 => {
                    let now = Instant::now();
                    let apart = Duration::from_secs(if streams > 0 { 300 } else { 2 * 3600 });
                    if std::mem::take(&mut sent) {
                        strikes = 0;
                    } else if last.is_some_and(|last| now < last + apart) {
                        strikes += 1;
                    }
                    last = Some(now);
                    self.pings.send(strikes).unwrap();
                    if strikes > 2 {
                        peer.send(GOAWAY, 0, 0, b"\0\0\0\x01\0\0\0\x0btoo_many_pings").await.unwrap();
                        return;
                    }
                    peer.pong(&frame).await.unwrap();
                }
                _ => {}
            }
        }
    }
}

async fn connect(pace: &Arc<Pace>) -> (Connection, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let (settings, pace) = (ConnectionSettings::default(), Arc::clone(pace));
    let opened = tokio::spawn(async move { Connection::handshake(ours, None, &settings, &pace).await });
    // The preface and SETTINGS have to be read by somebody; here the pipe has room for them.
    let mut peer = Half(theirs);
    peer.hello().await;
    (opened.await.unwrap().unwrap(), peer.0)
}

/// Says hello without reading.
struct Half(DuplexStream);

impl Half {
    async fn hello(&mut self) {
        use tokio::io::AsyncWriteExt;
        self.0.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    }
}

async fn strict() -> (Connection, mpsc::UnboundedSender<()>, mpsc::UnboundedReceiver<u32>) {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let (pings, pinged) = mpsc::unbounded_channel();
    let (answers, answer) = mpsc::unbounded_channel();
    tokio::spawn(Strict { pings, answer }.serve(theirs));
    let (settings, pace) = (ConnectionSettings::default(), Arc::default());
    let connection = Connection::handshake(ours, None, &settings, &pace).await.unwrap();
    (connection, answers, pinged)
}

fn call(connection: &Connection) -> ResponseFuture {
    assert!(connection.reserve());
    let request = http::Request::post("http://orders/shop.v1.Orders/Watch").body(()).unwrap();
    connection.sender().send_request(request, true).unwrap().0
}

fn drained(pinged: &mut mpsc::UnboundedReceiver<u32>) -> Vec<u32> {
    std::iter::from_fn(|| pinged.try_recv().ok()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_is_asked_twice_and_lives() {
    let (connection, _answers, mut pinged) = strict().await;
    let _answer = call(&connection).await.unwrap();
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(drained(&mut pinged), [0, 1]);
    assert!(connection.reserve());
}

#[tokio::test(start_paused = true)]
async fn whatever_the_rhythm_of_answers_the_strikes_are_forgiven() {
    for seconds in [1, 9, 11, 15, 21, 25, 45, 299, 301] {
        let (connection, answers, mut pinged) = strict().await;
        let _answer = call(&connection).await.unwrap();
        for _ in 0..30 {
            sleep(Duration::from_secs(seconds)).await;
            answers.send(()).unwrap();
        }
        let strikes = drained(&mut pinged);
        assert!(strikes.iter().all(|strikes| *strikes <= 2), "every {seconds} s: {strikes:?}");
        assert!(seconds > 10 || strikes.is_empty(), "every {seconds} s: {strikes:?}");
        assert!(seconds < 15 || !strikes.is_empty(), "every {seconds} s");
        assert!(connection.reserve(), "every {seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_who_owes_nothing() {
    let (connection, _answers, mut pinged) = strict().await;
    drop(call(&connection).await.unwrap());
    connection.release();
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(drained(&mut pinged), [] as [u32; 0]);
    // The hour of silence before a call is not held against its backend.
    let _answer = call(&connection);
    sleep(Duration::from_secs(9)).await;
    assert_eq!(drained(&mut pinged), [] as [u32; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_peer_is_found_out_in_time() {
    let (connection, _black_hole) = connect(&Arc::default()).await;
    let sent = Instant::now();
    let answer = call(&connection);
    assert!(timeout(Duration::from_secs(20), answer).await.expect("within 20 seconds").is_err());
    assert!(sent.elapsed() >= Duration::from_secs(15), "{:?}", sent.elapsed());
    assert!(connection.is_dead() && !connection.reserve());
}

#[tokio::test(start_paused = true)]
async fn a_suspect_gets_no_calls_until_it_is_heard() {
    let (connection, theirs) = connect(&Arc::default()).await;
    let mut peer = Peer::accept(theirs).await.unwrap();
    let _answer = call(&connection);
    let ping: Frame = loop {
        let frame = peer.next().await.unwrap();
        if frame.kind == PING {
            break frame;
        }
    };
    assert!(connection.reserve(), "a round trip is no reason to doubt");
    sleep(Duration::from_secs(2)).await;
    let widened = connection.widened();
    assert!(!connection.reserve());
    peer.pong(&ping).await.unwrap();
    connection.widens(widened).await;
    assert!(connection.reserve() && !connection.is_dead());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_complains_is_asked_half_as_often() {
    let pace = Arc::default();
    for seconds in [10, 20, 40] {
        let (connection, theirs) = connect(&pace).await;
        let mut peer = Peer::accept(theirs).await.unwrap();
        let sent = Instant::now();
        let answer = call(&connection);
        while peer.next().await.unwrap().kind != PING {}
        let asked = sent.elapsed().as_secs();
        assert!((seconds..=seconds * 5 / 4).contains(&asked), "{asked} of {seconds}");
        peer.send(GOAWAY, 0, 0, b"\0\0\0\x01\0\0\0\x0btoo_many_pings").await.unwrap();
        drop(peer);
        assert!(answer.await.is_err());
        connection.closing().await;
    }
}
