//! `meterhub check`: is the configuration right, and with `--connect`, does every endpoint answer?

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join, join_all};
use hub_core::{AdapterContext, Shared};
use serde_json::{Value, json};

use super::output::{self, Paint, count, paint};
use super::{Common, Exit};
use crate::adapters::adapters;
use crate::config::{self, Config, ConfigErrors};
use crate::formats::formats;

/// How long an endpoint may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Check the configuration.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also try every source and sink over the network. Nothing is sent or fetched.
    #[arg(long)]
    connect: bool,
}

/// An endpoint that was tried.
struct Tried {
    title: String,
    kind: String,
    problem: Option<String>,
}

/// Checks it.
pub(crate) fn run(args: &Args, common: &Common) -> Exit {
    let config = match Config::load(&common.config, &adapters(), &formats()) {
        Ok(config) => config,
        Err(errors) => return invalid(common, &errors),
    };
    let tried = match args.connect.then(|| try_all(&config)).transpose() {
        Ok(tried) => tried,
        Err(error) => return output::fail(common, Exit::Failed, &error.to_string()),
    };
    match common.json {
        true => output::say(&as_json(&config, tried.as_deref()).to_string()),
        false => as_text(common, &config, tried.as_deref()),
    }
    let all_answer = tried.iter().flatten().all(|tried| tried.problem.is_none());
    if all_answer {
        Exit::Done
    } else {
        Exit::Findings
    }
}

/// For programs the report is the result, for people it is a complaint.
fn invalid(common: &Common, errors: &ConfigErrors) -> Exit {
    if !common.json {
        return output::invalid(common, errors, Exit::Findings);
    }
    let mut json = config::to_json(&errors.0);
    json["valid"] = false.into();
    output::say(&json.to_string());
    Exit::Findings
}

fn try_all(config: &Config) -> std::io::Result<Vec<Tried>> {
    let runtime = tokio::runtime::Runtime::new()?;
    let shared = Shared::default();
    let context = |name: &str, enterprise: &str| AdapterContext {
        shared: shared.clone(),
        ..AdapterContext::alone(name, enterprise, &config.dir)
    };
    let sources = config.sources.values().map(|source| {
        let (source, context) = (source.clone(), context(&source.name, &source.enterprise));
        tried(
            format!("source `{}`", source.name),
            source.kind.clone(),
            async move {
                source
                    .adapter
                    .check(&context)
                    .await
                    .map_err(|error| chain(&error))
            },
        )
    });
    let sinks = config.sinks.values().map(|sink| {
        let (sink, context) = (sink.clone(), context(&sink.name, &sink.enterprise));
        tried(
            format!("sink `{}`", sink.name),
            sink.kind.clone(),
            async move {
                sink.adapter
                    .check(&context)
                    .await
                    .map_err(|error| chain(&error))
            },
        )
    });
    let tried = runtime.block_on(async {
        let (mut sources, sinks) = join(join_all(sources), join_all(sinks)).await;
        sources.extend(sinks);
        sources
    });
    // Threads that still wait for a silent server (SSH) are of no more use.
    runtime.shutdown_background();
    Ok(tried)
}

async fn tried(
    title: String,
    kind: String,
    check: impl Future<Output = Result<(), String>>,
) -> Tried {
    let problem = match tokio::time::timeout(CONNECT_TIMEOUT, check).await {
        Ok(outcome) => outcome.err().map(advised),
        Err(_) => Some(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())),
    };
    Tried {
        title,
        kind,
        problem,
    }
}

/// With what to do about it, where the words are those of a library for all its users.
fn advised(problem: String) -> String {
    let advice = if problem.contains("UnknownIssuer") {
        "no authority that is trusted has signed the server's certificate; if that is right, name it in `ca_certificates`"
    } else if problem.contains("NotValidForName") {
        "the server's certificate is for another name; use the name that it is for"
    } else if problem.contains("Expired") && problem.contains("certificate") {
        "the server's certificate is out of date, or this machine's clock is wrong"
    } else if problem.contains("Connection refused") {
        "nothing listens there; is it the right port?"
    } else {
        return problem;
    };
    format!("{problem}; {advice}")
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn as_json(config: &Config, tried: Option<&[Tried]>) -> Value {
    let mut json = config::to_json(&config.warnings);
    json["valid"] = true.into();
    json["parts"] = parts(config)
        .into_iter()
        .collect::<BTreeMap<_, _>>()
        .into_iter()
        .collect();
    if let Some(tried) = tried {
        let row = |tried: &Tried| json!({ "name": tried.title, "kind": tried.kind, "ok": tried.problem.is_none(), "problem": tried.problem });
        json["endpoints"] = tried.iter().map(row).collect();
    }
    json
}

fn parts(config: &Config) -> [(&'static str, usize); 4] {
    [
        ("enterprise", config.enterprises.len()),
        ("source", config.sources.len()),
        ("sink", config.sinks.len()),
        ("route", config.inbound.len() + config.outbound.len()),
    ]
}

fn as_text(common: &Common, config: &Config, tried: Option<&[Tried]>) {
    output::problems(&config.warnings);
    if let Some(tried) = tried {
        show(tried);
    }
    let mut summary: Vec<String> = parts(config)
        .iter()
        .map(|(part, number)| count(*number as u64, part))
        .collect();
    if !config.warnings.is_empty() {
        summary.push(count(config.warnings.len() as u64, "warning"));
    }
    let verdict = verdict(tried.unwrap_or_default());
    let dir = common.config.display();
    output::say(&format!("{dir}: {verdict}, {}", summary.join(", ")));
}

/// `valid`, or that endpoints do not answer.
fn verdict(tried: &[Tried]) -> String {
    let dead = tried.iter().filter(|tried| tried.problem.is_some()).count();
    let all = count(tried.len() as u64, "endpoint");
    match dead {
        0 => paint("valid", Paint::Green),
        1 => paint(&format!("1 of {all} does not answer"), Paint::Red),
        dead => paint(&format!("{dead} of {all} do not answer"), Paint::Red),
    }
}

/// A line for each endpoint, and below it what is wrong: a column would leave no room for it.
fn show(tried: &[Tried]) {
    let rows: Vec<Vec<String>> = tried.iter().map(row).collect();
    let table = output::table(&["ENDPOINT", "KIND", "STATE"], &rows);
    let mut lines = table.lines();
    lines.next().into_iter().for_each(output::say);
    for (line, tried) in lines.zip(tried) {
        output::say(line);
        if let Some(problem) = &tried.problem {
            let problem = output::hanging("    ", problem, output::line_width());
            output::say(&paint(&problem, Paint::Red));
        }
    }
}

fn row(tried: &Tried) -> Vec<String> {
    let state = match &tried.problem {
        None => paint("ok", Paint::Green),
        Some(_) => paint("failed", Paint::Red),
    };
    vec![tried.title.clone(), tried.kind.clone(), state]
}
