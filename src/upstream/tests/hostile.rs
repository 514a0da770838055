//! Backends that break HTTP/2: their own calls fail, and nobody else's.

use tokio::net::TcpStream;

use super::*;
use crate::upstream::connection::tests::peer::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PUSH_PROMISE, Peer, RST_STREAM,
    SETTINGS, WINDOW_UPDATE,
};

/// Has a peer do `harm` once it has the head of a call, as what that call ends with; the call after it goes well.
async fn check<F>(name: &str, codes: &[Code], harm: impl FnOnce(Peer<TcpStream>, u32) -> F + Send + 'static)
where
    F: Future<Output = std::io::Result<Peer<TcpStream>>> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut harms = Some(harm);
        while let Ok((socket, _)) = listener.accept().await {
            let mut harm = harms.take();
            tokio::spawn(async move {
                let mut peer = Peer::accept(socket).await?;
                loop {
                    let frame = peer.next().await?;
                    match (frame.kind, harm.take()) {
                        (HEADERS, Some(harm)) => {
                            // What the harm leads to is read, so that nobody waits for room to write.
                            peer = harm(peer, frame.stream).await?;
                            while peer.read().await.is_ok() {}
                            return std::io::Result::Ok(());
                        }
                        (HEADERS, None) => {
                            peer.head(frame.stream).await?;
                            peer.send(DATA, 0, frame.stream, &[0; 5]).await?;
                            peer.ok(frame.stream).await?;
                        }
                        (_, unused) => harm = unused,
                    }
                }
            });
        }
    });
    let way = Way::of(cluster([address]), Kind::ServerStream);
    let answer = within(way.call(Body::full(frame::encode(b"")))).await;
    let error = match answer {
        Err(error) => error,
        Ok(answer) => within(answer.into_body().collect()).await.expect_err(name),
    };
    assert!(codes.contains(&error.status().code()), "{name}: {error}");
    // Its endpoint rests for a moment, and then serves again.
    let answer = within(async {
        loop {
            match way.call(Body::full(frame::encode(b""))).await {
                Ok(answer) => break answer,
                Err(error) => assert_eq!(error.status().code(), Code::Unavailable, "{name}: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    within(answer.into_body().collect()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    within(async {
        while way.in_flight() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

const BROKEN: &[Code] = &[Code::Internal, Code::Unavailable];

#[tokio::test]
async fn headers_of_a_mebibyte() {
    check("headers", BROKEN, async |mut peer: Peer<TcpStream>, stream| {
        // Literals without indexing, one name of four bytes and a value of 16 KiB less what that takes.
        let field = [b"\x00\x04more\x7f\xef\x7e".as_slice(), &[b'x'; 16_238]].concat();
        peer.send(HEADERS, 0, stream, b"\x88").await?;
        for _ in 0..64 {
            peer.send(CONTINUATION, 0, stream, &field).await?;
        }
        peer.send(CONTINUATION, END_HEADERS, stream, b"").await?;
        Ok(peer)
    })
    .await;
}

#[tokio::test]
async fn a_promise_that_nobody_wants() {
    check("push", BROKEN, async |mut peer: Peer<TcpStream>, stream| {
        peer.send(PUSH_PROMISE, END_HEADERS, stream, b"\0\0\0\x02\x82\x86\x84").await?;
        Ok(peer)
    })
    .await;
}

#[tokio::test]
async fn data_before_headers() {
    check("data", BROKEN, async |mut peer: Peer<TcpStream>, stream| {
        peer.send(DATA, 0, stream, &[0; 5]).await?;
        Ok(peer)
    })
    .await;
}

#[tokio::test]
async fn credit_beyond_all_bounds() {
    check("credit", BROKEN, async |mut peer: Peer<TcpStream>, _| {
        for _ in 0..2 {
            peer.send(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff").await?;
        }
        Ok(peer)
    })
    .await;
}

#[tokio::test]
async fn floods_of_what_carries_no_call() {
    let floods: [(&str, u8, &[u8]); 4] = [
        ("settings", SETTINGS, b""),
        ("pings", PING, b"8 bytes."),
        ("credit", WINDOW_UPDATE, b"\0\0\0\x01"),
        ("nonsense", 0xfa, b""),
    ];
    for (name, kind, payload) in floods {
        check(name, BROKEN, async move |mut peer: Peer<TcpStream>, stream| {
            peer.head(stream).await?;
            for _ in 0..40_000 {
                peer.send(kind, 0, 0, payload).await?;
            }
            // Enough is enough: the connection has to be gone by now.
            std::future::pending::<()>().await;
            Ok(peer)
        })
        .await;
    }
}

#[tokio::test]
async fn frames_for_streams_that_are_none() {
    check("idle stream", BROKEN, async |mut peer: Peer<TcpStream>, _| {
        peer.send(HEADERS, END_HEADERS, 4_001, b"\x88").await?;
        Ok(peer)
    })
    .await;
    check("reset of one", BROKEN, async |mut peer: Peer<TcpStream>, _| {
        peer.send(RST_STREAM, 0, 4_001, b"\0\0\0\x08").await?;
        Ok(peer)
    })
    .await;
}

#[tokio::test]
async fn what_is_no_frame() {
    check("size", BROKEN, async |mut peer: Peer<TcpStream>, stream| {
        peer.send(DATA, 0, stream, &[0; 1 << 20]).await?;
        Ok(peer)
    })
    .await;
    check("headers that are none", BROKEN, async |mut peer: Peer<TcpStream>, stream| {
        peer.send(HEADERS, END_HEADERS | END_STREAM, stream, b"\xff\xff\xff\xff\xff\xff\xff\xff").await?;
        Ok(peer)
    })
    .await;
    check("goaway that is none", BROKEN, async |mut peer: Peer<TcpStream>, _| {
        peer.send(GOAWAY, 0, 0, b"\0").await?;
        Ok(peer)
    })
    .await;
}
