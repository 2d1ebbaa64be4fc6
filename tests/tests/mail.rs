//! A hub between real mail servers: a utility mails a workbook of work orders, and the contractor
//! gets each of them as an attachment.

use std::time::Duration;

use mail_parser::{MessageParser, MimeHeaders};
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::observe;
use meterhub_tests::post_office::PostOffice;
use meterhub_tests::wait::until_true;

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
