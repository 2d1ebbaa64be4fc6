//! Reads outbound routes: what is told to whom.

use std::sync::Arc;

use hub_domain::EventKind;
use hub_model::mapping::Encode;
use hub_model::{RecordKind, Zone};

use super::formats::{format, format_error, mapping};
use super::{sinks, twice};
use crate::config::document::Section;
use crate::config::load::Loader;
use crate::config::problem::Problem;
use crate::config::suggest::{did_you_mean, expected};
use crate::config::tables::{OutboundTable, Word};
use crate::config::{Config, Filter, Outbound, adapter, fields};
use crate::formats::Setup;

pub(in crate::config) fn outbound<'l>(
    loader: &mut Loader<'l>,
    section: &Section<'l>,
    config: &Config,
) -> Option<Outbound> {
    let table: OutboundTable = adapter::plain(section, &mut loader.problems)?;
    let known = loader.known_enterprise(section, &table.enterprise);
    let on = events(loader, section, &table.on);
    let filter = filter(loader, section, table.filter.as_ref(), &on);
    let zone = config.zone_of(table.enterprise.get_ref());
    let encoder = encoder(loader, section, &table, &zone);
    sinks(
        loader,
        section,
        &table.to,
        table.enterprise.get_ref(),
        config,
    );
    let (encoder, encoded_by) = encoder?;
    writable(loader, section, &table, &on, encoder.as_ref());
    known.then(|| Outbound {
        name: section.name.clone(),
        enterprise: table.enterprise.into_inner(),
        on: on.into_iter().map(|(event, _)| event).collect(),
        filter,
        encoder,
        encoded_by,
        batch: table.batch,
        to: table.to.into_iter().map(Word::into_inner).collect(),
    })
}

fn events<'w>(
    loader: &mut Loader<'_>,
    section: &Section<'_>,
    words: &'w [Word],
) -> Vec<(EventKind, &'w Word)> {
    if let (true, Some((key, _))) = (words.is_empty(), section.entry("on")) {
        let message = format!("{}: `on` is empty, {}", section.title(), event_names());
        loader
            .problems
            .push(Problem::error(section.at(key), message));
    }
    let mut events: Vec<(EventKind, &Word)> = Vec::new();
    for word in words {
        let name = word.get_ref();
        match EventKind::named(name) {
            Some(event) if events.iter().any(|(known, _)| *known == event) => {
                twice(loader, section, "on", word);
            }
            Some(event) => events.push((event, word)),
            None => {
                let message = format!(
                    "{}: unknown event `{name}`, {}",
                    section.title(),
                    event_names()
                );
                let help = did_you_mean(name, EventKind::ALL.iter().map(|e| e.as_str()));
                let problem = Problem::error(section.at(word.span()), message);
                loader.problems.push(problem.with_help(help));
            }
        }
    }
    events
}

fn event_names() -> String {
    expected(EventKind::ALL.iter().map(|event| event.as_str()), "")
}

fn filter(
    loader: &mut Loader<'_>,
    section: &Section<'_>,
    word: Option<&Word>,
    on: &[(EventKind, &Word)],
) -> Option<Filter> {
    let word = word?;
    let at = section.at(word.span());
    let mut kinds: Vec<RecordKind> = on
        .iter()
        .map(|(event, _)| fields::kind_of(*event))
        .collect();
    kinds.dedup();
    // With no valid event that is reported already, and any field may be meant.
    let kinds = match kinds.is_empty() {
        true => &fields::KINDS,
        false => kinds.as_slice(),
    };
    match Filter::compile(word.get_ref(), kinds) {
        Ok(filter) => {
            if let Some(reason) = filter.fails_on_nothing(kinds) {
                let message = format!(
                    "{}: `filter` fails where a record leaves a field out: {reason}",
                    section.title()
                );
                let help =
                    Some("ask first: `record.priority != null && record.priority > 3`".to_owned());
                loader
                    .problems
                    .push(Problem::warning(at, message).with_help(help));
            }
            Some(filter)
        }
        Err(error) => {
            let message = format!("{}: `filter`: {error}", section.title());
            loader
                .problems
                .push(Problem::error(at, message).with_help(error.help));
            None
        }
    }
}

/// What writes the documents of a route, and its fingerprint.
fn encoder(
    loader: &mut Loader<'_>,
    section: &Section<'_>,
    table: &OutboundTable,
    zone: &Zone,
) -> Option<(Arc<dyn Encode>, i64)> {
    let valid: Vec<&str> = loader.formats.writable().collect();
    let format = format(loader, section, &table.format, &valid)?;
    let mapping = mapping(
        loader,
        section,
        format,
        &table.format,
        table.mapping.as_ref(),
    )?;
    let segments = loader.mappings.segments(&mut loader.problems);
    let setup = Setup::new(
        zone.clone(),
        mapping.as_ref().map(|file| file.text.as_str()),
    )
    .with_segments(&segments);
    let made = format.encoder(&setup)?;
    made.map_err(|error| format_error(loader, section, &table.format, mapping.as_ref(), error))
        .ok()
        .map(|encoder| (encoder, setup.encoder_fingerprint(table.format.get_ref())))
}

/// Checks that the format can say what the events are about.
fn writable(
    loader: &mut Loader<'_>,
    section: &Section<'_>,
    table: &OutboundTable,
    on: &[(EventKind, &Word)],
    encoder: &dyn Encode,
) {
    for (event, word) in on {
        let kind = fields::kind_of(*event);
        if !encoder.writes().contains(&kind) {
            let writes = encoder.writes().iter().map(|kind| fields::word(*kind));
            let message = format!(
                "{}: `{}` is about `{}`, which {} cannot write, {}",
                section.title(),
                event.as_str(),
                fields::word(kind),
                described(table),
                expected(writes, "it writes nothing")
            );
            loader
                .problems
                .push(Problem::error(section.at(word.span()), message));
        }
    }
}

fn described(table: &OutboundTable) -> String {
    match &table.mapping {
        Some(mapping) => format!("mapping `{}`", mapping.get_ref()),
        None => format!("format `{}`", table.format.get_ref()),
    }
}
