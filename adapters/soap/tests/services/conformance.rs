//! The conformance kit against both services.

use std::time::Duration;

use async_trait::async_trait;
use hub_core::Sink;
use meterhub_tests::conformance::{self, Receiver, Taken};
use meterhub_tests::services::{kill, pause, resume, start};

use crate::rig::{Services, TNS, get, taken};

struct Service {
    services: Services,
    url: String,
    /// Where it is, and who we are.
    config: String,
    has_passwords: bool,
}

impl Service {
    fn config(&self, password: &str) -> String {
        format!(
            "{}\naddressing = true\nbase64_element = '{{{TNS}}}PutDocument/content'\n",
            self.config.replace("PASSWORD", password)
        )
    }
}

#[async_trait]
impl Receiver for Service {
    async fn sink(&mut self) -> Box<dyn Sink> {
        self.services.sink(&self.config("password")).await
    }

    async fn sink_with_wrong_credentials(&mut self) -> Option<Box<dyn Sink>> {
        match self.has_passwords {
            true => Some(self.services.sink(&self.config("wrong")).await),
            false => None,
        }
    }

    async fn taken(&mut self) -> Vec<Taken> {
        let taken = taken(&self.url).await;
        taken
            .into_iter()
            .map(|(id, body)| Taken { id, body })
            .collect()
    }

    async fn kill(&mut self) -> bool {
        kill("soap").await;
        true
    }

    async fn restart(&mut self) {
        start("soap").await;
    }

    async fn stall(&mut self) -> bool {
        pause("soap").await;
        true
    }

    async fn resume(&mut self) {
        resume("soap").await;
    }

    async fn refuse(&mut self) -> bool {
        get(&format!("{}/control?refuse=body%2030", self.url)).await;
        true
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(6)
    }
}

fn server(url: &str, path: &str) -> String {
    format!("server = {{ url = '{url}{path}', connect_timeout_seconds = 2, timeout_seconds = 4 }}")
}

#[tokio::test(flavor = "multi_thread")]
async fn spyne_takes_both_versions() {
    let Some(mut services) = Services::find().await else {
        return;
    };
    for (path, version, attachments) in [
        ("/soap11", "1.1", "inline"),
        ("/soap12", "1.2", "inline"),
        ("/soap11", "1.1", "mtom"),
        ("/soap12", "1.2", "mtom"),
    ] {
        let url = services.spyne.clone();
        let config = format!(
            "version = '{version}'\nattachments = '{attachments}'\n{}",
            server(&url, path)
        );
        let mut service = Service {
            services,
            url,
            config,
            has_passwords: false,
        };
        conformance::sink(&mut service).await;
        services = service.services;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_soap_takes_tokens() {
    let Some(mut services) = Services::find().await else {
        return;
    };
    for text in [false, true] {
        let url = services.npm.clone();
        let config = format!(
            "{}\nws_security = {{ user = 'hub', password = 'file:PASSWORD', \
             insecure_password_text = {text} }}",
            server(&url, "/store")
        );
        let mut service = Service {
            services,
            url,
            config,
            has_passwords: true,
        };
        conformance::sink(&mut service).await;
        services = service.services;
    }
}
