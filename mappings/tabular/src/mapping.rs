//! A checked and compiled mapping file.

use crate::compile;
use crate::error::MappingError;
use crate::file::{MappingFile, RecordName};
use crate::grid::WidePlan;
use crate::setting::ColumnRef;
use crate::source::Source;
use crate::tables::{EmptyValue, Stamp};

/// Largest mapping file; far beyond what a person writes.
const MAX_FILE_BYTES: usize = 1 << 20;

/// A mapping file, checked, and compiled into a plan.
#[derive(Debug, Clone)]
pub struct Mapping {
    pub(crate) file: MappingFile,
    pub(crate) plan: Plan,
}

/// What the mapping says of a row, with columns as slots.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) slots: Vec<Slot>,
    pub(crate) fields: Vec<Source>,
    pub(crate) attributes: Vec<(String, Source)>,
    pub(crate) readings: ReadingsPlan,
}

/// A column that the mapping speaks of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slot {
    pub(crate) column: ColumnRef,
    /// Whether a payload may do without it.
    pub(crate) optional: bool,
}

/// What only readings have.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadingsPlan {
    pub(crate) stamp: Stamp,
    pub(crate) interval_seconds: Option<u32>,
    pub(crate) empty_value: EmptyValue,
    pub(crate) wide: Option<WidePlan>,
}

impl Mapping {
    /// Reads, checks and compiles a mapping file.
    ///
    /// # Errors
    /// The first thing wrong: line, column, what, and what would be valid.
    pub fn load(text: &str) -> Result<Self, MappingError> {
        if text.len() > MAX_FILE_BYTES {
            return Err(MappingError::at(
                text,
                0,
                format!("mapping file is longer than {MAX_FILE_BYTES} bytes"),
            ));
        }
        let file: MappingFile = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            MappingError::at(text, at, error.message())
        })?;
        Self::compile(file, text)
    }

    /// Checks and compiles a mapping that is a part of a larger file, `text`, to which its places
    /// belong.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn compile(file: MappingFile, text: &str) -> Result<Self, MappingError> {
        let plan =
            compile::compile(&file).map_err(|(at, reason)| MappingError::at(text, at, reason))?;
        Ok(Self { file, plan })
    }

    /// The file as it was written.
    #[must_use]
    pub const fn file(&self) -> &MappingFile {
        &self.file
    }

    /// What a row is.
    #[must_use]
    pub fn record(&self) -> RecordName {
        *self.file.record.get_ref()
    }

    /// The columns that a row of names must have to be the header.
    pub fn needed_columns(&self) -> impl Iterator<Item = String> + '_ {
        self.plan
            .slots
            .iter()
            .filter(|slot| !slot.optional)
            .map(|slot| slot.column.to_string())
    }

    /// All columns that the mapping speaks of, in the order in which [`crate::RowWriter`] has them.
    pub fn columns(&self) -> impl Iterator<Item = String> + '_ {
        let slots = self.plan.slots.iter();
        slots.map(|slot| slot.column.to_string())
    }

    /// Whether the order of rows carries meaning, so that a payload must be decoded by one
    /// [`crate::RowDecoder`] from its beginning to its end.
    #[must_use]
    pub fn needs_order(&self) -> bool {
        self.record() == RecordName::Readings
            && self.file.times.repeated_hour == crate::RepeatedHour::InOrder
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.plan.slots
    }

    pub(crate) fn field(&self, name: &str) -> Option<&Source> {
        self.plan.fields.iter().find(|field| field.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Mapping::load(text).expect_err(text).to_string()
    }

    const ORDER: &str = "record = \"work_order\"\n[work_order]\nnumber = \"No\"\n";

    #[test]
    fn a_small_file_is_enough() {
        let mapping = Mapping::load(ORDER).unwrap();
        assert_eq!(mapping.record(), RecordName::WorkOrder);
        assert_eq!(mapping.needed_columns().collect::<Vec<_>>(), ["No"]);
    }

    #[test]
    fn unknown_names_list_the_valid_ones_with_their_place() {
        let error = refused(&format!("{ORDER}prioritty = \"P\"\n"));
        assert!(
            error.starts_with("line 4, column 1: unknown field `prioritty`"),
            "{error}"
        );
        assert!(error.contains("`priority`"), "{error}");
        let error = refused(&format!("{ORDER}kind = {{ columm = \"K\" }}\n"));
        assert!(
            error.starts_with("line 4, column 10: unknown field `columm`"),
            "{error}"
        );
        assert!(error.contains("`expression`"), "{error}");
        let error = refused("record = \"orders\"\n");
        assert!(
            error.contains("line 1, column 10") && error.contains("`work_order`"),
            "{error}"
        );
    }

    #[test]
    fn values_are_checked_where_they_stand() {
        for (line, at, part) in [
            (
                "zone = \"Europe/Nowhere\"\n",
                "line 1, column 8",
                "Europe/Nowhere",
            ),
            ("times.format = \"%Q\"\n", "line 1, column 16", "%Y"),
            (
                "csv.delimiter = \"ab\"\n",
                "line 1, column 17",
                "one ASCII character",
            ),
            (
                "csv.encoding = \"utf-16\"\n",
                "line 1, column 16",
                "windows-1252",
            ),
            (
                "excel.sheet = { matching = \"(\" }\n",
                "line 1, column 15",
                "a sheet name",
            ),
            ("numbers.decimal = \";\"\n", "line 1, column 19", "`,`"),
        ] {
            let error = refused(&format!("{line}{ORDER}"));
            assert!(error.starts_with(at) && error.contains(part), "{error}");
        }
    }

    #[test]
    fn fields_are_checked_against_each_other() {
        for (line, part) in [
            (
                "kind = { constant = \"x\", column = \"K\" }",
                "one of `column`, `constant` or `expression`",
            ),
            (
                "kind = { required = true }",
                "`column`, `constant` or `expression`",
            ),
            (
                "kind = { column = \"K\", power_of_ten = 3 }",
                "`power_of_ten` is for numbers",
            ),
            (
                "kind = { column = \"K\", format = \"iso\" }",
                "`format` is for times",
            ),
            (
                "kind = { column = \"K\", otherwise = \"x\" }",
                "`otherwise` needs `lookup`",
            ),
            ("status = { constant = \"done\" }", "`completed`"),
            (
                "status = { column = \"S\", lookup = { X = \"done\" } }",
                "`completed`",
            ),
            ("priority = { constant = \"12\" }", "0 to 9"),
            (
                "kind = { expression = \"1 +\" }",
                "not a CEL expression: at 1:",
            ),
            (
                "performed = { column = \"D\", time_column = \"T\", format = \"%Y%m%d\" }",
                "a blank",
            ),
        ] {
            let error = refused(&format!("{ORDER}{line}\n"));
            assert!(
                error.starts_with("line 4") && error.contains(part),
                "{error}"
            );
        }
    }

    #[test]
    fn what_a_record_needs_must_be_mapped() {
        assert!(refused("record = \"work_order\"\n").contains("[work_order]"));
        let error = refused("record = \"work_order\"\n[work_order]\nkind = \"K\"\n");
        assert!(error.contains("needs `number`"), "{error}");
        let readings =
            "record = \"readings\"\n[readings]\nmeter = \"M\"\nreading_type = \"R\"\nat = \"T\"\n";
        assert!(refused(readings).contains("needs `value`"));
        let register = readings.replace(
            "\"R\"",
            "{ constant = \"0.0.0.1.1.1.12.0.0.0.0.0.0.0.0.3.72.0\" }",
        );
        let error = refused(&format!("{register}value = \"V\"\nstamp = \"start\"\n"));
        assert!(error.contains("interval_seconds"), "{error}");
        let error = refused(&format!("{ORDER}[readings]\n"));
        assert!(error.contains("record = \"work_order\""), "{error}");
    }

    #[test]
    fn columns_without_a_header_are_letters_or_numbers() {
        let text =
            "record = \"work_order\"\ncsv.header = false\n[work_order]\nnumber = \"B\"\nkind = 4\n";
        assert!(Mapping::load(text).is_ok());
        let error = refused(
            "record = \"work_order\"\ncsv.header = false\n[work_order]\nnumber = \"Order No\"\n",
        );
        assert!(error.contains("letter"), "{error}");
    }
}
