//! `meterhub parked`: deliveries that could not be delivered.

use hub_core::MessageId;
use hub_store::StoreError;
use hub_store::messages::{DeliveryView, Store};
use serde_json::json;

use super::output::{cut, line_width, say, seconds, table, wrapped};
use super::store::{operator, unknown, with_store};
use super::{Common, Exit, output};
use crate::operate::delivery_json;

/// Characters shown of a reason: a partner may answer with a whole page.
const MOST_REASON: usize = 300;

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
    with_store(common, async |config, store| match command {
        Command::List { sink, limit } => {
            let mut parked = store.parked(sink.clone(), limit.saturating_add(1)).await?;
            let unknown = unknown("sink", sink.as_ref(), config.sinks.keys());
            if let Some(problem) = unknown.filter(|_| parked.is_empty()) {
                return Ok(output::fail(common, Exit::Usage, &problem));
            }
            let more = parked.len() > *limit;
            parked.truncate(*limit);
            list(common, &parked, more);
            Ok(Exit::Done)
        }
        Command::Release { ids, reason } => decide(common, &store, ids, reason, true).await,
        Command::Discard { ids, reason } => decide(common, &store, ids, reason, false).await,
    })
}

fn list(common: &Common, parked: &[DeliveryView], more: bool) {
    if common.json {
        parked
            .iter()
            .for_each(|delivery| say(&delivery_json(delivery).to_string()));
        return;
    }
    if parked.is_empty() && !more {
        say("nothing is parked");
        return;
    }
    let row = |delivery: &DeliveryView| {
        let since = delivery.finished.map(seconds).unwrap_or_default();
        let (id, message) = (delivery.id.to_string(), delivery.message_id.to_string());
        vec![
            id,
            message,
            delivery.endpoint.clone(),
            since,
            delivery.subject.clone(),
        ]
    };
    let rows: Vec<_> = parked.iter().map(row).collect();
    let head = ["DELIVERY", "MESSAGE", "SINK", "PARKED", "SUBJECT"];
    let table = table(&head, &rows);
    let mut lines = table.lines();
    lines.next().into_iter().for_each(say);
    for (line, delivery) in lines.zip(parked) {
        say(line);
        reason(delivery);
    }
    if more {
        say("… more; --limit shows them");
    }
}

/// Why it is parked, below its row: a column would leave no room for it. `--json` has all of it.
fn reason(delivery: &DeliveryView) {
    let width = line_width();
    let text = cut(delivery.note.as_deref().unwrap_or_default(), MOST_REASON);
    for line in wrapped(&text, width.saturating_sub(4)) {
        say(&format!("    {line}"));
    }
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
