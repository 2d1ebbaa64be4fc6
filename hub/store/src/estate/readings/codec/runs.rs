//! Columns that are mostly constant or mostly grow by the same amount: runs of equal differences.

use super::bytes::{Reader, Writer};
use super::damaged;
use crate::StoreError;

/// Writes numbers as the first of them and runs of (difference, how often). Their count is known
/// to the reader.
pub(super) fn encode(mut numbers: impl Iterator<Item = u64>, writer: &mut Writer<'_>) {
    let Some(first) = numbers.next() else {
        return;
    };
    writer.number(first);
    let (mut before, mut run): (u64, Option<(i64, u64)>) = (first, None);
    for number in numbers {
        let step = number.wrapping_sub(before).cast_signed();
        before = number;
        run = match run {
            Some((same, length)) if same == step => Some((same, length + 1)),
            other => {
                end_run(other, writer);
                Some((step, 1))
            }
        };
    }
    end_run(run, writer);
}

fn end_run(run: Option<(i64, u64)>, writer: &mut Writer<'_>) {
    if let Some((step, length)) = run {
        writer.signed(step);
        writer.number(length);
    }
}

/// Reads `count` numbers and hands each to `take` with its position.
pub(super) fn decode(
    count: usize,
    reader: &mut Reader<'_>,
    mut take: impl FnMut(usize, u64) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    if count == 0 {
        return Ok(());
    }
    let mut number = reader.number()?;
    take(0, number)?;
    let mut done = 1;
    while done < count {
        let step = reader.signed()?;
        let length = usize::try_from(reader.number()?).unwrap_or(usize::MAX);
        if length == 0 || length > count - done {
            return Err(damaged("a run that does not fit"));
        }
        for position in done..done + length {
            number = number.wrapping_add(step.cast_unsigned());
            take(position, number)?;
        }
        done += length;
    }
    Ok(())
}
