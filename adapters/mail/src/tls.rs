//! TLS as everywhere in the hub: rustls with aws-lc-rs, the machine's authorities and those
//! configured.

use std::sync::Arc;

use lettre::transport::smtp::client::{Certificate, TlsParameters};
use rustls_platform_verifier::Verifier;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::config::Endpoint;

/// For a stream of our own.
///
/// # Errors
/// A certificate is not usable.
pub(crate) fn connector(endpoint: &Endpoint) -> Result<TlsConnector, String> {
    let mut roots = Vec::new();
    if let Some(pem) = &endpoint.authorities {
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.push(certificate.map_err(|e| format!("`server.ca_certificates`: {e}"))?);
        }
        if roots.is_empty() {
            return Err("`server.ca_certificates` holds no certificate, expected PEM".to_owned());
        }
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(roots, provider.clone())
        .map_err(|e| format!("certificate authorities: {e}"))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The same for the SMTP library, which encrypts by itself.
///
/// # Errors
/// A certificate is not usable.
pub(crate) fn smtp_parameters(endpoint: &Endpoint) -> Result<TlsParameters, String> {
    // Says what is wrong with a certificate file, which the library takes for an empty one.
    connector(endpoint)?;
    let mut builder = TlsParameters::builder(endpoint.host.clone());
    if let Some(pem) = &endpoint.authorities {
        let certificate = Certificate::from_pem(pem).map_err(|e| e.to_string())?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map_err(|e| e.to_string())
}
