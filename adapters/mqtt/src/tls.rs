//! TLS as everywhere in the hub: rustls with aws-lc-rs, the machine's authorities and those
//! configured.

use std::sync::Arc;

use rustls_platform_verifier::Verifier;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// How our side of a connection is encrypted.
pub(crate) type ClientTls = Arc<ClientConfig>;

/// From further authorities, and from our certificate with its key, each in PEM.
///
/// # Errors
/// One is not usable.
pub(crate) fn client(
    authorities: Option<&[u8]>,
    identity: Option<&[u8]>,
) -> Result<ClientTls, String> {
    let roots = match authorities {
        None => Vec::new(),
        Some(pem) => certificates("broker.ca_certificates", pem)?,
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Verifier::new_with_extra_roots(roots, provider.clone())
        .map_err(|e| format!("certificate authorities: {e}"))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match identity {
        None => config.with_no_client_auth(),
        Some(pem) => {
            let key = "broker.client_certificate";
            let chain = certificates(key, pem)?;
            let private = PrivateKeyDer::from_pem_slice(pem)
                .map_err(|_| format!("`{key}` holds no private key, expected PEM"))?;
            let config = config.with_client_auth_cert(chain, private);
            config.map_err(|e| format!("`{key}`: {e}"))?
        }
    };
    Ok(Arc::new(config))
}

fn certificates(key: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|e| format!("`{key}`: {e}"))?;
    match found.is_empty() {
        true => Err(format!("`{key}` holds no certificate, expected PEM")),
        false => Ok(found),
    }
}
