//! What the message centre refuses goes to the gateway, and what that refuses goes by mail.

use std::time::Duration;

use mail_parser::MessageParser;
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::services::service;
use meterhub_tests::wait::until;
use serde_json::Value;

use crate::rig::{Centre, TEXTS, account, config, shown_as, write_text};

/// Mail takes its way through two servers.
const MAIL: Duration = Duration::from_secs(60);

/// Refused by the message centre for the account of the hub; Kannel queues it all the same.
const NOT_BY_SMPP: &str = "+37255500010";
/// Refused by the message centre, and by Kannel at once.
const BY_NOBODY: &str = "+9999955500010";
/// What it says.
const CHANGED: &str = "Teie arvesti vahetatakse homme õhtul, kell 18 \"kuni\" 20.";

fn configuration(desk: &str) -> Option<String> {
    let account = account()?;
    let (url, user) = (service("SMS_HTTP_URL")?, service("SMS_HTTP_USER")?);
    let (smtp, authority) = (service("SMTP_URL")?, service("TLS_CA")?);
    let address = smtp.rsplit('@').next()?;
    Some(format!(
        r#"{TEXTS}
[sink.telephones]
enterprise = "north"
fall_over = {{ to = "gateway" }}
[sink.telephones.sms]
{account}
sender = "Nordkraft"
[sink.gateway]
enterprise = "north"
fall_over = {{ to = "letters" }}
[sink.gateway.sms_http]
gateway = "kannel"
sender = "Nordkraft"
url = "{url}"
method = "GET"
secrets = {{ password = "file:gateway-password", token = "file:callback-token" }}
[sink.gateway.sms_http.query]
username = "{user}"
password = "{{password}}"
from = "{{from}}"
to = "{{to}}"
text = "{{text}}"
coding = "{{coding}}"
charset = "UTF-8"
dlr-mask = "31"
dlr-url = "http://LISTEN/api/v1/callbacks/gateway-calls?token={{token}}&id={{message_id}}&type=%d"
[source.gateway-calls]
enterprise = "north"
[source.gateway-calls.sms_http]
gateway = "kannel"
door = {{ query_tokens = ["file:callback-token"] }}
receipt = {{ id = "id", state = "type" }}
[inbound.gateway-calls]
from = "gateway-calls"
format = "opaque"
to = ["told"]
[sink.told]
enterprise = "north"
file = {{ path = "../told", create_folder = true }}
[sink.letters]
enterprise = "north"
[sink.letters.mail]
from = "Nord <hub@nord.example>"
to = ["{desk}@nord.example"]
subject = "A text that {{to}} did not take"
body = "sms"
server.address = "{address}"
server.ca_certificates = "{authority}"
server.login = {{ user = "hub", password = "file:smpp-password" }}
"#
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_goes_from_message_centre_to_gateway_to_mail() {
    let desk = format!("desk{}", std::process::id());
    let (Some(configuration), Some(centre)) = (configuration(&desk), Centre::find().await) else {
        return;
    };
    let maildirs = service("MAILDIRS").expect("stands beside the address");
    let password = service("SMS_HTTP_PASSWORD").expect("stands beside the address");
    let config = config("");
    let configuration = configuration.replace("LISTEN", &config.address().to_string());
    config.write(&configuration).expect("the disk works");
    for (file, secret) in [
        ("gateway-password", password.as_str()),
        ("callback-token", "t0ken"),
    ] {
        std::fs::write(config.dir().join(file), secret).expect("the disk works");
    }
    let hub = HubProcess::start(&config).await;

    // The message centre refuses it to Kannel too, which says so in a receipt.
    write_text(&config, "by-gateway", NOT_BY_SMPP, "x");
    let failed = |shown: &Value| shown["reports"][0]["outcome"] == "failed";
    let shown = shown_as(&config, "by-gateway", "reported on", failed).await;
    assert_eq!(endpoint_states(&shown)["gateway"], "delivered", "{shown:#}");

    write_text(&config, "by-mail", BY_NOBODY, CHANGED);
    let mailed =
        |shown: &Value| endpoint_states(shown).get("letters") == Some(&Value::from("delivered"));
    shown_as(&config, "by-mail", "mailed", mailed).await;
    let mail = until("the mail", MAIL, || async { mail_of(&maildirs, &desk) }).await;
    let mail = MessageParser::default().parse(&mail).expect("is a mail");
    let subject = format!("A text that {BY_NOBODY} did not take");
    assert_eq!(mail.subject(), Some(subject.as_str()));
    assert_eq!(mail.body_text(0).expect("is read").trim_end(), CHANGED);
    assert_eq!(mail.attachment_count(), 0);
    hub.stop().await;
    assert!(
        centre.messages().await.is_empty(),
        "the message centre took neither"
    );
    drop::<ConfigFolder>(config);
}

/// The state of each sink's last delivery of a message.
fn endpoint_states(shown: &Value) -> serde_json::Map<String, Value> {
    let deliveries = shown["deliveries"].as_array().cloned().unwrap_or_default();
    let states = deliveries.iter().filter_map(|delivery| {
        let endpoint = delivery["endpoint"].as_str()?.to_owned();
        Some((endpoint, delivery["state"].clone()))
    });
    states.collect()
}

/// The only mail of a mailbox, if it is there.
fn mail_of(maildirs: &str, mailbox: &str) -> Option<String> {
    let folder = std::path::Path::new(maildirs).join(mailbox);
    let found = ["new", "cur"].iter().find_map(|state| {
        let mut mails = std::fs::read_dir(folder.join(state)).ok()?;
        mails.next()?.ok()
    });
    std::fs::read_to_string(found?.path()).ok()
}
