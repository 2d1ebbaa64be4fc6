//! Loads a configuration: files, tables, endpoints, routes, and what they refer to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use hub_core::AdapterRegistry;
use hub_model::Zone;

use super::document::{self, Section, Sections};
use super::mappings::Mappings;
use super::problem::{ConfigErrors, Location, Problem};
use super::suggest::{did_you_mean, expected};
use super::tables::{EnterpriseTable, HubTable, SinkTable, SourceTable, TlsTable, Word};
use super::{
    Config, Enterprise, FallOver, HubConfig, SinkEntry, SourceEntry, TlsListen, fall_over,
};
use super::{adapter, mask, order, overlap, routes};
use crate::formats::Formats;

const DATA_DIR: &str = "data";
const LISTEN: &str = "127.0.0.1:8080";
/// Lanes sent at once to one sink. More costs connections at the partner's end.
const PARALLEL: usize = 8;
const MOST_PARALLEL: i64 = 1_024;

pub(super) fn load(
    dir: &Path,
    registry: &AdapterRegistry,
    formats: &Formats,
) -> Result<Config, ConfigErrors> {
    let mut problems = Vec::new();
    // What the engine does must not depend on the folder it was started in.
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let files = document::read_files(dir, &mut problems);
    let (sections, whole) = document::sections(&files, &mut problems);
    let mut loader = Loader {
        dir: &absolute,
        registry,
        formats,
        sections: &sections,
        problems,
        used: BTreeSet::new(),
        mappings: Mappings::list(&absolute),
        whole,
    };
    let config = loader.config();
    let mut problems = loader.problems;
    mask::secrets(&mut problems);
    problems.sort_by_key(|problem| {
        let place = problem.location.as_ref();
        place.map(|at| (at.file.name.clone(), at.span.start, at.span.end))
    });
    match problems.iter().any(|problem| !problem.warning) {
        true => Err(ConfigErrors(problems)),
        false => Ok(Config {
            warnings: problems,
            ..config
        }),
    }
}

/// A configuration being loaded.
pub(super) struct Loader<'l> {
    pub(super) dir: &'l Path,
    pub(super) registry: &'l AdapterRegistry,
    pub(super) formats: &'l Formats,
    pub(super) sections: &'l Sections<'l>,
    pub(super) problems: Vec<Problem>,
    /// Titles of the tables that others refer to.
    pub(super) used: BTreeSet<String>,
    pub(super) mappings: Mappings,
    /// Whether all files could be parsed.
    whole: bool,
}

impl<'l> Loader<'l> {
    fn config(&mut self) -> Config {
        let sections = self.sections;
        let hub = self.hub(sections.hub.as_ref());
        let enterprises = self.each(&sections.enterprises, Self::enterprise);
        let sources = self.each(&sections.sources, Self::source);
        let sinks = self.each(&sections.sinks, Self::sink);
        let mut config = Config {
            dir: self.dir.to_owned(),
            hub,
            enterprises,
            sources,
            sinks,
            inbound: BTreeMap::new(),
            outbound: BTreeMap::new(),
            warnings: Vec::new(),
        };
        config.inbound = self.each(&sections.inbound, |l, s| routes::inbound(l, s, &config));
        config.outbound = self.each(&sections.outbound, |l, s| routes::outbound(l, s, &config));
        routes::one_per_source(self);
        overlap::file_sources(self);
        fall_over::check(self, &config);
        order::mixed_batches(self, &config);
        // With errors about, what looks unused is often a slip in the name that would use it.
        if self.problems.iter().all(|problem| problem.warning) {
            self.warn_of_unused();
        }
        config
    }

    fn each<T>(
        &mut self,
        sections: &'l BTreeMap<String, Section<'l>>,
        read: impl Fn(&mut Self, &Section<'l>) -> Option<T>,
    ) -> BTreeMap<String, T> {
        let mut all = BTreeMap::new();
        for (name, section) in sections {
            if let Some(entry) = read(self, section) {
                all.insert(name.clone(), entry);
            }
        }
        all
    }

    fn hub(&mut self, section: Option<&Section<'l>>) -> HubConfig {
        let table = section.and_then(|s| adapter::plain::<HubTable>(s, &mut self.problems));
        let (data_dir, listen) = match &table {
            Some(table) => (table.data_dir.as_ref(), table.listen.as_ref()),
            None => (None, None),
        };
        let address = listen.map_or(LISTEN, |word| word.get_ref());
        let at = section.zip(listen).and_then(|(s, word)| s.at(word.span()));
        HubConfig {
            data_dir: self
                .dir
                .join(data_dir.map_or(DATA_DIR, |word| word.get_ref())),
            listen: self.listen(address, at),
            metrics_token: table.as_ref().and_then(|table| table.metrics_token.clone()),
            tls: section
                .zip(table.and_then(|table| table.tls))
                .and_then(|(section, tls)| self.tls(section, tls)),
        }
    }

    fn listen(&mut self, text: &str, at: Option<Location>) -> SocketAddr {
        let address = text.parse::<SocketAddr>();
        match &address {
            Err(_) => self.problems.push(Problem::error(
                at,
                format!("`[hub]`: `listen` is `{text}`, expected an address and a port such as `{LISTEN}` or `[::1]:8080`"),
            )),
            Ok(address) if !address.ip().is_loopback() => self.problems.push(Problem::warning(
                at,
                format!("`[hub]`: `listen = \"{text}\"` can be reached from other machines without TLS: keep it on this machine, and let partners come to `tls.listen`"),
            )),
            Ok(_) => {}
        }
        address.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)))
    }

    fn tls(&mut self, section: &Section<'l>, tls: TlsTable) -> Option<TlsListen> {
        let text = tls.listen.get_ref();
        let Ok(listen) = text.parse() else {
            let message = format!(
                "`[hub]`: `tls.listen` is `{text}`, expected an address and a port such as `0.0.0.0:8443`"
            );
            let at = section.at(tls.listen.span());
            self.problems.push(Problem::error(at, message));
            return None;
        };
        Some(TlsListen {
            listen,
            certificate: tls.certificate,
            client_authorities: tls.client_authorities,
        })
    }

    fn enterprise(&mut self, section: &Section<'l>) -> Option<Enterprise> {
        let table: EnterpriseTable = adapter::plain(section, &mut self.problems)?;
        match Zone::named(table.zone.get_ref()) {
            Ok(zone) => Some(Enterprise {
                name: section.name.clone(),
                zone,
            }),
            Err(error) => {
                let message = format!("{}: {error}", section.title());
                let at = section.at(table.zone.span());
                self.problems.push(Problem::error(at, message));
                None
            }
        }
    }

    fn source(&mut self, section: &Section<'l>) -> Option<SourceEntry> {
        let (table, adapter) =
            adapter::source::<SourceTable>(section, self.registry, &mut self.problems);
        let table = table?;
        let known = self.known_enterprise(section, &table.enterprise);
        let adapter = adapter?;
        known.then(|| SourceEntry {
            name: section.name.clone(),
            enterprise: table.enterprise.into_inner(),
            kind: adapter.kind,
            adapter: adapter.configured,
        })
    }

    fn sink(&mut self, section: &Section<'l>) -> Option<SinkEntry> {
        let (table, adapter) =
            adapter::sink::<SinkTable>(section, self.registry, &mut self.problems);
        let table = table?;
        let known = self.known_enterprise(section, &table.enterprise);
        let parallel = self.parallel(section, &table);
        if let Some(fall_over) = &table.fall_over {
            self.refer(section, "sink", &fall_over.to, &self.sections.sinks);
        }
        let adapter = adapter?;
        known.then(|| SinkEntry {
            name: section.name.clone(),
            enterprise: table.enterprise.into_inner(),
            kind: adapter.kind,
            adapter: adapter.configured,
            retry: table.retry.unwrap_or_default(),
            circuit: table.circuit.unwrap_or_default(),
            rate: table.rate,
            parallel,
            when_parked: table.when_parked,
            fall_over: table.fall_over.map(|fall_over| FallOver {
                to: fall_over.to.into_inner(),
                after_seconds: fall_over.after_seconds,
            }),
        })
    }

    fn parallel(&mut self, section: &Section<'l>, table: &SinkTable) -> usize {
        let Some(parallel) = &table.parallel else {
            return PARALLEL;
        };
        let value = *parallel.get_ref();
        if !(1..=MOST_PARALLEL).contains(&value) {
            let message = format!(
                "{}: `parallel` is {value}, expected 1 to {MOST_PARALLEL}",
                section.title()
            );
            let at = section.at(parallel.span());
            self.problems.push(Problem::error(at, message));
        }
        usize::try_from(value).unwrap_or(PARALLEL)
    }

    /// Checks the name of an enterprise.
    pub(super) fn known_enterprise(&mut self, section: &Section<'l>, word: &Word) -> bool {
        self.refer(section, "enterprise", word, &self.sections.enterprises)
    }

    /// Checks that a word names one of `targets`, and notes that it is used.
    pub(super) fn refer(
        &mut self,
        section: &Section<'l>,
        what: &str,
        word: &Word,
        targets: &BTreeMap<String, Section<'l>>,
    ) -> bool {
        let name = word.get_ref();
        self.used.insert(format!("{what} `{name}`"));
        if targets.contains_key(name) {
            return true;
        }
        if self.whole {
            let valid = || targets.keys().map(String::as_str);
            let none = format!("there is no `[{what}.NAME]` yet");
            let message = format!(
                "{}: unknown {what} `{name}`, {}",
                section.title(),
                expected(valid(), &none)
            );
            let problem = Problem::error(section.at(word.span()), message);
            self.problems
                .push(problem.with_help(did_you_mean(name, valid())));
        }
        false
    }

    fn warn_of_unused(&mut self) {
        let sections = self.sections;
        let warnings = [
            (
                &sections.enterprises,
                "owns nothing: no source, sink or route names it",
            ),
            (
                &sections.sources,
                "has no inbound route: nothing is received from it",
            ),
            (&sections.sinks, "is not used: no route sends to it"),
        ];
        for (sections, message) in warnings {
            for section in sections.values() {
                if !self.used.contains(&section.title()) {
                    let message = format!("{} {message}", section.title());
                    self.problems
                        .push(Problem::warning(section.here(), message));
                }
            }
        }
        self.mappings.unused(&mut self.problems);
    }
}
