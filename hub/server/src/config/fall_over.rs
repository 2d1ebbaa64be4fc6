//! Checks where deliveries go that their sinks do not take.

use std::collections::BTreeSet;

use super::load::Loader;
use super::problem::Problem;
use super::{Config, SinkEntry};

/// A delivery falls over to a sink of its own enterprise, and never back to where it was.
pub(super) fn check(loader: &mut Loader<'_>, config: &Config) {
    let sections = loader.sections;
    for sink in config.sinks.values() {
        let wrong = of_another(sink, config).or_else(|| comes_back(sink, config));
        let (Some(reason), Some(section)) = (wrong, sections.sinks.get(&sink.name)) else {
            continue;
        };
        let at = section.entry("fall_over").map(|(key, _)| key);
        let at = section.at(at.unwrap_or_else(|| section.span.clone()));
        let message = format!("{}: `fall_over` {reason}", section.title());
        loader.problems.push(Problem::error(at, message));
    }
}

fn of_another(sink: &SinkEntry, config: &Config) -> Option<String> {
    let next = next(sink, config)?;
    (next.enterprise != sink.enterprise).then(|| {
        format!(
            "goes to sink `{}` of enterprise `{}`, not of `{}`: data never goes from one enterprise to another",
            next.name, next.enterprise, sink.enterprise
        )
    })
}

fn comes_back(sink: &SinkEntry, config: &Config) -> Option<String> {
    let mut seen = BTreeSet::new();
    let mut at = sink;
    while seen.insert(&at.name) {
        at = next(at, config)?;
    }
    let way = seen.into_iter().map(String::as_str).collect::<Vec<_>>();
    Some(format!(
        "goes in a circle over {}: name a sink at last that has none",
        way.join(", ")
    ))
}

fn next<'c>(sink: &SinkEntry, config: &'c Config) -> Option<&'c SinkEntry> {
    config.sinks.get(&sink.fall_over.as_ref()?.to)
}
