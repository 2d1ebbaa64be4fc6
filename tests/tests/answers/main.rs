//! Requests to a hub over a message broker, and its answers: each goes where its sender wants it, with
//! what the sender knows its request by, and nowhere that is not allowed.

mod mosquitto;
mod rabbitmq;

use async_trait::async_trait;
use hub_store::messages::Store;
use meterhub_tests::config_folder::ConfigFolder;
use meterhub_tests::hub_process::HubProcess;
use meterhub_tests::observe;
use meterhub_tests::random::Random;
use meterhub_tests::wait::{PATIENCE, until};
use meterhub_tests::workload::Maker;

/// A request, as its sender words it.
struct Request {
    id: &'static str,
    /// What the sender will know the answer by, unless by the id.
    correlation: Option<&'static [u8]>,
    reply_to: String,
    body: Vec<u8>,
}

/// An answer, as the requester gets it.
struct Answer {
    correlation: Vec<u8>,
    body: Vec<u8>,
}

/// A partner that asks and waits for its answers.
#[async_trait]
trait Requester {
    /// The tables `[source.hes.…]` and `[sink.replies.…]` of the hub.
    fn endpoints(&self) -> String;

    /// Secrets of the configuration.
    fn secrets(&self, config: &ConfigFolder);

    /// Where it reads.
    fn here(&self) -> String;

    /// Where somebody else reads, and no answer may go.
    fn elsewhere(&self) -> String;

    async fn ask(&mut self, request: Request);

    /// The next answer. Panics if none comes.
    async fn answer(&mut self) -> Answer;

    /// Whether nothing came to [`Self::elsewhere`].
    async fn nothing_went_elsewhere(&mut self) -> bool;
}

fn configuration(requester: &dyn Requester) -> String {
    let endpoints = requester.endpoints();
    format!(
        r#"
[enterprise.north]
zone = "Europe/Helsinki"
[source.hes]
enterprise = "north"
[inbound.hes]
from = "hes"
format = "cim"
unknown_devices = "create"
answer = {{ to = "replies", format = "cim" }}
[sink.replies]
enterprise = "north"
retry = {{ initial_milliseconds = 50, max_seconds = 1, attempts = 1000 }}
{endpoints}"#
    )
}

/// Some ask for an answer to a correlation of their own, some to the id of their request; one asks for
/// an answer to somebody else.
async fn each_gets_its_own(requester: &mut dyn Requester, correlation: &'static [u8]) {
    let config = ConfigFolder::new().expect("the disk works");
    requester.secrets(&config);
    config
        .write(&configuration(requester))
        .expect("the disk works");
    let hub = HubProcess::start(&config).await;
    let mut maker = Maker::new("hes", Random::new(7));
    let (here, elsewhere) = (requester.here(), requester.elsewhere());
    for (id, correlation, reply_to, answer_to) in [
        ("request-1", Some(correlation), &here, Some(correlation)),
        ("request-2", None, &here, Some(&b"request-2"[..])),
        ("request-3", Some(correlation), &elsewhere, None),
    ] {
        let request = Request {
            id,
            correlation,
            reply_to: reply_to.clone(),
            body: maker.cim(1, 8).bytes,
        };
        requester.ask(request).await;
        if let Some(expected) = answer_to {
            let answer = requester.answer().await;
            assert_eq!(answer.correlation, expected, "{id}");
            let text = String::from_utf8(answer.body).expect("is XML");
            assert!(text.contains("<Result>OK</Result>"), "{id}: {text}");
        }
    }
    let store = observe::open(&config.dir().join("data")).await;
    let store = store.expect("the store can be read");
    let parked = || async { state_of_answer(&store, "request-3").await };
    let state = until("the third answer to come to rest", PATIENCE, parked).await;
    assert_eq!(state, "parked");
    assert!(requester.nothing_went_elsewhere().await);
    hub.stop().await;
}

/// What became of the answer to a request; `None` until it is decided.
async fn state_of_answer(store: &Store, request: &str) -> Option<String> {
    let kept = observe::messages(store).await;
    let mut kept = kept.expect("the store can be read");
    kept.retain(|message| message.identity == request);
    let deliveries = observe::deliveries(store, &kept).await;
    let answer = deliveries.expect("the store can be read").pop()?;
    ["parked", "delivered"]
        .contains(&answer.state.as_str())
        .then_some(answer.state)
}
