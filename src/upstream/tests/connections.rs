//! How many connections there are, and when they come and go.

use std::{
    os::linux::net::SocketAddrExt,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::{
    net::UnixListener,
    sync::{Semaphore, watch},
    time::{advance, pause, resume},
};

use super::*;

/// A backend that allows `limit` streams per connection and answers a call when `finish` has a permit for it.
struct Counted {
    address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    open: watch::Receiver<usize>,
    finish: Arc<Semaphore>,
}

async fn counted(limit: u32) -> Counted {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (count, open) = watch::channel(0);
    let (accepted, finish) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (accepts, finishes) = (Arc::clone(&accepted), Arc::clone(&finish));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            accepts.fetch_add(1, Relaxed);
            count.send_modify(|open| *open += 1);
            let (count, finishes) = (count.clone(), Arc::clone(&finishes));
            tokio::spawn(async move {
                let mut builder = h2::server::Builder::new();
                let mut connection = builder.max_concurrent_streams(limit).handshake(socket).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let finishes = Arc::clone(&finishes);
                    tokio::spawn(async move {
                        let mut stream = respond.send_response(head(), false).unwrap();
                        finishes.acquire().await.unwrap().forget();
                        let _ = stream.send_data(frame::encode(b""), false);
                        let _ = stream.send_trailers(ok());
                    });
                }
                count.send_modify(|open| *open -= 1);
            });
        }
    });
    Counted { address, accepted, open, finish }
}

impl Counted {
    fn accepted(&self) -> usize {
        self.accepted.load(Relaxed)
    }

    async fn open(&mut self, connections: usize) {
        within(self.open.wait_for(|open| *open == connections)).await.unwrap();
    }
}

async fn start(way: &Way) -> Response {
    within(way.call(Body::full(frame::encode(b"")))).await.unwrap()
}

async fn end(answer: Response) {
    within(answer.into_body().collect()).await.unwrap();
}

/// Lets `time` pass for timers, in steps that leave tasks and their I/O time to follow.
async fn pass(time: Duration) {
    const STEP: Duration = Duration::from_secs(5);
    pause();
    for _ in 0..time.as_secs() / STEP.as_secs() {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        advance(STEP).await;
    }
    resume();
}

#[tokio::test]
async fn a_full_connection_gets_a_second_one_and_no_more_than_allowed() {
    let mut backend = counted(2).await;
    let mut cluster = cluster([backend.address]);
    cluster.connection.connections_per_endpoint = 3;
    let mut way = Way::of(cluster, Kind::ServerStream);
    let mut answers = Vec::new();
    for calls in 1..=6 {
        answers.push(start(&way).await);
        assert_eq!(backend.accepted(), usize::div_ceil(calls, 2), "{calls} calls");
    }
    way.context.deadline = Some(Instant::now() + Duration::from_millis(200));
    let error = within(way.call(Body::full(frame::encode(b"")))).await.unwrap_err();
    assert_eq!(error.deadline_in(), Some(DeadlineIn::Queue));
    assert_eq!(backend.accepted(), 3);
    way.context.deadline = None;

    // What newer connections did is done by the oldest; they go when nobody has missed them for five minutes.
    backend.finish.add_permits(6);
    for answer in answers {
        end(answer).await;
    }
    pass(Duration::from_secs(200)).await;
    backend.finish.add_permits(2);
    end(start(&way).await).await;
    end(start(&way).await).await;
    backend.open(3).await;
    pass(Duration::from_secs(140)).await;
    backend.open(1).await;
    pass(Duration::from_secs(3600)).await;
    backend.finish.add_permits(1);
    end(start(&way).await).await;
    assert_eq!((backend.accepted(), way.in_flight()), (3, 0));
}

#[tokio::test]
async fn another_endpoint_is_used_before_another_connection() {
    let (one, two) = (counted(1).await, counted(1).await);
    let way = Way::of(cluster([one.address, two.address]), Kind::ServerStream);
    // Both are connected before there is a choice.
    within(async {
        while one.accepted() + two.accepted() < 2
            || !way.cluster.snapshot().iter().all(|e| e.connections() > 0)
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let _answers = [start(&way).await, start(&way).await];
    assert_eq!((one.accepted(), two.accepted()), (1, 1));
    let _more = [start(&way).await, start(&way).await];
    assert_eq!((one.accepted(), two.accepted()), (2, 2));
}

#[tokio::test]
async fn an_old_connection_is_replaced_and_its_calls_finish() {
    let mut backend = counted(10).await;
    let mut cluster = cluster([backend.address]);
    cluster.connection.max_connection_age = Some(Duration::from_secs(600));
    let way = Way::of(cluster, Kind::ServerStream);
    let first = start(&way).await;
    pass(Duration::from_secs(500)).await;
    let second = start(&way).await;
    assert_eq!(backend.accepted(), 1);
    pass(Duration::from_secs(170)).await;
    backend.open(2).await;
    within(async {
        while way.cluster.snapshot()[0].connections() != 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let third = start(&way).await;
    backend.finish.add_permits(3);
    end(first).await;
    end(second).await;
    backend.open(1).await;
    end(third).await;
    assert_eq!(backend.accepted(), 2);
}

#[tokio::test]
async fn calls_on_a_removed_endpoint_have_the_drain_timeout() {
    let mut backend = counted(10).await;
    let mut cluster = cluster([backend.address]);
    cluster.drain_timeout = Duration::from_secs(120);
    let way = Way::of(cluster, Kind::ServerStream);
    let (early, late) = (start(&way).await, start(&way).await);
    way.cluster.roster().resolved([] as [Address; 0]);
    pass(Duration::from_secs(110)).await;
    backend.finish.add_permits(1);
    end(early).await;
    pass(Duration::from_secs(15)).await;
    let error = within(late.into_body().collect()).await.unwrap_err();
    assert_eq!(error.status().code(), Code::Unavailable);
    backend.open(0).await;
}

#[tokio::test]
async fn unix_sockets_and_ipv6() {
    async fn serve<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(socket: S) {
        let mut connection = h2::server::handshake(socket).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            assert_eq!(request.uri().scheme_str(), Some("http"));
            let mut stream = respond.send_response(head(), false).unwrap();
            stream.send_data(frame::encode(b""), false).unwrap();
            stream.send_trailers(ok()).unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.sock");
    let by_path = UnixListener::bind(&path).unwrap();
    let name = format!("edgeway-test-{}-{}", std::process::id(), fastrand::u64(..));
    let abstract_name = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let by_name = std::os::unix::net::UnixListener::bind_addr(&abstract_name).unwrap();
    by_name.set_nonblocking(true).unwrap();
    let by_name = UnixListener::from_std(by_name).unwrap();
    for listener in [by_path, by_name] {
        tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    }
    let ipv6 = TcpListener::bind("[::1]:0").await.unwrap();
    let ipv6_address = ipv6.local_addr().unwrap();
    tokio::spawn(async move { serve(ipv6.accept().await.unwrap().0).await });
    for address in [
        Address::Unix(path.into()),
        Address::Unix(Path::new(&format!("\0{name}")).into()),
        Address::Tcp(ipv6_address),
    ] {
        let way = Way::of(cluster([address]), Kind::Unary);
        end(start(&way).await).await;
    }
}
