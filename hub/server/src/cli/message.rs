//! `meterhub message`: what came in, and what became of it.

use hub_core::MessageId;
use hub_store::StoreError;
use hub_store::messages::{MessageFilter, MessageState, MessageView, Store};
use serde_json::{Value, json};

use super::output::{self, Paint, paint, say, table, thousands};
use super::store::{operator, with_store};
use super::{Common, Exit};
use crate::operate::{delivery_json, finding_json, message_json, trace_json};

/// Rows of each kind shown of one message; more would scroll away.
const MAX_SHOWN: usize = 200;

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
    with_store(common, async |_, store| match command {
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
                limit: *limit,
            };
            list(common, store.messages(filter).await?);
            Ok(Exit::Done)
        }
        Command::Show { id } => show(common, &store, *id).await,
        Command::Replay { id, reason } => replay(common, &store, *id, reason).await,
    })
}

fn list(common: &Common, messages: Vec<MessageView>) {
    if common.json {
        messages
            .iter()
            .for_each(|message| say(&message_json(message).to_string()));
        return;
    }
    let rows: Vec<_> = messages.iter().map(list_row).collect();
    say(&table(
        &[
            "MESSAGE", "RECEIVED", "SOURCE", "STATE", "RECORDS", "FINDINGS", "NAME",
        ],
        &rows,
    ));
}

fn list_row(message: &MessageView) -> Vec<String> {
    vec![
        message.id.to_string(),
        format!("{:.19}", message.received.to_string()),
        message.source.clone(),
        message.state.as_str().to_owned(),
        thousands(message.records),
        thousands(message.findings),
        message.name.clone(),
    ]
}

async fn show(common: &Common, store: &Store, id: MessageId) -> Result<Exit, StoreError> {
    let Some(message) = store.message(id).await? else {
        return Ok(not_found(common, id));
    };
    let findings = store.findings(id, MAX_SHOWN).await?;
    let deliveries = store.deliveries_of(id, MAX_SHOWN).await?;
    let trace = store.trace(id, MAX_SHOWN).await?;
    if common.json {
        let mut all = message_json(&message);
        all["findings_list"] = findings.iter().map(finding_json).collect();
        all["deliveries"] = deliveries.iter().map(delivery_json).collect();
        all["trace"] = trace.iter().map(trace_json).collect();
        say(&all.to_string());
        return Ok(Exit::Done);
    }
    describe(&message);
    if !findings.is_empty() {
        say(&format!("\n{}", paint("Findings", Paint::Bold)));
        for finding in &findings {
            say(&format!("  {}", finding_line(&finding_json(finding))));
        }
        if message.findings > findings.len() as u64 {
            say(&format!(
                "  … and {} more",
                thousands(message.findings - findings.len() as u64)
            ));
        }
    }
    if !deliveries.is_empty() {
        say(&format!("\n{}", paint("Deliveries", Paint::Bold)));
        let rows: Vec<_> = deliveries
            .iter()
            .map(|d| {
                let note = d.note.clone().unwrap_or_default();
                vec![
                    d.id.to_string(),
                    d.endpoint.clone(),
                    d.state.as_str().into(),
                    d.attempts.to_string(),
                    d.subject.clone(),
                    note,
                ]
            })
            .collect();
        say(&table(
            &["DELIVERY", "SINK", "STATE", "ATTEMPTS", "SUBJECT", "NOTE"],
            &rows,
        ));
    }
    say(&format!("\n{}", paint("Trace", Paint::Bold)));
    for row in &trace {
        let delivery = row.delivery.map(|id| format!(" {id}")).unwrap_or_default();
        let note = row
            .note
            .as_deref()
            .map(|note| format!(": {note}"))
            .unwrap_or_default();
        say(&format!(
            "  {}  {}{delivery}{note}",
            row.at,
            row.step.as_str()
        ));
    }
    Ok(Exit::Done)
}

fn describe(message: &MessageView) {
    let mut lines = vec![
        ("Message", message.id.to_string()),
        ("State", message.state.as_str().to_owned()),
        ("Name", message.name.clone()),
        (
            "From",
            format!(
                "source `{}` of enterprise `{}`",
                message.source, message.enterprise
            ),
        ),
        ("Received", message.received.to_string()),
        (
            "Content",
            format!(
                "{} bytes, SHA-256 {}",
                thousands(message.size),
                message.content_sha256
            ),
        ),
    ];
    if let Some(key) = &message.business_key {
        lines.push(("Partner's id", key.clone()));
    }
    let records = format!(
        "{} applied, {} rejected",
        thousands(message.applied),
        thousands(message.rejected)
    );
    lines.push((
        "Records",
        format!("{}: {records}", thousands(message.records)),
    ));
    if message.run > 1 {
        lines.push(("Run", message.run.to_string()));
    }
    for (title, text) in lines {
        say(&format!(
            "{} {text}",
            paint(&format!("{title:<13}"), Paint::Bold)
        ));
    }
}

/// A finding on one line, its place first.
pub(crate) fn finding_line(finding: &Value) -> String {
    let place = match (finding["sheet"].as_str(), finding["line"].as_u64()) {
        (Some(sheet), line) => format!("sheet `{sheet}`, row {}", line.unwrap_or_default()),
        (None, Some(line)) if line > 0 => format!("line {line}"),
        _ => format!("byte {}", finding["offset"]),
    };
    let field = finding["field"]
        .as_str()
        .map(|field| format!(" in `{field}`"))
        .unwrap_or_default();
    let text = |key: &str| finding[key].as_str().unwrap_or_default();
    format!("{place}: {}{field}: {}", text("severity"), text("reason"))
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
