//! A hub between real mail servers: a utility mails a workbook of work orders, and the contractor
//! gets each of them as an attachment; a mail that some recipients have is not sent to them again,
//! though the hub is killed before the others have it.

use std::time::Duration;

use mail_parser::{MessageParser, MimeHeaders};
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::{self, HubProcess};
use meterhub_tests::observe;
use meterhub_tests::post_office::PostOffice;
use meterhub_tests::wait::{until, until_true};

const PATIENCE: Duration = Duration::from_secs(60);
/// The workbook's orders that can be understood; one of them is changed further down.
const TOLD: [&str; 4] = ["8001", "8001", "8002", "8007"];

struct Scene {
    office: PostOffice,
    /// The hub's own mailbox.
    hub: String,
    contractor: String,
}

impl Scene {
    fn new() -> Option<Self> {
        let name = |who: &str| format!("{who}{}", std::process::id());
        Some(Self {
            office: PostOffice::found()?,
            hub: name("hub"),
            contractor: name("contractor"),
        })
    }

    fn configuration(&self) -> String {
        let Self {
            office,
            hub,
            contractor,
        } = self;
        let (mailbox, sender) = (office.mailbox(hub), office.sender());
        format!(
            r#"
[enterprise.north]
zone = "Europe/Stockholm"
[source.orders]
enterprise = "north"
[source.orders.mailbox]
poll_milliseconds = 1000
include = ["*.xlsx"]
allow_from = ["*@utility.example"]
{mailbox}
[inbound.orders]
from = "orders"
format = "xlsx"
mapping = "orders"
[outbound.tell]
enterprise = "north"
on = ["work_order.created", "work_order.changed"]
format = "json"
batch = "record"
to = ["contractor"]
[sink.contractor]
enterprise = "north"
[sink.contractor.mail]
from = "Nord <{hub}@nord.example>"
to = ["{contractor}@contractor.example"]
subject = "Order {{subject}}"
text = "From {{source_name}}"
{sender}
"#
        )
    }

    /// The utility mails a workbook to the hub.
    async fn mail(&self, from: &str, workbook: Vec<u8>) {
        let to = format!("{}@nord.example", self.hub);
        let name = "Aufträge 14.xlsx";
        self.office.mail(from, &to, name, workbook).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workbook_that_is_mailed_becomes_work_orders_that_are_mailed() {
    let Some(scene) = Scene::new() else { return };
    let fixture = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/xlsx");
        std::fs::read(format!("{folder}/utility-work-orders/{name}")).expect("is there")
    };
    let config = ConfigFolder::new().expect("the disk works");
    let mapping = String::from_utf8(fixture("mapping.toml")).expect("is text");
    config
        .write_mapping("orders", &mapping)
        .expect("the disk works");
    scene.office.write_password(&config);
    config
        .write(&scene.configuration())
        .expect("the disk works");
    let hub = HubProcess::start(&config).await;

    scene
        .mail("Eve <eve@elsewhere.example>", fixture("input.xlsx"))
        .await;
    scene
        .mail("Utility <orders@utility.example>", fixture("input.xlsx"))
        .await;
    let arrived = || async { scene.office.mails(&scene.contractor, "").len() >= TOLD.len() };
    until_true("orders to be mailed", PATIENCE, arrived).await;
    let moved = || async { scene.office.mails(&scene.hub, "").is_empty() };
    until_true("mails to be moved", PATIENCE, moved).await;

    let store = observe::open(&config.dir().join("data"))
        .await
        .expect("the store can be read");
    let idle = || async { store.is_idle().await.expect("the store can be read") };
    until_true("the hub to be done", PATIENCE, idle).await;
    let log = hub.log();
    hub.stop().await;

    let messages = observe::messages(&store).await.expect("can be read");
    assert_eq!(
        messages.len(),
        1,
        "the stranger's mail is no message\n{log}"
    );
    assert!(messages[0].identity.ends_with("#2"), "{messages:?}");
    assert_eq!(scene.office.mails(&scene.hub, ".Done").len(), 1);
    assert_eq!(
        scene.office.mails(&scene.hub, ".Refused").len(),
        2,
        "with a note"
    );

    let mails = scene.office.mails(&scene.contractor, "");
    let mut told: Vec<String> = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    for mail in &mails {
        let mail = MessageParser::default().parse(mail).expect("is a mail");
        let subject = mail.subject().expect("has one").to_owned();
        let attached = mail.attachment(0).expect("has one");
        assert!(
            attached
                .attachment_name()
                .expect("has one")
                .ends_with(".jsonl")
        );
        let number = subject
            .strip_prefix("Order work_order:")
            .expect("tells which");
        let content = String::from_utf8_lossy(attached.contents());
        assert!(
            content.contains(&format!("\"number\":\"{number}\"")),
            "{content}"
        );
        assert!(
            mail.body_text(0)
                .expect("has one")
                .contains("From Aufträge 14.xlsx")
        );
        ids.insert(mail.message_id().expect("has one").to_owned());
        told.push(number.to_owned());
    }
    assert_eq!(ids.len(), mails.len(), "each mail once");
    told.sort();
    assert_eq!(told, TOLD);
    assert!(
        !log.contains(scene.office.password()),
        "no password in the log"
    );
}

/// Files are mailed to the contractor, and to somebody whom the server puts off for ever.
fn half_taken(office: &PostOffice, contractor: &str) -> String {
    let sender = office.sender();
    format!(
        r#"
[enterprise.north]
zone = "Europe/Stockholm"
[source.files]
enterprise = "north"
file = {{ path = "../files", complete = "rename", poll_milliseconds = 20 }}
[inbound.files]
from = "files"
format = "opaque"
to = ["letters"]
[sink.letters]
enterprise = "north"
retry = {{ initial_milliseconds = 50, max_seconds = 1, attempts = 1000 }}
circuit = {{ failures = 5, probe_seconds = 1 }}
[sink.letters.mail]
from = "Nord <hub@nord.example>"
to = ["{contractor}@contractor.example", "greylist@contractor.example"]
{sender}
"#
    )
}

/// Waits until the only delivery was attempted so often; returns how often.
async fn attempted(config: &ConfigFolder, at_least: u64) -> u64 {
    let look = async || {
        let listed = hub_process::run_json(config, &["message", "list"]);
        let id = listed.first()?["message_id"].as_str()?.to_owned();
        let shown = hub_process::run_json(config, &["message", "show", &id]);
        let delivery = &shown.first()?["deliveries"][0];
        let told = delivery["note"].as_str()?.contains("accepted for 1 other");
        delivery["attempts"]
            .as_u64()
            .filter(|attempts| told && *attempts >= at_least)
    };
    until("attempts", PATIENCE, look).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_mail_does_not_get_it_again_after_the_hub_was_killed() {
    let Some(office) = PostOffice::found() else {
        return;
    };
    let contractor = format!("halfway{}", std::process::id());
    let config = ConfigFolder::new().expect("the disk works");
    office.write_password(&config);
    let configuration = half_taken(&office, &contractor);
    config.write(&configuration).expect("the disk works");
    let folder = config.partner("files").expect("the disk works");
    std::fs::write(folder.join("report.csv"), "a;b").expect("the disk works");

    let hub = HubProcess::start(&config).await;
    let before = attempted(&config, 2).await;
    hub.kill().await;
    let hub = HubProcess::start(&config).await;
    attempted(&config, before + 2).await;
    hub.stop().await;

    // Behind a second mail, had there been one.
    let to = format!("{contractor}@contractor.example");
    let from = "Utility <orders@utility.example>";
    office.mail(from, &to, "last.xlsx", Vec::new()).await;
    let has_last = |mail: &Vec<u8>| mail.windows(9).any(|text| text == b"last.xlsx");
    let arrived = || async { office.mails(&contractor, "").iter().any(has_last) };
    until_true("the last mail", PATIENCE, arrived).await;
    assert_eq!(office.mails(&contractor, "").len(), 2, "each once");
}
