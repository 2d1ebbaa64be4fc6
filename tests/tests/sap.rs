//! A hub beside a system that imitates SAP (mock-sap): it takes IDocs at its door and posts them to the
//! system's port, polls an entity set, and creates entities. Under load the system crashes and freezes, and
//! the hub is killed. In the end nothing is missing, and nothing was accepted twice. What the system says
//! later of an IDoc is shown on the delivery that sent it.
//!
//! The system does not recognise what is posted again after an answer was lost, as SAP's own port does not:
//! it may have something twice. It must not lack anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hub_core::Reported;
use hub_store::messages::{Said, Store};
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::{self, HubProcess};
use meterhub_tests::observe;
use meterhub_tests::services::{self, ResumeAtEnd, service};
use meterhub_tests::wait::{PATIENCE, until, until_true};
use reqwest::{Client, Method, RequestBuilder, Url};
use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard, watch};

const IDOCS: usize = 150;
const ENTITIES: usize = 50;
const PARTNERS: usize = 60;
const DRAIN: Duration = Duration::from_secs(120);
/// The entity set, in version 2 and 4.
const V2: &str = "/sap/opu/odata/sap/API_BUSINESS_PARTNER_SRV/A_BusinessPartner";
const V4: &str =
    "/sap/opu/odata4/sap/api_businesspartner/srvd_a2x/sap/api_businesspartner/0001/BusinessPartner";

/// What happens when so many IDocs were taken by the hub.
const TROUBLE: [(usize, Trouble); 4] = [
    (30, Trouble::SystemCrashes),
    (60, Trouble::HubKilled),
    (90, Trouble::SystemFreezes),
    (120, Trouble::HubKilled),
];

#[derive(Clone, Copy)]
enum Trouble {
    HubKilled,
    SystemCrashes,
    SystemFreezes,
}

/// Tests crash the one mock system: one at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

struct System {
    _alone: MutexGuard<'static, ()>,
    url: String,
    user: String,
    password: String,
    http: Client,
    /// Marks what the clerk makes.
    polled: String,
    /// Marks what the hub makes.
    made: String,
}

impl System {
    /// `None`, said aloud, if there is none.
    async fn find() -> Option<Self> {
        let url = Url::parse(&service("SAP_URL")?).expect("is a URL");
        let alone = ALONE.lock().await;
        let process = std::process::id();
        let http = Client::builder().no_proxy().timeout(Duration::from_secs(5));
        Some(Self {
            _alone: alone,
            url: url.origin().ascii_serialization(),
            user: url.username().to_owned(),
            password: url.password().expect("has a password").to_owned(),
            http: http.build().expect("can be made"),
            polled: format!("POLLED{process}"),
            made: format!("MADE{process}"),
        })
    }

    fn configuration(&self) -> String {
        let Self {
            url, user, polled, ..
        } = self;
        let server = format!(
            "server = {{ url = \"{url}\", timeout_seconds = 2, connect_timeout_seconds = 2, \
             auth = {{ basic = {{ user = \"{user}\", password = \"file:sap-password\" }} }} }}"
        );
        let patient = "retry = { initial_milliseconds = 50, max_seconds = 1, attempts = 1000 }\n\
                       circuit = { failures = 5, probe_seconds = 1 }";
        format!(
            r#"
[enterprise.north]
zone = "Europe/Tallinn"
[source.s4]
enterprise = "north"
[source.s4.sap_idoc]
door = {{ basic = [{{ user = "S4D", password = "file:door-password" }}] }}
[inbound.idocs]
from = "s4"
format = "opaque"
to = ["port"]
[sink.port]
enterprise = "north"
{patient}
[sink.port.sap_idoc]
{server}
path = "/sap/bc/idoc"
client = "100"
csrf = true
[source.shop]
enterprise = "north"
http = {{ basic = [{{ user = "shop", password = "file:door-password" }}] }}
[inbound.entities]
from = "shop"
format = "opaque"
to = ["service"]
[sink.service]
enterprise = "north"
{patient}
[sink.service.sap_odata]
{server}
version = "v4"
path = "{V4}"
[source.partners]
enterprise = "north"
[source.partners.sap_odata]
{server}
version = "v2"
path = "{V2}"
filter = "SearchTerm1 eq '{polled}'"
field = {{ name = "BusinessPartner", type = "string", unique = true }}
page_size = 4
poll_seconds = 1
[inbound.partners]
from = "partners"
format = "opaque"
to = ["archive"]
[sink.archive]
enterprise = "north"
file = {{ path = "../archive", create_folder = true, name = "{{message_id}}.json" }}
"#
        )
    }

    /// The folder of a hub beside it.
    fn written(&self) -> ConfigFolder {
        let config = ConfigFolder::new().expect("the disk works");
        let write = |name: &str, text: &str| std::fs::write(config.dir().join(name), text);
        write("sap-password", &self.password).expect("the disk works");
        write("door-password", "s3cret").expect("the disk works");
        config.write(&self.configuration()).expect("the disk works");
        config
    }

    /// Posts to the hub's door for IDocs until it says yes.
    async fn post_idoc(&self, hub: &str, idoc: String) {
        let make = || {
            let request = self.http.post(format!("{hub}/api/v1/callbacks/s4"));
            let request = request.basic_auth("S4D", Some("s3cret"));
            request
                .header("content-type", "text/xml")
                .body(idoc.clone())
        };
        post(make).await;
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        request.basic_auth(&self.user, Some(&self.password))
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self
            .request(Method::GET, path)
            .send()
            .await
            .expect("it answers");
        answer.json().await.expect("with JSON")
    }

    /// Somebody in the system creates an entity, and tries again if that fails.
    async fn create(&self, name: &str) {
        let entity = json!({
            "BusinessPartnerCategory": "2", "SearchTerm1": self.polled, "OrganizationBPName1": name,
        });
        let is_created = || async { self.try_create(&entity).await.is_ok_and(|s| s == 201) };
        until_true("the system to create an entity", DRAIN, is_created).await;
    }

    async fn try_create(&self, entity: &Value) -> reqwest::Result<u16> {
        let fetch = self.request(Method::GET, &format!("{V2}?$top=1"));
        let fetched = fetch.header("x-csrf-token", "fetch").send().await?;
        let token = fetched.headers().get("x-csrf-token").cloned();
        let mut post = self.request(Method::POST, V2).json(entity);
        if let Some(token) = token {
            post = post.header("x-csrf-token", token);
        }
        Ok(post.send().await?.status().as_u16())
    }

    /// Entities with this mark: their numbers and names.
    async fn marked(&self, mark: &str) -> BTreeMap<String, String> {
        let path = format!("{V2}?$filter=SearchTerm1%20eq%20'{mark}'&$top=10000");
        let page = self.get(&path).await;
        let rows = page["d"]["results"].as_array().expect("is a page");
        let text = |row: &Value, field: &str| row[field].as_str().expect("is a text").to_owned();
        let pair = |row| {
            (
                text(row, "BusinessPartner"),
                text(row, "OrganizationBPName1"),
            )
        };
        rows.iter().map(pair).collect()
    }

    /// How often the system has each of our IDocs.
    async fn idocs(&self) -> BTreeMap<usize, usize> {
        let mut found = BTreeMap::new();
        let list = self.get("/_mock/idocs?limit=100000&mestyp=ZHUB").await;
        for entry in list["results"].as_array().expect("is a list") {
            let number = entry["docnum"].as_str().expect("has a number");
            let idoc = self.get(&format!("/sap/bc/idoc/{number}")).await;
            let payload = idoc["payload"].as_str().expect("has a payload");
            if let Some((_, rest)) = payload.split_once(&format!("<ARCKEY>{}-", self.made)) {
                let (number, _) = rest.split_once('<').expect("is closed");
                *found.entry(number.parse().expect("a number")).or_default() += 1;
            }
        }
        found
    }
}

/// Posts to the hub until it says yes, always the same.
async fn post(make: impl Fn() -> RequestBuilder) {
    let is_taken = || async {
        let answer = make().send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    };
    until_true("the hub to say yes", DRAIN, is_taken).await;
}

async fn post_idocs(system: &System, hub: &str, told: watch::Sender<usize>) {
    for number in 1..=IDOCS {
        let mark = &system.made;
        let idoc = format!(
            "<?xml version=\"1.0\"?><ZHUB01><IDOC BEGIN=\"1\"><EDI_DC40 SEGMENT=\"1\"><MANDT>100</MANDT>\
             <DOCNUM>{number:016}</DOCNUM><IDOCTYP>ZHUB01</IDOCTYP><MESTYP>ZHUB</MESTYP><SNDPOR>SAPS4D</SNDPOR>\
             <SNDPRN>S4DCLNT100</SNDPRN><ARCKEY>{mark}-{number}</ARCKEY></EDI_DC40></IDOC></ZHUB01>"
        );
        system.post_idoc(hub, idoc).await;
        told.send_replace(number);
    }
}

async fn post_entities(system: &System, hub: &str) {
    for number in 1..=ENTITIES {
        let entity = json!({
            "BusinessPartnerCategory": "2", "SearchTerm1": system.made, "OrganizationBPName1": number.to_string(),
        });
        let make = || {
            let request = system.http.post(format!("{hub}/api/v1/messages/shop"));
            let request = request.basic_auth("shop", Some("s3cret"));
            request
                .header("idempotency-key", number.to_string())
                .json(&entity)
        };
        post(make).await;
    }
}

async fn create_partners(system: &System) {
    for number in 1..=PARTNERS {
        system.create(&number.to_string()).await;
    }
}

/// Makes trouble; returns the hub that runs in the end.
async fn trouble(
    config: &ConfigFolder,
    mut hub: HubProcess,
    mut told: watch::Receiver<usize>,
) -> HubProcess {
    for (number, trouble) in TROUBLE {
        let reached = told.wait_for(|sent| *sent >= number).await;
        drop(reached.expect("the load goes on"));
        match trouble {
            Trouble::HubKilled => {
                hub.kill().await;
                hub = HubProcess::start(config).await;
            }
            Trouble::SystemCrashes => {
                services::kill("mock-sap").await;
                services::start("mock-sap").await;
            }
            Trouble::SystemFreezes => {
                // An earlier crash was noticed too.
                let noticed = || hub.log().matches("source is not available").count();
                let before = noticed();
                services::pause("mock-sap").await;
                let is_noticed = || async { noticed() > before };
                until_true("the hub to notice", DRAIN, is_noticed).await;
                services::resume("mock-sap").await;
            }
        }
    }
    hub
}

/// Numbers of the entities in what the hub passed on, file by file.
fn archived(config: &ConfigFolder) -> Vec<String> {
    let Ok(files) = std::fs::read_dir(config.root().join("archive")) else {
        return Vec::new();
    };
    let mut numbers = Vec::new();
    for file in files {
        let path = file.expect("can be listed").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let content = std::fs::read(path).expect("can be read");
        let page: Value = serde_json::from_slice(&content).expect("is JSON");
        let rows = page["d"]["results"].as_array().expect("is a page");
        numbers.extend(rows.iter().map(|row| {
            row["BusinessPartner"]
                .as_str()
                .expect("a number")
                .to_owned()
        }));
    }
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_missing_when_hub_and_system_fail_under_load() {
    let Some(system) = System::find().await else {
        return;
    };
    let _resumed = ResumeAtEnd("mock-sap");
    let config = system.written();
    let hub = HubProcess::start(&config).await;
    let url = format!("http://{}", config.address());
    let (told, watched) = watch::channel(0);
    let ((), (), (), hub) = tokio::join!(
        post_idocs(&system, &url, told),
        post_entities(&system, &url),
        create_partners(&system),
        trouble(&config, hub, watched),
    );

    let partners: BTreeSet<String> = system.marked(&system.polled).await.into_keys().collect();
    assert!(partners.len() >= PARTNERS);
    let store = observe::open(&config.dir().join("data")).await;
    let store = store.expect("the store can be read");
    until_true(
        format_args!("all to be done\n{}", LogOf(&hub)),
        DRAIN,
        || async {
            let is_idle = store.is_idle().await.expect("the store can be read");
            is_idle && archived(&config).into_iter().collect::<BTreeSet<_>>() == partners
        },
    )
    .await;
    let messages = observe::messages(&store)
        .await
        .expect("the store can be read");
    let deliveries = observe::deliveries(&store, &messages)
        .await
        .expect("the store can be read");
    hub.stop().await;

    let of = |source: &str| {
        messages
            .iter()
            .filter(|message| message.source == source)
            .count()
    };
    assert_eq!(
        (of("s4"), of("shop")),
        (IDOCS, ENTITIES),
        "each accepted once"
    );
    assert!(
        deliveries
            .iter()
            .all(|delivery| delivery.state == "delivered")
    );
    assert_eq!(deliveries.len(), messages.len());
    assert_eq!(
        archived(&config).len(),
        partners.len(),
        "no row came in two pages"
    );
    let idocs = system.idocs().await;
    assert_eq!(idocs.len(), IDOCS, "the system has each");
    let made = system.marked(&system.made).await;
    let names: BTreeSet<&String> = made.values().collect();
    assert_eq!(names.len(), ENTITIES, "the system has each");
    println!(
        "{IDOCS} IDocs, {} of them twice in the system; {ENTITIES} entities, {} more than once; {} rows in {} pages",
        idocs.values().filter(|count| **count > 1).count(),
        made.len() - names.len(),
        partners.len(),
        of("partners"),
    );
}

/// What a hub has logged when it is asked for.
struct LogOf<'h>(&'h HubProcess);

impl std::fmt::Display for LogOf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.log())
    }
}

/// An IDoc of ours to the system, with our number.
fn numbered(number: u32) -> String {
    format!(
        "<?xml version=\"1.0\"?><ZHUB01><IDOC BEGIN=\"1\"><EDI_DC40 SEGMENT=\"1\"><MANDT>100</MANDT>\
         <DOCNUM>{number:016}</DOCNUM><IDOCTYP>ZHUB01</IDOCTYP><MESTYP>ZHUB</MESTYP><SNDPOR>HUB</SNDPOR>\
         <SNDPRN>METERHUB</SNDPRN><RCVPRN>S4DCLNT100</RCVPRN></EDI_DC40></IDOC></ZHUB01>"
    )
}

/// What the system says of our IDocs, as SAP's documentation of `ALEAUD01` has it.
fn confirmation(number: u32, states: &[(u32, &str, &str)]) -> String {
    let state = |(number, status, text): &(u32, &str, &str)| {
        format!(
            "<E1STATE SEGMENT=\"1\"><DOCNUM>{number:016}</DOCNUM><STATUS>{status}</STATUS>\
             <STATXT>{text}</STATXT></E1STATE>"
        )
    };
    let states: String = states.iter().map(state).collect();
    format!(
        "<?xml version=\"1.0\"?><ALEAUD01><IDOC BEGIN=\"1\"><EDI_DC40 SEGMENT=\"1\"><MANDT>100</MANDT>\
         <DOCNUM>{number:016}</DOCNUM><IDOCTYP>ALEAUD01</IDOCTYP><MESTYP>ALEAUD</MESTYP><SNDPOR>SAPS4D</SNDPOR>\
         <SNDPRN>S4DCLNT100</SNDPRN><RCVPRN>METERHUB</RCVPRN></EDI_DC40><E1ADHDR SEGMENT=\"1\">\
         <MESTYP>ZHUB</MESTYP>{states}</E1ADHDR></IDOC></ALEAUD01>"
    )
}

/// What is said of the delivery of our IDoc, by the number that stands in it.
async fn said_of(store: &Store, number: u32) -> Option<Vec<Option<Said>>> {
    let kept = observe::messages(store).await.expect("can be read");
    let key = format!("HUB/METERHUB/100/{number}");
    let idoc = kept.iter().find(|message| message.identity == key)?;
    let id = idoc.id.parse().expect("is an id");
    let views = store.reports_of(id, 10).await.expect("can be read");
    let reference = format!("IDoc to S4DCLNT100 {number}");
    assert!(views.iter().all(|view| view.reference == reference));
    (!views.is_empty()).then(|| views.into_iter().map(|view| view.said).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_system_says_of_an_idoc_is_shown_on_its_delivery() {
    let Some(system) = System::find().await else {
        return;
    };
    let config = system.written();
    let hub = HubProcess::start(&config).await;
    let url = format!("http://{}", config.address());
    let store = observe::open(&config.dir().join("data")).await;
    let store = store.expect("the store can be read");
    for number in [42, 43] {
        system.post_idoc(&url, numbered(number)).await;
        let said = until("the IDoc to be delivered", PATIENCE, || {
            said_of(&store, number)
        });
        assert_eq!(said.await, [None], "nothing is said yet");
    }
    let states = [
        (42, "53", "Application document posted"),
        (43, "51", "Order 4711 is locked"),
    ];
    system.post_idoc(&url, confirmation(7, &states)).await;
    for (number, expected, note) in [
        (
            42,
            Reported::Arrived,
            "status 53 Application document posted",
        ),
        (43, Reported::Failed, "status 51 Order 4711 is locked"),
    ] {
        let said = until("the status to be shown", PATIENCE, || async {
            said_of(&store, number).await?.pop().flatten()
        });
        let said = said.await;
        assert_eq!((said.outcome, said.note.as_str()), (expected, note));
    }
    hub.stop().await;
}

/// What `deploy/examples/sap` shows is a configuration, with the mapping files that it names.
#[test]
fn the_example_is_valid() {
    let config = ConfigFolder::new().expect("the disk works");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let copy = |from: &str, to: &str| {
        let copied = std::fs::copy(root.join(from), config.dir().join(to));
        copied.expect("the example is there");
    };
    for name in ["hub.toml", "sap.toml", "mdus.toml"] {
        copy(&format!("deploy/examples/sap/{name}"), name);
    }
    for name in ["service-orders.toml", "confirmations.toml"] {
        copy(
            &format!("mappings/idoc/examples/{name}"),
            &format!("mappings/{name}"),
        );
    }
    let checked = hub_process::run(&config, &["check"]);
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
}
