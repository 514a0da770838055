//! Calls over TLS, and what callers are told where there is none.

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{config::ClientTls, upstream::tls::tests::Authority};

/// A backend behind TLS that answers every call.
async fn secured(acceptor: TlsAcceptor) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket, acceptor.clone()));
        }
    });
    address
}

async fn serve(socket: TcpStream, acceptor: TlsAcceptor) -> Option<()> {
    let mut connection = h2::server::handshake(acceptor.accept(socket).await.ok()?).await.ok()?;
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        assert_eq!(request.uri().scheme_str(), Some("https"));
        let mut stream = respond.send_response(head(), false).unwrap();
        stream.send_data(frame::encode(b""), false).unwrap();
        stream.send_trailers(ok()).unwrap();
    }
    None
}

async fn call(address: SocketAddr, tls: Option<ClientTls>) -> Result<Response, String> {
    let mut cluster = cluster([address]);
    cluster.tls = tls;
    let way = Way::of(cluster, Kind::Unary);
    within(way.call(Body::full(frame::encode(b"")))).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_call_over_tls() {
    let (ca, clients) = (Authority::new("ours"), Authority::new("clients"));
    let shown = ca.issue("127.0.0.1");
    let trusting = || ClientTls { ca_file: Some(ca.file()), ..ClientTls::default() };
    let open = secured(Authority::server(&shown, &["h2"], None)).await;
    call(open, Some(trusting())).await.unwrap();
    call(open, Some(ClientTls { insecure: true, ..ClientTls::default() })).await.unwrap();

    let closed = secured(Authority::server(&shown, &["h2"], Some(&clients))).await;
    let identity = |authority: &Authority| {
        let identity = authority.identity("gateway", &authority.issue("gateway"));
        Some(ClientTls { identity: Some(identity), ..trusting() })
    };
    call(closed, identity(&clients)).await.unwrap();
    let error = call(closed, Some(trusting())).await.unwrap_err();
    assert!(error.contains("asks for a certificate of the gateway, which has none"), "{error}");
    let error = call(closed, identity(&ca)).await.unwrap_err();
    assert!(error.contains("does not accept the gateway's certificate"), "{error}");
}

#[tokio::test]
async fn what_callers_are_told() {
    let ca = Authority::new("ours");
    let shown = ca.issue("orders.test");
    let tls = |ca_file| Some(ClientTls { ca_file: Some(ca_file), ..ClientTls::default() });
    let open = secured(Authority::server(&shown, &["h2"], None)).await;
    let error = call(open, tls(ca.file())).await.unwrap_err();
    assert!(error.contains("the backend's certificate is for") && error.contains("orders.test"), "{error}");
    let error = call(open, None).await.unwrap_err();
    assert!(error.contains("the backend answers with TLS"), "{error}");
    let error = call(open, tls(ca.file().with_file_name("none.pem"))).await.unwrap_err();
    assert!(error.contains("cannot use the TLS files") && !error.contains("none.pem"), "{error}");

    let plain = backend(async |_: Exchange| {}).await;
    let error = call(plain, tls(ca.file())).await.unwrap_err();
    assert!(error.contains("does not answer with TLS"), "{error}");
}
