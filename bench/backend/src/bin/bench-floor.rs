//! The floor of the comparison: HTTP/2 in, HTTP/2 out, and nothing between. What a gateway costs above it, it
//! spends on being one.

use std::{error::Error, net::SocketAddr};

use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http2::{self as client, SendRequest},
    http::uri::Authority,
    server::conn::http2 as server,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(backend)) = (arguments.next(), arguments.next()) else {
        return Err("expected two addresses: to listen on, and of the backend".into());
    };
    let listener = TcpListener::bind(listen.parse::<SocketAddr>()?).await?;
    let (authority, address): (Authority, SocketAddr) = (backend.parse()?, backend.parse()?);
    loop {
        let (socket, _) = listener.accept().await?;
        let authority = authority.clone();
        tokio::spawn(async move {
            if let Err(error) = serve(socket, address, authority).await {
                eprintln!("bench-floor: {error}");
            }
        });
    }
}

/// One connection out for each one in.
async fn serve(socket: TcpStream, address: SocketAddr, authority: Authority) -> Result<(), Failure> {
    socket.set_nodelay(true)?;
    let upstream = TcpStream::connect(address).await?;
    upstream.set_nodelay(true)?;
    let (sender, connection) = client::handshake(TokioExecutor::new(), TokioIo::new(upstream)).await?;
    tokio::spawn(connection);
    let forward = service_fn(move |request| forward(sender.clone(), authority.clone(), request));
    server::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), forward).await?;
    Ok(())
}

async fn forward(
    mut sender: SendRequest<Incoming>,
    authority: Authority,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Failure> {
    let mut uri = std::mem::take(request.uri_mut()).into_parts();
    uri.authority = Some(authority);
    *request.uri_mut() = uri.try_into()?;
    Ok(sender.send_request(request).await?)
}
