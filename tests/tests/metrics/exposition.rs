//! The text format of Prometheus, read strictly: what a scraper would refuse fails here.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::collections::{BTreeMap, BTreeSet};

/// A name with its labels, as they stand: `a_total{b="c"}`.
type Series = String;

/// What a scrape says.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    /// Types by metric name.
    pub(crate) types: BTreeMap<String, String>,
    values: BTreeMap<Series, f64>,
}

impl Exposition {
    /// Reads a scrape.
    ///
    /// # Panics
    /// It is not as the format wants it.
    pub(crate) fn read(text: &str) -> Self {
        let mut read = Self::default();
        let mut helped = BTreeSet::new();
        assert!(text.ends_with('\n'), "the last line ends");
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a help text");
                assert!(!help.is_empty() && helped.insert(name.to_owned()), "{line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a type");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                let again = read.types.insert(name.to_owned(), kind.to_owned());
                assert_eq!(again, None, "{line}");
                assert!(helped.contains(name), "`{name}` is not in the catalog");
            } else {
                read.sample(line);
            }
        }
        read.check_histograms();
        read
    }

    fn sample(&mut self, line: &str) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let value: f64 = value.parse().expect("a number");
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').expect("labels end")),
            None => (series, ""),
        };
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(
            name.starts_with("meterhub_") && name.chars().all(allowed),
            "{line}"
        );
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (key, value) = label.split_once('=').expect("key=value");
            assert!(key.chars().all(allowed), "{line}");
            let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            let value = value.unwrap_or_else(|| panic!("no quotes in {line}"));
            // An id would make a series of its own for each message.
            let is_id = value.len() > 15 && value.bytes().all(|b| b.is_ascii_digit());
            assert!(!is_id, "{line}");
        }
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| name.strip_suffix(end))
            .filter(|base| {
                self.types
                    .get(*base)
                    .is_some_and(|kind| kind == "histogram")
            });
        let kind = self.types.get(base.unwrap_or(name));
        let kind = kind.unwrap_or_else(|| panic!("no type before {line}"));
        assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        assert!(kind == "gauge" || value >= 0.0, "{line}");
        let again = self.values.insert(series.to_owned(), value);
        assert_eq!(again, None, "{line}");
    }

    /// Buckets never shrink, and the last one holds all.
    fn check_histograms(&self) {
        for (series, count) in &self.values {
            let Some((name, labels)) = series.split_once("_count") else {
                continue;
            };
            if self.types.get(name).is_none_or(|kind| kind != "histogram") {
                continue;
            }
            let labels = labels.trim_start_matches('{').trim_end_matches('}');
            let begin = match labels {
                "" => format!("{name}_bucket{{le=\""),
                labels => format!("{name}_bucket{{{labels},le=\""),
            };
            let mut buckets: Vec<(f64, f64)> = self
                .values
                .iter()
                .filter_map(|(series, value)| {
                    let bound = series.strip_prefix(&begin)?.strip_suffix("\"}")?;
                    Some((bound.parse().expect("a bound"), *value))
                })
                .collect();
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(
                buckets.is_sorted_by(|a, b| a.1 <= b.1),
                "{series}: {buckets:?}"
            );
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{series}");
        }
    }

    /// The value of a series; 0 if there is none.
    pub(crate) fn value(&self, series: &str) -> f64 {
        self.values.get(series).copied().unwrap_or_default()
    }

    /// Whether there is a series.
    pub(crate) fn has(&self, series: &str) -> bool {
        self.values.contains_key(series)
    }

    /// Nothing that only counts up went down since.
    pub(crate) fn assert_goes_on_from(&self, earlier: &Self) {
        for (series, before) in &earlier.values {
            let name = series.split('{').next().unwrap_or_default();
            if name.ends_with("_total") || name.ends_with("_count") {
                let now = self.value(series);
                assert!(now >= *before, "{series} went from {before} to {now}");
            }
        }
    }
}

/// The series of an endpoint.
pub(crate) fn of(name: &str, endpoint: &str) -> String {
    format!("{name}{{enterprise=\"north\",endpoint=\"{endpoint}\"}}")
}

/// The same, of those told apart by a further label.
pub(crate) fn by(name: &str, endpoint: &str, key: &str, value: &str) -> String {
    format!("{name}{{enterprise=\"north\",endpoint=\"{endpoint}\",{key}=\"{value}\"}}")
}
