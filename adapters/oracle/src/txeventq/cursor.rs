//! How far each partition was taken: the offset of the next record, in the hub's own state.

use std::collections::HashMap;

use hub_core::{StateEntry, StateError, StateStore};
use serde_json::{Value, json};

use super::records::Record;

/// Before topic and partition.
const CURSOR: &str = "next:";
/// Before topic and partition of what was skipped last.
const SKIPPED: &str = "skipped:";

/// A partition of a topic.
pub(crate) type Place = (String, u64);

/// The offsets of the next records, by partition.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Cursors(HashMap<Place, u64>);

fn key(prefix: &str, record: &Record) -> String {
    format!("{prefix}{}/{}", record.topic, record.partition)
}

impl Cursors {
    /// Reads them.
    pub(crate) async fn read(state: &dyn StateStore, space: &str) -> Result<Self, StateError> {
        let mut cursors = HashMap::new();
        let mut after: Option<String> = None;
        loop {
            let listed = state.list(space, CURSOR, after.as_deref()).await?;
            let Some((last, _)) = listed.last() else {
                return Ok(Self(cursors));
            };
            after = Some(last.clone());
            for (key, value) in &listed {
                let place = key.strip_prefix(CURSOR).and_then(|p| p.rsplit_once('/'));
                if let Some((topic, partition)) = place
                    && let (Ok(partition), Ok(next)) = (partition.parse(), value.parse())
                {
                    cursors.insert((topic.to_owned(), partition), next);
                }
            }
        }
    }

    /// What moves the group back to them (or forth); `None` if there are none yet.
    pub(crate) fn positions(&self) -> Option<Value> {
        if self.0.is_empty() {
            return None;
        }
        let offset = |((topic, partition), next): (&Place, &u64)| json!({ "topic": topic, "partition": partition, "offset": next });
        Some(json!({ "offsets": self.0.iter().map(offset).collect::<Vec<_>>() }))
    }

    /// Whether a record was settled before: a server that cannot seek gives it again.
    pub(crate) fn is_past(&self, record: &Record) -> bool {
        let next = self.0.get(&(record.topic.clone(), record.partition));
        next.is_some_and(|next| record.offset < *next)
    }

    /// Those of these places of which nothing was ever taken.
    pub(crate) fn new_of<'p>(
        &self,
        begins: &'p HashMap<Place, u64>,
    ) -> impl Iterator<Item = (&'p Place, &'p u64)> {
        begins
            .iter()
            .filter(|(place, _)| !self.0.contains_key(*place))
    }

    /// Notes where partitions begin of which nothing was taken yet.
    pub(crate) fn begin(&mut self, begins: &HashMap<Place, u64>) {
        for (place, offset) in begins {
            self.0.entry(place.clone()).or_insert(*offset);
        }
    }

    /// Notes where a partition is.
    pub(crate) fn set(&mut self, record: &Record, next: u64) {
        self.0
            .insert((record.topic.clone(), record.partition), next);
    }
}

/// What writes down where a partition is.
pub(crate) fn written(record: &Record, next: u64) -> StateEntry {
    (key(CURSOR, record), Some(next.to_string()))
}

/// What writes down where a partition begins.
pub(crate) fn begun((topic, partition): &Place, offset: u64) -> StateEntry {
    let key = format!("{CURSOR}{topic}/{partition}");
    (key, Some(offset.to_string()))
}

/// What writes down that a record was skipped, and why. Of each partition the last is kept.
pub(crate) fn skipped(record: &Record, reason: &str) -> StateEntry {
    let reason: String = reason.chars().take(1_000).collect();
    let value = json!({ "offset": record.offset, "reason": reason }).to_string();
    (key(SKIPPED, record), Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_core::MemoryState;

    fn record(topic: &str, partition: u64, offset: u64) -> Record {
        Record {
            topic: topic.into(),
            partition,
            offset,
            key: String::new(),
            value: Value::Null,
            headers: Vec::new(),
        }
    }

    #[tokio::test]
    async fn what_is_written_is_read() {
        let state = MemoryState::default();
        assert_eq!(Cursors::read(&state, "s").await.unwrap().positions(), None);
        let record = record("A/B", 3, 41);
        let entries = vec![written(&record, 42), skipped(&record, "not ours")];
        state.put("s", entries).await.unwrap();
        let mut cursors = Cursors::read(&state, "s").await.unwrap();
        let expected = json!({ "offsets": [{ "topic": "A/B", "partition": 3, "offset": 42 }] });
        assert_eq!(cursors.positions(), Some(expected));
        let begins = HashMap::from([(("A/B".to_owned(), 3), 9), (("A/B".to_owned(), 4), 7)]);
        let new: Vec<_> = cursors.new_of(&begins).map(|(place, _)| place.1).collect();
        assert_eq!(new, [4]);
        assert_eq!(begun(&("A/B".to_owned(), 3), 42), written(&record, 42));
        assert!(cursors.is_past(&record));
        cursors.begin(&begins);
        assert!(cursors.is_past(&record), "a begin is no step back");
        cursors.set(&record, 41);
        assert!(!cursors.is_past(&record));
        let kept = state.get("s", "skipped:A/B/3").await.unwrap().unwrap();
        assert!(kept.contains("not ours") && kept.contains("41"));
    }
}
