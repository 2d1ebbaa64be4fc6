//! Partners on the network come in behind TLS, and show their certificate where the hub asks for it.

use std::path::PathBuf;

use meterhub_tests::config_folder::{ConfigFolder, free_address};
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::services::service;
use reqwest::{Certificate, Client, ClientBuilder, Identity, StatusCode};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// The certificates of the test services.
struct Keys(PathBuf);

impl Keys {
    fn found() -> Option<Self> {
        let authority = PathBuf::from(service("TLS_CA")?);
        Some(Self(authority.parent()?.to_owned()))
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.join(name)).expect("is there")
    }

    /// A certificate and its key in one PEM.
    fn pair(&self, name: &str) -> Vec<u8> {
        let certificate = self.read(&format!("{name}.crt"));
        [certificate, self.read(&format!("{name}.key"))].concat()
    }

    fn client(&self) -> ClientBuilder {
        let authority = Certificate::from_pem(&self.read("ca.crt")).expect("is one");
        Client::builder().tls_certs_only([authority])
    }
}

async fn post(client: Client, url: &str) -> reqwest::Result<StatusCode> {
    let url = format!("{url}/api/v1/messages/in");
    let answer = client.post(url).body("content").send().await?;
    Ok(answer.status())
}

/// SHA-256 of a certificate.
fn fingerprint(pem: &[u8]) -> String {
    let certificate = CertificateDer::from_pem_slice(pem).expect("is one");
    let digest = Sha256::digest(certificate.as_ref());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn who_shows_no_certificate_of_ours_does_not_get_in() {
    let Some(keys) = Keys::found() else { return };
    let config = ConfigFolder::new().expect("the disk works");
    let address = free_address().expect("there is a port");
    for (name, content) in [
        ("hub.pem", keys.pair("server")),
        ("partners.pem", keys.read("ca.crt")),
    ] {
        std::fs::write(config.dir().join(name), content).expect("the disk works");
    }
    let body = format!(
        "tls = {{ listen = \"{address}\", certificate = \"file:hub.pem\", client_authorities = \"partners.pem\" }}\n\
         [enterprise.north]\nzone = \"UTC\"\n\
         [source.in]\nenterprise = \"north\"\nhttp = {{ insecure_allow_anonymous = true }}\n\
         [inbound.in]\nfrom = \"in\"\nformat = \"opaque\"\nto = []\n"
    );
    config.write(&body).expect("the disk works");
    let hub = HubProcess::start(&config).await;
    let url = format!("https://localhost:{}", address.port());

    let identity = Identity::from_pem(&keys.pair("client")).expect("is one");
    let partner = keys
        .client()
        .identity(identity)
        .build()
        .expect("can be made");
    assert_eq!(
        post(partner, &url).await.expect("is let in"),
        StatusCode::ACCEPTED
    );
    let nobody = keys.client().build().expect("can be made");
    post(nobody, &url).await.expect_err("has no certificate");
    let plain = Client::new();
    let inside = format!("http://{}", hub.address());
    assert_eq!(
        post(plain, &inside).await.expect("is let in"),
        StatusCode::ACCEPTED
    );
    post(Client::new(), &url)
        .await
        .expect_err("does not know our authority");
    hub.stop().await;
}

/// What each source takes, in `[source.NAME]`.
fn sources(fingerprint: &str) -> [(&'static str, String); 5] {
    let soap = "answer = \"empty\"\ndoor";
    [
        ("subject", "http = { client_certificates = [{ subject = \"CN=meterhub\" }] }".to_owned()),
        (
            "fingerprint",
            format!("http = {{ client_certificates = [{{ subject = \"CN=nobody\" }}, {{ fingerprint = \"{fingerprint}\" }}] }}"),
        ),
        (
            "both",
            "http = { bearer = [\"file:token\"], client_certificates = [{ subject = \"CN=meterhub\" }] }".to_owned(),
        ),
        ("service", format!("[source.service.soap]\n{soap} = {{ client_certificates = [{{ subject = \"CN=meterhub\" }}] }}")),
        (
            "signed",
            format!(
                "[source.signed.soap]\n{soap} = {{ client_certificates = [{{ subject = \"CN=meterhub\" }}] }}\n\
                 ws_security = {{ users = [{{ user = \"sap\", password = \"file:token\" }}] }}"
            ),
        ),
    ]
}

#[tokio::test]
async fn a_source_takes_the_certificates_that_it_names() {
    let Some(keys) = Keys::found() else { return };
    let config = ConfigFolder::new().expect("the disk works");
    let address = free_address().expect("there is a port");
    for (name, content) in [
        ("hub.pem", keys.pair("server")),
        ("partners.pem", keys.read("ca.crt")),
        ("token", b"t0ken".to_vec()),
    ] {
        std::fs::write(config.dir().join(name), content).expect("the disk works");
    }
    let mut body = format!(
        "tls = {{ listen = \"{address}\", certificate = \"file:hub.pem\", client_authorities = \"partners.pem\" }}\n\
         [enterprise.north]\nzone = \"UTC\"\n"
    );
    for (name, source) in sources(&fingerprint(&keys.read("client.crt"))) {
        body.push_str(&format!(
            "[source.{name}]\nenterprise = \"north\"\n{source}\n\
             [inbound.{name}]\nfrom = \"{name}\"\nformat = \"opaque\"\nto = []\n"
        ));
    }
    config.write(&body).expect("the disk works");
    let hub = HubProcess::start(&config).await;
    let outside = format!("https://localhost:{}", address.port());
    let inside = format!("http://{}", hub.address());
    // Of the same authority, and another partner's.
    let [partner, other] = ["client", "server"].map(|name| {
        let identity = Identity::from_pem(&keys.pair(name)).expect("is one");
        keys.client()
            .identity(identity)
            .build()
            .expect("can be made")
    });
    let plain = Client::new();
    let envelope = "<S:Envelope xmlns:S='http://schemas.xmlsoap.org/soap/envelope/'><S:Body><a/></S:Body></S:Envelope>";
    let ask = async |client: &Client, base: &str, path: &str, token: Option<&str>| {
        let mut request = client.post(format!("{base}/api/v1/{path}"));
        request = request.header("content-type", "text/xml").body(envelope);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.expect("is answered");
        (
            answer.status().as_u16(),
            answer.text().await.unwrap_or_default(),
        )
    };
    for (path, token, taken) in [
        ("messages/subject", None, 202),
        ("messages/fingerprint", None, 202),
        ("messages/both", Some("t0ken"), 202),
        ("soap/service", None, 200),
    ] {
        let (status, said) = ask(&partner, &outside, path, token).await;
        assert_eq!(status, taken, "{path}: {said}");
        let (status, said) = ask(&other, &outside, path, token).await;
        assert!(
            status == 403 && said.contains("CN=localhost"),
            "{path}: {status} {said}"
        );
        let (status, said) = ask(&plain, &inside, path, token).await;
        assert!(
            status == 403 && said.contains("none came"),
            "{path}: {status} {said}"
        );
    }
    let (status, _) = ask(&partner, &outside, "messages/both", None).await;
    assert_eq!(
        status, 401,
        "the credentials are wanted beside the certificate"
    );
    // A header of HTTP that nobody checks lets nobody past the user name token.
    for token in [None, Some("t0ken")] {
        let (status, said) = ask(&partner, &outside, "soap/signed", token).await;
        assert!([401, 500].contains(&status), "{status} {said}");
    }
    let (status, said) = ask(&other, &outside, "soap/signed", None).await;
    assert!(
        status == 403 && said.contains("CN=localhost"),
        "{status} {said}"
    );
    hub.stop().await;
}

#[tokio::test]
async fn a_certificate_that_is_none_is_named_at_the_start() {
    let config = ConfigFolder::new().expect("the disk works");
    std::fs::write(config.dir().join("hub.pem"), "no PEM").expect("the disk works");
    let address = free_address().expect("there is a port");
    let body = format!("tls = {{ listen = \"{address}\", certificate = \"file:hub.pem\" }}\n");
    config.write(&body).expect("the disk works");
    let run = meterhub_tests::hub_process::run(&config, &["run"]);
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(
        !run.status.success() && said.contains("`tls` in `[hub]`"),
        "{said}"
    );
}
