//! Doors of several families behind one listener: what is common to them, and what a handler decides.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic too")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use hub_core::{
    AdapterContext, Arrival, Body, IncomingMessage, MessageId, Settlement, Source, SourceError,
};
use hub_web::{
    CALLBACKS, DoorConfig, Doors, Handler, MESSAGES, OpenDoor, PostedBody, Problem, SOAP, Taken,
    router,
};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

/// Looks at the first line, and streams the rest; answers in plain text.
struct Lines {
    knows_senders: bool,
}

#[async_trait]
impl Handler for Lines {
    async fn take(&self, head: &Parts, mut body: PostedBody) -> Result<Taken, Problem> {
        if head.method == axum::http::Method::GET {
            return Ok(Taken::Answered("the description".into_response()));
        }
        let first = body.head(6).await?;
        if self.knows_senders && &*first != b"known\n" {
            let status = axum::http::StatusCode::UNAUTHORIZED;
            return Err(Problem::new(
                status,
                "unknown",
                "Unknown",
                "begin with `known`",
            ));
        }
        let message = IncomingMessage {
            name: String::from_utf8_lossy(&first).trim().to_owned(),
            body: Body::Stream(body.into_reader()),
            ..IncomingMessage::default()
        };
        let reply = |outcome: Result<hub_web::Accepted, Problem>| match outcome {
            Ok(accepted) => format!("ok {}", accepted.message_id).into_response(),
            Err(problem) => (problem.status(), problem.detail().to_owned()).into_response(),
        };
        Ok(Taken::Message(Box::new(message), Box::new(reply)))
    }

    fn refusal(&self, _: &Parts, problem: Problem) -> Response {
        (problem.status(), format!("no: {}", problem.detail())).into_response()
    }

    fn knows_senders(&self) -> bool {
        self.knows_senders
    }
}

struct Hub {
    context: AdapterContext,
    address: SocketAddr,
    client: reqwest::Client,
}

impl Hub {
    async fn new(folder: &Path) -> Self {
        std::fs::write(folder.join("token"), "t0ken\n").unwrap();
        let context = AdapterContext::alone("partner", "north", folder);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = router(&context.shared);
        tokio::spawn(async move { axum::serve(listener, app).await });
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            context,
            address,
            client,
        }
    }

    fn open(
        &self,
        family: hub_web::Family,
        config: &str,
        knows_senders: bool,
    ) -> Result<OpenDoor, SourceError> {
        let config: DoorConfig = toml::from_str(config).unwrap();
        config.open(family, Arc::new(Lines { knows_senders }), &self.context)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/api/v1/{path}", self.address)
    }

    async fn post(&self, path: &str, body: &'static str) -> (u16, String) {
        let sent = self.client.post(self.url(path)).body(body).send().await;
        let answer = sent.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

fn accepted() -> Settlement {
    Settlement::Accepted {
        message_id: MessageId(7),
        duplicate: false,
    }
}

async fn read(arrival: Arrival) -> (String, String, hub_core::UnsettledReceipt) {
    let (message, receipt) = arrival.into_parts();
    let Body::Stream(mut stream) = message.body else {
        panic!("not a stream");
    };
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    (message.name, text, receipt)
}

#[tokio::test]
async fn a_handler_sees_the_head_and_gives_the_whole_on() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::new(folder.path()).await;
    let mut door = hub
        .open(SOAP, "insecure_allow_anonymous = true", false)
        .unwrap();
    let (answer, _) = tokio::join!(hub.post("soap/partner", "first\nsecond\n"), async {
        let (name, text, receipt) = read(door.receive().await.unwrap()).await;
        assert_eq!((name.as_str(), text.as_str()), ("first", "first\nsecond\n"));
        receipt.settle(accepted()).await;
    });
    assert_eq!(answer, (200, "ok 0000000000007".to_owned()));
    let (answer, _) = tokio::join!(hub.post("soap/partner", "x"), async {
        let (_, _, receipt) = read(door.receive().await.unwrap()).await;
        let reason = "never".to_owned();
        receipt.settle(Settlement::Reject { reason }).await;
    });
    assert_eq!(answer, (422, "never".to_owned()));
    let described = hub.client.get(hub.url("soap/partner?wsdl")).send().await;
    assert_eq!(described.unwrap().text().await.unwrap(), "the description");
}

#[tokio::test]
async fn a_door_is_only_in_its_own_family() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::new(folder.path()).await;
    let door = hub
        .open(CALLBACKS, "insecure_allow_anonymous = true", false)
        .unwrap();
    for path in ["messages/partner", "soap/partner", "callbacks/other"] {
        assert_eq!(hub.post(path, "x").await.0, 404, "{path}");
    }
    let put = hub.client.put(hub.url("callbacks/partner")).send().await;
    let put = put.unwrap();
    assert_eq!(put.status(), 405);
    assert_eq!(put.headers()["allow"], "GET, POST");
    drop(door);
    assert_eq!(hub.post("callbacks/partner", "x").await.0, 404);
}

#[tokio::test]
async fn who_may_come_in_is_a_matter_of_the_door_or_of_its_handler() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::new(folder.path()).await;
    let tokens =
        "query_tokens = ['file:token']\nbearer = ['file:token']\nrequest_timeout_seconds = 1";
    let door = hub.open(CALLBACKS, tokens, false).unwrap();
    let (status, text) = hub.post("callbacks/partner", "x").await;
    assert_eq!((status, &text[..4]), (401, "no: "));
    assert_eq!(hub.post("callbacks/partner?token=wrong", "x").await.0, 401);
    let allowed = hub.client.get(hub.url("callbacks/partner?a=b&token=t0ken"));
    assert_eq!(allowed.send().await.unwrap().status(), 200);
    drop(door);

    let mut door = hub.open(MESSAGES, "", true).unwrap();
    let (status, text) = hub.post("messages/partner", "nobody").await;
    assert_eq!((status, text.as_str()), (401, "no: begin with `known`"));
    // Wrong credentials are wrong also where none are needed.
    let wrong = hub
        .client
        .post(hub.url("messages/partner"))
        .bearer_auth("x");
    assert_eq!(wrong.body("known\n").send().await.unwrap().status(), 401);
    let (answer, _) = tokio::join!(hub.post("messages/partner", "known\n1"), async {
        let (_, _, receipt) = read(door.receive().await.unwrap()).await;
        receipt.settle(accepted()).await;
    });
    assert_eq!(answer.0, 200);
}

#[tokio::test]
async fn a_door_that_cannot_be_opened_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let hub = Hub::new(folder.path()).await;
    let doors = hub.context.shared.get::<Doors>();
    doors.expect(["partner".to_owned()]);
    assert_eq!(doors.awaited(), ["partner"]);
    assert_eq!(hub.post("soap/partner", "x").await.0, 503);
    assert!(hub.open(SOAP, "bearer = ['file:missing']", false).is_err());
    assert!(doors.awaited().is_empty());
    let slow = "insecure_allow_anonymous = true\nrequest_timeout_seconds = 1";
    let mut door = hub.open(SOAP, slow, false).unwrap();
    let (answer, arrival) = tokio::join!(hub.post("soap/partner", "x"), door.receive());
    drop(arrival);
    assert_eq!(answer.0, 503, "nobody settled it in time");
}
