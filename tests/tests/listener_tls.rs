//! Partners on the network come in behind TLS, and show their certificate where the hub asks for it.

use std::path::PathBuf;

use meterhub_tests::config_folder::{ConfigFolder, free_address};
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::services::service;
use reqwest::{Certificate, Client, ClientBuilder, Identity, StatusCode};

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
