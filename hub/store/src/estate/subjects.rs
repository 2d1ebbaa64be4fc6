//! The devices and usage points that readings and events are about, looked up once per chunk.

use std::sync::Arc;

use hub_model::{EndDevice, Finding, ObjectRef, Place, ReadingKind, ReadingType};
use rustc_hash::FxHashMap;

use super::effect::Effect;
use super::names::{self, ObjectKind};
use super::readings::series::{self, SeriesKey};
use super::scope::{Scope, UnknownPolicy};
use super::{devices, usage_points};
use crate::StoreError;
use crate::db::{Tx, first};

/// What readings or an event are about.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) kind: ObjectKind,
    pub(super) id: i64,
    /// `meter:456`, `usage_point:643...`
    pub(super) label: Arc<str>,
    /// Whether it is a usage point, or linked to one.
    linked: bool,
}

/// What was looked up within one transaction. It dies with the transaction, so a rollback cannot
/// leave anything in it.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    /// By kind and id; `None`: looked for and not known.
    known: [FxHashMap<Box<str>, Option<Subject>>; 2],
    series: FxHashMap<SeriesKey, i64>,
    types: Vec<(ReadingType, i64)>,
}

/// What a record names: a subject, and the usage point beside it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) kind: ObjectKind,
    pub(super) object: &'a ObjectRef,
    pub(super) usage_point: Option<&'a ObjectRef>,
}

impl Subjects {
    /// Forgets what was looked up: a record changed what leads where.
    pub(super) fn forget(&mut self) {
        self.known.iter_mut().for_each(FxHashMap::clear);
    }

    /// The subject and series of readings; `None` if the subject is not known and may not be made.
    pub(super) fn of_readings(
        &mut self,
        tx: &mut dyn Tx,
        scope: &Scope,
        place: &Place,
        named: Named<'_>,
        (reading_type, kind): (&ReadingType, ReadingKind),
        effect: &mut Effect,
    ) -> Result<Option<(Subject, i64)>, StoreError> {
        let type_id = self.type_id(tx, reading_type)?;
        let id = named.object.id().unwrap_or_default();
        if !self.known[named.kind as usize].contains_key(id) {
            self.look_up_both(tx, scope, named.kind, id, (type_id, kind))?;
        }
        let Some(subject) = self.subject(tx, scope, place, named, effect)? else {
            return Ok(None);
        };
        let key = SeriesKey::new(subject.kind, subject.id, type_id, kind);
        let series = match self.series.get(&key) {
            Some(series) => *series,
            None => {
                let series = series::ensure(tx, scope.enterprise, &key, effect)?;
                self.series.insert(key, series);
                series
            }
        };
        Ok(Some((subject, series)))
    }

    /// The subject of a record; `None` if it is not known and may not be made.
    pub(super) fn subject(
        &mut self,
        tx: &mut dyn Tx,
        scope: &Scope,
        place: &Place,
        named: Named<'_>,
        effect: &mut Effect,
    ) -> Result<Option<Subject>, StoreError> {
        let id = named.object.id().unwrap_or_default();
        let subject = match (self.look_up(tx, scope, named)?, scope.unknown) {
            (None, UnknownPolicy::Create) => {
                let subject = create(tx, scope, place, named, effect)?;
                self.forget();
                self.keep(named.kind, id, Some(&subject));
                Some(subject)
            }
            (subject, _) => subject,
        };
        match (subject, named.usage_point) {
            (Some(subject), Some(usage_point)) if !subject.linked => {
                let subject = learn_link(tx, scope, place, subject, usage_point, effect)?;
                self.keep(named.kind, id, Some(&subject));
                Ok(Some(subject))
            }
            (subject, _) => Ok(subject),
        }
    }

    /// The subject by any of its names. Only what its id alone leads to is remembered: another
    /// reference with the same id may carry other names.
    fn look_up(
        &mut self,
        tx: &mut dyn Tx,
        scope: &Scope,
        named: Named<'_>,
    ) -> Result<Option<Subject>, StoreError> {
        let id = named.object.id().unwrap_or_default();
        let only_id = named.object.mrid.is_none() || named.object.names.is_empty();
        match self.known[named.kind as usize].get(id) {
            Some(Some(subject)) => return Ok(Some(subject.clone())),
            Some(None) if only_id => return Ok(None),
            _ => {}
        }
        let found = names::find(tx, scope.enterprise, named.kind, named.object)?;
        let subject = match found {
            None => None,
            Some(found) => {
                let linked = is_linked(tx, scope, named.kind, found.id)?;
                Some(Subject::new(named.kind, found.id, &found.name, linked))
            }
        };
        if only_id {
            self.keep(named.kind, id, subject.as_ref());
        }
        Ok(subject)
    }

    /// The usual case in one statement: the subject by its id, together with its series.
    fn look_up_both(
        &mut self,
        tx: &mut dyn Tx,
        scope: &Scope,
        kind: ObjectKind,
        id: &str,
        (type_id, reading_kind): (i64, ReadingKind),
    ) -> Result<(), StoreError> {
        let sql = match kind {
            ObjectKind::Device => {
                "SELECT d.id, d.usage_point_id, s.id FROM end_device d LEFT JOIN series s \
                 ON s.enterprise_id = d.enterprise_id AND s.subject_kind = 0 \
                 AND s.subject_id = d.id AND s.reading_type = ?3 AND s.kind = ?4 \
                 WHERE d.enterprise_id = ?1 AND d.name = ?2"
            }
            ObjectKind::UsagePoint => {
                "SELECT p.id, p.id, s.id FROM usage_point p LEFT JOIN series s \
                 ON s.enterprise_id = p.enterprise_id AND s.subject_kind = 1 \
                 AND s.subject_id = p.id AND s.reading_type = ?3 AND s.kind = ?4 \
                 WHERE p.enterprise_id = ?1 AND p.name = ?2"
            }
        };
        let params = [
            scope.enterprise.0.into(),
            id.into(),
            type_id.into(),
            series::code(reading_kind).into(),
        ];
        let found = first(tx, sql, &params, |row| {
            Ok((row.int(0)?, row.opt_int(1)?, row.opt_int(2)?))
        })?;
        if let Some((subject_id, link, series)) = found {
            let subject = Subject::new(kind, subject_id, id, link.is_some());
            self.keep(kind, id, Some(&subject));
            if let Some(series) = series {
                let key = SeriesKey::new(kind, subject_id, type_id, reading_kind);
                self.series.insert(key, series);
            }
        }
        Ok(())
    }

    fn keep(&mut self, kind: ObjectKind, id: &str, subject: Option<&Subject>) {
        self.known[kind as usize].insert(id.into(), subject.cloned());
    }

    /// The number of a reading type, given if it is new.
    fn type_id(&mut self, tx: &mut dyn Tx, reading_type: &ReadingType) -> Result<i64, StoreError> {
        if let Some((_, id)) = self.types.iter().find(|(known, _)| known == reading_type) {
            return Ok(*id);
        }
        let id = series::type_id(tx, reading_type)?;
        self.types.push((*reading_type, id));
        Ok(id)
    }
}

impl Subject {
    fn new(kind: ObjectKind, id: i64, name: &str, linked: bool) -> Self {
        Self {
            kind,
            id,
            label: match kind {
                ObjectKind::Device => devices::subject(name),
                ObjectKind::UsagePoint => usage_points::subject(name),
            },
            linked,
        }
    }
}

/// Why records of a subject that is not known were not taken.
pub(super) fn unknown(place: &Place, named: Named<'_>, records: u64) -> Finding {
    let (field, what) = match named.kind {
        ObjectKind::Device => ("meter", "device"),
        ObjectKind::UsagePoint => ("usage_point", "usage point"),
    };
    let id = named.object.id().unwrap_or_default();
    Finding::error(
        "unknown_device",
        place.clone(),
        format!("{what} `{id}` is not known to this enterprise; send its master data first"),
    )
    .in_field(field)
    .rejecting(records)
}

/// Why records that name no subject were not taken.
pub(super) fn unnamed(place: &Place, records: u64) -> Finding {
    Finding::error(
        "missing_id",
        place.clone(),
        "names neither a meter nor a usage point, expected the id of one of them",
    )
    .rejecting(records)
}

fn create(
    tx: &mut dyn Tx,
    scope: &Scope,
    place: &Place,
    named: Named<'_>,
    effect: &mut Effect,
) -> Result<Subject, StoreError> {
    let found = match named.kind {
        ObjectKind::Device => {
            let device = EndDevice {
                id: named.object.clone(),
                ..EndDevice::default()
            };
            devices::create(tx, scope, place, &device, None, effect)?
        }
        ObjectKind::UsagePoint => usage_points::create(tx, scope, place, named.object, effect)?,
    };
    let linked = named.kind == ObjectKind::UsagePoint;
    Ok(Subject::new(named.kind, found.id, &found.name, linked))
}

/// Links a device to the usage point named beside it. One that is not known is left alone unless
/// it may be made: the record is about the device.
fn learn_link(
    tx: &mut dyn Tx,
    scope: &Scope,
    place: &Place,
    mut subject: Subject,
    usage_point: &ObjectRef,
    effect: &mut Effect,
) -> Result<Subject, StoreError> {
    let known = names::find(tx, scope.enterprise, ObjectKind::UsagePoint, usage_point)?;
    let found = match (known, scope.unknown) {
        (None, UnknownPolicy::Create) if usage_point.id().is_some() => {
            Some(usage_points::create(tx, scope, place, usage_point, effect)?)
        }
        (known, _) => known,
    };
    if let Some(found) = found {
        devices::link(tx, scope.enterprise, subject.id, found.id)?;
        subject.linked = true;
    }
    Ok(subject)
}

fn is_linked(
    tx: &mut dyn Tx,
    scope: &Scope,
    kind: ObjectKind,
    id: i64,
) -> Result<bool, StoreError> {
    if kind == ObjectKind::UsagePoint {
        return Ok(true);
    }
    let link = first(
        tx,
        "SELECT usage_point_id FROM end_device WHERE enterprise_id = ?1 AND id = ?2",
        &[scope.enterprise.0.into(), id.into()],
        |row| row.opt_int(0),
    )?;
    Ok(link.flatten().is_some())
}
