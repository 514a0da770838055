//! A backend of one service that a deploy changes: `deploy.v1.Greeter`, with the methods it is told to have.

use std::{net::SocketAddr, time::Duration};

use axum::response::IntoResponse;
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::service::Routes;

/// The backend, in the test's own process. Answers every method that it has with an empty message; dropped, its
/// connections are cut.
pub struct Rolling {
    pub address: SocketAddr,
    server: JoinHandle<()>,
}

impl Rolling {
    /// Starts it again at `address`, as soon as that is free: another test may have it for a moment.
    pub async fn start(address: SocketAddr, methods: &[&str]) -> Self {
        let bound = tokio::time::timeout(Duration::from_secs(20), async {
            loop {
                match TcpListener::bind(address).await {
                    Ok(listener) => return listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        });
        Self::serve(bound.await.expect("the address becomes free"), methods)
    }

    /// Starts it with these methods, which reflection lists.
    pub fn serve(listener: TcpListener, methods: &[&str]) -> Self {
        let address = listener.local_addr().expect("a bound socket has an address");
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(&descriptors(methods))
            .build_v1()
            .expect("the descriptors can be served");
        let answer = || async {
            let body = axum::body::Body::new(http_body_util::StreamBody::new(futures_util::stream::iter([
                Ok::<_, std::convert::Infallible>(http_body::Frame::data(bytes::Bytes::from_static(&[0; 5]))),
                Ok(http_body::Frame::trailers([("grpc-status", "0")].into_iter().map(trailer).collect())),
            ])));
            ([("content-type", "application/grpc")], body).into_response()
        };
        let mut router = Routes::new(reflection).into_axum_router();
        for method in methods {
            router = router.route(&format!("/deploy.v1.Greeter/{method}"), axum::routing::post(answer));
        }
        let server = tokio::spawn(async move {
            // The connections are tasks of a set of their own, so that a drop of the server cuts them.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let service = hyper_util::service::TowerToHyperService::new(router.clone());
                let executor = hyper_util::rt::TokioExecutor::new();
                let io = hyper_util::rt::TokioIo::new(stream);
                connections.spawn(async move {
                    let builder = hyper::server::conn::http2::Builder::new(executor);
                    drop(builder.serve_connection(io, service).await);
                });
            }
        });
        Self { address, server }
    }

    /// Cuts it off, as the death of a process would, and waits until its port is free.
    pub async fn stop(mut self) {
        self.server.abort();
        drop((&mut self.server).await);
    }
}

impl Drop for Rolling {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn trailer((name, value): (&'static str, &'static str)) -> (http::HeaderName, http::HeaderValue) {
    (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
}

fn descriptors(methods: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rpcs: String =
        methods.iter().map(|name| format!("  rpc {name}(Nothing) returns (Nothing);\n")).collect();
    let text = format!(
        "syntax = \"proto3\";\npackage deploy.v1;\nmessage Nothing {{}}\nservice Greeter {{\n{rpcs}}}\n"
    );
    std::fs::write(folder.path().join("deploy.proto"), text).expect("the proto can be written");
    let set = protox::compile(["deploy.proto"], [folder.path()]).expect("the proto compiles");
    prost::Message::encode_to_vec(&set)
}
