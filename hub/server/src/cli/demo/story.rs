//! The story that the demo tells: what partners send, one after the other, to a hub in this process.

use std::fs;
use std::time::{Duration, Instant};

use hub_core::MessageId;
use hub_store::messages::{MessageFilter, MessageState, MessageView, Step as TraceStep, Store};
use hub_store::sqlite::SqliteOptions;
use serde_json::Value;

use super::embedded::input;
use super::folder::Folder;
use super::outcome::{Outcome, Resend};
use super::warehouse::Warehouse;
use super::{Common, DemoError, show};
use crate::service::{self, Service, ServiceError};

/// Longest wait for one thing. A slow disk may take a second; more means that something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks at what the hub does.
const LOOK: Duration = Duration::from_millis(5);
/// Messages looked through for one of a name; the demo has six.
const MANY: usize = 100;

/// One thing that a partner does.
pub(super) struct Step {
    /// Who does what.
    pub(super) what: &'static str,
    /// The name it goes by.
    pub(super) name: &'static str,
    /// The source that gets it.
    source: &'static str,
    /// The file of `fixtures/demo` with the bytes.
    input: &'static str,
    way: Way,
}

/// How it gets there.
enum Way {
    /// Dropped into a folder.
    Drop(&'static str),
    /// Posted over HTTP under this `Idempotency-Key`.
    Post(&'static str),
    /// Dropped, and it is the very bytes of an earlier one.
    DropAgain(&'static str),
}

/// The story.
pub(super) const STEPS: [Step; 6] = [
    Step {
        what: "North's ERP drops a workbook of work orders",
        name: "north-work-orders.xlsx",
        source: "north-erp",
        input: "north-work-orders.xlsx",
        way: Way::Drop("in/north-erp"),
    },
    Step {
        what: "North's head-end drops a day of readings",
        name: "north-readings.xml",
        source: "north-head-end",
        input: "north-readings.xml",
        way: Way::Drop("in/north-head-end"),
    },
    Step {
        what: "South's portal posts a Green Button file",
        name: "south-green-button.xml",
        source: "south-portal",
        input: "south-green-button.xml",
        way: Way::Post("portal-2026-03-30-0001"),
    },
    Step {
        what: "South's meter vendor drops a table",
        name: "south-vendor.csv",
        source: "south-vendor",
        input: "south-vendor.csv",
        way: Way::Drop("in/south-vendor"),
    },
    Step {
        what: "North's head-end drops a damaged file",
        name: "north-readings-damaged.xml",
        source: "north-head-end",
        input: "north-readings-damaged.xml",
        way: Way::Drop("in/north-head-end"),
    },
    Step {
        what: "North's head-end sends the first file again",
        name: "north-readings-again.xml",
        source: "north-head-end",
        input: "north-readings.xml",
        way: Way::DropAgain("in/north-head-end"),
    },
];

/// Starts a hub, plays all steps, waits until it has nothing left to do, and says what happened.
pub(super) async fn tell(
    folder: &Folder,
    warehouse: &Warehouse,
    portal_token: &str,
    common: &Common,
) -> Result<Outcome, DemoError> {
    let mut config = service::load(folder.root()).map_err(ServiceError::Config)?;
    // Any free port: what the configuration names may be taken by a hub that really runs.
    config.hub.listen.set_port(0);
    let enterprises: Vec<String> = config.enterprises.keys().cloned().collect();
    let hub = Service::start_with(
        config,
        service::default_surroundings(),
        SqliteOptions::default(),
    )
    .await?;
    let stage = Stage {
        folder,
        hub: &hub,
        portal_token,
    };
    let mut resends = Vec::new();
    let mut told = Ok(());
    for (index, step) in STEPS.iter().enumerate() {
        let started = Instant::now();
        match stage.play(step).await {
            Ok(resend) => resends.extend(resend),
            Err(error) => {
                told = Err(error);
                break;
            }
        }
        if !common.json {
            show::step(index + 1, step, started.elapsed());
        }
    }
    let outcome = match told {
        Ok(()) => stage.end(warehouse, resends, &enterprises).await,
        Err(error) => Err(error),
    };
    hub.stop().await;
    outcome
}

/// A running hub, its folder, and what the portal knows.
struct Stage<'a> {
    folder: &'a Folder,
    hub: &'a Service,
    portal_token: &'a str,
}

impl Stage<'_> {
    /// Plays a step; done when the hub has processed what was sent.
    async fn play(&self, step: &Step) -> Result<Option<Resend>, DemoError> {
        match step.way {
            Way::Post(key) => self.post(step, key).await.map(|()| None),
            Way::Drop(folder) => {
                self.drop_file(folder, step)?;
                let store = self.hub.store();
                wait_for(step.name, async || {
                    Ok(named(store, step).await?.filter(is_done).map(drop))
                })
                .await?;
                Ok(None)
            }
            Way::DropAgain(folder) => {
                self.drop_file(folder, step)?;
                let store = self.hub.store();
                wait_for(step.name, async || resend(store, step).await)
                    .await
                    .map(Some)
            }
        }
    }

    /// Writes a file as a partner's system does: under a temporary name, then renamed.
    fn drop_file(&self, folder: &str, step: &Step) -> Result<(), DemoError> {
        let path = self.folder.path(folder).join(step.name);
        let part = path.with_extension("part");
        fs::write(&part, input(step.input))
            .and_then(|()| fs::rename(&part, &path))
            .map_err(|cause| DemoError::Write { path, cause })
    }

    /// Posts a message, and asks its status resource until it is done.
    async fn post(&self, step: &Step, key: &str) -> Result<(), DemoError> {
        let wrong = |error: reqwest::Error| DemoError::Post(super::output::chain(&error));
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(wrong)?;
        let hub = format!("http://{}", self.hub.address());
        let url = format!("{hub}/api/v1/messages/{}", step.source);
        let answer = wait_for(step.name, async || {
            let request = client
                .post(&url)
                .bearer_auth(self.portal_token)
                .header("content-type", "application/atom+xml")
                .header("idempotency-key", key)
                .header("x-filename", step.name)
                .body(input(step.input));
            let answer = request.send().await.map_err(wrong)?;
            // The hub listens before all its sources are connected, and asks to wait until then.
            Ok((answer.status() != reqwest::StatusCode::SERVICE_UNAVAILABLE).then_some(answer))
        })
        .await?;
        if answer.status() != reqwest::StatusCode::ACCEPTED {
            let text = format!(
                "{} {}",
                answer.status(),
                answer.text().await.unwrap_or_default()
            );
            return Err(DemoError::Post(text));
        }
        let receipt: Value = answer.json().await.map_err(wrong)?;
        let status_url = format!(
            "{hub}{}",
            receipt["status_url"].as_str().unwrap_or_default()
        );
        wait_for(step.name, async || {
            let request = client.get(&status_url).bearer_auth(self.portal_token);
            let status: Value = request
                .send()
                .await
                .map_err(wrong)?
                .json()
                .await
                .map_err(wrong)?;
            let state = status["state"].as_str().and_then(MessageState::named);
            Ok(state.filter(|state| is_final(*state)).map(drop))
        })
        .await
    }

    /// Waits until nothing is left to do, and reads what happened.
    async fn end(
        &self,
        warehouse: &Warehouse,
        resends: Vec<Resend>,
        enterprises: &[String],
    ) -> Result<Outcome, DemoError> {
        let store = self.hub.store();
        wait_for("delivering", async || {
            Ok(store.is_idle().await?.then_some(()))
        })
        .await?;
        Outcome::read(store, enterprises, resends, warehouse.requests()).await
    }
}

/// Looks again and again until there is something to see.
async fn wait_for<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>, DemoError>,
) -> Result<T, DemoError> {
    let started = Instant::now();
    loop {
        if let Some(seen) = look().await? {
            return Ok(seen);
        }
        if started.elapsed() > PATIENCE {
            return Err(DemoError::Late {
                what: what.to_owned(),
                limit: PATIENCE,
            });
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn of_source(step: &Step) -> MessageFilter {
    MessageFilter {
        source: Some(step.source.to_owned()),
        limit: MANY,
        ..MessageFilter::default()
    }
}

async fn named(store: &Store, step: &Step) -> Result<Option<MessageView>, DemoError> {
    let messages = store.messages(of_source(step)).await?;
    Ok(messages
        .into_iter()
        .find(|message| message.name == step.name))
}

fn is_done(message: &MessageView) -> bool {
    is_final(message.state)
}

const fn is_final(state: MessageState) -> bool {
    !matches!(state, MessageState::Received | MessageState::Processing)
}

/// The known message that this step's file was recognised as.
async fn resend(store: &Store, step: &Step) -> Result<Option<Resend>, DemoError> {
    for message in store.messages(of_source(step)).await? {
        let recognised = |id: MessageId| async move { store.trace(id, MANY).await };
        let resent = recognised(message.id)
            .await?
            .into_iter()
            .any(|row| row.step == TraceStep::Resent && row.note.as_deref() == Some(step.name));
        if resent {
            return Ok(Some(Resend {
                name: step.name,
                message: message.id,
                first_name: message.name,
            }));
        }
        if message.name == step.name {
            // Taken for a new message: the self-check says that this is wrong.
            return Ok(Some(Resend {
                name: step.name,
                message: message.id,
                first_name: String::new(),
            }));
        }
    }
    Ok(None)
}
