//! The qualities of readings: words of a partner, and the sets they stand for.

use hub_model::{QualityCode, QualitySet, ReadingQuality};
use rustc_hash::FxHashMap;

use super::{ReadingsDecoder, no_field};
use crate::cell::{Cell, Row};
use crate::decode::window::Series;
use crate::header::Layout;
use crate::source::{Class, Fault, Origin, Raw, Source};

/// Distinct qualities of a file; partners have a handful. More would make each look-up slow.
const MAX_QUALITY_WORDS: usize = 4_096;

/// Quality words met so far, and the sets they stand for.
pub(super) struct Qualities {
    /// The set with no judgement is the first.
    pub(super) sets: Vec<QualitySet>,
    words: FxHashMap<Box<[u8]>, u32>,
    last_word: Vec<u8>,
    last: u32,
}

impl Qualities {
    pub(super) fn new() -> Self {
        Self {
            sets: vec![Vec::new()],
            words: FxHashMap::default(),
            last_word: Vec::new(),
            last: 0,
        }
    }

    /// The number of the set of these codes, new if it has not been met; `None` if too many were.
    fn id_of(&mut self, codes: &str) -> Option<u32> {
        let set: QualitySet = codes
            .split_ascii_whitespace()
            .filter_map(|code| code.parse::<QualityCode>().ok())
            .map(ReadingQuality::of)
            .collect();
        if let Some(at) = self.sets.iter().position(|known| *known == set) {
            return u32::try_from(at).ok();
        }
        if self.sets.len() >= MAX_QUALITY_WORDS {
            return None;
        }
        self.sets.push(set);
        u32::try_from(self.sets.len() - 1).ok()
    }
}

impl ReadingsDecoder<'_> {
    /// The quality set of a cell, by its number in [`Qualities::sets`].
    #[inline]
    pub(super) fn quality<R: Row>(
        &mut self,
        source: &Source,
        cell: Cell<'_>,
        row: &R,
    ) -> Result<u32, Fault> {
        if let Cell::Text(word) = cell {
            if word == self.qualities.last_word {
                return Ok(self.qualities.last);
            }
            if let Some(id) = self.qualities.words.get(word) {
                self.qualities.last_word.clear();
                self.qualities.last_word.extend_from_slice(word);
                self.qualities.last = *id;
                return Ok(*id);
            }
        }
        let raw = match (&source.origin, cell) {
            (Origin::Constant(_) | Origin::Expression(_), _) => source.raw(self.layout, row)?,
            (_, Cell::Empty) => source.translated(self.layout, row, Raw::Nothing)?,
            (_, Cell::Error(_)) => source.raw(self.layout, row)?,
            (_, cell) => source.translated(self.layout, row, Raw::Cell(cell))?,
        };
        let text = source.text_of(self.layout, row, &raw)?.into_owned();
        Class::Quality
            .check(&text)
            .map_err(|reason| source.fault(self.layout, reason))?;
        let id = self
            .qualities
            .id_of(&text)
            .ok_or_else(|| too_many_qualities(Some(source), self.layout))?;
        if let (Cell::Text(word), true) = (cell, self.qualities.words.len() < MAX_QUALITY_WORDS) {
            self.qualities.words.insert(word.into(), id);
        }
        Ok(id)
    }
}

/// A set's index in the block of a series; `None` if the block has too many others.
#[inline]
pub(super) fn index_of(series: &mut Series, id: u32, sets: &[QualitySet]) -> Option<u16> {
    series.quality(id, sets.get(id as usize)?)
}

pub(super) fn too_many_qualities(source: Option<&Source>, layout: &Layout) -> Fault {
    let reason =
        format!("is one more than the {MAX_QUALITY_WORDS} different qualities a file can have");
    source.map_or_else(
        || no_field(&reason),
        |source| source.fault(layout, reason.clone()),
    )
}
