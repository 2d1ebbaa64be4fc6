//! `meterhub parked`: deliveries that could not be delivered.

use hub_core::MessageId;
use hub_store::StoreError;
use hub_store::messages::{DeliveryView, Store};
use serde_json::json;

use super::output::{say, table};
use super::store::{operator, with_store};
use super::{Common, Exit, output};
use crate::operate::delivery_json;

/// What to do with parked deliveries.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List them, the oldest first.
    List {
        /// Only those for this sink.
        #[arg(long)]
        sink: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Send them once more.
    Release {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<MessageId>,
        /// Why; it is kept in the trace.
        #[arg(long)]
        reason: String,
    },
    /// Give them up.
    Discard {
        /// Their ids.
        #[arg(required = true)]
        ids: Vec<MessageId>,
        /// Why; it is kept in the trace.
        #[arg(long)]
        reason: String,
    },
}

/// Runs the command.
pub(crate) fn run(command: &Command, common: &Common) -> Exit {
    with_store(common, async |_, store| match command {
        Command::List { sink, limit } => {
            list(common, &store.parked(sink.clone(), *limit).await?);
            Ok(Exit::Done)
        }
        Command::Release { ids, reason } => decide(common, &store, ids, reason, true).await,
        Command::Discard { ids, reason } => decide(common, &store, ids, reason, false).await,
    })
}

fn list(common: &Common, parked: &[DeliveryView]) {
    if common.json {
        parked
            .iter()
            .for_each(|delivery| say(&delivery_json(delivery).to_string()));
        return;
    }
    let row = |delivery: &DeliveryView| {
        let since = delivery
            .finished
            .map(|at| format!("{:.19}", at.to_string()))
            .unwrap_or_default();
        let reason = delivery.note.clone().unwrap_or_default();
        let (id, message) = (delivery.id.to_string(), delivery.message_id.to_string());
        vec![
            id,
            message,
            delivery.endpoint.clone(),
            since,
            delivery.subject.clone(),
            reason,
        ]
    };
    let rows: Vec<_> = parked.iter().map(row).collect();
    say(&table(
        &["DELIVERY", "MESSAGE", "SINK", "PARKED", "SUBJECT", "REASON"],
        &rows,
    ));
}

async fn decide(
    common: &Common,
    store: &Store,
    ids: &[MessageId],
    reason: &str,
    release: bool,
) -> Result<Exit, StoreError> {
    let mut exit = Exit::Done;
    for &id in ids {
        let decided = match release {
            true => store.release(id, operator(reason)).await?,
            false => store.discard(id, operator(reason)).await?,
        };
        let word = if release { "released" } else { "discarded" };
        match decided {
            None => {
                let text = format!(
                    "delivery {id} is not parked; `meterhub parked list` shows those that are"
                );
                exit = output::fail(common, Exit::Findings, &text);
            }
            Some(sink) if common.json => {
                say(
                    &json!({ "delivery_id": id.to_string(), "sink": sink, "decision": word })
                        .to_string(),
                );
            }
            Some(sink) => say(&format!("delivery {id} to `{sink}` is {word}")),
        }
    }
    Ok(exit)
}
