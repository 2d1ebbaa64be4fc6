//! The laws that crash and freeze the server itself. A binary of its own, so that no other test
//! runs meanwhile, and one test, so that its parts do not meet.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use async_trait::async_trait;
use hub_core::{Sink, Source, SourceError};
use meterhub_tests::conformance::{self, Partner, Receiver, Server, Taken, Told};
use meterhub_tests::services::{self, ResumeAtEnd, service};

use support::{Site, TIMEOUT_SECONDS};

const SERVICE: &str = "sshd";

struct Peer {
    site: Site,
    /// Names of files that were seen.
    taken: BTreeSet<String>,
}

impl Peer {
    fn stranger(&self) -> String {
        let key = service("SFTP_OTHER_KEY").unwrap();
        let login = format!("private_key = 'file:{key}'");
        self.site.server_with(self.site.address, &login)
    }
}

#[async_trait]
impl Partner for Peer {
    async fn connect(&mut self) -> Box<dyn Source> {
        self.site.source("complete = 'rename'").await
    }

    async fn send(&mut self, name: &str, body: &[u8]) {
        self.site.write(name, body);
    }

    async fn send_again(&mut self, _: &str, _: &[u8]) {}

    async fn told(&mut self, name: &str) -> Told {
        match self.site.archived().contains(name) {
            true => Told::Yes,
            false => Told::Later,
        }
    }
}

#[async_trait]
impl Server for Peer {
    async fn try_connect(&mut self) -> Result<Box<dyn Source>, SourceError> {
        let server = self.site.server(self.site.address);
        self.site.try_source(&server, "complete = 'rename'").await
    }

    async fn try_wrong_credentials(&mut self) -> Result<Box<dyn Source>, SourceError> {
        self.site.try_source(&self.stranger(), "").await
    }

    async fn kill(&mut self) {
        services::kill(SERVICE).await;
    }

    async fn restart(&mut self) {
        services::start(SERVICE).await;
    }

    async fn stall(&mut self) {
        services::pause(SERVICE).await;
    }

    async fn resume(&mut self) {
        services::resume(SERVICE).await;
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(2 * TIMEOUT_SECONDS)
    }
}

#[async_trait]
impl Receiver for Peer {
    async fn sink(&mut self) -> Box<dyn Sink> {
        self.site.sink("").await
    }

    async fn sink_with_wrong_credentials(&mut self) -> Option<Box<dyn Sink>> {
        self.site.try_sink(&self.stranger(), "").await.ok()
    }

    async fn taken(&mut self) -> Vec<Taken> {
        let mut taken = Vec::new();
        for name in self.site.names("") {
            let Some(id) = name.strip_suffix(".txt") else {
                continue;
            };
            if self.taken.insert(name.clone()) {
                let body = fs::read(self.site.disk(&name)).unwrap();
                taken.push(Taken {
                    id: id.to_owned(),
                    body,
                });
            }
        }
        taken
    }

    async fn kill(&mut self) -> bool {
        services::kill(SERVICE).await;
        true
    }

    async fn restart(&mut self) {
        services::start(SERVICE).await;
    }

    async fn stall(&mut self) -> bool {
        services::pause(SERVICE).await;
        true
    }

    async fn resume(&mut self) {
        services::resume(SERVICE).await;
    }

    /// Nothing that an SFTP server says is final.
    async fn refuse(&mut self) -> bool {
        false
    }

    fn time_limit(&self) -> Duration {
        Duration::from_secs(2 * TIMEOUT_SECONDS)
    }
}

fn peer() -> Option<Peer> {
    Some(Peer {
        site: Site::new()?,
        taken: BTreeSet::new(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn conforms_when_the_server_fails() {
    let Some(mut peer) = peer() else { return };
    let _resumed = ResumeAtEnd(SERVICE);
    conformance::source_of_a_server(&mut peer).await;
    let Some(mut peer) = self::peer() else { return };
    conformance::sink(&mut peer).await;
}
