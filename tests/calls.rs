//! What a backend sees of a call, whatever the client wrote around it.

#![expect(clippy::unwrap_used, reason = "a test that fails here says enough")]

#[path = "support/program.rs"]
#[expect(dead_code, reason = "shared by all test binaries, each uses a part")]
mod program;

use std::{io::Write as _, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use program::Program;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// A backend that refuses every call and tells the paths that were called, but for those of reflection.
async fn backend() -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (paths, called) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let paths = paths.clone();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(socket).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let path = request.uri().path_and_query().unwrap().to_string();
                    if !path.starts_with("/grpc.reflection.") {
                        paths.send(path).unwrap();
                    }
                    let answer = http::Response::builder()
                        .header("content-type", "application/grpc")
                        .header("grpc-status", "12");
                    respond.send_response(answer.body(()).unwrap(), true).unwrap();
                }
            });
        }
    });
    (address, called)
}

#[tokio::test]
async fn a_query_behind_a_method_stays_with_the_gateway() {
    let (address, mut called) = backend().await;
    let mut protoset = tempfile::NamedTempFile::new().unwrap();
    protoset.write_all(edgeway::demo::FILE_DESCRIPTOR_SET).unwrap();
    let (upstream, protoset_path) =
        (format!("demo=ipv4:{address}"), protoset.path().to_str().unwrap().to_owned());
    let arguments = ["run", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let clusters = ["--upstream", upstream.as_str(), "--protoset", protoset_path.as_str()];
    let arguments: Vec<_> = arguments.into_iter().chain(clusters).map(str::to_owned).collect();
    let start = move || Program::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let gateway = tokio::task::spawn_blocking(start).await.unwrap();

    const METHOD: &str = "/ecommerce.v1.OrderService/GetOrder";
    let socket = TcpStream::connect(&gateway.address).await.unwrap();
    let (mut send, connection) = http1::handshake(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::post(format!("{METHOD}?alt=json&x=%20"))
        .header("host", "gateway")
        .header("content-type", "application/grpc-web")
        .body(Full::<bytes::Bytes>::from(&b"\0\0\0\0\0"[..]))
        .unwrap();
    let answer = tokio::time::timeout(Duration::from_secs(10), send.send_request(request)).await;
    let answer = answer.expect("an answer within ten seconds").unwrap();
    assert_eq!(answer.headers().get("grpc-status").unwrap(), "12", "{answer:?}");
    answer.into_body().collect().await.unwrap();
    assert_eq!(called.try_recv().as_deref(), Ok(METHOD));
}
