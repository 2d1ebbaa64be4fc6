//! TLS as everywhere in the hub: rustls with aws-lc-rs, the machine's authorities and those
//! configured, a certificate of ours if there is one.

use std::sync::Arc;

use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Our side of an encrypted connection, from further authorities and from our certificate with its
/// key, each in PEM.
///
/// # Errors
/// One is not usable.
pub(crate) fn connector(
    authorities: Option<&[u8]>,
    identity: Option<&[u8]>,
) -> Result<TlsConnector, String> {
    let roots = match authorities {
        None => Vec::new(),
        Some(pem) => certificates("broker.ca_certificates", pem)?,
    };
    // Ours, not the process's default: a library must not depend on who installed one.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(roots, provider.clone())
        .map_err(|e| format!("certificate authorities: {e}"))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let Some(pem) = identity else {
        return Ok(TlsConnector::from(Arc::new(config.with_no_client_auth())));
    };
    let key = "broker.client_certificate";
    let chain = certificates(key, pem)?;
    let private = PrivateKeyDer::from_pem_slice(pem)
        .map_err(|_| format!("`{key}` holds no private key, expected PEM"))?;
    let config = config.with_client_auth_cert(chain, private);
    let config = config.map_err(|e| format!("`{key}`: {e}"))?;
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(key: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|e| format!("`{key}`: {e}"))?;
    match found.is_empty() {
        true => Err(format!("`{key}` holds no certificate, expected PEM")),
        false => Ok(found),
    }
}
