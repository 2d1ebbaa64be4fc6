//! A running hub with its partners' folders, and what can be seen of it.

use std::fmt::Write;
use std::path::PathBuf;

use hub_core::MessageId;
use hub_store::messages::{
    DeliveryView, FindingView, MessageFilter, MessageView, Store, TraceView,
};
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::files_load::{DropFolder, files_of};
use meterhub_tests::http_load::{Answer, Connection, Message};
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::observe;
use meterhub_tests::oracle::Fact;
use meterhub_tests::wait::{PATIENCE, until_true};

/// More than any test makes.
const ALL: usize = 10_000;

/// A hub under test.
pub(crate) struct World {
    pub config: ConfigFolder,
    pub hub: HubProcess,
    pub store: Store,
    connection: Connection,
}

impl World {
    /// A hub of one enterprise, `north`, and what `body` says besides.
    pub(crate) async fn of_north(body: &str) -> Self {
        Self::start(&[], &with_north(body)).await
    }

    /// A hub with mapping files.
    pub(crate) async fn start(mappings: &[(&str, &str)], body: &str) -> Self {
        let config = ConfigFolder::new().expect("the disk works");
        for (name, text) in mappings {
            config.write_mapping(name, text).expect("the disk works");
        }
        config.write(body).expect("the disk works");
        Self::on(config).await
    }

    /// A hub on a configuration that is written already.
    pub(crate) async fn on(config: ConfigFolder) -> Self {
        let hub = HubProcess::start(&config).await;
        let store = observe::open(&config.dir().join("data"))
            .await
            .expect("the store can be read");
        let connection = Connection::new(hub.address());
        Self {
            config,
            hub,
            store,
            connection,
        }
    }

    /// A partner's drop folder.
    pub(crate) fn folder(&self, name: &str) -> DropFolder {
        DropFolder::open(&self.config.root().join(name)).expect("the disk works")
    }

    /// Drops a file and waits until the hub has archived it.
    pub(crate) async fn drop_file(&self, folder: &str, name: &str, content: impl AsRef<[u8]>) {
        let folder = self.folder(folder);
        folder
            .drop_file(name, content.as_ref())
            .expect("the disk works");
        until_true(
            &format!("`{name}` to be taken\n{}", self.hub.log()),
            PATIENCE,
            || async { folder.waiting().expect("the disk works").is_empty() },
        )
        .await;
    }

    /// Posts a message; again, if the hub asks for patience.
    pub(crate) async fn post(
        &mut self,
        source: &str,
        key: Option<&str>,
        content: impl AsRef<[u8]>,
    ) -> Answer {
        let path = format!("/api/v1/messages/{source}");
        let message = Message {
            path: &path,
            key,
            content_type: "application/octet-stream",
            token: None,
            body: content.as_ref(),
        };
        let begun = std::time::Instant::now();
        loop {
            let answer = self
                .connection
                .post(message)
                .await
                .expect("the hub answers");
            if answer.status != 503 {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "{answer:?}");
        }
    }

    /// Gets a resource of the hub.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.connection.get(path).await.expect("the hub answers")
    }

    /// Waits until nothing is left to process or to send.
    pub(crate) async fn idle(&self) {
        until_true("the hub to have done everything", PATIENCE, || async {
            self.store.is_idle().await.expect("the store can be read")
        })
        .await;
    }

    /// All messages, oldest first.
    pub(crate) async fn messages(&self) -> Vec<MessageView> {
        let filter = MessageFilter {
            limit: ALL,
            ..MessageFilter::default()
        };
        let mut messages = self
            .store
            .messages(filter)
            .await
            .expect("the store can be read");
        messages.reverse();
        messages
    }

    /// The one message of this name.
    pub(crate) async fn message(&self, name: &str) -> MessageView {
        let mut found = self.messages().await;
        found.retain(|message| message.name == name);
        assert_eq!(found.len(), 1, "messages named `{name}`: {found:#?}");
        found.remove(0)
    }

    pub(crate) async fn findings(&self, id: MessageId) -> Vec<FindingView> {
        self.store
            .findings(id, ALL)
            .await
            .expect("the store can be read")
    }

    pub(crate) async fn deliveries(&self, id: MessageId) -> Vec<DeliveryView> {
        self.store
            .deliveries_of(id, ALL)
            .await
            .expect("the store can be read")
    }

    pub(crate) async fn trace(&self, id: MessageId) -> Vec<TraceView> {
        self.store
            .trace(id, ALL)
            .await
            .expect("the store can be read")
    }

    /// The estate of an enterprise, sorted.
    pub(crate) async fn estate(&self, enterprise: &str) -> Vec<Fact> {
        let mut facts = observe::estate(&self.store, enterprise)
            .await
            .expect("the store can be read");
        facts.sort();
        facts
    }

    /// The files in a folder, by name.
    pub(crate) fn files(&self, folder: &str) -> Vec<PathBuf> {
        files_of(&self.config.root().join(folder)).expect("the disk works")
    }

    /// What the files in a folder say together, sorted.
    pub(crate) fn texts(&self, folder: &str) -> Vec<String> {
        self.files(folder)
            .iter()
            .map(|path| std::fs::read_to_string(path).expect("the disk works"))
            .collect()
    }
}

/// A configuration with one enterprise.
pub(crate) fn with_north(body: &str) -> String {
    format!("[enterprise.north]\nzone = \"Europe/Helsinki\"\n{body}")
}

/// A file source and its inbound route, both of this name: files in `../<name>`.
pub(crate) fn files_in(enterprise: &str, name: &str, route: &str) -> String {
    format!(
        "[source.{name}]\nenterprise = \"{enterprise}\"\n\
         file = {{ path = \"../{name}\", complete = \"rename\", poll_milliseconds = 20 }}\n\
         [inbound.{name}]\nfrom = \"{name}\"\n{route}\n"
    )
}

/// An HTTP source and its inbound route, both of this name.
pub(crate) fn http_in(enterprise: &str, name: &str, route: &str) -> String {
    format!(
        "[source.{name}]\nenterprise = \"{enterprise}\"\nhttp = {{ insecure_allow_anonymous = true }}\n\
         [inbound.{name}]\nfrom = \"{name}\"\n{route}\n"
    )
}

/// A file sink of this name: files in `../<name>`.
pub(crate) fn files_out(enterprise: &str, name: &str) -> String {
    format!(
        "[sink.{name}]\nenterprise = \"{enterprise}\"\nfile = {{ path = \"../{name}\", create_folder = true }}\n"
    )
}

/// An HTTP sink that tries again at once; `more` are further keys of it.
pub(crate) fn http_out(enterprise: &str, name: &str, url: &str, more: &str) -> String {
    format!(
        "[sink.{name}]\nenterprise = \"{enterprise}\"\n{more}\n\
         retry = {{ initial_milliseconds = 20, max_seconds = 1, attempts = 1000 }}\nhttp = {{ url = \"{url}\" }}\n"
    )
}

/// A JSON line of a work order, whose comment changes with its revision.
pub(crate) fn order(number: &str, revision: i64) -> String {
    format!(
        "{{\"record\":\"work_order\",\"number\":\"{number}\",\"revision\":{revision},\
         \"comment\":\"revision {revision}\"}}\n"
    )
}

/// A JSON line of a reading at a quarter of an hour of 2026-03-10, UTC.
pub(crate) fn reading(meter: &str, quarter: u32, value: &str) -> String {
    let mut line = format!("{{\"record\":\"reading\",\"meter\":\"{meter}\",\"kind\":\"interval\",");
    let _ = write!(
        line,
        "\"reading_type\":\"{}\",",
        meterhub_tests::workload::READING_TYPE
    );
    let _ = writeln!(
        line,
        "\"at\":\"2026-03-10T{:02}:{:02}:00Z\",\"value\":\"{value}\"}}",
        quarter / 4,
        quarter % 4 * 15
    );
    line
}

/// A JSON line of a device.
pub(crate) fn device(id: &str) -> String {
    format!("{{\"record\":\"end_device\",\"id\":\"{id}\",\"service\":\"electricity\"}}\n")
}

/// The fact that [`reading`] states.
pub(crate) fn fact(meter: &str, quarter: u32, value: &str) -> Fact {
    /// 2026-03-10T00:00:00Z.
    const DAY: i64 = 1_773_100_800;
    Fact::Reading {
        meter: meter.to_owned(),
        at: (DAY + i64::from(quarter) * 900) * 1_000_000,
        value: value.to_owned(),
    }
}

/// The fact that [`order`] states.
pub(crate) fn order_fact(number: &str, revision: i64) -> Fact {
    Fact::Order {
        number: number.to_owned(),
        revision,
    }
}
