//! What waits for a place, and what does not.

use super::{
    script::{Say, Script, code},
    *,
};
use crate::{
    call::reason,
    config::{AdaptiveConcurrency, AttemptPolicy},
};

fn request() -> Body {
    Body::full(frame::encode(b"request"))
}

#[tokio::test]
async fn one_call_too_many_is_refused_at_once() {
    let script = Script::start(|call| if call == 0 { Say::Nothing } else { Say::Message }).await;
    let way = Way::with(&[script.address], Kind::Unary, |cluster| cluster.circuit_breakers.max_requests = 1);
    way.connected().await;
    let mut first = Box::pin(way.call(request()));
    let second = tokio::select! {
        _ = &mut first => panic!("nothing answers it"),
        error = async {
            while script.calls() == 0 {
                tokio::task::yield_now().await;
            }
            way.call(request()).await.unwrap_err()
        } => error,
    };
    assert_eq!((second.status().code(), second.reason()), (Code::Unavailable, Some(reason::OVERLOADED)));
    assert_eq!(second.flag(), "UpstreamOverflow");
    drop(first);
    assert_eq!(code(within(way.call(request())).await).await, 0, "its place is free again");
}

#[tokio::test]
async fn one_call_more_than_latency_allows_is_refused_at_once() {
    let script = Script::start(|call| if call == 0 { Say::Nothing } else { Say::Message }).await;
    let way = Way::with(&[script.address], Kind::Unary, |cluster| {
        let limits = AdaptiveConcurrency { initial_limit: 1, min_limit: 1, max_limit: 1 };
        cluster.adaptive_concurrency = Some(limits);
    });
    way.connected().await;
    let mut first = Box::pin(way.call(request()));
    tokio::select! {
        _ = &mut first => panic!("nothing answers it"),
        () = within(async {
            while script.calls() == 0 {
                tokio::task::yield_now().await;
            }
        }) => {}
    }
    let second = way.call(request()).await.unwrap_err();
    assert_eq!((second.status().code(), second.reason()), (Code::Unavailable, Some(reason::OVERLOADED)));
    assert_eq!(
        second.status().message(),
        "orders: its latency allows for 1 calls at a time (adaptive_concurrency)"
    );
    drop(first);
    assert_eq!(code(within(way.call(request())).await).await, 0, "its place is free again");
}

#[tokio::test]
async fn no_more_connections_are_opened_than_there_may_be() {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(1);
    let script = Script::with(&builder, |_| Say::Nothing).await;
    let way = Way::with(&[script.address], Kind::Unary, |cluster| {
        cluster.connection.connections_per_endpoint = 8;
        cluster.circuit_breakers.max_connections = 2;
        cluster.circuit_breakers.queue_timeout = Duration::from_millis(200);
    });
    way.connected().await;
    let calls = futures_util::future::join_all((0..3).map(|_| way.call(request())));
    let all = tokio::time::timeout(Duration::from_secs(2), calls);
    let (_, ()) = tokio::join!(all, async {
        within(async {
            while script.calls() < 2 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(way.cluster.snapshot()[0].connections(), 2);
        assert_eq!(script.calls(), 2);
    });
}

/// One stream at a time, and that is taken.
async fn full(max_pending: usize) -> (Way, Script) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(1);
    let script = Script::with(&builder, |call| if call == 0 { Say::Nothing } else { Say::Message }).await;
    let way = Way::with(&[script.address], Kind::Unary, |cluster| {
        cluster.connection.connections_per_endpoint = 1;
        cluster.circuit_breakers.max_pending_requests = max_pending;
        cluster.circuit_breakers.queue_timeout = Duration::from_millis(100);
    });
    way.connected().await;
    (way, script)
}

#[tokio::test]
async fn a_call_waits_so_long_for_a_stream() {
    let (way, script) = full(1).await;
    let check = async {
        while script.calls() == 0 {
            tokio::task::yield_now().await;
        }
        let started = Instant::now();
        let (one, other) = tokio::join!(way.call(request()), way.call(request()));
        for (error, word) in [(one, "queue_timeout"), (other, "max_pending_requests")] {
            let error = error.unwrap_err();
            assert_eq!(error.reason(), Some(reason::OVERLOADED));
            assert!(error.status().message().contains(word), "{error}");
        }
        assert!(started.elapsed() >= Duration::from_millis(100));
    };
    within(async {
        tokio::select! {
            _ = way.call(request()) => panic!("nothing answers it"),
            () = check => {}
        }
    })
    .await;
}

/// Accepted by the kernel and never answered.
#[tokio::test(start_paused = true)]
async fn calls_do_not_wait_for_a_cluster_that_has_been_gone_for_a_second() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = Way::to(silent.local_addr().unwrap(), Kind::Unary);
    let started = Instant::now();
    let waiting = async |after| {
        tokio::time::sleep(Duration::from_millis(after)).await;
        let error = way.call(request()).await.unwrap_err();
        assert_eq!(error.reason(), Some(reason::NOT_EXECUTED), "{error}");
        started.elapsed().as_millis()
    };
    let ended = tokio::join!(waiting(0), waiting(700), waiting(5000));
    assert!((1000..1010).contains(&ended.0) && ended.0 == ended.1, "they fail together: {ended:?}");
    assert!((5000..5010).contains(&ended.2), "and the next at once: {ended:?}");
}

#[tokio::test]
async fn a_call_that_waits_for_ready_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut way = Way::to(address, Kind::Unary);
    way.context.deadline = Some(Instant::now() + Duration::from_millis(50));
    way.context.attempts = Arc::new(AttemptPolicy { wait_for_ready: true, ..AttemptPolicy::default() });
    let error = within(way.call(request())).await.unwrap_err();
    assert_eq!(error.status().code(), Code::DeadlineExceeded, "not before its deadline");
    way.context.deadline = Some(Instant::now() + Duration::from_secs(10));
    let backend = async {
        let listener = TcpListener::bind(address).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(socket).await.unwrap();
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        respond.send_response(script::head_of(5), true).unwrap();
        while let Some(Ok(_)) = connection.accept().await {}
    };
    let answer = async { code(way.call(request()).await).await };
    tokio::select! {
        () = within(backend) => panic!("the backend ended"),
        found = answer => assert_eq!(found, 5),
    }
}
