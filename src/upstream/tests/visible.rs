//! What an operator is shown of connections and of calls that took more than one attempt.

use super::{
    script::{Say, Script, code},
    *,
};
use crate::{
    config::{Again, AttemptPolicy, CircuitBreakers, RetryPolicy},
    upstream::connection::tests::peer::{ACK, GOAWAY, Peer, SETTINGS},
};

/// How the peer ends its one connection.
#[derive(Clone, Copy, Debug)]
enum End {
    Goaway(u8),
    Reset,
    Close,
}

async fn peer(end: End) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        drop(listener);
        if matches!(end, End::Reset) {
            socket.set_zero_linger().unwrap();
        }
        let mut peer = Peer::accept(socket).await.unwrap();
        // Not before it is a connection to the other side.
        loop {
            let frame = peer.read().await.unwrap();
            if (frame.kind, frame.flags & ACK) == (SETTINGS, ACK) {
                break;
            }
        }
        if let End::Goaway(code) = end {
            peer.send(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, code]).await.unwrap();
            while peer.read().await.is_ok() {}
        }
    });
    address
}

impl Way {
    fn disconnections(&self, why: &str) -> f64 {
        let target = &self.cluster.config().target;
        let labels = format!(
            r#"grpc_target="{target}",grpc_lb_backend_service="orders",grpc_disconnect_error="{why}""#
        );
        self.metrics.shown(&format!("grpc_subchannel_disconnections_total{{{labels}}}")).unwrap()
    }

    async fn disconnected(&self, why: &str) {
        within(async {
            while self.disconnections(why) < 1.0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        assert_eq!(self.disconnections(why), 1.0, "{why}");
    }

    fn view(&self) -> serde_json::Value {
        serde_json::to_value(self.cluster.describe()).unwrap()
    }
}

#[tokio::test]
async fn disconnections_have_a_reason() {
    for (end, why) in [
        (End::Goaway(0), "GOAWAY NO_ERROR"),
        (End::Goaway(11), "GOAWAY ENHANCE_YOUR_CALM"),
        (End::Goaway(99), "unknown"),
        (End::Reset, "connection reset"),
        (End::Close, "socket error"),
    ] {
        let way = Way::to(peer(end).await, Kind::Unary);
        way.disconnected(why).await;
        assert_eq!(way.view()["endpoints"][0]["last_disconnect"], why, "{end:?}");
    }
}

#[tokio::test]
async fn a_removed_endpoint_is_shown_until_its_calls_have_ended() {
    let address = backend(|(_, mut respond)| async move {
        let mut stream = respond.send_response(head(), false).unwrap();
        poll_fn(|cx| stream.poll_reset(cx)).await.unwrap();
    })
    .await;
    let way = Way::to(address, Kind::ServerStream);
    let answer = within(way.call(Body::full(frame::encode(b"")))).await.unwrap();
    let connections = way.view()["endpoints"][0]["connections"].clone();
    assert_eq!((&connections[0]["streams"], &connections[0]["draining"]), (&1.into(), &false.into()));
    way.cluster.roster().resolved([] as [Address; 0]);
    way.disconnected("subchannel shutdown").await;
    let view = way.view();
    let endpoint = &view["endpoints"][0];
    assert_eq!((&endpoint["state"], &endpoint["calls_in_flight"]), (&"draining".into(), &1.into()));
    assert_eq!(endpoint["connections"][0]["draining"], true, "{view}");
    drop(answer);
    within(async {
        while way.view()["endpoints"][0].is_object() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn breakers_show_what_is_under_way() {
    let address = backend(|(_, mut respond)| async move {
        let mut stream = respond.send_response(head(), false).unwrap();
        poll_fn(|cx| stream.poll_reset(cx)).await.unwrap();
    })
    .await;
    let limits = CircuitBreakers { max_requests: 1, ..CircuitBreakers::default() };
    let way = Way::with(&[address], Kind::ServerStream, |cluster| cluster.circuit_breakers = limits);
    let circuit = || {
        way.cluster.show_circuits();
        way.metrics.shown(r#"edgeway_circuit_state{cluster="orders",breaker="max_requests"}"#).unwrap()
    };
    let open = |view: &serde_json::Value| view["breakers"]["max_requests"]["open"].clone();
    way.connected().await;
    assert_eq!((circuit(), open(&way.view())), (0.0, 0.into()));
    let answer = within(way.call(Body::full(frame::encode(b"")))).await.unwrap();
    let view = way.view();
    assert_eq!(
        (circuit(), open(&view), &view["breakers"]["max_requests"]["max"]),
        (1.0, 1.into(), &1.into())
    );
    assert_eq!(view["breakers"]["max_connections"]["open"], 1);
    assert_eq!(view["retry_tokens"], serde_json::json!({ "max": 10.0, "left": 10.0 }));
    drop(answer);
}

#[tokio::test]
async fn what_a_call_took_is_counted_once() {
    let script = Script::start(|call| match call {
        0 | 2 => Say::Reset(h2::Reason::REFUSED_STREAM),
        1 => Say::Only(14),
        _ => Say::Message,
    })
    .await;
    let mut way = Way::to(script.address, Kind::Unary);
    let retry = RetryPolicy {
        max_attempts: 3,
        initial_backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(2),
        ..RetryPolicy::idempotent()
    };
    way.context.attempts =
        Arc::new(AttemptPolicy { again: Some(Again::Retry(retry)), ..AttemptPolicy::default() });
    let labels = format!(
        r#"{{grpc_method="other",grpc_target="{}",grpc_lb_backend_service="orders"}}"#,
        way.cluster.config().target
    );
    let shown = |name: &str| way.metrics.shown(&format!("grpc_client_call_{name}{labels}"));
    for _ in 0..2 {
        assert_eq!(code(within(way.call(Body::full(frame::encode(b"request")))).await).await, 0);
    }
    assert_eq!((shown("retries_sum"), shown("retries_count")), (Some(2.0), Some(1.0)));
    let transparent = (shown("transparent_retries_sum"), shown("transparent_retries_count"));
    assert_eq!(transparent, (Some(1.0), Some(1.0)));
    assert_eq!(shown("retry_delay_seconds_count"), Some(1.0));
    assert!(shown("retry_delay_seconds_sum").unwrap() >= 0.0016);
    assert_eq!(shown("hedges_count"), None);
}

#[tokio::test]
async fn attempts_have_the_bytes_of_their_messages() {
    let request = [frame::encode(b"one"), frame::encode(b""), frame::encode(&[0; 40_000])].concat();
    let pieces = |size| {
        let frames: Vec<_> = request.chunks(size).map(Bytes::copy_from_slice).map(Frame::data).collect();
        Body::stream(StreamBody::new(stream::iter(frames.into_iter().map(Ok))))
    };
    let whole = || Body::full(frame::encode(b"request"));
    for (kind, says, body, expect) in [
        (Kind::Unary, Say::Message, whole(), (7, 6)),
        (Kind::Unary, Say::Only(14), whole(), (7, 0)),
        (Kind::Unary, Say::After(3), whole(), (7, 6)),
        (Kind::ServerStream, Say::Message, whole(), (7, 6)),
        (Kind::ServerStream, Say::Status(0), whole(), (7, 0)),
        (Kind::ClientStream, Say::Message, pieces(7), (40_003, 6)),
        (Kind::Bidi, Say::Message, pieces(50_000), (40_003, 6)),
    ] {
        let script = Script::start(move |_| says).await;
        let way = Way::to(script.address, kind);
        code(within(way.call(body)).await).await;
        within(async {
            while way.in_flight() > 0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let size = |way: &str| format!("grpc_client_attempt_{way}_total_compressed_message_size_bytes_sum");
        let found = (way.sum(&size("sent")) as u64, way.sum(&size("rcvd")) as u64);
        assert_eq!(found, expect, "{kind:?} {says:?}");
    }
}
