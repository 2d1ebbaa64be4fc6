//! Certificates: the mock system behind a TLS front of ours, as SAP's own stands behind a web dispatcher.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use adapter_sap::SapIdocSinkConfig;
use hub_core::{Content, OutgoingMessage, SinkConfig, SinkError};
use meterhub_tests::conformance::message;
use meterhub_tests::services::service;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::rig::Sap;

fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    let found = CertificateDer::pem_file_iter(path).unwrap();
    found.map(Result::unwrap).collect()
}

/// A front that wants a certificate of the tests' authority; `https://127.0.0.1:<port>`.
async fn front(mock: &str) -> String {
    let folder = PathBuf::from(service("TLS_CA").unwrap());
    let folder = folder.parent().unwrap().to_owned();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(&folder.join("ca.crt")));
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
        .build()
        .unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(&folder.join("server.crt")), key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let mock: SocketAddr = mock.strip_prefix("http://").unwrap().parse().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut outside = acceptor.accept(stream).await?;
                let mut inside = TcpStream::connect(mock).await?;
                tokio::io::copy_bidirectional(&mut outside, &mut inside).await
            });
        }
    });
    url
}

#[tokio::test]
async fn certificates_are_checked_on_both_sides() {
    let Some(sap) = Sap::new().await else { return };
    let url = front(&sap.url).await;
    let read = |variable: &str| std::fs::read_to_string(service(variable).unwrap()).unwrap();
    let pem = read("TLS_CLIENT_CERT") + &read("TLS_CLIENT_KEY");
    std::fs::write(sap.context.base_dir.join("client.pem"), pem).unwrap();
    let idoc = OutgoingMessage {
        content: Content::bytes("<ORDERS05><IDOC/></ORDERS05>".as_bytes()),
        ..message(1, "")
    };
    let send = async |authority: &str, certificate: &str| {
        let server = sap.server("password").replace(&sap.url, &url);
        let authority = service(authority).unwrap();
        let toml = format!(
            "path = '/sap/bc/idoc'\ncsrf = true\n{server}ca_certificates = '{authority}'\n{certificate}"
        );
        let config: SapIdocSinkConfig = toml::from_str(&toml).unwrap();
        let begun = tokio::time::Instant::now();
        let sink = config.connect(&sap.context).await.unwrap();
        let sent = sink.send(&idoc).await;
        assert!(begun.elapsed().as_secs() < 5);
        sent
    };
    let ours = "client_certificate = 'file:client.pem'";
    send("TLS_CA", ours).await.unwrap();
    for (authority, certificate, said) in [
        ("TLS_OTHER_CA", ours, "certificate"),
        ("TLS_CA", "", "CertificateRequired"),
    ] {
        let error = send(authority, certificate).await.unwrap_err();
        assert!(
            matches!(
                error,
                SinkError::Unavailable {
                    answered: false,
                    ..
                }
            ),
            "{error:?}"
        );
        let text = error.to_string().to_lowercase();
        assert!(text.contains(&said.to_lowercase()), "{error}");
    }
}
