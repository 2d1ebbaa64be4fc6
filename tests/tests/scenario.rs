//! One work order over every channel: it arrives as an IDoc over SFTP, goes to a contractor by
//! RabbitMQ, the customer gets an SMS whose receipt comes back, the result workbook arrives by mail,
//! and the confirmation IDoc is posted to SAP by HTTP. `meterhub message show` follows the thread.
//!
//! SAP is mock-sap: independent of us, but not SAP's software.

use std::time::Duration;

use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::files_load::DropFolder;
use meterhub_tests::hub_process::{HubProcess, run, run_json};
use meterhub_tests::post_office::PostOffice;
use meterhub_tests::rabbit::Queues;
use meterhub_tests::services::service;
use meterhub_tests::sftp_partner::{Partner, Server};
use meterhub_tests::wait::until_true;
use rust_xlsxwriter::Workbook;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// What the customer gets, as the message centre wants it.
const SMS: &str = r#"
record = "work_order"
media_type = "application/json"
extension = "json"
escape = "json"
document = '''
{"to": {{ customer_phone }}, "text": {{ "Your meter is replaced on " ~ window.start | local("%d.%m. at %H:%M") ~ "." }}}
'''
"#;

/// The workbook that the contractor sends back.
const RESULTS: &str = r#"
record = "work_order"
[excel]
sheet = "Results"
[times]
format = "%Y-%m-%d %H:%M"
[work_order]
number = "Order"
action = { constant = "report" }
status = { column = "Result", lookup = { done = "completed" } }
performed = "Done at"
comment = "Remark"
"#;

/// All partners and their servers.
struct Partners {
    sap_files: Partner,
    sftp: Server,
    contractor: Queues,
    office: PostOffice,
    mailbox: String,
    smsc: String,
    sap: Sap,
}

/// mock-sap, with its login taken out of its URL.
struct Sap {
    url: String,
    user: String,
    password: String,
}

impl Sap {
    fn found() -> Option<Self> {
        let url = service("SAP_URL")?;
        let (scheme, rest) = url.split_once("://").expect("is a URL");
        let (login, address) = rest.split_once('@').expect("has a login");
        let (user, password) = login.split_once(':').expect("has a password");
        Some(Self {
            url: format!("{scheme}://{}", address.trim_end_matches('/')),
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }

    /// What was posted to it and taken.
    async fn taken(&self) -> Vec<Value> {
        let asked = reqwest::Client::new()
            .get(format!("{}/_mock/requests?verbose=1&limit=2000", self.url))
            .basic_auth(&self.user, Some(&self.password))
            .send();
        let answer = asked.await.expect("it answers").json().await;
        let log: Value = answer.expect("is JSON");
        let is_taken = |request: &&Value| request["method"] == "POST" && request["status"] == 201;
        let requests = log["results"].as_array().expect("a list").iter();
        requests.filter(is_taken).cloned().collect()
    }
}

impl Partners {
    async fn found() -> Option<Self> {
        Some(Self {
            sap_files: Partner::new()?,
            sftp: Server::found()?,
            contractor: Queues::declare().await?,
            office: PostOffice::found()?,
            mailbox: format!("results{}", std::process::id()),
            smsc: service("SMSC_CONTROL_URL")?,
            sap: Sap::found()?,
        })
    }

    fn write_config(&self, config: &ConfigFolder) {
        let idoc = |name: &str| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../mappings/idoc/examples");
            std::fs::read_to_string(format!("{folder}/{name}.toml")).expect("is there")
        };
        for (name, text) in [
            ("service-orders", idoc("service-orders")),
            ("confirmations", idoc("confirmations")),
            ("sms", SMS.to_owned()),
            ("results", RESULTS.to_owned()),
        ] {
            config.write_mapping(name, &text).expect("the disk works");
        }
        self.contractor.write_password(config);
        self.office.write_password(config);
        let secret = service("SMPP_PASSWORD").expect("stands beside the address");
        std::fs::write(config.dir().join("smpp-password"), secret).expect("the disk works");
        let sap = config.dir().join("sap-password");
        std::fs::write(sap, &self.sap.password).expect("the disk works");
        self.sftp.make_known(&config.dir(), self.sftp.address);
        config.write(&self.configuration()).expect("the disk works");
    }

    fn configuration(&self) -> String {
        let (inbound, outbound) = (self.inbound(), self.outbound());
        format!("[enterprise.north]\nzone = \"Europe/Helsinki\"\n{inbound}{outbound}")
    }

    fn inbound(&self) -> String {
        let (remote, server) = (&self.sap_files.remote, self.sftp.table(self.sftp.address));
        let (mailbox, sms) = (self.office.mailbox(&self.mailbox), sms_account());
        format!(
            r#"
[source.sap-orders]
enterprise = "north"
[source.sap-orders.sftp]
path = "{remote}/in"
complete = "rename"
poll_milliseconds = 100
{server}
[inbound.sap-orders]
from = "sap-orders"
format = "idoc"
mapping = "service-orders"

[source.receipts]
enterprise = "north"
[source.receipts.sms]
{sms}
[inbound.receipts]
from = "receipts"
format = "opaque"
to = []

[source.results]
enterprise = "north"
[source.results.mailbox]
poll_milliseconds = 1000
include = ["*.xlsx"]
allow_from = ["*@contractor.example"]
{mailbox}
[inbound.results]
from = "results"
format = "xlsx"
mapping = "results"
"#
        )
    }

    fn outbound(&self) -> String {
        let broker = self.contractor.broker(self.contractor.address());
        let (queue, sap, sms) = (&self.contractor.outbound, &self.sap, sms_account());
        format!(
            r#"
[outbound.contractor]
enterprise = "north"
on = ["work_order.created"]
format = "json"
batch = "record"
to = ["contractor"]
[sink.contractor]
enterprise = "north"
[sink.contractor.amqp]
{broker}
routing_key = "{queue}"

[outbound.customer]
enterprise = "north"
on = ["work_order.created"]
filter = "record.customer_phone != null"
format = "template"
mapping = "sms"
batch = "record"
to = ["customer"]
[sink.customer]
enterprise = "north"
[sink.customer.sms]
{sms}
sender = "Nordkraft"

[outbound.confirm]
enterprise = "north"
on = ["work_order.completed"]
format = "idoc"
mapping = "confirmations"
batch = "record"
to = ["sap"]
[sink.sap]
enterprise = "north"
[sink.sap.sap_idoc]
path = "/sap/bc/idoc"
client = "100"
csrf = true
server = {{ url = "{}", auth = {{ basic = {{ user = "{}", password = "file:sap-password" }} }} }}
"#,
            sap.url, sap.user
        )
    }

    /// What the contractor finds in its queue.
    async fn job(&self) -> Value {
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(body) = self.contractor.take().await {
                    return body;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        let body = found.await.expect("the job comes");
        serde_json::from_slice(&body).expect("is JSON")
    }

    /// The contractor mails what came of a job.
    async fn report(&self, number: &str) {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        sheet.set_name("Results").expect("is a name");
        let rows = [
            ["Order", "Result", "Done at", "Remark"],
            [number, "done", "2026-03-30 10:40", "all well"],
        ];
        for (row, cells) in (0..).zip(rows) {
            let written = sheet.write_row(row, 0, cells);
            written.expect("fits");
        }
        let book = book.save_to_buffer().expect("can be written");
        let (from, to) = (
            "Crew <crew@contractor.example>",
            format!("{}@nord.example", self.mailbox),
        );
        self.office.mail(from, &to, "results.xlsx", book).await;
    }

    /// The confirmation IDocs that SAP has of an order.
    async fn confirmations(&self, number: &str) -> Vec<Value> {
        let mut taken = self.sap.taken().await;
        taken.retain(|request| {
            let body = request["body"].as_str().unwrap_or_default();
            body.contains("<MESTYP>ZSRVCONF</MESTYP>") && body.contains(number)
        });
        taken
    }
}

fn sms_account() -> String {
    let (server, id) = (service("SMPP_ADDR"), service("SMPP_SYSTEM_ID"));
    format!(
        "account = {{ server = \"{}\", system_id = \"{}\", password = \"file:smpp-password\" }}",
        server.expect("is set"),
        id.expect("is set")
    )
}

/// A service order of this number, as SAP's file port writes it.
fn idoc(number: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<ZSRVORD01><IDOC BEGIN="1"><EDI_DC40 SEGMENT="1"><TABNAM>EDI_DC40</TABNAM><MANDT>800</MANDT>
<DOCNUM>{number:0>16}</DOCNUM><DIRECT>1</DIRECT><IDOCTYP>ZSRVORD01</IDOCTYP><MESTYP>ZSRVORD</MESTYP>
<SNDPOR>SAPT33</SNDPOR><SNDPRT>LS</SNDPRT><SNDPRN>T33CLNT800</SNDPRN><RCVPOR>MHUB</RCVPOR>
<RCVPRT>LS</RCVPRT><RCVPRN>METERHUB</RCVPRN></EDI_DC40>
<Z1SRVHD SEGMENT="1"><AUFNR>{number}</AUFNR><AUART>ZTAU</AUART><ACTION>009</ACTION><PRIOK>2</PRIOK>
<GSTRP>20260330</GSTRP><GSUZP>080000</GSUZP><GLTRP>20260330</GLTRP><GLUZP>120000</GLUZP>
<Z1SRVPA SEGMENT="1"><PARVW>AG</PARVW><PARTN>1461</PARTN><NAME1>A. Customer</NAME1>
<TELF1>+358401234567</TELF1></Z1SRVPA>
<Z1SRVAD SEGMENT="1"><EXT_UI>643007000000000123</EXT_UI><STREET>Rantakatu</STREET>
<POST_CODE1>33100</POST_CODE1><CITY1>Tampere</CITY1><COUNTRY>FI</COUNTRY></Z1SRVAD>
<Z1SRVDV SEGMENT="1"><ROLE>OLD</ROLE><SERNR>11002233</SERNR></Z1SRVDV>
<Z1SRVDV SEGMENT="1"><ROLE>NEW</ROLE><SERNR>99887766</SERNR></Z1SRVDV>
</Z1SRVHD></IDOC></ZSRVORD01>
"#
    )
}

/// The JSON of a message that came by a source.
fn shown(config: &ConfigFolder, source: &str) -> Option<Value> {
    let messages = run_json(config, &["message", "list", "--source", source]);
    let id = messages.first()?["message_id"].as_str()?.to_owned();
    Some(run_json(config, &["message", "show", &id]).remove(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_work_order_goes_its_whole_way() {
    let Some(partners) = Partners::found().await else {
        return;
    };
    let calm = "control?rate=0&receipt_ms=20&delay_ms=0&fail_binds=0&mute=0";
    let asked = reqwest::get(format!("{}/{calm}", partners.smsc)).await;
    asked.expect("the simulator answers");
    let config = ConfigFolder::new().expect("the disk works");
    partners.write_config(&config);
    let hub = HubProcess::start(&config).await;

    let number = format!("4{:08}", std::process::id());
    let inbox = DropFolder::open(&partners.sap_files.path("in")).expect("is there");
    let idoc = idoc(&number);
    inbox
        .drop_file("order.xml", idoc.as_bytes())
        .expect("the folder takes files");

    let job = partners.job().await;
    assert_eq!(job["number"], number.as_str(), "{}", hub.log());
    assert_eq!(job["window"]["start"], "2026-03-30T05:00:00Z");
    partners.report(&number).await;

    let confirmed = || async { partners.confirmations(&number).await.len() == 1 };
    until_true("the confirmation to be at SAP", PATIENCE, confirmed).await;
    let receipt = || async { shown(&config, "receipts").is_some() };
    until_true("the receipt to come back", PATIENCE, receipt).await;

    let whole = || async {
        thread(&config)
            .iter()
            .any(|what| what == "delivered to sink `sap`")
    };
    until_true("the whole thread", PATIENCE, whole).await;
    hub.stop().await;
    let found = thread(&config).join("\n");
    for part in [
        "created, by source `sap-orders`, `order.xml`",
        "delivered to sink `contractor`",
        "delivered to sink `customer`",
        "reported arrived after sink `customer`",
        "completed, by source `results`, `results.xlsx`",
        "delivered to sink `sap`",
    ] {
        assert!(found.contains(part), "{part} in\n{found}");
    }
    // The same thread from the receipt and from the result: wherever one begins to ask.
    for source in ["receipts", "results"] {
        let from_there = shown(&config, source).expect("is there");
        assert_eq!(words(&from_there).join("\n"), found, "from {source}");
    }
    let id = shown(&config, "sap-orders").expect("is there")["message_id"].clone();
    let text = run(
        &config,
        &["message", "show", id.as_str().unwrap_or_default()],
    );
    println!("{}", String::from_utf8_lossy(&text.stdout));
}

/// The thread of the order's message, in words.
fn thread(config: &ConfigFolder) -> Vec<String> {
    shown(config, "sap-orders").map_or_else(Vec::new, |message| words(&message))
}

fn words(message: &Value) -> Vec<String> {
    let thread = message["thread"].as_array().into_iter().flatten();
    let what = thread.filter_map(|view| view["what"].as_str());
    what.map(ToOwned::to_owned).collect()
}
