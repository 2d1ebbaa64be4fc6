//! Finds sinks where what is told about one business object may come out of order.

use super::load::Loader;
use super::problem::Problem;
use super::{Batch, Config};

/// Warns of sinks that get whole documents and documents about one object each: those go in lanes
/// of their own, so that one may overtake the other.
pub(super) fn mixed_batches(loader: &mut Loader<'_>, config: &Config) {
    for sink in config.sinks.keys() {
        let fed_by = |batch: Batch| {
            config
                .outbound
                .values()
                .find(|route| route.batch == batch && route.to.contains(sink))
        };
        let (Some(whole), Some(single)) = (fed_by(Batch::Message), fed_by(Batch::Record)) else {
            continue;
        };
        let Some(section) = loader.sections.outbound.get(&single.name) else {
            continue;
        };
        let message = format!(
            "{}: sink `{sink}` also gets whole documents, from outbound `{}`: what one tells about an object may overtake what the other tells",
            section.title(),
            whole.name,
        );
        let help = "use the same `batch` in both, or a sink for each".to_owned();
        let at = match section.entry("batch") {
            Some((key, _)) => section.at(key),
            None => section.here(),
        };
        loader
            .problems
            .push(Problem::warning(at, message).with_help(Some(help)));
    }
}
