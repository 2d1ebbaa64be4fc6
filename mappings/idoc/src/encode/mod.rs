//! Canonical records to IDocs, in XML or in flat files.

mod flat;
mod tree;
mod xml;

use hub_model::mapping::{Encode, Envelope, Inexpressible};
use hub_model::{Record, RecordKind, Zone};
use mapping_tabular::{Charset, RowWriter};

use crate::file::{Form, LineEnd};
use crate::limits::MAX_REPEATED_SEGMENTS;
use crate::plan::{IdocMapping, WritePlan};
use tree::{Document, OutSegment};

/// Encodes records as IDocs by a mapping file that has a `write`.
///
/// - Shape: one IDoc for each record; readings become one segment each, at most
///   [`MAX_REPEATED_SEGMENTS`] to an IDoc. In XML all stand in one element named after the basic
///   type.
/// - Segments: those that have a value, with what is above them; numbered from 1 in `SEGNUM`, with
///   `PSGNUM` and `HLEVEL`.
/// - Values: a text that is longer than its field is refused, unless the definition allows to cut
///   it. Characters that the form does not have (control characters, line ends) become blanks.
#[derive(Debug, Clone)]
pub struct IdocEncoder {
    mapping: IdocMapping,
    rows: RowWriter,
    plan: WritePlan,
    zone: Zone,
}

impl IdocEncoder {
    /// An encoder of the message that the mapping writes; `zone` is the enterprise's and serves
    /// where the mapping names none. `None` if the mapping has no `write`.
    #[must_use]
    pub fn new(mapping: &IdocMapping, zone: &Zone) -> Option<Self> {
        let (message, plan) = mapping.write.as_ref()?;
        let message = &mapping.messages[*message];
        Some(Self {
            rows: RowWriter::new(std::sync::Arc::clone(&message.mapping), zone),
            plan: plan.clone(),
            zone: mapping.zone.clone().unwrap_or_else(|| zone.clone()),
            mapping: mapping.clone(),
        })
    }

    fn document<'e>(&'e self, envelope: &'e Envelope) -> Document<'e> {
        Document {
            definitions: &self.mapping.definitions,
            plan: &self.plan,
            zone: &self.zone,
            envelope,
        }
    }

    fn write(&self, segments: &[OutSegment<'_>], out: &mut Vec<u8>) -> Result<(), Inexpressible> {
        let file = &self.mapping.file;
        match file.form {
            Form::Xml => {
                xml::write(segments, out);
                Ok(())
            }
            Form::Flat => {
                let line_end: &[u8] = match file.line_end {
                    LineEnd::Lf => b"\n",
                    LineEnd::Crlf => b"\r\n",
                    LineEnd::None => b"",
                };
                flat::write(segments, file.encoding, line_end, out)
            }
        }
    }
}

impl Encode for IdocEncoder {
    fn media_type(&self) -> &'static str {
        match (self.mapping.file.form, self.mapping.file.encoding) {
            (Form::Xml, _) => "application/xml",
            (Form::Flat, Charset::Utf8) => "text/plain; charset=utf-8",
            (Form::Flat, Charset::Latin1) => "text/plain; charset=iso-8859-1",
            (Form::Flat, Charset::Windows1252) => "text/plain; charset=windows-1252",
        }
    }

    fn extension(&self) -> &'static str {
        match self.mapping.file.form {
            Form::Xml => "xml",
            Form::Flat => "idoc",
        }
    }

    fn writes(&self) -> &'static [RecordKind] {
        self.rows.writes()
    }

    fn head(&self, _: &Envelope, out: &mut Vec<u8>) {
        if self.mapping.file.form == Form::Xml {
            xml::head(&self.plan.idoctyp, out);
        }
    }

    fn record(
        &self,
        envelope: &Envelope,
        record: &Record,
        out: &mut Vec<u8>,
    ) -> Result<(), Inexpressible> {
        let from = out.len();
        let mut rows: Vec<Vec<Vec<u8>>> = Vec::new();
        let document = self.document(envelope);
        let give = |rows: &mut Vec<Vec<Vec<u8>>>, out: &mut Vec<u8>| {
            if rows.is_empty() {
                return Ok(());
            }
            let segments = document.segments(rows)?;
            rows.clear();
            self.write(&segments, out)
        };
        let written = self.rows.rows(record, &mut |cells| {
            rows.push(cells.to_vec());
            if rows.len() >= self.rows_of_one() {
                give(&mut rows, out)?;
            }
            Ok(())
        });
        written
            .and_then(|()| give(&mut rows, out))
            .inspect_err(|_| out.truncate(from))
    }

    fn tail(&self, _: &Envelope, out: &mut Vec<u8>) {
        if self.mapping.file.form == Form::Xml {
            xml::tail(&self.plan.idoctyp, out);
        }
    }
}

impl IdocEncoder {
    /// Rows that go into one IDoc: one, unless a segment repeats.
    fn rows_of_one(&self) -> usize {
        if self.plan.parts.iter().any(|part| part.repeats) {
            MAX_REPEATED_SEGMENTS
        } else {
            1
        }
    }
}
