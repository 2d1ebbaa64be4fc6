//! The source that polls OData services.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use adapter_sap::SapODataSourceConfig;
use async_trait::async_trait;
use hub_core::{
    Arrival, Body, Clock, IncomingMessage, Receipt, Settlement, Source, SourceConfig, SourceError,
    SystemClock, UnsettledReceipt,
};
use meterhub_tests::conformance::{self, Partner, Server, Told, accepted, read, receive};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::Sap;

const V2: &str = "/sap/opu/odata/sap/API_BUSINESS_PARTNER_SRV/A_BusinessPartner";
const V4: &str =
    "/sap/opu/odata4/sap/api_businesspartner/srvd_a2x/sap/api_businesspartner/0001/BusinessPartner";

/// A search term that no other test has.
fn term() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let micros = SystemClock.now().micros();
    format!("T{}-{next}", micros % 1_000_000_000_000)
}

fn config(sap: &Sap, keys: &str, password: &str) -> SapODataSourceConfig {
    let toml = format!(
        "client = '100'\npoll_seconds = 1\n{keys}\n{}",
        sap.server(password)
    );
    let config: SapODataSourceConfig = toml::from_str(&toml).unwrap();
    assert_eq!(config.validate(), []);
    config
}

fn by_number(term: &str) -> String {
    format!(
        "version = 'v2'\npath = '{V2}'\nfilter = \"SearchTerm1 eq '{term}'\"\npage_size = 1\n\
         field = {{ name = 'BusinessPartner', type = 'string', unique = true }}"
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

/// Pages of one row each, whose fields are a message of the kit.
struct Rows {
    inner: Box<dyn Source>,
    names: Arc<Mutex<HashMap<String, String>>>,
}

struct Inner(UnsettledReceipt);

#[async_trait]
impl Receipt for Inner {
    async fn settle(self: Box<Self>, settlement: Settlement) {
        self.0.settle(settlement).await;
    }
}

#[async_trait]
impl Source for Rows {
    async fn receive(&mut self) -> Result<Arrival, SourceError> {
        let (message, receipt) = self.inner.receive().await?.into_parts();
        let key = message.business_key.unwrap();
        let page: Value = serde_json::from_slice(&read(message.body).await.unwrap()).unwrap();
        let [row] = page["d"]["results"].as_array().unwrap().as_slice() else {
            panic!("{page}")
        };
        let text = |field: &str| row[field].as_str().unwrap();
        let name = text("OrganizationBPName1").to_owned();
        self.names.lock().unwrap().insert(name.clone(), key);
        let message = IncomingMessage {
            name,
            body: Body::Bytes(unhex(text("FirstName")).into()),
            ..IncomingMessage::default()
        };
        Ok(Arrival::new(message, Box::new(Inner(receipt))))
    }
}

/// Somebody in the system who creates entities.
struct Clerk {
    sap: Sap,
    term: String,
    /// Numbers of the entities, by the names of the messages.
    numbers: HashMap<String, String>,
    /// Keys of the pages, by the same.
    keys: Arc<Mutex<HashMap<String, String>>>,
}

impl Clerk {
    async fn new() -> Option<Self> {
        Some(Self {
            sap: Sap::new().await?,
            term: term(),
            numbers: HashMap::new(),
            keys: Arc::default(),
        })
    }

    async fn open(&self, password: &str) -> Result<Box<dyn Source>, SourceError> {
        let config = config(&self.sap, &by_number(&self.term), password);
        let inner = config.connect(&self.sap.context).await?;
        let names = self.keys.clone();
        Ok(Box::new(Rows { inner, names }))
    }
}

#[async_trait]
impl Partner for Clerk {
    async fn connect(&mut self) -> Box<dyn Source> {
        self.open("password").await.unwrap()
    }

    async fn send(&mut self, name: &str, body: &[u8]) {
        let entity = json!({
            "BusinessPartnerCategory": "2",
            "SearchTerm1": self.term,
            "OrganizationBPName1": name,
            "FirstName": hex(body),
        });
        let created = self.sap.create(V2, &entity).await;
        let number = created["BusinessPartner"].as_str().unwrap().to_owned();
        self.numbers.insert(name.to_owned(), number);
    }

    async fn send_again(&mut self, _: &str, _: &[u8]) {
        // The entity is there; the hub asks again.
    }

    async fn told(&mut self, name: &str) -> Told {
        let state = &self.sap.context.state;
        let rejected = state
            .get("erp", "rejected")
            .await
            .unwrap()
            .unwrap_or_default();
        let key = self.keys.lock().unwrap().get(name).cloned();
        if key.is_some_and(|key| rejected.starts_with(&key)) {
            return Told::Never;
        }
        let place = state.get("erp", "place").await.unwrap().unwrap_or_default();
        let place: Value = serde_json::from_str(&place).unwrap_or_default();
        match place["mark"].as_str() >= Some(self.numbers[name].as_str()) {
            true => Told::Yes,
            false => Told::Later,
        }
    }
}

#[async_trait]
impl Server for Clerk {
    async fn try_connect(&mut self) -> Result<Box<dyn Source>, SourceError> {
        self.open("password").await
    }

    async fn try_wrong_credentials(&mut self) -> Result<Box<dyn Source>, SourceError> {
        self.open("wrong").await
    }

    async fn kill(&mut self) {
        self.sap.kill().await;
    }

    async fn restart(&mut self) {
        self.sap.start().await;
    }

    async fn stall(&mut self) {
        self.sap.pause().await;
    }

    async fn resume(&mut self) {
        self.sap.resume().await;
    }

    fn time_limit(&self) -> std::time::Duration {
        self.sap.time_limit()
    }
}

#[tokio::test]
async fn it_passes_the_conformance_kit() {
    let Some(mut clerk) = Clerk::new().await else {
        return;
    };
    conformance::source(&mut clerk).await;
}

#[tokio::test]
async fn it_passes_the_conformance_kit_of_servers() {
    let Some(mut clerk) = Clerk::new().await else {
        return;
    };
    conformance::source_of_a_server(&mut clerk).await;
}

/// The next page: its rows and its key. Accepted.
async fn page(source: &mut dyn Source, version: &str) -> (Vec<Value>, String) {
    let (message, receipt) = receive(source).await.into_parts();
    let key = message.business_key.unwrap();
    let page: Value = serde_json::from_slice(&read(message.body).await.unwrap()).unwrap();
    receipt.settle(accepted()).await;
    let rows = if version == "v2" {
        &page["d"]["results"]
    } else {
        &page["value"]
    };
    (rows.as_array().unwrap().clone(), key)
}

fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter()
        .map(|row| row["OrganizationBPName1"].as_str().unwrap_or("deleted"))
        .collect()
}

async fn create(sap: &Sap, term: &str, name: &str) -> String {
    let entity =
        json!({"BusinessPartnerCategory": "2", "SearchTerm1": term, "OrganizationBPName1": name});
    let created = sap.create(V2, &entity).await;
    created["BusinessPartner"].as_str().unwrap().to_owned()
}

async fn rename(sap: &Sap, number: &str, name: &str) {
    let path = format!("{V2}('{number}')");
    let fetched = sap
        .request(Method::GET, &path)
        .header("x-csrf-token", "fetch")
        .send()
        .await
        .unwrap();
    let token = fetched.headers()["x-csrf-token"].clone();
    let patch = sap
        .request(Method::PATCH, &path)
        .header("x-csrf-token", token);
    let answer = patch
        .json(&json!({"OrganizationBPName1": name}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 204);
}

#[tokio::test]
async fn changes_are_followed_by_a_time_in_both_versions() {
    let Some(sap) = Sap::new().await else { return };
    for (version, path, kind) in [("v2", V2, "datetime"), ("v4", V4, "datetimeoffset")] {
        let term = term();
        let keys = format!(
            "version = '{version}'\npath = '{path}'\nfilter = \"SearchTerm1 eq '{term}'\"\n\
             field = {{ name = 'LastChangeDate', type = '{kind}' }}\npage_size = 2"
        );
        let first = create(&sap, &term, "one").await;
        for name in ["two", "three"] {
            create(&sap, &term, name).await;
        }
        let config = config(&sap, &keys, "password");
        let mut source = config.connect(&sap.context).await.unwrap();
        let mut found: Vec<String> = Vec::new();
        while !found.contains(&"three".to_owned()) {
            let (rows, _) = page(source.as_mut(), version).await;
            found.extend(names(&rows).into_iter().map(ToOwned::to_owned));
        }
        found.dedup();
        assert_eq!(
            found,
            ["one", "two", "three"],
            "in the order of their change"
        );
        drop(source);
        rename(&sap, &first, "one again").await;
        let mut source = config.connect(&sap.context).await.unwrap();
        let (rows, _) = page(source.as_mut(), version).await;
        assert_eq!(names(&rows).last(), Some(&"one again"));
        assert!(
            !names(&rows).contains(&"two"),
            "what was read is not read again"
        );
    }
}

#[tokio::test]
async fn changes_are_followed_by_the_services_links_in_both_versions() {
    let Some(sap) = Sap::new().await else { return };
    for (version, path) in [("v2", V2), ("v4", V4)] {
        let term = term();
        let keys = format!(
            "version = '{version}'\npath = '{path}'\nchanges = true\nfilter = \"SearchTerm1 eq '{term}'\""
        );
        let number = create(&sap, &term, "one").await;
        let config = config(&sap, &keys, "password");
        let mut source = config.connect(&sap.context).await.unwrap();
        let (rows, _) = page(source.as_mut(), version).await;
        assert_eq!(names(&rows), ["one"]);
        rename(&sap, &number, "changed").await;
        let (rows, _) = page(source.as_mut(), version).await;
        assert_eq!(names(&rows), ["changed"]);
        // A token that the service does not know: from the start.
        drop(source);
        let place = sap
            .context
            .state
            .get("erp", "place")
            .await
            .unwrap()
            .unwrap();
        let spoilt = place
            .replace("token=", "token=X")
            .replace("token='", "token='X");
        assert_ne!(spoilt, place);
        let entries = vec![("place".to_owned(), Some(spoilt))];
        sap.context.state.put("erp", entries).await.unwrap();
        let mut source = config.connect(&sap.context).await.unwrap();
        let (rows, _) = page(source.as_mut(), version).await;
        assert_eq!(names(&rows), ["changed"]);
    }
}

#[tokio::test]
async fn a_whole_set_comes_when_it_differs() {
    let Some(sap) = Sap::new().await else { return };
    let term = term();
    let number = create(&sap, &term, "one").await;
    let keys = format!(
        "version = 'v2'\npath = '{V2}'\nselect = 'BusinessPartner,OrganizationBPName1'\n\
         filter = \"SearchTerm1 eq '{term}'\""
    );
    let config = config(&sap, &keys, "password");
    let mut source = config.connect(&sap.context).await.unwrap();
    let (rows, first) = page(source.as_mut(), "v2").await;
    assert_eq!(names(&rows), ["one"]);
    drop(source);
    rename(&sap, &number, "two").await;
    let mut source = config.connect(&sap.context).await.unwrap();
    let (rows, second) = page(source.as_mut(), "v2").await;
    assert_eq!(names(&rows), ["two"], "not the page that was accepted");
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_page_that_was_not_settled_has_the_same_key_again() {
    let Some(sap) = Sap::new().await else { return };
    let term = term();
    create(&sap, &term, "one").await;
    let keys = format!(
        "version = 'v4'\npath = '{V4}'\nchanges = true\nfilter = \"SearchTerm1 eq '{term}'\""
    );
    let config = config(&sap, &keys, "password");
    let mut found = Vec::new();
    for _ in 0..2 {
        let mut source = config.connect(&sap.context).await.unwrap();
        let message = receive(source.as_mut()).await.into_parts().0;
        let body = read(message.body).await.unwrap();
        found.push((message.business_key, body));
    }
    assert_eq!(found[0], found[1], "although its delta link is another");
}

#[tokio::test]
async fn what_is_wrong_is_told_quickly() {
    let Some(sap) = Sap::new().await else { return };
    let good = format!(
        "version = 'v2'\npath = '{V2}'\nfield = {{ name = 'BusinessPartner', type = 'string' }}"
    );
    let wrong_set = good.replace("A_BusinessPartner'", "A_Nothing'");
    let wrong_version = good.replace("'v2'", "'v4'");
    let small = format!("{good}\nmax_page_bytes = 1024");
    let no_order = format!(
        "version = 'v2'\npath = '{V2}?$orderby=BusinessPartner%20desc'\nfield = {{ name = 'BusinessPartner', type = 'string' }}"
    );
    for (keys, password, said) in [
        (&good, "wrong", "401"),
        (&wrong_set, "password", "404"),
        (&wrong_version, "password", "is no page"),
        (&small, "password", "max_page_bytes"),
        (&no_order, "password", "order"),
    ] {
        let connected = config(&sap, keys, password).connect(&sap.context).await;
        let error = connected.err().unwrap().to_string();
        assert!(error.contains(said), "{error}");
    }
    config(&sap, &good, "password")
        .check(&sap.context)
        .await
        .unwrap();
    let checked = config(&sap, &good, "wrong").check(&sap.context).await;
    assert!(checked.unwrap_err().to_string().contains("401"));
    let other = config(&sap, &good, "password");
    let other = SapODataSourceConfig {
        client: Some("999".into()),
        ..other
    };
    let error = other.connect(&sap.context).await.err().unwrap().to_string();
    assert!(error.contains("Client 999"), "{error}");
}
