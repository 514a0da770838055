//! Certificates and keys, as they lie in files.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
};

use super::verify::AnyCertificate;
use crate::config::{ClientTls, Identity};

/// Why no connection can be secured.
#[derive(Debug, thiserror::Error)]
pub(in crate::upstream) enum FilesError {
    #[error("cannot read {}: {error}", file.display())]
    Unreadable { file: PathBuf, error: io::Error },
    #[error("expected {what} in PEM, found none in {}", file.display())]
    Nothing { what: &'static str, file: PathBuf },
    #[error("expected {what} in PEM in {}: {error}", file.display())]
    Malformed { what: &'static str, file: PathBuf, error: String },
    #[error("this system has no certificates of authorities; name a file of them in `ca_file`")]
    NoSystemRoots,
    #[error("{} and {} do not make an identity: {error}", cert.display(), key.display())]
    Identity { cert: PathBuf, key: PathBuf, error: rustls::Error },
    #[error("no version of TLS can be used: {0}")]
    Provider(rustls::Error),
}

/// Tells by its state on disk whether any of the files has changed: by another file in its place, as Kubernetes swaps
/// them, or by other contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp(Vec<Option<(u64, u64, i64, i64)>>);

impl Stamp {
    pub(super) fn of(settings: &ClientTls) -> Self {
        let identity = settings.identity.as_ref();
        let files = settings
            .ca_file
            .iter()
            .chain(identity.into_iter().flat_map(|identity| [&identity.cert_file, &identity.key_file]));
        let stamp = |file: &PathBuf| {
            let state = fs::metadata(file).ok()?;
            Some((state.ino(), state.len(), state.mtime(), state.mtime_nsec()))
        };
        Self(files.map(stamp).collect())
    }
}

/// What connections are made with.
pub(super) fn load(settings: &ClientTls) -> Result<Arc<ClientConfig>, FilesError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(FilesError::Provider)?;
    let builder = if settings.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate::new()))
    } else {
        builder.with_root_certificates(roots(settings.ca_file.as_deref())?)
    };
    let mut config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some(Identity { cert_file, key_file }) => {
            let chain = certificates(cert_file)?;
            let key = key(key_file)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| FilesError::Identity {
                cert: cert_file.clone(),
                key: key_file.clone(),
                error,
            })?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

fn roots(file: Option<&Path>) -> Result<RootCertStore, FilesError> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|error| FilesError::Malformed {
                    what: "certificates of authorities",
                    file: file.to_owned(),
                    error: error.to_string(),
                })?;
            }
        }
        None => {
            // What a system ships has some that are odd; the others serve.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(FilesError::NoSystemRoots);
            }
        }
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, FilesError> {
    let what = "certificates";
    let text = read(file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.map_err(|error| malformed(what, file, &error))?;
    if certificates.is_empty() {
        return Err(FilesError::Nothing { what, file: file.to_owned() });
    }
    Ok(certificates)
}

fn key(file: &Path) -> Result<PrivateKeyDer<'static>, FilesError> {
    let what = "a private key";
    PrivateKeyDer::from_pem_slice(&read(file)?).map_err(|error| match error {
        pem::Error::NoItemsFound => FilesError::Nothing { what, file: file.to_owned() },
        error => malformed(what, file, &error),
    })
}

fn malformed(what: &'static str, file: &Path, error: &pem::Error) -> FilesError {
    FilesError::Malformed { what, file: file.to_owned(), error: error.to_string() }
}

fn read(file: &Path) -> Result<Vec<u8>, FilesError> {
    fs::read(file).map_err(|error| FilesError::Unreadable { file: file.to_owned(), error })
}
