//! One connection of a client.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use axum::body::Body;
use futures_util::FutureExt;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::{
    detect::{Spoken, detect},
    gather::Gather,
};
use crate::{
    call::{Peer, Sessions},
    front::Edge,
};

/// Serves a socket until it ends; once its drain has begun only what is open on it.
pub(super) async fn serve(stream: std::net::TcpStream, edge: Edge, peer: Peer) {
    let Sessions { tasks, drain } = peer.sessions.clone();
    let Ok(stream) = TcpStream::from_std(stream) else { return };
    if stream.set_nodelay(true).is_err() {
        return;
    }
    // Bytes that the kernel has buffered but not sent cannot be taken back when the client reads slowly or leaves: a
    // stream would run megabytes ahead of its reader. Not on every kernel, and nothing depends on it.
    let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT);
    // A client that vanished without a word would hold its connection for as long as nothing is sent to it.
    let keepalive =
        TcpKeepalive::new().with_time(KEEPALIVE).with_interval(Duration::from_secs(5)).with_retries(3);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
    // What a client has said already is served even if the drain has begun.
    let spoken = tokio::select! {
        biased;
        spoken = detect(stream) => spoken,
        () = drain.watch() => None,
    };
    let peer = Arc::new(peer);
    let serve = |request: http::Request<Incoming>| {
        edge.clone().serve(request.map(Body::new), Arc::clone(&peer)).map(Ok::<_, Infallible>)
    };
    let ended = match spoken {
        None => return,
        Some(Spoken::Http1(io)) => {
            // A connection has one place for the future of a call, and uses it again for the next.
            let service = service_fn(serve);
            let mut connection = pin!(http1().serve_connection(TokioIo::new(io), service).with_upgrades());
            tokio::select! {
                biased;
                ended = connection.as_mut() => ended,
                () = drain.watch() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }
        Some(Spoken::Http2(io)) => {
            // Each stream is a task, which is moved about before it stands: it should be small.
            let service = service_fn(|request| serve(request).boxed());
            let mut connection = pin!(http2().serve_connection(TokioIo::new(Gather::new(io)), service));
            tokio::select! {
                biased;
                ended = connection.as_mut() => ended,
                () = drain.watch() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(client = %peer.address, error = &error as &dyn std::error::Error, "connection ended");
    }
    tasks.close();
    tasks.wait().await;
}

fn http1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ)
        .max_headers(MOST_HEADERS)
        .max_buf_size(READ_BUFFER);
    builder
}

fn http2() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(HEADER_LIST)
        // WebSockets over HTTP/2 (RFC 8441).
        .enable_connect_protocol()
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

/// Unsent bytes that the kernel takes from a connection.
const UNSENT: u32 = 128 << 10;

/// Silence after which the kernel asks whether the client is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// From the first byte of a request's head to its last; also how long a connection may be idle between requests.
const HEADER_READ: Duration = Duration::from_secs(65);

const MOST_HEADERS: usize = 64;

/// At least the head of a request, 16 KiB, and room to read uploads in pieces worth their system call.
const READ_BUFFER: usize = 64 << 10;

const MOST_STREAMS: u32 = 100;

/// This alone bounds what a client may leave unread by a backend that is slow: 64 KiB x 100 streams.
const STREAM_WINDOW: u32 = 64 << 10;

/// Far above `MOST_STREAMS` x `STREAM_WINDOW`: `h2` grants small frames half of this as their budget, and a client that
/// uploads many small messages at full speed spends 8 MiB of it in moments.
const CONNECTION_WINDOW: u32 = 64 << 20;

/// What a stream may have waiting for its client's window.
const SEND_BUFFER: usize = 64 << 10;

const HEADER_LIST: u32 = 16 << 10;
