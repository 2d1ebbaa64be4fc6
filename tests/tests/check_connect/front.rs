//! TLS before a server that speaks none, as such servers have it in a partner's network.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Every address of this machine: the certificate is good for two of them.
const ALL_ADDRESSES: &str = "0.0.0.0:0";

/// Starts a front with the test services' certificate, for `localhost` and `127.0.0.1`; gives its port.
/// A strict one wants a certificate of clients.
pub(crate) async fn front(behind: SocketAddr, keys: &Path, strict: bool) -> u16 {
    let acceptor = TlsAcceptor::from(Arc::new(config(keys, strict)));
    let listener = TcpListener::bind(ALL_ADDRESSES).await;
    let listener = listener.expect("there is a port");
    let port = listener.local_addr().expect("is bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut outside = acceptor.accept(stream).await?;
                let mut inside = TcpStream::connect(behind).await?;
                copy_bidirectional(&mut outside, &mut inside).await
            });
        }
    });
    port
}

fn config(keys: &Path, strict: bool) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions();
    let builder = builder.expect("the provider has them");
    let builder = match strict {
        false => builder.with_no_client_auth(),
        true => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates(&keys.join("ca.crt")));
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().expect("there is an authority"))
        }
    };
    let key = PrivateKeyDer::from_pem_file(keys.join("server.key")).expect("is a key");
    let chain = certificates(&keys.join("server.crt"));
    builder.with_single_cert(chain, key).expect("they fit")
}

fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    let found = CertificateDer::pem_file_iter(path).expect("can be read");
    found.map(|one| one.expect("is one")).collect()
}
