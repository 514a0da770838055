//! Cancelled calls, many at a time.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::{Semaphore, oneshot};

use super::*;

/// Waits until `reached` says so, within ten seconds.
async fn eventually(what: &str, reached: impl Fn() -> bool) {
    let reached = async {
        while !reached() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reached).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn ten_thousand_cancelled_streams_leave_the_connection_alive() {
    static RESETS: AtomicUsize = AtomicUsize::new(0);
    static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            CONNECTIONS.fetch_add(1, Relaxed);
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(socket).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    tokio::spawn(async move {
                        let Ok(mut stream) = respond.send_response(head(), false) else { return };
                        let _ = stream.send_data(frame::encode(b"one of many"), false);
                        if matches!(poll_fn(|cx| stream.poll_reset(cx)).await, Ok(h2::Reason::CANCEL)) {
                            RESETS.fetch_add(1, Relaxed);
                        }
                    });
                }
            });
        }
    });
    let mut cluster = cluster([address]);
    cluster.connection.connections_per_endpoint = 1;
    let way = Way::of(cluster, Kind::ServerStream);
    for _ in 0..100 {
        let mut answers = Vec::new();
        for _ in 0..100 {
            answers.push(within(way.call(Body::full(frame::encode(b"")))).await.unwrap());
        }
    }
    eventually("every stream is reset", || RESETS.load(Relaxed) == 10_000).await;
    eventually("every place is free", || way.in_flight() == 0).await;
    assert_eq!(CONNECTIONS.load(Relaxed), 1);
}

/// A backend that stands still: after the first call it reads nothing until `resume`. It then answers all calls, and how
/// its connection ended is `ended`.
struct Still {
    address: SocketAddr,
    resume: oneshot::Sender<()>,
    stands: Arc<Semaphore>,
    resets: Arc<AtomicUsize>,
    ended: oneshot::Receiver<Option<h2::Error>>,
}

async fn still() -> Still {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (resume, resumed) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let (stands, resets) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let (standing, reset) = (Arc::clone(&stands), Arc::clone(&resets));
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(socket).await.unwrap();
        let answer = |(_, mut respond): Exchange| {
            let reset = Arc::clone(&reset);
            tokio::spawn(async move {
                if poll_fn(|cx| respond.poll_reset(cx)).await.is_ok() {
                    reset.fetch_add(1, Relaxed);
                }
            });
        };
        let (_, mut first) = connection.accept().await.unwrap().unwrap();
        let mut first = first.send_response(head(), false).unwrap();
        first.send_data(frame::encode(b"still here"), false).unwrap();
        // One look more, so that this is on its way.
        let _ = futures_util::poll!(std::pin::pin!(connection.accept()));
        standing.add_permits(1);
        let _ = resumed.await;
        let error = loop {
            match connection.accept().await {
                Some(Ok(exchange)) => answer(exchange),
                Some(Err(error)) => break Some(error),
                None => break None,
            }
        };
        let _ = end.send(error);
        drop(first);
    });
    Still { address, resume, stands, resets, ended }
}

/// Without the brake `h2`'s server ends this connection with ENHANCE_YOUR_CALM, `too_many_resets`.
#[tokio::test]
async fn a_backend_that_stood_still_is_not_flooded_with_resets() {
    let mut still = still().await;
    let mut cluster = cluster([still.address]);
    cluster.connection.connections_per_endpoint = 1;
    let way = Arc::new(Way::of(cluster, Kind::ServerStream));
    let first = within(way.call(Body::full(frame::encode(b"")))).await.unwrap();
    let _ = within(still.stands.acquire()).await.unwrap();
    let calls: Vec<_> = (0..80)
        .map(|_| {
            let way = Arc::clone(&way);
            tokio::spawn(async move { way.call(Body::full(frame::encode(b""))).await })
        })
        .collect();
    eventually("all calls are sent", || way.in_flight() == 81).await;
    for call in &calls {
        call.abort();
    }
    for call in calls {
        let _ = call.await;
    }
    assert!(way.in_flight() > 60, "places are held while the backend may not know of the calls");
    still.resume.send(()).unwrap();
    eventually("every call is cancelled", || still.resets.load(Relaxed) == 80).await;
    eventually("every place is free", || way.in_flight() == 1).await;
    assert!(still.ended.try_recv().is_err(), "the connection goes on");
    drop(first);
}
