//! The listener behind TLS: our certificate, and whose certificates clients must show.

use std::io;
use std::path::Path;
use std::sync::Arc;

use hub_core::SecretError;
use hub_web::ClientCertificate;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::config::TlsListen;

/// What clients may speak, best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Certificate and key are not there.
    #[error("`tls.certificate` in `[hub]` cannot be had")]
    Secret(#[from] SecretError),
    /// The authorities are not there.
    #[error("`tls.client_authorities` in `[hub]` cannot be read")]
    Authorities(#[source] io::Error),
    /// They are no certificates, or do not fit.
    #[error("`tls` in `[hub]`: {0}")]
    Unusable(String),
}

/// Makes what turns connections into TLS connections.
///
/// # Errors
/// A certificate or key is missing or of no use.
pub(crate) fn acceptor(tls: &TlsListen, base: &Path) -> Result<TlsAcceptor, TlsError> {
    let pem = tls.certificate.resolve(base)?;
    let unusable = |what: &str, problem: &dyn std::fmt::Display| {
        TlsError::Unusable(format!("{what}: {problem}"))
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|problem| unusable("`certificate`", &problem))?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|problem| unusable("the private key in `certificate`", &problem))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|problem| unusable("versions", &problem))?;
    let builder = match &tls.client_authorities {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(roots(&base.join(path))?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(
                verifier.map_err(|problem| unusable("`client_authorities`", &problem))?,
            )
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|problem| unusable("`certificate`", &problem))?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What the client of a connection showed, and the verifier has found good.
pub(super) fn client_certificate<S>(stream: &TlsStream<S>) -> Option<ClientCertificate> {
    let (_, connection) = stream.get_ref();
    let chain = connection.peer_certificates()?;
    chain.first().map(|own| ClientCertificate::new(own))
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let pem = std::fs::read(path).map_err(TlsError::Authorities)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let added = certificate
            .map_err(|problem| problem.to_string())
            .and_then(|found| roots.add(found).map_err(|problem| problem.to_string()));
        added.map_err(|problem| TlsError::Unusable(format!("`client_authorities`: {problem}")))?;
    }
    Ok(roots)
}
