//! `meterhub message`: what came in, and what became of it.

mod show;

use hub_core::MessageId;
use hub_store::StoreError;
use hub_store::messages::{MessageFilter, MessageState, MessageView, Store};
use serde_json::{Value, json};

use super::output::{self, say, seconds, table, thousands};
use super::store::{operator, unknown, with_store};
use super::{Common, Exit};
use crate::operate::message_json;

/// What to do with messages.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List messages, the newest first.
    List {
        /// Only those of this enterprise.
        #[arg(long)]
        enterprise: Option<String>,
        /// Only those of this source.
        #[arg(long)]
        source: Option<String>,
        /// Only those in this state.
        #[arg(long, value_parser = parse_state)]
        state: Option<MessageState>,
        /// Only those older than this one: the last of the page before.
        #[arg(long)]
        before: Option<MessageId>,
        /// At most so many.
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Show a message with its trace, findings and deliveries.
    Show {
        /// Its id.
        id: MessageId,
    },
    /// Process a message once more, or send a finished delivery once more.
    Replay {
        /// The id of the message or delivery.
        id: MessageId,
        /// Why; it is kept in the message's trace.
        #[arg(long)]
        reason: String,
    },
}

fn parse_state(word: &str) -> Result<MessageState, String> {
    let valid = || MessageState::ALL.map(MessageState::as_str).join(", ");
    MessageState::named(word).ok_or_else(|| format!("expected one of {}", valid()))
}

/// Runs the command.
pub(crate) fn run(command: &Command, common: &Common) -> Exit {
    with_store(common, async |config, store| match command {
        Command::List {
            enterprise,
            source,
            state,
            before,
            limit,
        } => {
            let filter = MessageFilter {
                enterprise: enterprise.clone(),
                source: source.clone(),
                state: *state,
                before: *before,
                limit: limit.saturating_add(1),
            };
            let mut messages = store.messages(filter).await?;
            let unknown = unknown("source", source.as_ref(), config.sources.keys())
                .or_else(|| unknown("enterprise", enterprise.as_ref(), config.enterprises.keys()));
            if let Some(problem) = unknown.filter(|_| messages.is_empty()) {
                return Ok(output::fail(common, Exit::Usage, &problem));
            }
            let more = messages.len() > *limit;
            messages.truncate(*limit);
            list(common, &messages, more);
            Ok(Exit::Done)
        }
        Command::Show { id } => show::show(common, &store, *id).await,
        Command::Replay { id, reason } => replay(common, &store, *id, reason).await,
    })
}

fn list(common: &Common, messages: &[MessageView], more: bool) {
    if common.json {
        messages
            .iter()
            .for_each(|message| say(&message_json(message).to_string()));
        return;
    }
    if messages.is_empty() && !more {
        say("no messages");
        return;
    }
    let rows: Vec<_> = messages.iter().map(list_row).collect();
    say(&table(
        &[
            "MESSAGE", "RECEIVED", "SOURCE", "STATE", "RECORDS", "FINDINGS", "NAME",
        ],
        &rows,
    ));
    match messages.last() {
        Some(last) if more => say(&format!(
            "… more; --limit shows more, --before {} the next ones",
            last.id
        )),
        None if more => say("… more; --limit shows them"),
        _ => {}
    }
}

fn list_row(message: &MessageView) -> Vec<String> {
    vec![
        message.id.to_string(),
        seconds(message.received),
        message.source.clone(),
        message.state.as_str().to_owned(),
        thousands(message.records),
        thousands(message.findings),
        name(message).to_owned(),
    ]
}

/// Messages over HTTP need not have a name.
fn name(message: &MessageView) -> &str {
    match message.name.as_str() {
        "" => "-",
        name => name,
    }
}

/// A finding on one line, its place first.
pub(crate) fn finding_line(finding: &Value) -> String {
    let place = match (finding["sheet"].as_str(), finding["line"].as_u64()) {
        (Some(sheet), line) => format!("sheet `{sheet}`, row {}: ", line.unwrap_or_default()),
        (None, Some(line)) if line > 0 => format!("line {line}: "),
        _ if finding["offset"].as_u64() == Some(0) => String::new(),
        _ => format!("byte {}: ", finding["offset"]),
    };
    let field = finding["field"]
        .as_str()
        .map(|field| format!(" in `{field}`"))
        .unwrap_or_default();
    let text = |key: &str| finding[key].as_str().unwrap_or_default();
    format!("{place}{}{field}: {}", text("severity"), text("reason"))
}

async fn replay(
    common: &Common,
    store: &Store,
    id: MessageId,
    reason: &str,
) -> Result<Exit, StoreError> {
    if store.replay(id, operator(reason)).await? {
        return Ok(done(common, "message", id, "is processed once more"));
    }
    if store.resend(id, operator(reason)).await?.is_some() {
        return Ok(done(common, "delivery", id, "is sent once more"));
    }
    match store.message(id).await? {
        Some(message) => {
            let text = format!(
                "message {id} is {}: it can be replayed when it is done",
                message.state.as_str()
            );
            Ok(output::fail(common, Exit::Findings, &text))
        }
        None => Ok(not_found(common, id)),
    }
}

fn done(common: &Common, what: &str, id: MessageId, text: &str) -> Exit {
    match common.json {
        true => say(&json!({ "id": id.to_string(), "kind": what, "replayed": true }).to_string()),
        false => say(&format!("{what} {id} {text}")),
    }
    Exit::Done
}

fn not_found(common: &Common, id: MessageId) -> Exit {
    let text = format!("there is no message {id}; `meterhub message list` shows what there is");
    output::fail(common, Exit::Findings, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_without_a_place_names_none() {
        let line = |offset: u64, line: u64| {
            finding_line(&json!({
                "offset": offset, "line": line, "severity": "warning", "reason": "odd",
            }))
        };
        assert_eq!(line(0, 0), "warning: odd");
        assert_eq!(line(9, 0), "byte 9: warning: odd");
        assert_eq!(line(9, 2), "line 2: warning: odd");
    }
}
