//! Reads how a route answers its senders.

use std::sync::Arc;

use hub_model::mapping::Answer;

use super::document::Section;
use super::load::Loader;
use super::problem::Problem;
use super::suggest::{did_you_mean, expected};
use super::tables::{AnswerTable, Word};
use super::{Answering, Config, routes};

pub(super) fn answering<'l>(
    loader: &mut Loader<'l>,
    section: &Section<'l>,
    table: AnswerTable,
    enterprise: &str,
    config: &Config,
) -> Option<Answering> {
    let to = std::slice::from_ref(&table.to);
    routes::sinks(loader, section, to, enterprise, config);
    Some(Answering {
        writer: writer(loader, section, &table.format)?,
        to: table.to.into_inner(),
        when: table.when,
    })
}

fn writer(
    loader: &mut Loader<'_>,
    section: &Section<'_>,
    format: &Word,
) -> Option<Arc<dyn Answer>> {
    let name = format.get_ref();
    let found = loader.formats.get(name).and_then(|format| format.answers());
    if found.is_none() {
        let valid = || loader.formats.answering();
        let list = expected(valid(), "");
        let message = format!(
            "{}: format `{name}` has no answers, {list}",
            section.title()
        );
        let help = did_you_mean(name, valid());
        let at = section.at(format.span());
        loader
            .problems
            .push(Problem::error(at, message).with_help(help));
    }
    found
}
