//! Reads routes and checks what they refer to.

mod formats;
mod inbound;
mod outbound;

use std::collections::BTreeMap;

pub(super) use inbound::inbound;
pub(super) use outbound::outbound;

use super::Config;
use super::document::Section;
use super::load::Loader;
use super::problem::Problem;
use super::tables::Word;

/// Checks the sinks of a route: they exist, belong to its enterprise, and none stands twice.
pub(super) fn sinks<'l>(
    loader: &mut Loader<'l>,
    section: &Section<'l>,
    to: &[Word],
    enterprise: &str,
    config: &Config,
) {
    if to.is_empty() {
        let at = section
            .entry("to")
            .map_or(section.span.clone(), |(key, _)| key);
        let message = format!(
            "{}: `to` names no sink, so nothing would be sent",
            section.title()
        );
        loader
            .problems
            .push(Problem::error(section.at(at), message));
    }
    for (index, word) in to.iter().enumerate() {
        let name = word.get_ref();
        if to[..index].iter().any(|earlier| earlier.get_ref() == name) {
            twice(loader, section, "to", word);
            continue;
        }
        loader.refer(section, "sink", word, &loader.sections.sinks);
        let owner = config.sinks.get(name).map(|sink| sink.enterprise.as_str());
        if let Some(owner) = owner.filter(|owner| !enterprise.is_empty() && *owner != enterprise) {
            let message = format!(
                "{}: sink `{name}` belongs to enterprise `{owner}`, not to `{enterprise}`: data never goes from one enterprise to another",
                section.title()
            );
            loader
                .problems
                .push(Problem::error(section.at(word.span()), message));
        }
    }
}

fn twice(loader: &mut Loader<'_>, section: &Section<'_>, key: &str, word: &Word) {
    let message = format!(
        "{}: `{key}` names `{}` twice",
        section.title(),
        word.get_ref()
    );
    loader
        .problems
        .push(Problem::error(section.at(word.span()), message));
}

/// Checks that no source has two inbound routes.
pub(super) fn one_per_source(loader: &mut Loader<'_>) {
    let mut first: BTreeMap<&str, &Section<'_>> = BTreeMap::new();
    for section in loader.sections.inbound.values() {
        let Some(from) = section.table.get("from") else {
            continue;
        };
        let Some(source) = from.get_ref().as_str() else {
            continue;
        };
        match first.get(source) {
            None => {
                first.insert(source, section);
            }
            Some(other) => {
                let message = format!(
                    "{}: source `{source}` already has {}, expected one inbound route per source",
                    section.title(),
                    other.title(),
                );
                loader
                    .problems
                    .push(Problem::error(section.at(from.span()), message));
            }
        }
    }
}
