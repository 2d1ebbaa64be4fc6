//! IDocs to canonical records: whole, or in parts on several threads.

mod row;

use std::io;
use std::sync::Arc;

use hub_model::mapping::{Decode, Halt, Payload, Records, Segment, Segments};
use hub_model::{Finding, Zone};
use mapping_tabular::{Charset, HeaderFault, Layout, RowDecoder, shown};

use crate::business_key::business_key;
use crate::codes;
use crate::cut::{Cut, Cutter, Piece};
use crate::definition::{CONTROL_RECORD, Definitions};
use crate::find::Finder;
use crate::flat::{self, FlatForm};
use crate::idoc::Idoc;
use crate::limits::PART_BYTES;
use crate::plan::{IdocMapping, Message};
use crate::xml;
use row::{IdocRow, Placed};

/// Decodes IDocs by a mapping file.
///
/// - Shape: each message of the file that fits an IDoc gives one record of it, or one for each
///   occurrence of its `each`; readings of one meter and type are gathered within the IDoc.
/// - Findings: an IDoc that cannot be read is one finding ([`codes`]), and so is each value that
///   cannot be understood, at the place of its segment and with the path as its field.
#[derive(Debug, Clone)]
pub struct IdocDecoder {
    context: Arc<Context>,
}

/// What all parts of a payload share.
#[derive(Debug)]
struct Context {
    definitions: Arc<Definitions>,
    charset: Charset,
    /// Messages with their columns bound.
    messages: Vec<(Message, Layout)>,
}

impl IdocDecoder {
    /// A decoder of these messages; `zone` is the enterprise's and serves where the mapping names
    /// none.
    ///
    /// # Panics
    /// Never: the columns of a message are its own header.
    #[must_use]
    pub fn new(mapping: &IdocMapping, zone: &Zone) -> Self {
        let bind = |message: &Message| -> Result<(Message, Layout), HeaderFault> {
            let layout = Layout::bind(
                Arc::clone(&message.mapping),
                zone,
                Charset::Utf8,
                message.header.clone(),
            )?;
            Ok((message.clone(), layout))
        };
        let messages: Result<Vec<_>, _> = mapping.messages.iter().map(bind).collect();
        Self {
            context: Arc::new(Context {
                definitions: Arc::clone(&mapping.definitions),
                charset: mapping.charset(),
                messages: messages.expect("the header of a message has each of its columns once"),
            }),
        }
    }
}

impl Decode for IdocDecoder {
    fn decode(&self, payload: &dyn Payload, out: &mut dyn Records) -> Result<(), Halt> {
        let mut cutter = Cutter::open(payload, self.context.charset)?;
        let mut session = Session::new(&self.context, cutter.flat_form());
        while let Some(cut) = cutter.next()? {
            session.decode(&cut, out)?;
        }
        Ok(())
    }

    fn segments<'a>(
        &'a self,
        payload: &'a dyn Payload,
        from: u64,
    ) -> Result<Option<Box<dyn Segments + 'a>>, Halt> {
        let cutter = Cutter::open(payload, self.context.charset)?;
        // Where offsets are not those of the payload, nothing could go on from one.
        if cutter.offset().is_none() {
            return Ok(None);
        }
        Ok(Some(Box::new(Parts {
            form: cutter.flat_form(),
            cutter,
            from,
            context: Arc::clone(&self.context),
            length: payload.len(),
        })))
    }

    fn business_key(&self, head: &[u8], is_whole: bool) -> Option<String> {
        business_key(head, is_whole, self.context.charset)
    }
}

/// IDocs cut while reading, several to a part.
struct Parts<'a> {
    cutter: Cutter<'a>,
    form: Option<FlatForm>,
    /// Where an earlier run ended.
    from: u64,
    context: Arc<Context>,
    length: u64,
}

impl Segments for Parts<'_> {
    fn next(&mut self) -> Result<Option<Segment>, Halt> {
        let (mut cuts, mut bytes, mut end) = (Vec::new(), 0, 0);
        while bytes < PART_BYTES {
            let Some(cut) = self.next_cut()? else {
                // What is left has nothing in it: no later run need look at it again.
                end = self.length;
                break;
            };
            bytes += match &cut {
                Cut::Piece(piece) => piece.bytes.len(),
                Cut::Finding(_) => 0,
            };
            cuts.push(cut);
            end = self.cutter.offset().unwrap_or(self.length);
        }
        if cuts.is_empty() {
            return Ok(None);
        }
        let (context, form) = (Arc::clone(&self.context), self.form);
        Ok(Some(Segment {
            end,
            decode: Box::new(move |out| {
                let mut session = Session::new(&context, form);
                cuts.iter().try_for_each(|cut| session.decode(cut, out))
            }),
        }))
    }
}

impl Parts<'_> {
    /// The next IDoc after what an earlier run has done. The XML around it must be passed over from
    /// the beginning in any case, since its elements are open.
    fn next_cut(&mut self) -> io::Result<Option<Cut>> {
        while let Some(cut) = self.cutter.next()? {
            let is_done = match &cut {
                Cut::Piece(piece) => piece.place.offset < self.from,
                Cut::Finding(finding) => finding.place.offset < self.from,
            };
            if !is_done {
                return Ok(Some(cut));
            }
        }
        Ok(None)
    }
}

/// What is kept from IDoc to IDoc, to spare memory and set-up: nothing of what they say.
struct Session<'c> {
    context: &'c Context,
    form: Option<FlatForm>,
    idoc: Idoc,
    rows: Vec<RowDecoder<'c>>,
}

impl<'c> Session<'c> {
    fn new(context: &'c Context, form: Option<FlatForm>) -> Self {
        let rows = |(_, layout): &'c (Message, Layout)| RowDecoder::new(layout);
        Self {
            context,
            form,
            idoc: Idoc::default(),
            rows: context.messages.iter().map(rows).collect(),
        }
    }

    fn decode(&mut self, cut: &Cut, out: &mut dyn Records) -> Result<(), Halt> {
        let piece = match cut {
            Cut::Piece(piece) => piece,
            Cut::Finding(finding) => return out.finding(finding.clone()),
        };
        self.idoc.clear();
        let definitions = &self.context.definitions;
        let read = match self.form {
            Some(form) => flat::read(piece, form, definitions, &mut self.idoc),
            None => xml::read(piece, definitions, &mut self.idoc),
        };
        match read {
            Ok(()) => self.records(piece, out),
            Err(finding) => out.finding(finding),
        }
    }

    fn records(&mut self, piece: &Piece, out: &mut dyn Records) -> Result<(), Halt> {
        let (context, idoc) = (self.context, &self.idoc);
        let (mut fits, mut count) = (false, 0);
        for ((message, layout), rows) in context.messages.iter().zip(&mut self.rows) {
            if message.fits(idoc, &context.definitions) {
                fits = true;
                count += context.message(message, idoc, rows, out)?;
                // What is remembered of repeated hours belongs to this IDoc.
                if message.mapping.needs_order() {
                    *rows = RowDecoder::new(layout);
                }
            }
        }
        if !fits {
            return out.finding(context.unknown_message(idoc, piece));
        }
        if count == 0 {
            return out.finding(context.nothing_mapped(idoc, piece));
        }
        Ok(())
    }
}

impl Context {
    /// Gives the records of a message. Returns how many rows it had.
    fn message(
        &self,
        message: &Message,
        idoc: &Idoc,
        rows: &mut RowDecoder<'_>,
        out: &mut dyn Records,
    ) -> Result<usize, Halt> {
        let mut finder = Finder::new(idoc, &self.definitions);
        let scopes: Vec<Option<u32>> = match &message.each {
            None => vec![None],
            Some(each) => finder.all(each).into_iter().map(Some).collect(),
        };
        for scope in &scopes {
            let row = IdocRow::new(message, idoc, &self.definitions, &mut finder, *scope);
            let mut placed = Placed {
                row: &row,
                idoc,
                header: &message.header,
                out: &mut *out,
            };
            rows.row(&row, &mut placed)?;
        }
        rows.finish(out)?;
        Ok(scopes.len())
    }

    fn unknown_message(&self, idoc: &Idoc, piece: &Piece) -> Finding {
        let value = |name: &str| {
            let control = self.definitions.find(CONTROL_RECORD);
            let field = control.and_then(|at| self.definitions.get(at).field(name));
            let value = field.map(|field| idoc.value(&self.definitions, 0, field));
            shown(value.as_deref().unwrap_or_default().as_bytes())
        };
        let mut known: Vec<&str> = self
            .messages
            .iter()
            .map(|(m, _)| m.mestyp.as_str())
            .collect();
        known.sort_unstable();
        known.dedup();
        let reason = format!(
            "the mapping file has no message for `{}` (IDOCTYP `{}`, MESCOD `{}`, MESFCT `{}`), expected one of `{}`",
            value("MESTYP"),
            value("IDOCTYP"),
            value("MESCOD"),
            value("MESFCT"),
            known.join("`, `")
        );
        Finding::error(codes::UNKNOWN_MESSAGE, piece.place.clone(), reason)
            .in_field(format!("{CONTROL_RECORD}/MESTYP"))
    }

    fn nothing_mapped(&self, idoc: &Idoc, piece: &Piece) -> Finding {
        let fitting = self
            .messages
            .iter()
            .filter(|(m, _)| m.fits(idoc, &self.definitions));
        let each = fitting.filter_map(|(message, _)| message.each.as_ref());
        let mut names: Vec<&str> = each
            .map(|each| self.definitions.get(each.last()).name.as_str())
            .collect();
        names.sort_unstable();
        names.dedup();
        let reason = format!(
            "the IDoc gives no record, expected at least one segment `{}`",
            names.join("`, `")
        );
        Finding::error(codes::NOTHING_MAPPED, piece.place.clone(), reason)
    }
}
