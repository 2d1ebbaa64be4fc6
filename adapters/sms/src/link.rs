//! The connection to a message centre: TCP, with TLS if configured.

use std::io;
use std::path::Path;
use std::sync::Arc;

use hub_core::AdapterContext;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use crate::config::{Account, Tls};

/// Octets both ways.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Connects, without logging in. The caller limits the time.
///
/// # Errors
/// What went wrong, in words: name not known, refused, certificate.
pub(crate) async fn open(
    account: &Account,
    context: &AdapterContext,
) -> Result<Box<dyn Stream>, String> {
    let (host, port) = account.host_and_port()?;
    let stream = TcpStream::connect((host, port)).await.map_err(plain)?;
    stream.set_nodelay(true).map_err(plain)?;
    let Some(tls) = &account.tls else {
        return Ok(Box::new(stream));
    };
    let config = tls_config(tls, context)?;
    let name = tls.server_name.as_deref().unwrap_or(host).to_owned();
    let name = ServerName::try_from(name).map_err(|error| format!("TLS: {error}"))?;
    let secured = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let secured = secured.await.map_err(|error| format!("TLS: {error}"))?;
    Ok(Box::new(secured))
}

fn plain(error: io::Error) -> String {
    error.to_string()
}

fn tls_config(tls: &Tls, context: &AdapterContext) -> Result<ClientConfig, String> {
    let named = |error: rustls::Error| format!("TLS: {error}");
    // Named, as the default panics where two providers are compiled in.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(named)?;
    Ok(match &tls.ca_certificates {
        None => builder
            .with_platform_verifier()
            .map_err(named)?
            .with_no_client_auth(),
        Some(path) => builder
            .with_root_certificates(root_certificates(&context.path(path))?)
            .with_no_client_auth(),
    })
}

fn root_certificates(path: &Path) -> Result<RootCertStore, String> {
    let named = |problem: String| format!("`{}`: {problem}", path.display());
    let certificates = CertificateDer::pem_file_iter(path).map_err(|e| named(e.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|e| named(e.to_string()))?;
        roots.add(certificate).map_err(|e| named(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(named("holds no certificate, expected PEM".to_owned()));
    }
    Ok(roots)
}
