//! One IDoc in memory: its segments as a tree in document order, with the fields a mapping may read.

use std::borrow::Cow;

use hub_model::Place;
use rustc_hash::FxHashMap;

use crate::definition::Definitions;
use crate::limits::{MAX_DEPTH, MAX_SEGMENTS};

/// An IDoc. Its control record is the first segment.
#[derive(Debug, Default)]
pub(crate) struct Idoc {
    nodes: Vec<Node>,
    /// Texts of all fields, one after the other.
    text: String,
    /// Fields of segments that came with names.
    values: Vec<(u16, Span)>,
    /// Positions of each defined segment, in document order, by definition.
    positions: Vec<Vec<u32>>,
    /// Segments nobody defined, by name: told apart, not read.
    strangers: FxHashMap<String, u32>,
    /// Segments that are still open, outermost first.
    open: Vec<u32>,
}

/// A segment.
#[derive(Debug)]
struct Node {
    /// Its definition, or above all definitions the number of a stranger.
    kind: u32,
    parent: Option<u32>,
    /// The first node after those below it.
    end: u32,
    offset: u64,
    line: u64,
    data: Data,
}

/// The fields of a segment.
#[derive(Debug, Clone, Copy)]
enum Data {
    Nothing,
    /// Named values: a stretch of [`Idoc::values`].
    Named {
        from: u32,
        to: u32,
    },
    /// A flat record's data: a stretch of [`Idoc::text`].
    Flat {
        span: Span,
        ascii: bool,
    },
}

type Span = (u32, u32);

/// Why a segment cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Depth,
    Segments,
}

impl Idoc {
    /// Empties it for the next IDoc, which then needs no new memory.
    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
        self.text.clear();
        self.values.clear();
        self.positions.iter_mut().for_each(Vec::clear);
        self.strangers.clear();
        self.open.clear();
    }

    /// Begins a segment below the innermost open one.
    pub(crate) fn begin(
        &mut self,
        definitions: &Definitions,
        segment: Result<u16, &str>,
        place: &Place,
    ) -> Result<u32, Full> {
        if self.nodes.len() >= MAX_SEGMENTS {
            return Err(Full::Segments);
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(Full::Depth);
        }
        let at = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let kind = match segment {
            Ok(known) => {
                let index = usize::from(known);
                if index >= self.positions.len() {
                    self.positions.resize(definitions.len(), Vec::new());
                }
                self.positions[index].push(at);
                u32::from(known)
            }
            Err(name) => self.stranger(name, definitions.len()),
        };
        self.nodes.push(Node {
            kind,
            parent: self.open.last().copied(),
            end: at + 1,
            offset: place.offset,
            line: place.line,
            data: Data::Nothing,
        });
        self.open.push(at);
        Ok(at)
    }

    fn stranger(&mut self, name: &str, defined: usize) -> u32 {
        if let Some(&known) = self.strangers.get(name) {
            return known;
        }
        let kind = u32::try_from(defined + self.strangers.len()).unwrap_or(u32::MAX);
        self.strangers.insert(name.to_owned(), kind);
        kind
    }

    /// Ends the innermost open segment.
    pub(crate) fn end(&mut self) {
        if let Some(at) = self.open.pop() {
            let end = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
            self.nodes[at as usize].end = end;
        }
    }

    /// Number of open segments.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// The definition of an open segment, `up` levels above the innermost.
    pub(crate) fn open_segment(&self, up: usize) -> Option<u32> {
        let at = self.open.len().checked_sub(up + 1)?;
        Some(self.nodes[self.open[at] as usize].kind)
    }

    /// Gives a segment the data of a flat record.
    pub(crate) fn set_flat(&mut self, node: u32, data: &str) {
        let from = self.mark();
        self.text.push_str(data);
        self.nodes[node as usize].data = Data::Flat {
            span: (from, self.mark()),
            ascii: data.is_ascii(),
        };
    }

    /// Adds a text, to be given to a field by [`Self::set_field`].
    pub(crate) fn push_text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Where the next text begins.
    pub(crate) fn mark(&self) -> u32 {
        u32::try_from(self.text.len()).unwrap_or(u32::MAX)
    }

    /// Forgets the texts since a mark.
    pub(crate) fn forget(&mut self, mark: u32) {
        self.text.truncate(mark as usize);
    }

    /// Gives a field of the innermost open segment the text since a mark. Fields of a segment come
    /// before the segments below it.
    pub(crate) fn set_field(&mut self, field: u16, mark: u32) {
        let Some(&node) = self.open.last() else {
            return;
        };
        self.values.push((field, (mark, self.mark())));
        let end = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        let data = &mut self.nodes[node as usize].data;
        match data {
            Data::Named { to, .. } if *to + 1 == end => *to = end,
            Data::Nothing => {
                *data = Data::Named {
                    from: end - 1,
                    to: end,
                }
            }
            // A field after a segment below: the schema of IDocs has none.
            _ => {}
        }
    }

    /// Number of segments, the control record included.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)
    }

    pub(crate) fn parent(&self, node: u32) -> Option<u32> {
        self.nodes[node as usize].parent
    }

    /// The node after the last below this one.
    pub(crate) fn after(&self, node: u32) -> u32 {
        self.nodes[node as usize].end
    }

    pub(crate) fn kind(&self, node: u32) -> u32 {
        self.nodes[node as usize].kind
    }

    pub(crate) fn place(&self, node: u32) -> Place {
        let node = &self.nodes[node as usize];
        Place::at(node.offset, node.line)
    }

    /// Positions of a segment within a stretch of nodes.
    pub(crate) fn positions(&self, segment: u16, from: u32, to: u32) -> &[u32] {
        let all = self.positions.get(usize::from(segment));
        let all = all.map_or(&[][..], Vec::as_slice);
        let begin = all.partition_point(|at| *at < from);
        let end = all.partition_point(|at| *at < to);
        &all[begin..end]
    }

    /// What a field of a segment means; empty for none.
    pub(crate) fn value(&self, definitions: &Definitions, node: u32, field: u16) -> Cow<'_, str> {
        let kind = self.nodes[node as usize].kind;
        let Ok(segment) = u16::try_from(kind) else {
            return Cow::Borrowed("");
        };
        let field_def = definitions.get(segment).field_at(field);
        let raw = match self.nodes[node as usize].data {
            Data::Nothing => "",
            Data::Named { from, to } => self.values[from as usize..to as usize]
                .iter()
                .find(|(named, _)| *named == field)
                .map_or("", |(_, span)| self.span(*span)),
            Data::Flat { span, ascii } => match (field_def.offset, field_def.length) {
                (Some(offset), Some(length)) => characters(self.span(span), offset, length, ascii),
                _ => "",
            },
        };
        field_def.kind.read(raw)
    }

    fn span(&self, (from, to): Span) -> &str {
        self.text.get(from as usize..to as usize).unwrap_or("")
    }
}

/// A stretch of a text, counted in characters; what is beyond its end is blank.
fn characters(text: &str, offset: usize, length: usize, ascii: bool) -> &str {
    if ascii {
        let end = text.len().min(offset + length);
        return text.get(offset..end).unwrap_or("");
    }
    let byte = |n: usize| text.char_indices().nth(n).map_or(text.len(), |(at, _)| at);
    let from = byte(offset);
    let rest = &text[from..];
    let end = rest
        .char_indices()
        .nth(length)
        .map_or(rest.len(), |(at, _)| at);
    &rest[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_count_characters_and_end_with_the_text() {
        assert_eq!(characters("abcdef", 2, 3, true), "cde");
        assert_eq!(characters("abc", 2, 3, true), "c");
        assert_eq!(characters("abc", 9, 3, true), "");
        assert_eq!(characters("äöüß", 1, 2, false), "öü");
        assert_eq!(characters("äöüß", 3, 9, false), "ß");
        assert_eq!(characters("ä", 4, 1, false), "");
    }
}
