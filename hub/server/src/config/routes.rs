//! Reads inbound and outbound routes and checks what they refer to.

use std::collections::BTreeMap;
use std::sync::Arc;

use hub_domain::EventKind;
use hub_model::mapping::{Decode, Encode};
use hub_model::{RecordKind, Zone};

use super::document::Section;
use super::load::Loader;
use super::mappings;
use super::problem::{Problem, SourceText};
use super::suggest::{did_you_mean, expected, proposal};
use super::tables::{InboundTable, OutboundTable, Word};
use super::{Config, Filter, Inbound, Outbound, adapter, answers, fields};
use crate::formats::{Format, FormatError, Setup};

/// The format that is none: content is passed on as it is.
const OPAQUE: &str = "opaque";

/// Rejected records beyond which a message is taken for the wrong file.
const MAX_REJECTS: u64 = 10_000;

pub(super) fn inbound<'l>(
    loader: &mut Loader<'l>,
    section: &Section<'l>,
    config: &Config,
) -> Option<Inbound> {
    let table: InboundTable = adapter::plain(section, &mut loader.problems)?;
    let known = loader.refer(section, "source", &table.from, &loader.sections.sources);
    let source = config.sources.get(table.from.get_ref());
    let enterprise = source.map_or("", |source| &source.enterprise);
    let zone = config.zone_of(enterprise);
    let (decoder, decoded_by) = match table.format.get_ref().as_str() {
        OPAQUE => {
            no_mapping(loader, section, &table.format, table.mapping.as_ref());
            // `to = []` says so: what comes is kept and shown, and goes nowhere.
            if !table.to.is_empty() || section.entry("to").is_none() {
                sinks(loader, section, &table.to, enterprise, config);
            }
            (None, Setup::new(zone, None).decoder_fingerprint(OPAQUE))
        }
        _ => {
            to_without_opaque(loader, section, &table);
            decoder(loader, section, &table, zone)
        }
    };
    let max_rejects = max_rejects(loader, section, &table);
    let answer = table
        .answer
        .and_then(|answer| answers::answering(loader, section, answer, enterprise, config));
    (known && source.is_some()).then(|| Inbound {
        name: section.name.clone(),
        from: table.from.into_inner(),
        enterprise: enterprise.to_owned(),
        decoder,
        decoded_by,
        reject: table.reject,
        max_rejects,
        unknown_devices: table.unknown_devices,
        answer,
        to: table.to.into_iter().map(Word::into_inner).collect(),
    })
}

fn max_rejects(loader: &mut Loader<'_>, section: &Section<'_>, table: &InboundTable) -> u64 {
    let Some(limit) = &table.max_rejects else {
        return MAX_REJECTS;
    };
    u64::try_from(*limit.get_ref()).unwrap_or_else(|_| {
        let message = format!(
            "{}: `max_rejects` is negative, expected 0 or more",
            section.title()
        );
        let at = section.at(limit.span());
        loader.problems.push(Problem::error(at, message));
        MAX_REJECTS
    })
}

fn to_without_opaque(loader: &mut Loader<'_>, section: &Section<'_>, table: &InboundTable) {
    if let (false, Some((key, _))) = (table.to.is_empty(), section.entry("to")) {
        let message = format!(
            "{}: `to` is for `format = \"{OPAQUE}\"` only; records are told to others by `[outbound.NAME]`",
            section.title()
        );
        loader
            .problems
            .push(Problem::error(section.at(key), message));
    }
}

pub(super) fn outbound<'l>(
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

/// What reads the messages of a route, `None` with a problem that was reported, and its fingerprint.
fn decoder(
    loader: &mut Loader<'_>,
    section: &Section<'_>,
    table: &InboundTable,
    zone: Zone,
) -> (Option<Arc<dyn Decode>>, i64) {
    let name = &table.format;
    let valid: Vec<&str> = loader.formats.readable().chain([OPAQUE]).collect();
    let Some(format) = format(loader, section, name, &valid) else {
        return (None, 0);
    };
    let Some(mapping) = mapping(loader, section, format, name, table.mapping.as_ref()) else {
        return (None, 0);
    };
    let segments = loader.mappings.segments(&mut loader.problems);
    let setup =
        Setup::new(zone, mapping.as_ref().map(|file| file.text.as_str())).with_segments(&segments);
    let made = format.decoder(&setup).and_then(|made| {
        made.map_err(|error| format_error(loader, section, name, mapping.as_ref(), error))
            .ok()
    });
    (made, setup.decoder_fingerprint(name.get_ref()))
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

fn format<'f>(
    loader: &mut Loader<'f>,
    section: &Section<'_>,
    word: &Word,
    valid: &[&str],
) -> Option<&'f Format> {
    let name = word.get_ref();
    if valid.contains(&name.as_str()) {
        return loader.formats.get(name);
    }
    let how = match (loader.formats.get(name), section.kind) {
        (Some(_), "inbound") => "cannot be read",
        (Some(_), _) => "cannot be written",
        (None, _) => "is unknown",
    };
    let list = expected(valid.iter().copied(), "");
    let message = format!("{}: format `{name}` {how}, {list}", section.title());
    let help = did_you_mean(name, valid.iter().copied());
    loader
        .problems
        .push(Problem::error(section.at(word.span()), message).with_help(help));
    None
}

/// The mapping file of a route; the outer `None` says that a problem was reported.
fn mapping(
    loader: &mut Loader<'_>,
    section: &Section<'_>,
    format: &Format,
    name: &Word,
    mapping: Option<&Word>,
) -> Option<Option<Arc<SourceText>>> {
    match (format.needs_mapping, mapping) {
        (false, word) => {
            no_mapping(loader, section, name, word);
            Some(None)
        }
        (true, Some(word)) => {
            let at = section.at(word.span());
            let title = section.title();
            let file = loader
                .mappings
                .get(&title, word.get_ref(), at, &mut loader.problems)?;
            Some(Some(file))
        }
        (true, None) => {
            let message = format!(
                "{}: format `{}` needs a mapping file, expected `mapping = \"NAME\"` for `mappings/NAME.toml`",
                section.title(),
                name.get_ref()
            );
            loader
                .problems
                .push(Problem::error(section.at(name.span()), message));
            None
        }
    }
}

fn no_mapping(
    loader: &mut Loader<'_>,
    section: &Section<'_>,
    format: &Word,
    mapping: Option<&Word>,
) {
    if let Some(word) = mapping {
        let message = format!(
            "{}: format `{}` takes no mapping file",
            section.title(),
            format.get_ref()
        );
        loader
            .problems
            .push(Problem::error(section.at(word.span()), message));
    }
}

fn format_error(
    loader: &mut Loader<'_>,
    section: &Section<'_>,
    format: &Word,
    mapping: Option<&Arc<SourceText>>,
    error: FormatError,
) {
    let problem = match (&error, mapping) {
        (
            FormatError::Mapping {
                line,
                column,
                reason,
            },
            Some(file),
        ) => Problem::error(
            Some(mappings::place(file, *line, *column)),
            format!("mapping of {}: {reason}", section.title()),
        )
        .with_help(proposal(reason)),
        _ => Problem::error(
            section.at(format.span()),
            format!("{}: {error}", section.title()),
        ),
    };
    // Two routes may use one mapping: its errors are reported once.
    let same = |known: &Problem| known.location == problem.location && mapping.is_some();
    if !loader.problems.iter().any(same) {
        loader.problems.push(problem);
    }
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
