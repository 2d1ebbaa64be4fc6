//! A hub inside the test, with a file system and a clock that do what the test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hub_core::{Clock, Shared, SystemClock};
use hub_model::Instant;
use hub_store::messages::{MessageFilter, MessageView, Store};
use hub_store::sqlite::SqliteOptions;
use meterhub::engine::Surroundings;
use meterhub::service::{Service, load};
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::faults::FaultyFiles;
use meterhub_tests::files_load::{DropFolder, files_of};
use meterhub_tests::http_load::{Answer, Connection, Message};
use meterhub_tests::observe;
use meterhub_tests::oracle::{History, SentMessage, assert_conserved};
use meterhub_tests::wait::{PATIENCE, until_true};

/// The machine's clock, shifted.
#[derive(Default)]
pub(crate) struct ShiftedClock(AtomicI64);

impl ShiftedClock {
    /// Jumps: forward, or with a negative number back.
    pub(crate) fn jump(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Instant {
        Instant::from_micros(SystemClock.now().micros() + self.0.load(Ordering::SeqCst))
    }
}

pub(crate) struct Rig {
    pub(crate) config: ConfigFolder,
    pub(crate) files: FaultyFiles,
    pub(crate) clock: Arc<ShiftedClock>,
    pub(crate) service: Service,
    connection: Connection,
}

impl Rig {
    /// A hub of one enterprise, `north`, and what `body` says besides.
    pub(crate) async fn start(body: &str) -> Self {
        Self::limited(body, SqliteOptions::default()).await
    }

    /// The same with a database that cannot grow for ever.
    pub(crate) async fn limited(body: &str, options: SqliteOptions) -> Self {
        let config = ConfigFolder::new().expect("a temporary folder");
        config
            .write(&format!(
                "[enterprise.north]\nzone = \"Europe/Helsinki\"\n{body}"
            ))
            .expect("can be written");
        let (files, clock) = (FaultyFiles::new(), Arc::new(ShiftedClock::default()));
        let surroundings = Surroundings {
            clock: clock.clone(),
            files: Arc::new(files.clone()),
            shared: Shared::default(),
        };
        let loaded = load(&config.dir()).unwrap_or_else(|errors| panic!("{:#?}", errors.0));
        let service = Service::start_with(loaded, surroundings, options)
            .await
            .expect("the hub starts");
        let connection = Connection::new(service.address());
        Self {
            config,
            files,
            clock,
            service,
            connection,
        }
    }

    pub(crate) fn store(&self) -> &Store {
        self.service.store()
    }

    /// Posts a message once.
    pub(crate) async fn post_once(&mut self, source: &str, key: &str, body: &[u8]) -> Answer {
        let path = format!("/api/v1/messages/{source}");
        let content_type = "application/octet-stream";
        let message = Message {
            path: &path,
            key: Some(key),
            content_type,
            token: None,
            body,
        };
        self.connection
            .post(message)
            .await
            .expect("the hub answers")
    }

    /// Posts a message until it is taken. Returns its id.
    pub(crate) async fn post(&mut self, source: &str, key: &str, body: &[u8]) -> String {
        let begun = std::time::Instant::now();
        loop {
            let answer = self.post_once(source, key, body).await;
            if answer.status == 202 {
                return answer.json()["message_id"]
                    .as_str()
                    .expect("an id")
                    .to_owned();
            }
            assert_eq!(answer.status, 503, "{answer:?}");
            assert!(begun.elapsed() < PATIENCE, "{answer:?}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn folder(&self, name: &str) -> DropFolder {
        DropFolder::open(&self.config.root().join(name)).expect("a folder can be made")
    }

    /// Waits until a drop folder is empty.
    pub(crate) async fn taken(&self, folder: &DropFolder) {
        until_true("the files to be taken", PATIENCE, || async {
            folder.waiting().expect("can be read").is_empty()
        })
        .await;
    }

    pub(crate) async fn idle(&self) {
        until_true("the hub to have done everything", PATIENCE, || async {
            self.store().is_idle().await.expect("can be read")
        })
        .await;
    }

    pub(crate) async fn messages(&self) -> Vec<MessageView> {
        let filter = MessageFilter {
            limit: 10_000,
            ..MessageFilter::default()
        };
        let mut messages = self.store().messages(filter).await.expect("can be read");
        messages.reverse();
        messages
    }

    /// Asserts that messages and estate are what was sent, exactly once.
    pub(crate) async fn assert_conserved(&self, sent: Vec<SentMessage>) {
        let messages = observe::messages(self.store()).await.expect("can be read");
        let estate = observe::estate(self.store(), "north")
            .await
            .expect("can be read");
        assert_conserved(&History {
            sent,
            messages,
            estate,
            ..History::default()
        });
    }

    /// What a crash or a failure left behind in the content store.
    pub(crate) fn half_written(&self) -> usize {
        files_of(&self.config.dir().join("data/content/partial"))
            .expect("can be read")
            .len()
    }
}

/// An HTTP source and its inbound route for JSON lines, both called `in`.
pub(crate) const HTTP_IN: &str = "[source.in]\nenterprise = \"north\"\nhttp = { insecure_allow_anonymous = true }\n\
                           [inbound.in]\nfrom = \"in\"\nformat = \"json\"\nunknown_devices = \"create\"\n";

/// A file source and its inbound route for JSON lines, both called `drops`.
pub(crate) const FILES_IN: &str = "[source.drops]\nenterprise = \"north\"\n\
                            file = { path = \"../drops\", complete = \"rename\", poll_milliseconds = 20 }\n\
                            [inbound.drops]\nfrom = \"drops\"\nformat = \"json\"\nunknown_devices = \"create\"\n";

/// An outbound route that tells each order to the sink `out`.
pub(crate) const TELL_ORDERS: &str = "[outbound.tell]\nenterprise = \"north\"\n\
                               on = [\"work_order.created\", \"work_order.changed\"]\n\
                               format = \"json\"\nbatch = \"record\"\nto = [\"out\"]\n";

/// The sink `out` at a URL, which tries again at once.
pub(crate) fn http_out(url: &str, more: &str) -> String {
    format!(
        "[sink.out]\nenterprise = \"north\"\n{more}\n\
         retry = {{ initial_milliseconds = 20, max_seconds = 1, attempts = 1000 }}\n\
         http = {{ url = \"{url}\", timeout_seconds = 1 }}\n"
    )
}

/// The sink `out` in the folder `out`, which tries again at once.
pub(crate) const FILES_OUT: &str = "[sink.out]\nenterprise = \"north\"\n\
                             retry = { initial_milliseconds = 20, max_seconds = 1, attempts = 1000 }\n\
                             file = { path = \"../out\", create_folder = true }\n";
