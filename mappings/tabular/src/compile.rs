//! From a mapping file to its plan: checks what single keys cannot know, and gives columns slots.

use std::collections::BTreeMap;

use hub_model::ReadingType;
use toml::Spanned;

use crate::RepeatedHour;
use crate::field::{Field, FieldKeys};
use crate::file::{MappingFile, RecordName};
use crate::grid::WidePlan;
use crate::mapping::{Plan, ReadingsPlan, Slot};
use crate::setting::ColumnRef;
use crate::source::{Class, Lookup, Origin, Source};
use crate::tables::{Attributes, ReadingsTable, Stamp, Wide};

/// Byte of the file, and what is wrong there.
type Fault = (usize, String);

/// Compiles a file.
pub(crate) fn compile(file: &MappingFile) -> Result<Plan, Fault> {
    check_tables(file)?;
    let mut compiler = Compiler {
        file,
        plan: Plan::default(),
    };
    match file.record.get_ref() {
        RecordName::Readings => compiler.readings(required_table(file, file.readings.as_ref())?)?,
        RecordName::WorkOrder => {
            let table = required_table(file, file.work_order.as_ref())?;
            compiler.simple(
                table.span().start,
                table.get_ref().fields(),
                Some(&table.get_ref().attributes),
                &["number"],
            )?;
        }
        RecordName::EndDevice => {
            let table = required_table(file, file.end_device.as_ref())?;
            compiler.simple(
                table.span().start,
                table.get_ref().fields(),
                Some(&table.get_ref().attributes),
                &["id"],
            )?;
        }
        RecordName::UsagePoint => {
            let table = required_table(file, file.usage_point.as_ref())?;
            compiler.simple(table.span().start, table.get_ref().fields(), None, &["id"])?;
        }
        RecordName::EndDeviceEvent => {
            let table = required_table(file, file.end_device_event.as_ref())?;
            let needed = ["device", "event_type", "at"];
            compiler.simple(
                table.span().start,
                table.get_ref().fields(),
                Some(&table.get_ref().attributes),
                &needed,
            )?;
        }
    }
    Ok(compiler.plan)
}

/// Only the table of the record may be there.
fn check_tables(file: &MappingFile) -> Result<(), Fault> {
    let tables = [
        (
            RecordName::Readings,
            file.readings.as_ref().map(Spanned::span),
        ),
        (
            RecordName::WorkOrder,
            file.work_order.as_ref().map(Spanned::span),
        ),
        (
            RecordName::EndDevice,
            file.end_device.as_ref().map(Spanned::span),
        ),
        (
            RecordName::UsagePoint,
            file.usage_point.as_ref().map(Spanned::span),
        ),
        (
            RecordName::EndDeviceEvent,
            file.end_device_event.as_ref().map(Spanned::span),
        ),
    ];
    let record = *file.record.get_ref();
    for (name, span) in tables {
        if let (true, Some(span)) = (name != record, span) {
            let reason = format!(
                "table `[{}]` does not belong here: the file says record = \"{}\"",
                name.as_str(),
                record.as_str()
            );
            return Err((span.start, reason));
        }
    }
    Ok(())
}

fn required_table<'f, T>(
    file: &MappingFile,
    table: Option<&'f Spanned<T>>,
) -> Result<&'f Spanned<T>, Fault> {
    let name = file.record.get_ref().as_str();
    table.ok_or_else(|| {
        (
            file.record.span().start,
            format!("record = \"{name}\" needs a table `[{name}]` with its fields"),
        )
    })
}

struct Compiler<'f> {
    file: &'f MappingFile,
    plan: Plan,
}

type Fields<'f> = Vec<(&'static str, Class, &'f Spanned<Field>)>;

impl Compiler<'_> {
    fn simple(
        &mut self,
        at: usize,
        fields: Fields<'_>,
        attributes: Option<&Attributes>,
        needed: &[&str],
    ) -> Result<(), Fault> {
        self.need(at, &fields, needed)?;
        for (name, class, field) in fields {
            let source = self.source(name, class, field, needed.contains(&name))?;
            self.plan.fields.push(source);
        }
        self.attributes(attributes)
    }

    fn attributes(&mut self, attributes: Option<&Attributes>) -> Result<(), Fault> {
        let none = BTreeMap::new();
        for (name, field) in attributes.map_or(&none, |attributes| &attributes.0) {
            let source = self.source("attributes", Class::Text, field, false)?;
            self.plan.attributes.push((name.clone(), source));
        }
        Ok(())
    }

    fn need(&self, at: usize, fields: &Fields<'_>, needed: &[&str]) -> Result<(), Fault> {
        let has = |name: &str| fields.iter().any(|(field, ..)| *field == name);
        match needed.iter().find(|name| !has(name)) {
            None => Ok(()),
            Some(name) => Err((
                at,
                format!(
                    "record = \"{}\" needs `{name}`",
                    self.file.record.get_ref().as_str()
                ),
            )),
        }
    }

    fn readings(&mut self, table: &Spanned<ReadingsTable>) -> Result<(), Fault> {
        let (at, table) = (table.span().start, table.get_ref());
        let fields = table.fields();
        let needed: &[&str] = if table.wide.is_some() {
            &["reading_type", "day"]
        } else {
            &["reading_type", "at", "value"]
        };
        self.need(at, &fields, needed)?;
        if table.meter.is_none() && table.usage_point.is_none() {
            return Err((
                at,
                "record = \"readings\" needs `meter` or `usage_point`".to_owned(),
            ));
        }
        let unfit: &[&str] = if table.wide.is_some() {
            &["at", "value"]
        } else {
            &["day"]
        };
        let subjects =
            usize::from(table.meter.is_some()) + usize::from(table.usage_point.is_some());
        for (name, class, field) in fields {
            if unfit.contains(&name) {
                let reason = format!(
                    "`{name}` is only for rows {}",
                    if name == "day" {
                        "of a whole day (`wide`)"
                    } else {
                        "of one reading, without `wide`"
                    }
                );
                return Err((field.span().start, reason));
            }
            // What identifies a series must be there; an empty value has its own rule.
            let required = match name {
                "reading_type" | "at" | "day" => true,
                "meter" | "usage_point" => subjects == 1,
                _ => false,
            };
            let source = self.source(name, class, field, required)?;
            self.plan.fields.push(source);
        }
        self.plan.readings = self.readings_plan(at, table)?;
        Ok(())
    }

    fn readings_plan(&mut self, at: usize, table: &ReadingsTable) -> Result<ReadingsPlan, Fault> {
        let wide = table
            .wide
            .as_ref()
            .map(|wide| self.wide(at, table, wide))
            .transpose()?;
        let interval_seconds = table.interval_seconds.or_else(|| self.constant_interval());
        if interval_seconds == Some(0) {
            return Err((at, "`interval_seconds` must be at least 1".to_owned()));
        }
        // Types that differ from row to row are judged row by row.
        if table.stamp == Stamp::Start
            && interval_seconds.is_none()
            && wide.is_none()
            && self.constant_type().is_some()
        {
            let reason = "`stamp = \"start\"` needs `interval_seconds`, or a reading type that has a measuring period";
            return Err((at, reason.to_owned()));
        }
        Ok(ReadingsPlan {
            stamp: table.stamp,
            interval_seconds,
            empty_value: table.empty_value,
            wide,
        })
    }

    /// The interval of the reading type, where that is the same in every row.
    fn constant_interval(&self) -> Option<u32> {
        self.constant_type()?.interval_seconds()
    }

    fn constant_type(&self) -> Option<ReadingType> {
        let source = self
            .plan
            .fields
            .iter()
            .find(|field| field.name == "reading_type")?;
        match &source.origin {
            Origin::Constant(text) => text.parse().ok(),
            _ => None,
        }
    }

    fn wide(&mut self, at: usize, table: &ReadingsTable, wide: &Wide) -> Result<WidePlan, Fault> {
        WidePlan::check(wide).map_err(|reason| (at, reason))?;
        if self.file.times.repeated_hour == RepeatedHour::InOrder {
            return Err((at, "`times.repeated_hour = \"in_order\"` is not for wide rows: use `readings.wide.dst`".to_owned()));
        }
        let first = self.slot(&wide.first_column, false, at)?;
        let quality = wide
            .first_quality_column
            .as_ref()
            .map(|column| self.slot(column, false, at))
            .transpose()?;
        let repeated = wide
            .repeated_column
            .as_ref()
            .map(|column| self.slot(column, false, at))
            .transpose()?;
        Ok(WidePlan::new(wide, table.stamp, first, quality, repeated))
    }

    fn source(
        &mut self,
        name: &'static str,
        class: Class,
        field: &Spanned<Field>,
        needed: bool,
    ) -> Result<Source, Fault> {
        let at = field.span().start;
        let keys = &field.get_ref().keys;
        check_keys(class, keys).map_err(|reason| (at, format!("`{name}`: {reason}")))?;
        let required = keys.required.unwrap_or(needed && keys.default.is_none());
        let optional = keys.required == Some(false);
        let column = keys
            .column
            .as_ref()
            .map(|column| self.slot(column, optional || keys.expression.is_some(), at))
            .transpose()?;
        let time_slot = keys
            .time_column
            .as_ref()
            .map(|column| self.slot(column, optional, at))
            .transpose()?;
        let format = keys
            .format
            .clone()
            .unwrap_or_else(|| self.file.times.format.clone());
        if time_slot.is_some() && !format.splits() {
            let reason = "`time_column` needs a format with a blank between date and time, such as `%d.%m.%Y %H:%M`";
            return Err((at, format!("`{name}`: {reason}")));
        }
        let origin = match (&keys.expression, &keys.constant, column) {
            (Some(expression), ..) => Origin::Expression(expression.clone()),
            (None, Some(constant), _) => Origin::Constant(constant.clone()),
            (None, None, Some(slot)) => Origin::Column(slot),
            (None, None, None) if self.runs_along(name) => Origin::Elsewhere,
            _ => {
                return Err((
                    at,
                    format!("`{name}` needs `column`, `constant` or `expression`"),
                ));
            }
        };
        Ok(Source {
            name,
            class,
            origin,
            written: column,
            time_slot,
            lookup: compile_lookup(keys),
            default: keys.default.clone(),
            required,
            format,
            power_of_ten: keys.power_of_ten,
            write: keys.write.clone(),
        })
    }

    /// Whether the values of a field stand in the columns of a wide row.
    fn runs_along(&self, name: &str) -> bool {
        let wide = self
            .file
            .readings
            .as_ref()
            .and_then(|table| table.get_ref().wide.as_ref());
        name == "quality" && wide.is_some_and(|wide| wide.first_quality_column.is_some())
    }

    /// The slot of a column; needed if any field needs it.
    fn slot(&mut self, column: &ColumnRef, optional: bool, at: usize) -> Result<usize, Fault> {
        if !self.file.csv.header && column.position().is_none() {
            let reason = format!(
                "`{column}` is not a column: without a header, columns are numbers from 1 or letters from A to XFD"
            );
            return Err((at, reason));
        }
        if let Some(found) = self
            .plan
            .slots
            .iter()
            .position(|slot| slot.column == *column)
        {
            self.plan.slots[found].optional &= optional;
            return Ok(found);
        }
        self.plan.slots.push(Slot {
            column: column.clone(),
            optional,
        });
        Ok(self.plan.slots.len() - 1)
    }
}

/// What a field's keys say of each other.
fn check_keys(class: Class, keys: &FieldKeys) -> Result<(), String> {
    if keys.constant.is_some() && (keys.column.is_some() || keys.expression.is_some()) {
        return Err("expected one of `column`, `constant` or `expression`".to_owned());
    }
    if keys.power_of_ten != 0 && class != Class::Number {
        return Err("`power_of_ten` is for numbers".to_owned());
    }
    if (keys.format.is_some() || keys.time_column.is_some()) && class != Class::Time {
        return Err("`format` is for times, as is `time_column`".to_owned());
    }
    if keys.otherwise.is_some() && keys.lookup.is_none() {
        return Err("`otherwise` needs `lookup`".to_owned());
    }
    let words = keys.lookup.iter().flat_map(BTreeMap::values);
    let ours = words
        .chain(&keys.otherwise)
        .chain(&keys.constant)
        .chain(&keys.default);
    for word in ours {
        class.check(word)?;
    }
    Ok(())
}

fn compile_lookup(keys: &FieldKeys) -> Option<Lookup> {
    let table = keys.lookup.as_ref()?;
    let mut lookup = Lookup {
        otherwise: keys.otherwise.clone(),
        ..Lookup::default()
    };
    for (theirs, ours) in table {
        lookup.ours.insert(theirs.clone(), ours.clone());
        // Several words of the partner may mean the same to us: the first is written.
        lookup
            .theirs
            .entry(ours.clone())
            .or_insert_with(|| theirs.clone());
    }
    Some(lookup)
}
