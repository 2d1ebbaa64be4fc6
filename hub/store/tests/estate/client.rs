//! A store of its own for each test, and a client whose records are applied to it.

use std::sync::atomic::{AtomicI64, Ordering};

use hub_core::MessageId;
use hub_model::{Decimal, Instant, LocalDay, Place, Record, Zone};
use hub_store::db::Db;
use hub_store::estate::readings::{self, ReadingsQuery, Series, StoredDay, SubjectId};
use hub_store::estate::{
    Applier, EnterpriseId, EstateCounts, Outcome, Scope, UnknownPolicy, enterprise, estate_counts,
};
use hub_store::sqlite::{Sqlite, SqliteOptions};

/// A database in a folder of its own.
pub(crate) struct Store {
    pub(crate) db: Db,
    _folder: tempfile::TempDir,
}

impl Store {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.db");
        let db = Db::new(Sqlite::open(&path, SqliteOptions::default()).unwrap());
        Self {
            db,
            _folder: folder,
        }
    }

    /// A client of this name in a zone. Unknown things become findings.
    pub(crate) async fn client(&self, name: &str, zone: &str) -> Client {
        let zone = Zone::named(zone).unwrap();
        let (name, made) = (name.to_owned(), zone.clone());
        let enterprise = self
            .db
            .write(move |tx| enterprise::ensure(tx, &name, &made))
            .await
            .unwrap();
        Client {
            db: self.db.clone(),
            enterprise: enterprise.id,
            zone,
            unknown: UnknownPolicy::Finding,
            message: AtomicI64::new(1),
        }
    }
}

/// An enterprise that sends messages.
pub(crate) struct Client {
    pub(crate) db: Db,
    pub(crate) enterprise: EnterpriseId,
    pub(crate) zone: Zone,
    pub(crate) unknown: UnknownPolicy,
    message: AtomicI64,
}

impl Client {
    pub(crate) fn creating(mut self) -> Self {
        self.unknown = UnknownPolicy::Create;
        self
    }

    /// Applies a message of these records, one a line, as one chunk.
    pub(crate) async fn send(&self, records: Vec<Record>) -> Outcome {
        let message = self.message.fetch_add(1, Ordering::SeqCst);
        self.apply(MessageId(message), records).await
    }

    /// Applies a chunk and holds it against the conservation law.
    pub(crate) async fn apply(&self, message_id: MessageId, records: Vec<Record>) -> Outcome {
        self.apply_from(message_id, 1, records).await
    }

    /// The same for a chunk that begins at this line of its message.
    pub(crate) async fn apply_from(
        &self,
        message_id: MessageId,
        first_line: u64,
        records: Vec<Record>,
    ) -> Outcome {
        let expected: u64 = records.iter().map(Record::count).sum();
        let scope = self.scope(message_id);
        let outcome = self
            .db
            .write(move |tx| {
                let mut applier = Applier::new(scope.clone());
                for (line, record) in (first_line..).zip(&records) {
                    applier.apply(tx, &Place::at(100 * line, line), record)?;
                }
                applier.finish(tx)
            })
            .await
            .unwrap();
        let rejected: u64 = outcome.findings.iter().map(|f| f.rejects).sum();
        assert_eq!(outcome.applied + rejected, expected, "{outcome:?}");
        outcome
    }

    pub(crate) fn scope(&self, message_id: MessageId) -> Scope {
        Scope {
            enterprise: self.enterprise,
            zone: self.zone.clone(),
            message_id,
            now: Instant::from_seconds(1_800_000_000 + message_id.0),
            unknown: self.unknown,
        }
    }

    /// All stored days of a meter within its intervals of the local days `from..=to`.
    pub(crate) async fn days(
        &self,
        meter: &str,
        from: LocalDay,
        to: LocalDay,
    ) -> Vec<(Series, StoredDay)> {
        let (enterprise, meter) = (self.enterprise, meter.to_owned());
        let (after, until) = (self.zone.bounds(from).0, self.zone.bounds(to).1);
        self.db
            .read(move |tx| {
                let mut found = Vec::new();
                let query = ReadingsQuery {
                    enterprise,
                    subject: SubjectId::Device(&meter),
                    reading_type: None,
                    after,
                    until,
                };
                readings::readings(tx, &query, &mut |series, day| {
                    found.push((*series, day));
                    Ok(())
                })?;
                Ok(found)
            })
            .await
            .unwrap()
    }

    /// The values of a meter's day in order.
    pub(crate) async fn values(&self, meter: &str, day: LocalDay) -> Vec<Option<Decimal>> {
        let days = self.days(meter, day, day).await;
        let readings = days.iter().flat_map(|(_, day)| &day.block.readings);
        readings.map(|reading| reading.value).collect()
    }

    pub(crate) async fn counts(&self) -> EstateCounts {
        let enterprise = self.enterprise;
        self.db
            .read(move |tx| estate_counts(tx, enterprise))
            .await
            .unwrap()
    }
}

/// Kinds and subjects of the events, in order.
pub(crate) fn events(outcome: &Outcome) -> Vec<(&'static str, &str)> {
    let words = outcome.events.iter();
    words.map(|e| (e.kind.as_str(), &*e.subject)).collect()
}

/// Codes of the findings with what they reject, in order.
pub(crate) fn findings(outcome: &Outcome) -> Vec<(&'static str, u64)> {
    let findings = outcome.findings.iter();
    findings.map(|f| (f.code, f.rejects)).collect()
}
