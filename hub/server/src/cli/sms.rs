//! `meterhub sms`: who wants no texts, and how many were sent at what cost.

use adapter_sms::count::{self, Counted};
use adapter_sms::opt_out::{self, OptOutError, OptedOut};
use hub_core::StateStore;
use hub_store::EndpointState;
use serde_json::json;

use super::output::{say, table};
use super::store::{operator, unknown, with_store};
use super::{Common, Exit, output};
use crate::config::Config;

/// What to do about texts.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Look at the list of those who want no texts, and change it.
    #[command(subcommand)]
    OptOut(OptOut),
    /// How many parts were sent, and what they cost, day by day.
    Count {
        /// Of this enterprise; may be left out where there is one only.
        #[arg(long)]
        enterprise: Option<String>,
        /// Month by month.
        #[arg(long)]
        months: bool,
    },
}

/// What to do with the list of those who want no texts.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum OptOut {
    /// List them, by number.
    List {
        /// Of this enterprise; may be left out where there is one only.
        #[arg(long)]
        enterprise: Option<String>,
    },
    /// Put a number on the list: no texts go there any more.
    Add {
        /// The number.
        number: String,
        /// Of this enterprise; may be left out where there is one only.
        #[arg(long)]
        enterprise: Option<String>,
        /// Why; it is kept with the number.
        #[arg(long)]
        reason: String,
    },
    /// Take a number off the list.
    Remove {
        /// The number.
        number: String,
        /// Of this enterprise; may be left out where there is one only.
        #[arg(long)]
        enterprise: Option<String>,
    },
}

impl Command {
    fn enterprise(&self) -> Option<&String> {
        match self {
            Self::Count { enterprise, .. }
            | Self::OptOut(
                OptOut::List { enterprise }
                | OptOut::Add { enterprise, .. }
                | OptOut::Remove { enterprise, .. },
            ) => enterprise.as_ref(),
        }
    }
}

/// Runs the command.
pub(crate) fn run(command: &Command, common: &Common) -> Exit {
    with_store(common, async |config, store| {
        let enterprise = match enterprise(command.enterprise(), &config) {
            Ok(enterprise) => enterprise,
            Err(problem) => return Ok(output::fail(common, Exit::Usage, &problem)),
        };
        let state = EndpointState::of(store.db(), &enterprise);
        let done = match command {
            Command::Count { months, .. } => counted(common, &state, *months).await,
            Command::OptOut(OptOut::List { .. }) => list(common, &state).await,
            Command::OptOut(OptOut::Add { number, reason, .. }) => {
                let now = store.clock().now();
                let added = opt_out::add(&state, number, &operator(reason), now).await;
                added.map(|is_new| changed(common, number, is_new, "on the list"))
            }
            Command::OptOut(OptOut::Remove { number, .. }) => {
                let removed = opt_out::remove(&state, number).await;
                removed.map(|was_there| changed(common, number, was_there, "off the list"))
            }
        };
        Ok(done.unwrap_or_else(|error| {
            let exit = match error {
                OptOutError::NoNumber(_) => Exit::Usage,
                OptOutError::State(_) => Exit::Failed,
            };
            output::fail(common, exit, &error.to_string())
        }))
    })
}

/// The enterprise that is meant.
fn enterprise(named: Option<&String>, config: &Config) -> Result<String, String> {
    let mut names = config.enterprises.keys();
    if let Some(problem) = unknown("enterprise", named, names.clone()) {
        return Err(problem);
    }
    match (named, names.next(), names.next()) {
        (Some(name), ..) | (None, Some(name), None) => Ok(name.clone()),
        _ => {
            let all: Vec<_> = config.enterprises.keys().map(String::as_str).collect();
            Err(format!(
                "`--enterprise` is missing, expected one of {}",
                all.join(", ")
            ))
        }
    }
}

fn changed(common: &Common, number: &str, is_changed: bool, word: &str) -> Exit {
    if common.json {
        say(&json!({ "number": number, "is": word, "changed": is_changed }).to_string());
    } else {
        let was = if is_changed { "now" } else { "already" };
        say(&format!("{number} is {was} {word}"));
    }
    Exit::Done
}

async fn list(common: &Common, state: &dyn StateStore) -> Result<Exit, OptOutError> {
    let mut rows = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = opt_out::list(state, after.as_deref()).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.number.clone());
        rows.extend(page.into_iter().map(|OptedOut { number, since, by }| {
            if common.json {
                say(&json!({ "number": number, "since": since, "by": by }).to_string());
            }
            vec![number, since, by]
        }));
    }
    show(
        common,
        &["NUMBER", "SINCE", "BY"],
        &rows,
        "nobody opted out",
    );
    Ok(Exit::Done)
}

async fn counted(
    common: &Common,
    state: &dyn StateStore,
    months: bool,
) -> Result<Exit, OptOutError> {
    let counted = count::list(state, months).await?;
    let row = |counted: Counted| {
        let cost = counted
            .cost
            .iter()
            .map(|(currency, amount)| format!("{amount} {currency}"));
        let cost: Vec<String> = cost.collect();
        if common.json {
            let parts = counted.parts;
            say(&json!({ "period": counted.period, "parts": parts, "cost": cost }).to_string());
        }
        vec![counted.period, counted.parts.to_string(), cost.join(", ")]
    };
    let rows: Vec<_> = counted.into_iter().map(row).collect();
    let period = if months { "MONTH" } else { "DAY" };
    show(
        common,
        &[period, "PARTS", "COST"],
        &rows,
        "no text was sent",
    );
    Ok(Exit::Done)
}

/// A table for people; for programs each row was printed already.
fn show(common: &Common, head: &[&str], rows: &[Vec<String>], none: &str) {
    match (common.json, rows.is_empty()) {
        (true, _) => {}
        (false, true) => say(none),
        (false, false) => say(&table(head, rows)),
    }
}
