//! How records become IDocs: which segments, in which order, and what stands in their fields.

use crate::definition::{CONTROL_RECORD, Definitions};
use crate::file::{DocumentNumber, IdocFile, WriteTable};
use crate::path::{FieldPath, SegmentPath, Step};

use super::{Fault, Message};

/// How records become IDocs.
#[derive(Debug, Clone)]
pub(crate) struct WritePlan {
    /// The basic type: the root element of XML.
    pub(crate) idoctyp: String,
    /// Fields of the control record, but for those that are made.
    pub(crate) control: Vec<(u16, String)>,
    pub(crate) docnum: DocumentNumber,
    /// The segments, parents before what is below them.
    pub(crate) parts: Vec<Part>,
}

/// One segment of the IDocs that are written.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) segment: u16,
    /// Position of the part that it stands below.
    pub(crate) parent: Option<usize>,
    /// Whether it stands once for each row instead of once for each IDoc.
    pub(crate) repeats: bool,
    /// Fields in the order of the definition.
    pub(crate) fields: Vec<(u16, Value)>,
    steps: Vec<Step>,
}

/// What stands in a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// What a column of the row has.
    Column(usize),
    Constant(String),
}

/// Compiles the message that is written, if there is one.
pub(super) fn compile(
    file: &IdocFile,
    messages: &[Message],
    definitions: &Definitions,
) -> Result<Option<(usize, WritePlan)>, Fault> {
    let mut written = file
        .messages
        .iter()
        .enumerate()
        .filter_map(|(at, table)| Some((at, table, table.get_ref().write.as_ref()?)));
    let Some((at, table, write)) = written.next() else {
        return Ok(None);
    };
    if let Some((_, _, second)) = written.next() {
        let reason = "a second `write`: one message of a file can be written, make a file for each";
        return Err((second.span().start, reason.to_owned()));
    }
    let idoctyp = table.get_ref().idoctyp.clone().ok_or_else(|| {
        let reason = "`write` needs `idoctyp`, which names the document";
        (table.span().start, reason.to_owned())
    })?;
    check_idoctyp(&idoctyp).map_err(|reason| (table.span().start, reason))?;
    let write_at = write.span().start;
    let write = write.get_ref();
    let mut control = control(write, definitions)?;
    let mut message = vec![("MESTYP", Some(&table.get_ref().mestyp))];
    message.push(("IDOCTYP", Some(&idoctyp)));
    message.push(("CIMTYP", table.get_ref().cimtyp.as_ref()));
    message.push(("MESCOD", table.get_ref().mescod.as_ref()));
    message.push(("MESFCT", table.get_ref().mesfct.as_ref()));
    for (name, value) in message {
        if let Some(value) = value {
            set_control(&mut control, definitions, name, value).map_err(|r| (write_at, r))?;
        }
    }
    let mut builder = Builder {
        definitions,
        each: messages[at].each.as_ref(),
        parts: Vec::new(),
    };
    builder.fill(&messages[at], write)?;
    let parts = builder.ordered(write)?;
    Ok(Some((
        at,
        WritePlan {
            idoctyp,
            control,
            docnum: write.docnum,
            parts,
        },
    )))
}

/// It becomes the name of an XML element.
fn check_idoctyp(name: &str) -> Result<(), String> {
    let first = name.bytes().next().is_some_and(|c| c.is_ascii_uppercase());
    let valid = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_';
    if first && name.len() <= 30 && name.bytes().all(valid) {
        return Ok(());
    }
    Err(format!(
        "`idoctyp` `{}` cannot be written, expected 1 to 30 of `A` to `Z`, `0` to `9` and `_`, a letter first",
        mapping_tabular::shown(name.as_bytes())
    ))
}

/// The fixed fields of the control record.
fn control(write: &WriteTable, definitions: &Definitions) -> Result<Vec<(u16, String)>, Fault> {
    let mut fields = Vec::new();
    let defaults = [("TABNAM", CONTROL_RECORD), ("DIRECT", "2")];
    for (name, value) in defaults {
        if !write.control.contains_key(name) {
            set_control(&mut fields, definitions, name, value).map_err(|reason| (0, reason))?;
        }
    }
    for (name, value) in &write.control {
        let at = value.span().start;
        if matches!(
            name.as_str(),
            "DOCNUM" | "CREDAT" | "CRETIM" | "MESTYP" | "IDOCTYP" | "CIMTYP"
        ) {
            let reason = format!(
                "`{name}` is not given here: `docnum` says what stands in `DOCNUM`, the message itself has its types, and date and time are those of the message"
            );
            return Err((at, reason));
        }
        set_control(&mut fields, definitions, name, value.get_ref()).map_err(|r| (at, r))?;
    }
    Ok(fields)
}

fn set_control(
    fields: &mut Vec<(u16, String)>,
    definitions: &Definitions,
    name: &str,
    value: &str,
) -> Result<(), String> {
    let path = FieldPath::parse(&format!("{CONTROL_RECORD}/{name}"), definitions)?;
    let field = definitions.get(path.segment.last()).field_at(path.field);
    if field
        .length
        .is_some_and(|length| value.chars().count() > length)
        && !value.contains('{')
    {
        return Err(format!(
            "`{value}` is too long for `{name}`, expected at most {} characters",
            field.length.unwrap_or_default()
        ));
    }
    fields.push((path.field, value.to_owned()));
    Ok(())
}

struct Builder<'a> {
    definitions: &'a Definitions,
    each: Option<&'a SegmentPath>,
    parts: Vec<Part>,
}

impl Builder<'_> {
    fn fill(&mut self, message: &Message, write: &WriteTable) -> Result<(), Fault> {
        for (column, path) in message.paths.iter().enumerate().take(message.written) {
            self.put(path, Value::Column(column));
        }
        for (path, value) in &write.constants {
            let at = value.span().start;
            let path = FieldPath::parse(path, self.definitions).map_err(|reason| (at, reason))?;
            self.put(&path, Value::Constant(value.get_ref().clone()));
        }
        Ok(())
    }

    fn put(&mut self, path: &FieldPath, value: Value) {
        if self.definitions.get(path.segment.last()).name == CONTROL_RECORD {
            // What is read from the control record is written by `control`.
            return;
        }
        let part = self.part(&self.whole(&path.segment.steps));
        self.parts[part].set(path.field, value);
    }

    /// A path with the segments above its first step, where those are defined.
    fn whole(&self, steps: &[Step]) -> Vec<Step> {
        let mut whole = steps.to_vec();
        while let Some(parent) = whole
            .first()
            .and_then(|step| self.definitions.get(step.segment).parents.first())
            .and_then(|parent| self.definitions.find(parent))
            .filter(|parent| whole.iter().all(|step| step.segment != *parent))
        {
            whole.insert(
                0,
                Step {
                    segment: parent,
                    tests: Vec::new(),
                },
            );
        }
        whole
    }

    /// The part at these steps, made with all above it if it is new.
    fn part(&mut self, steps: &[Step]) -> usize {
        if let Some(known) = self.parts.iter().position(|part| part.steps == steps) {
            return known;
        }
        let Some((last, above)) = steps.split_last() else {
            return 0;
        };
        let parent = (!above.is_empty()).then(|| self.part(above));
        let is_each = self.each.is_some_and(|each| {
            let own = self.whole(&each.steps);
            steps.len() >= own.len() && steps[..own.len()] == own[..]
        });
        let tests = last.tests.iter();
        let fields = tests.map(|test| (test.field, Value::Constant(test.value.clone())));
        self.parts.push(Part {
            segment: last.segment,
            parent,
            repeats: is_each,
            fields: fields.collect(),
            steps: steps.to_vec(),
        });
        self.parts.len() - 1
    }

    /// The parts in the order in which they are written.
    fn ordered(mut self, write: &WriteTable) -> Result<Vec<Part>, Fault> {
        let mut order: Vec<Vec<Step>> = Vec::new();
        for path in &write.segments {
            let at = path.span().start;
            let parsed = SegmentPath::parse(path.get_ref(), self.definitions);
            let steps = self.whole(&parsed.map_err(|reason| (at, reason))?.steps);
            if !self.parts.iter().any(|part| part.steps == steps) {
                let reason = format!("`{}` has no field that is written", path.get_ref());
                return Err((at, reason));
            }
            order.push(steps);
        }
        // Listed ones first, then as they are defined.
        let rank = |part: &Part| {
            let listed = order.iter().position(|steps| *steps == part.steps);
            (listed.unwrap_or(usize::MAX), part.segment)
        };
        let mut sorted = Vec::new();
        self.place(None, None, &rank, &mut sorted);
        for part in &mut sorted {
            part.fields.sort_by_key(|(field, _)| *field);
        }
        self.parts.clear();
        Ok(sorted)
    }

    /// Adds the parts below one, each followed by what is below itself.
    fn place(
        &self,
        above: Option<usize>,
        placed: Option<usize>,
        rank: &dyn Fn(&Part) -> (usize, u16),
        sorted: &mut Vec<Part>,
    ) {
        let mut below: Vec<usize> = (0..self.parts.len())
            .filter(|at| self.parts[*at].parent == above)
            .collect();
        below.sort_by_key(|at| (rank(&self.parts[*at]), *at));
        for at in below {
            let mut part = self.parts[at].clone();
            part.parent = placed;
            sorted.push(part);
            let here = sorted.len() - 1;
            self.place(Some(at), Some(here), rank, sorted);
        }
    }
}

impl Part {
    fn set(&mut self, field: u16, value: Value) {
        // What is mapped goes before a constant, whichever was named first.
        match self.fields.iter_mut().find(|(known, _)| *known == field) {
            Some((_, known @ Value::Constant(_))) => *known = value,
            Some(_) => {}
            None => self.fields.push((field, value)),
        }
    }

    /// Whether it is written only for what a row has.
    pub(crate) fn is_mapped(&self) -> bool {
        let column = |(_, value): &(u16, Value)| matches!(value, Value::Column(_));
        self.fields.iter().any(column)
    }
}
