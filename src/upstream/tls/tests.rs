//! Handshakes over pipes, with certificates that the test makes.

use std::{fs, path::PathBuf, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::{TlsAcceptor, client::TlsStream};

use super::{HandshakeError, Tls};
use crate::config::{Address, ClientTls, Identity, Target};

/// An authority, and a folder with what it has issued.
pub(in crate::upstream) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate and its key, in PEM.
pub(in crate::upstream) struct Issued {
    pub(in crate::upstream) certificate: String,
    pub(in crate::upstream) key: String,
}

impl Authority {
    pub(in crate::upstream) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    pub(in crate::upstream) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(in crate::upstream) fn issue(&self, name: &str) -> Issued {
        self.issue_with(name, |_| {})
    }

    fn issue_with(&self, name: &str, change: impl Fn(&mut CertificateParams)) -> Issued {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// As files, written over those of the same name.
    pub(in crate::upstream) fn identity(&self, name: &str, issued: &Issued) -> Identity {
        let file = |end: &str| self.folder.path().join(format!("{name}.{end}"));
        fs::write(file("pem"), &issued.certificate).unwrap();
        fs::write(file("key"), &issued.key).unwrap();
        Identity { cert_file: file("pem"), key_file: file("key") }
    }

    /// A server that shows what was issued, and asks clients for a certificate of `clients`.
    pub(in crate::upstream) fn server(
        issued: &Issued,
        protocols: &[&str],
        clients: Option<&Self>,
    ) -> TlsAcceptor {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_file(clients.file()).unwrap()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain = vec![CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn target() -> Target {
    "orders.test:50051".parse().unwrap()
}

fn settings(ca: &Authority) -> ClientTls {
    ClientTls { ca_file: Some(ca.file()), ..ClientTls::default() }
}

async fn shake(tls: &Tls, server: TlsAcceptor) -> Result<TlsStream<DuplexStream>, HandshakeError> {
    let (ours, theirs) = duplex(16 << 10);
    tokio::spawn(async move {
        if let Ok(mut stream) = server.accept(theirs).await {
            let _ = stream.write_all(b"hello").await;
            let _ = stream.flush().await;
            let _ = stream.read(&mut [0]).await;
        }
    });
    tls.current().unwrap().handshake(ours, &Address::Tcp(([10, 0, 0, 7], 50051).into())).await
}

#[tokio::test]
async fn who_is_trusted() {
    let (ca, other) = (Authority::new("ours"), Authority::new("theirs"));
    let old = |params: &mut CertificateParams| {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    };
    let young = |params: &mut CertificateParams| params.not_before = date_time_ymd(2999, 1, 1);
    let own = settings(&ca);
    let named = ClientTls { server_name: Some("payments.test".into()), ..settings(&ca) };
    let insecure = ClientTls { insecure: true, ..ClientTls::default() };
    let wrong = "is for DnsName(\"payments.test\"), expected one for orders.test";
    for (settings, shown, expected) in [
        (&own, ca.issue("orders.test"), Ok(())),
        (&own, other.issue("orders.test"), Err("by no authority that is trusted")),
        (&own, ca.issue("payments.test"), Err(wrong)),
        (&named, ca.issue("payments.test"), Ok(())),
        (&own, ca.issue_with("orders.test", old), Err("has expired")),
        (&own, ca.issue_with("orders.test", young), Err("not valid yet")),
        (&insecure, other.issue_with("payments.test", old), Ok(())),
    ] {
        let tls = Tls::new(settings.clone(), &target(), "orders");
        match (shake(&tls, Authority::server(&shown, &["h2"], None)).await, expected) {
            (Ok(mut stream), Ok(())) => {
                let mut hello = [0; 5];
                stream.read_exact(&mut hello).await.unwrap();
                assert_eq!(&hello, b"hello");
            }
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (result, expected) => panic!("{expected:?}, found {:?}", result.map(|_| ())),
        }
    }
}

#[tokio::test]
async fn an_address_is_a_name_where_there_is_no_other() {
    let ca = Authority::new("ours");
    let by_address = "ipv4:10.0.0.7:50051,10.0.0.8:50051".parse().unwrap();
    let tls = Tls::new(settings(&ca), &by_address, "orders");
    shake(&tls, Authority::server(&ca.issue("10.0.0.7"), &["h2"], None)).await.unwrap();
    let error = shake(&tls, Authority::server(&ca.issue("10.0.0.8"), &["h2"], None)).await.unwrap_err();
    assert!(matches!(error, HandshakeError::OtherName { .. }), "{error}");
}

#[tokio::test]
async fn http2_is_a_condition() {
    let ca = Authority::new("ours");
    let tls = Tls::new(settings(&ca), &target(), "orders");
    let shown = ca.issue("orders.test");
    shake(&tls, Authority::server(&shown, &["http/1.1", "h2"], None)).await.unwrap();
    for (protocols, chosen) in [
        ([].as_slice(), "it chose nothing"),
        (["http/1.1"].as_slice(), "it chose none of those it was offered"),
    ] {
        let error = shake(&tls, Authority::server(&shown, protocols, None)).await.unwrap_err().to_string();
        assert!(error.contains(chosen), "{error}");
    }
}

#[tokio::test]
async fn what_is_no_tls_is_told_apart() {
    let ca = Authority::new("ours");
    let tls = Tls::new(settings(&ca), &target(), "orders");
    for answer in [b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(), &[0, 0, 0, 4, 0, 0, 0, 0, 0]] {
        let (ours, mut theirs) = duplex(16 << 10);
        theirs.write_all(answer).await.unwrap();
        let address = Address::Unix(PathBuf::from("/run/orders.sock").into());
        let error = tls.current().unwrap().handshake(ours, &address).await.unwrap_err();
        assert!(matches!(error, HandshakeError::NotTls), "{error}");
    }
}

#[tokio::test]
async fn files_that_change_are_read_and_those_that_break_are_not_used() {
    let (ca, clients, others) = (Authority::new("ours"), Authority::new("clients"), Authority::new("others"));
    let server = |clients: &Authority| Authority::server(&ca.issue("orders.test"), &["h2"], Some(clients));
    let accepts = async |tls: &Tls, clients: &Authority| match shake(tls, server(clients)).await {
        // In TLS 1.3 the server looks at it when the client is done.
        Ok(mut stream) => stream.read_exact(&mut [0; 5]).await.is_ok(),
        Err(_) => false,
    };
    let identity = clients.identity("gateway", &others.issue("gateway"));
    let settings = ClientTls { identity: Some(identity.clone()), ..settings(&ca) };
    let tls = Tls::new(settings, &target(), "orders");
    assert!(!accepts(&tls, &clients).await && accepts(&tls, &others).await);

    clients.identity("gateway", &clients.issue("gateway"));
    assert!(!accepts(&tls, &clients).await, "read when it is asked to");
    tls.refresh("orders");
    assert!(accepts(&tls, &clients).await);

    for broken in ["", "no PEM", &ca.issue("orders.test").key] {
        fs::write(&identity.key_file, broken).unwrap();
        tls.refresh("orders");
        assert!(accepts(&tls, &clients).await, "{broken}");
    }
    fs::remove_file(&identity.cert_file).unwrap();
    tls.refresh("orders");
    assert!(accepts(&tls, &clients).await);
    clients.identity("gateway", &others.issue("gateway"));
    tls.refresh("orders");
    assert!(accepts(&tls, &others).await);
}

#[test]
fn what_is_wrong_with_files() {
    let ca = Authority::new("ours");
    let issued = ca.issue("gateway");
    let check = |settings: &ClientTls, kind: &str, file: &str| {
        let error = super::files::load(settings).unwrap_err();
        assert!(format!("{error:?}").starts_with(kind), "{kind}: {error:?}");
        assert!(error.to_string().contains(file), "{file}: {error}");
    };
    let missing = ca.file().with_file_name("none.pem");
    check(&ClientTls { ca_file: Some(missing), ..ClientTls::default() }, "Unreadable", "none.pem");
    let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    for (certificate, key, kind, file) in [
        ("", issued.key.as_str(), "Nothing", "gateway.pem"),
        (&issued.certificate, "", "Nothing", "gateway.key"),
        (broken, &issued.key, "Malformed", "gateway.pem"),
        (&issued.certificate, &ca.issue("gateway").key, "Identity", "gateway.key"),
    ] {
        let issued = Issued { certificate: certificate.into(), key: key.into() };
        let identity = Some(ca.identity("gateway", &issued));
        check(&ClientTls { identity, ..settings(&ca) }, kind, file);
    }
}
