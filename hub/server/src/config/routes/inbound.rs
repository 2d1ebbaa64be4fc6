//! Reads inbound routes: what the messages of a source become.

use std::sync::Arc;

use hub_model::Zone;
use hub_model::mapping::Decode;

use super::formats::{format, format_error, mapping, no_mapping};
use super::sinks;
use crate::config::document::Section;
use crate::config::load::Loader;
use crate::config::problem::Problem;
use crate::config::tables::{InboundTable, Word};
use crate::config::{Config, Inbound, adapter, answers};
use crate::formats::Setup;

/// The format that is none: content is passed on as it is.
const OPAQUE: &str = "opaque";

/// Rejected records beyond which a message is taken for the wrong file.
const MAX_REJECTS: u64 = 10_000;

pub(in crate::config) fn inbound<'l>(
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
