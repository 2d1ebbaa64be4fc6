//! Applies records to the estate, a chunk at a time.

use std::sync::Arc;

use hub_core::MessageId;
use hub_domain::EventKind;
use hub_model::{EndDeviceEvent, Finding, LocalDay, Place, ReadingBlock, Record};

use super::effect::Effect;
use super::names::ObjectKind;
use super::readings::{MAX_READINGS, Pending, ReadingRecord};
use super::scope::{Event, Outcome, Scope};
use super::subjects::{self, Named, Subjects};
use super::totals::{Total, Totals};
use super::{device_events, devices, usage_points, work_orders};
use crate::StoreError;
use crate::db::Tx;

/// Applies the records of one chunk within one transaction.
///
/// Readings are gathered by series and local day and written by [`Self::finish`], so that a day
/// that comes in many pieces is written once. The outcome is the same for any chunking; only
/// when a version of a corrected day ended can differ. Dropping an applier without finishing it
/// is right only if its transaction is rolled back as well.
#[derive(Debug)]
pub struct Applier {
    scope: Scope,
    subjects: Subjects,
    pending: Pending,
    totals: Totals,
    outcome: Outcome,
    /// Records taken so far.
    records: usize,
}

impl Applier {
    /// An applier for one transaction.
    #[must_use]
    pub fn new(scope: Scope) -> Self {
        Self {
            pending: Pending::new(&scope),
            scope,
            subjects: Subjects::default(),
            totals: Totals::default(),
            outcome: Outcome::default(),
            records: 0,
        }
    }

    /// Takes one record. What is wrong with it becomes a finding.
    ///
    /// # Errors
    /// The database refused; the transaction must be rolled back.
    pub fn apply(
        &mut self,
        tx: &mut dyn Tx,
        place: &Place,
        record: &Record,
    ) -> Result<(), StoreError> {
        let number = self.records;
        self.records += 1;
        let scope = &self.scope;
        let effect = match record {
            Record::Readings(block) => return self.readings(tx, number, place, block),
            Record::EndDeviceEvent(event) => self.device_event(tx, place, event)?,
            Record::WorkOrder(order) => work_orders::apply(tx, scope, place, order)?,
            Record::EndDevice(device) => {
                self.subjects.forget();
                devices::apply(tx, scope, place, device)?
            }
            Record::UsagePoint(usage_point) => {
                self.subjects.forget();
                usage_points::apply(tx, scope, place, usage_point)?
            }
        };
        let rejected: u64 = effect.findings.iter().map(|f| f.rejects).sum();
        self.outcome.applied += record.count().saturating_sub(rejected);
        self.take(number, effect);
        Ok(())
    }

    /// Writes the readings that were gathered and says what came of all records.
    ///
    /// # Errors
    /// The database refused; the transaction must be rolled back.
    pub fn finish(mut self, tx: &mut dyn Tx) -> Result<Outcome, StoreError> {
        for record in self.pending.write(tx, &self.scope)? {
            let outcome = &mut self.outcome;
            outcome.added += record.added;
            outcome.unchanged += record.unchanged;
            outcome.corrected += record.corrected;
            outcome.superseded += record.superseded;
            outcome.applied +=
                record.added + record.unchanged + record.corrected + record.superseded;
            if record.added + record.corrected > 0 {
                outcome.events.push(Event {
                    kind: EventKind::MeterReadingsAccepted,
                    subject: Arc::clone(&record.subject),
                    record: record.record,
                });
            }
            outcome.findings.extend(not_taken(&record));
        }
        self.totals.add(Total::Readings, self.outcome.added);
        self.totals.add(Total::Corrections, self.outcome.corrected);
        self.totals.store(tx, self.scope.enterprise)?;
        self.outcome.events.sort_by_key(|event| event.record);
        Ok(self.outcome)
    }

    fn readings(
        &mut self,
        tx: &mut dyn Tx,
        number: usize,
        place: &Place,
        block: &ReadingBlock,
    ) -> Result<(), StoreError> {
        let readings = block.readings.len() as u64;
        if readings == 0 {
            return Ok(());
        }
        let Some(named) = named(block) else {
            self.outcome
                .findings
                .push(subjects::unnamed(place, readings));
            return Ok(());
        };
        let mut effect = Effect::default();
        let quantity = (&block.reading_type, block.kind);
        let found =
            self.subjects
                .of_readings(tx, &self.scope, place, named, quantity, &mut effect)?;
        self.take(number, effect);
        match found {
            Some((subject, series)) => {
                let series = (&subject.label, series);
                self.pending.add(&self.scope, number, series, place, block);
            }
            None => {
                let finding = subjects::unknown(place, named, readings);
                self.outcome.findings.push(finding);
            }
        }
        Ok(())
    }

    fn device_event(
        &mut self,
        tx: &mut dyn Tx,
        place: &Place,
        event: &EndDeviceEvent,
    ) -> Result<Effect, StoreError> {
        let named = Named {
            kind: ObjectKind::Device,
            object: &event.device,
            usage_point: event.usage_point.as_ref(),
        };
        if event.device.id().is_none() {
            return Ok(Effect::finding(subjects::unnamed(place, 1)));
        }
        let mut effect = Effect::default();
        match self
            .subjects
            .subject(tx, &self.scope, place, named, &mut effect)?
        {
            Some(device) => {
                device_events::apply(tx, &self.scope, place, &device, event, &mut effect)?;
            }
            None => effect.findings.push(subjects::unknown(place, named, 1)),
        }
        Ok(effect)
    }

    fn take(&mut self, record: usize, effect: Effect) {
        for (kind, subject) in effect.events {
            self.outcome.events.push(Event {
                kind,
                subject,
                record,
            });
        }
        self.outcome.findings.extend(effect.findings);
        for total in effect.created {
            self.totals.add(total, 1);
        }
    }
}

/// The meter if it is named, else the usage point.
fn named(block: &ReadingBlock) -> Option<Named<'_>> {
    let meter = block.meter.as_ref().filter(|meter| meter.id().is_some());
    let usage_point = block.usage_point.as_ref().filter(|p| p.id().is_some());
    match (meter, usage_point) {
        (Some(object), usage_point) => Some(Named {
            kind: ObjectKind::Device,
            object,
            usage_point,
        }),
        (None, Some(object)) => Some(Named {
            kind: ObjectKind::UsagePoint,
            object,
            usage_point: None,
        }),
        (None, None) => None,
    }
}

/// Why readings of a record were not taken, each reason once.
fn not_taken(record: &ReadingRecord) -> impl Iterator<Item = Finding> {
    let superseded = record.superseded_by.map(|newer| superseded(record, newer));
    let too_many = (record.rejected > 0).then(|| too_many(record));
    let damaged = record.damaged.map(|day| damaged(record, day));
    superseded.into_iter().chain(too_many).chain(damaged)
}

fn superseded(record: &ReadingRecord, newer: MessageId) -> Finding {
    Finding::warning(
        "superseded",
        record.place.clone(),
        format!(
            "{} readings are other than what message {newer} said, which was accepted later; \
             what it said stays",
            record.superseded
        ),
    )
}

fn too_many(record: &ReadingRecord) -> Finding {
    Finding::error(
        "too_many_readings",
        record.place.clone(),
        format!("more readings of one series and day than {MAX_READINGS}, the most that are kept"),
    )
    .rejecting(record.rejected)
}

fn damaged(record: &ReadingRecord, day: LocalDay) -> Finding {
    Finding::error(
        "damaged_day",
        record.place.clone(),
        format!(
            "what the hub keeps of {} on {day} is damaged, so no readings of that day can be \
             taken; restore the database from a backup, then replay this message",
            record.subject
        ),
    )
    .rejecting(record.unreadable)
}
