//! The message centre, and a hub that texts by it.

use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process;
use meterhub_tests::services::service;
use meterhub_tests::wait::{PATIENCE, until};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

/// The simulator has one list of messages: one test at a time.
static SIMULATOR: Mutex<()> = Mutex::const_new(());

/// The simulator, alone.
pub(crate) struct Centre {
    control: String,
    _alone: MutexGuard<'static, ()>,
}

impl Centre {
    /// `None`, said aloud, if there is none.
    pub(crate) async fn find() -> Option<Self> {
        let control = service("SMSC_CONTROL_URL")?;
        let centre = Self {
            control,
            _alone: SIMULATOR.lock().await,
        };
        centre
            .get("control?rate=0&receipt_ms=20&delay_ms=0&fail_binds=0&mute=0&hex_ids=0")
            .await;
        centre.forget().await;
        Some(centre)
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = reqwest::get(format!("{}/{path}", self.control)).await;
        let answer = answer.expect("the simulator answers").json().await;
        answer.expect("it answers JSON")
    }

    pub(crate) async fn messages(&self) -> Vec<Value> {
        let messages = self.get("messages").await;
        messages.as_array().expect("a list").clone()
    }

    async fn forget(&self) {
        let delete = reqwest::Client::new().delete(format!("{}/messages", self.control));
        delete.send().await.expect("the simulator answers");
    }

    /// Sends from a telephone.
    pub(crate) async fn text_us(&self, text: &str) {
        let sent = self
            .get(&format!(
                "mobile-originated?from=37255500001&to=12345&text={text}"
            ))
            .await;
        assert_eq!(sent["sent"], 1, "the hub is bound");
    }
}

/// The table of the account at the simulator.
pub(crate) fn account() -> Option<String> {
    let (server, system_id) = (service("SMPP_ADDR")?, service("SMPP_SYSTEM_ID")?);
    Some(format!(
        "account = {{ server = \"{server}\", system_id = \"{system_id}\", \
         password = \"file:smpp-password\", enquire_link_seconds = 2 }}"
    ))
}

/// A configuration folder that texts are put into, with the password of the account.
pub(crate) fn config(body: &str) -> ConfigFolder {
    let config = ConfigFolder::new().expect("the disk works");
    let password = service("SMPP_PASSWORD").expect("stands beside the address");
    std::fs::write(config.dir().join("smpp-password"), password).expect("the disk works");
    config.write(body).expect("the disk works");
    config.partner("texts").expect("the disk works");
    config
}

/// What leads texts from a folder to the sink `telephones`.
pub(crate) const TEXTS: &str = r#"
[enterprise.north]
zone = "Europe/Tallinn"
[source.texts]
enterprise = "north"
file = { path = "../texts", complete = "rename", poll_milliseconds = 20 }
[inbound.texts]
from = "texts"
format = "opaque"
to = ["telephones"]
"#;

/// Puts a text where the hub picks it up.
pub(crate) fn write_text(config: &ConfigFolder, name: &str, to: &str, text: &str) {
    let folder = config.partner("texts").expect("the disk works");
    let body = json!({"to": to, "text": text});
    let partial = folder.join(format!(".{name}.tmp"));
    std::fs::write(&partial, body.to_string()).expect("the disk works");
    std::fs::rename(partial, folder.join(format!("{name}.json"))).expect("the disk works");
}

/// What `meterhub message show` says of a text, once that is as wanted.
pub(crate) async fn shown_as(
    config: &ConfigFolder,
    name: &str,
    what: &str,
    is_wanted: impl Fn(&Value) -> bool,
) -> Value {
    let what = format!("{name} to be {what}");
    let look = async || {
        let listed = hub_process::run_json(config, &["message", "list", "--source", "texts"]);
        let name = format!("{name}.json");
        let message = listed.into_iter().find(|message| message["name"] == name)?;
        let id = message["message_id"].as_str()?.to_owned();
        let shown = hub_process::run_json(config, &["message", "show", &id]);
        shown.into_iter().next().filter(&is_wanted)
    };
    until(&what, PATIENCE, look).await
}
