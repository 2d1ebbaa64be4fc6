//! One message type of a mapping file.

use std::sync::Arc;

use mapping_tabular::{
    CsvFormat, ExcelFormat, Mapping, MappingError, MappingFile, RepeatedHour, TimeFormat,
    TimeSettings,
};
use toml::Spanned;

use super::Fault;
use super::layout::column_paths;
use crate::definition::{CONTROL_RECORD, Definitions};
use crate::file::{IdocFile, MessageTable};
use crate::idoc::Idoc;
use crate::path::{FieldPath, SegmentPath};

/// How SAP writes a date and a time of day.
const DATE_AND_TIME: &str = "%Y%m%d %H%M%S";

/// What the IDocs of one message type become.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Fields of the control record that must have these values.
    tests: Vec<(u16, String)>,
    pub(crate) mestyp: String,
    pub(crate) each: Option<SegmentPath>,
    pub(crate) mapping: Arc<Mapping>,
    /// Names of the columns, in the order of `paths`.
    pub(crate) header: Vec<String>,
    /// Where each column comes from.
    pub(crate) paths: Vec<FieldPath>,
    /// How many of them, from the first, are written.
    pub(crate) written: usize,
}

impl Message {
    /// Checks and compiles a message.
    pub(crate) fn compile(
        file: &IdocFile,
        table: &Spanned<MessageTable>,
        definitions: &Definitions,
        text: &str,
    ) -> Result<Self, MappingError> {
        let fault = |(at, reason): Fault| MappingError::at(text, at, reason);
        let (at, table) = (table.span().start, table.get_ref());
        let tests = tests(table, definitions).map_err(|reason| fault((at, reason)))?;
        let mapping = Mapping::compile(tabular(file, table).map_err(fault)?, text)?;
        let each = table.each.as_ref().map(|each| {
            SegmentPath::parse(each.get_ref(), definitions)
                .map_err(|reason| fault((each.span().start, format!("`each`: {reason}"))))
        });
        let each = each.transpose()?;
        let (header, paths) = column_paths(table, &mapping, definitions, text).map_err(fault)?;
        Ok(Self {
            tests,
            mestyp: table.mestyp.clone(),
            each,
            written: mapping.columns().count(),
            mapping: Arc::new(mapping),
            header,
            paths,
        })
    }

    /// Whether an IDoc is such a message.
    pub(crate) fn fits(&self, idoc: &Idoc, definitions: &Definitions) -> bool {
        let value = |field| idoc.value(definitions, 0, field);
        self.tests
            .iter()
            .all(|(field, wanted)| value(*field) == *wanted)
    }
}

fn tests(table: &MessageTable, definitions: &Definitions) -> Result<Vec<(u16, String)>, String> {
    let wanted = [
        ("MESTYP", Some(&table.mestyp)),
        ("MESCOD", table.mescod.as_ref()),
        ("MESFCT", table.mesfct.as_ref()),
        ("IDOCTYP", table.idoctyp.as_ref()),
        ("CIMTYP", table.cimtyp.as_ref()),
    ];
    let control = definitions
        .find(CONTROL_RECORD)
        .map(|at| definitions.get(at));
    let mut tests = Vec::new();
    for (name, value) in wanted {
        let Some(value) = value else {
            continue;
        };
        let field = control.and_then(|control| control.field(name));
        let field = field.ok_or_else(|| format!("`{CONTROL_RECORD}` has no field `{name}`"))?;
        tests.push((field, value.clone()));
    }
    Ok(tests)
}

/// The part of the file that tables have too, as a mapping of a table whose columns are paths.
fn tabular(file: &IdocFile, table: &MessageTable) -> Result<MappingFile, Fault> {
    let wide = table
        .readings
        .as_ref()
        .filter(|readings| readings.get_ref().wide.is_some());
    if let Some(readings) = wide {
        let reason = "`wide` is for tables; an IDoc has a segment for each reading (`each`)";
        return Err((readings.span().start, reason.to_owned()));
    }
    let times = match &table.times {
        Some(times) => times.clone(),
        None => TimeSettings {
            format: TimeFormat::parse(DATE_AND_TIME).map_err(|reason| (0, reason))?,
            repeated_hour: RepeatedHour::default(),
        },
    };
    Ok(MappingFile {
        record: table.record.clone(),
        description: None,
        zone: file.zone.clone(),
        empty: table.empty.clone(),
        csv: CsvFormat::default(),
        excel: ExcelFormat::default(),
        numbers: table.numbers.clone(),
        times,
        readings: table.readings.clone(),
        work_order: table.work_order.clone(),
        end_device: table.end_device.clone(),
        usage_point: table.usage_point.clone(),
        end_device_event: table.end_device_event.clone(),
    })
}
