//! Places of records as columns `byte_offset, line, sheet`.

use std::sync::Arc;

use hub_model::Place;

use crate::StoreError;
use crate::db::{Row, Value};

/// Parameters for the three columns.
pub(super) fn params(place: &Place) -> [Value<'_>; 3] {
    [
        signed(place.offset).into(),
        signed(place.line).into(),
        place.sheet.as_deref().into(),
    ]
}

/// Reads the three columns beginning at `column`.
pub(super) fn read(row: &dyn Row, column: usize) -> Result<Place, StoreError> {
    Ok(Place {
        offset: row.int(column)?.max(0).cast_unsigned(),
        line: row.int(column + 1)?.max(0).cast_unsigned(),
        sheet: row.opt_text(column + 2)?.map(Arc::from),
    })
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
