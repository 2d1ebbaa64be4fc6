//! `meterhub check`: is the configuration right, and with `--connect`, does every endpoint answer?

mod advice;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join, join_all};
use hub_core::{AdapterContext, Shared};
use serde_json::{Value, json};

use self::advice::advised;
use super::output::{self, Paint, chain, count, paint};
use super::{Common, Exit};
use crate::adapters::adapters;
use crate::config::{self, Config, ConfigErrors};
use crate::formats::formats;
use crate::listener::acceptor;

/// How long an endpoint may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// What the hub itself is called among the endpoints.
const HUB: &str = "hub";

/// Check the configuration.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also try every source and sink over the network, and the hub's own secrets. Nothing is sent or
    /// fetched.
    #[arg(long)]
    connect: bool,
}

/// An endpoint that was tried, or a part of the hub itself.
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
        let (sources, sinks) = join(join_all(sources), join_all(sinks)).await;
        own(config)
            .into_iter()
            .chain(sources)
            .chain(sinks)
            .collect()
    });
    // Threads that still wait for a silent server (SSH) are of no more use.
    runtime.shutdown_background();
    Ok(tried)
}

/// What the hub itself needs to start, where it is configured.
fn own(config: &Config) -> Vec<Tried> {
    let tried = |kind: &str, outcome: Result<(), String>| Tried {
        title: HUB.to_owned(),
        kind: kind.to_owned(),
        problem: outcome.err(),
    };
    let tls = config.hub.tls.as_ref().map(|tls| {
        let acceptor = acceptor(tls, &config.dir);
        tried("tls", acceptor.map(drop).map_err(|error| chain(&error)))
    });
    let token = config.metrics_token().transpose().map(|token| {
        let named = |error| format!("`metrics_token`: {}", chain(&error));
        tried("metrics_token", token.map(drop).map_err(named))
    });
    tls.into_iter().chain(token).collect()
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

/// `valid`, or that endpoints do not answer, or that the hub could not start.
fn verdict(tried: &[Tried]) -> String {
    let (own, endpoints): (Vec<&Tried>, Vec<&Tried>) =
        tried.iter().partition(|tried| tried.title == HUB);
    let is_dead = |tried: &&&Tried| tried.problem.is_some();
    let all = count(endpoints.len() as u64, "endpoint");
    let dead = match endpoints.iter().filter(is_dead).count() {
        0 => None,
        1 => Some(format!("1 of {all} does not answer")),
        dead => Some(format!("{dead} of {all} do not answer")),
    };
    let hub = own.iter().any(|tried| tried.problem.is_some());
    let hub = hub.then(|| "the hub cannot start".to_owned());
    let problems: Vec<String> = hub.into_iter().chain(dead).collect();
    match problems.is_empty() {
        true => paint("valid", Paint::Green),
        false => paint(&problems.join(", "), Paint::Red),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(title: &str, problem: Option<&str>) -> Tried {
        Tried {
            title: title.to_owned(),
            kind: "http".to_owned(),
            problem: problem.map(ToOwned::to_owned),
        }
    }

    #[test]
    fn a_hub_that_cannot_start_is_no_endpoint_that_does_not_answer() {
        let of = |hub, sink| {
            let all = [
                tried(HUB, hub),
                tried("sink `a`", sink),
                tried("sink `b`", None),
            ];
            verdict(&all)
        };
        assert_eq!(of(None, None), "valid");
        assert_eq!(of(Some("no"), None), "the hub cannot start");
        assert_eq!(of(None, Some("no")), "1 of 2 endpoints does not answer");
        let both = of(Some("no"), Some("no"));
        assert_eq!(
            both,
            "the hub cannot start, 1 of 2 endpoints does not answer"
        );
    }
}
