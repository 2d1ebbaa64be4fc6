//! Which instants the columns of a wide row stand for, on days of 92, 96 and 100 quarter-hours.

use hub_model::{Instant, LocalDay};

use crate::cell::DAY_MICROS;
use crate::clock::{LocalClock, Placed};
use crate::tables::{DstColumns, Stamp, Wide};

/// Most intervals a row may hold: seconds would be 86,400, minutes are 1,440 (and 1,500).
const MAX_INTERVALS: u16 = 3_000;

/// A wide row's columns, with slots.
#[derive(Debug, Clone)]
pub(crate) struct WidePlan {
    pub(crate) first: usize,
    pub(crate) quality: Option<usize>,
    pub(crate) repeated: Option<usize>,
    pub(crate) count: u16,
    pub(crate) step: u16,
    pub(crate) interval_seconds: u32,
    pub(crate) power_of_ten: i32,
    /// Seconds from local midnight to the beginning of the first column's interval.
    shift_seconds: i64,
    /// Stamp of the first column, in seconds after midnight.
    pub(crate) first_seconds: u32,
    dst: DstColumns,
}

/// One interval of a day: which column holds it, and when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GridCell {
    /// Columns after the first, or after the first repeated one.
    pub(crate) index: u16,
    /// Whether it stands among the repeated columns.
    pub(crate) repeated: bool,
    /// End of the interval.
    pub(crate) end: Instant,
}

impl WidePlan {
    /// Checks what the keys of a wide row say of each other.
    ///
    /// # Errors
    /// What would be valid.
    pub(crate) fn check(wide: &Wide) -> Result<(), String> {
        if !(1..=MAX_INTERVALS).contains(&wide.count) {
            return Err(format!("`wide.count` must be from 1 to {MAX_INTERVALS}"));
        }
        if !(1..=8).contains(&wide.step) {
            return Err("`wide.step` must be from 1 to 8".to_owned());
        }
        if wide.interval_seconds == 0 || 3_600 % wide.interval_seconds != 0 {
            return Err(
                "`wide.interval_seconds` must divide an hour: 900, 1800, 3600 ...".to_owned(),
            );
        }
        if wide.first_seconds.is_some_and(|seconds| seconds > 86_400) {
            return Err("`wide.first_seconds` must be from 0 to 86400".to_owned());
        }
        if wide.repeated_column.is_some() && wide.dst != DstColumns::Clock {
            return Err("`wide.repeated_column` needs `dst = \"clock\"`".to_owned());
        }
        Ok(())
    }

    pub(crate) fn new(
        wide: &Wide,
        stamp: Stamp,
        first: usize,
        quality: Option<usize>,
        repeated: Option<usize>,
    ) -> Self {
        let usual = if stamp == Stamp::Start {
            0
        } else {
            wide.interval_seconds
        };
        let first_seconds = wide.first_seconds.unwrap_or(usual);
        Self {
            first,
            quality,
            repeated,
            count: wide.count,
            step: wide.step,
            interval_seconds: wide.interval_seconds,
            power_of_ten: wide.power_of_ten,
            shift_seconds: i64::from(first_seconds) - i64::from(usual),
            first_seconds,
            dst: wide.dst,
        }
    }

    /// The day whose row holds an interval.
    pub(crate) fn day_of(&self, end: Instant, clock: &LocalClock) -> LocalDay {
        let start = end.plus_seconds(-i64::from(self.interval_seconds) - self.shift_seconds);
        clock.zone().day_of(start)
    }

    /// The intervals of a day, in their order.
    pub(crate) fn cells(&self, day: LocalDay, clock: &mut LocalClock) -> Vec<GridCell> {
        match self.dst {
            DstColumns::Elapsed => self.elapsed(day, clock),
            DstColumns::Clock => self.by_clock(day, clock),
        }
    }

    fn elapsed(&self, day: LocalDay, clock: &LocalClock) -> Vec<GridCell> {
        let (midnight, next) = clock.zone().bounds(day);
        let interval = i64::from(self.interval_seconds);
        (0..self.count)
            .map_while(|index| {
                let offset = i64::from(index) * interval;
                let within = midnight.plus_seconds(offset) < next;
                let end = midnight.plus_seconds(offset + interval + self.shift_seconds);
                within.then_some(GridCell {
                    index,
                    repeated: false,
                    end,
                })
            })
            .collect()
    }

    fn by_clock(&self, day: LocalDay, clock: &mut LocalClock) -> Vec<GridCell> {
        let midnight = i64::from(day.0) * DAY_MICROS + self.shift_seconds * 1_000_000;
        let interval = i64::from(self.interval_seconds);
        let (mut cells, mut extra) = (Vec::with_capacity(usize::from(self.count)), 0);
        for index in 0..self.count {
            let local = midnight + i64::from(index) * interval * 1_000_000;
            match clock.place(local) {
                Placed::Once(start) => cells.push(GridCell {
                    index,
                    repeated: false,
                    end: start.plus_seconds(interval),
                }),
                Placed::Twice(first, second) => {
                    cells.push(GridCell {
                        index,
                        repeated: false,
                        end: first.plus_seconds(interval),
                    });
                    if self.repeated.is_some() {
                        cells.push(GridCell {
                            index: extra,
                            repeated: true,
                            end: second.plus_seconds(interval),
                        });
                        extra += 1;
                    }
                }
                Placed::Skipped | Placed::OutOfRange => {}
            }
        }
        cells.sort_by_key(|cell| cell.end);
        cells
    }

    /// Columns from a value to its quality, given the columns where both runs begin. Of repeated
    /// columns the qualities stand beside the values too, or else right after the last of them.
    pub(crate) fn quality_shift(&self, repeated: bool, first: usize, quality: usize) -> isize {
        if repeated && self.step == 1 {
            return isize::try_from(self.repeated_count()).unwrap_or(0);
        }
        isize::try_from(quality).unwrap_or(0) - isize::try_from(first).unwrap_or(0)
    }

    /// What to write above the column of the `index`-th value, `00:15` say.
    pub(crate) fn label(&self, index: u16) -> String {
        let seconds =
            u64::from(self.first_seconds) + u64::from(index) * u64::from(self.interval_seconds);
        format!("{:02}:{:02}", seconds / 3_600, seconds / 60 % 60)
    }

    /// Most columns that the repeated hour can need.
    pub(crate) fn repeated_count(&self) -> u16 {
        u16::try_from(3_600 / self.interval_seconds).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hub_model::Zone;

    fn wide(count: u16, dst: DstColumns, repeated: Option<usize>) -> WidePlan {
        let wide = Wide {
            first_column: crate::ColumnRef::Numbered(2),
            count,
            step: 1,
            first_quality_column: None,
            interval_seconds: 900,
            first_seconds: None,
            dst,
            power_of_ten: 0,
            repeated_column: None,
        };
        WidePlan::new(&wide, Stamp::End, 0, None, repeated)
    }

    fn day(month: i8, day: i8) -> LocalDay {
        LocalDay::from_ymd(2026, month, day).unwrap()
    }

    #[test]
    fn elapsed_columns_count_the_intervals_of_the_day() {
        let mut clock = LocalClock::new(Zone::named("Europe/Berlin").unwrap());
        let plan = wide(100, DstColumns::Elapsed, None);
        for (date, count) in [(day(3, 29), 92), (day(6, 1), 96), (day(10, 25), 100)] {
            let cells = plan.cells(date, &mut clock);
            assert_eq!(cells.len(), count);
            assert_eq!(cells[count - 1].end, clock.zone().bounds(date).1);
            assert!(
                cells
                    .iter()
                    .all(|cell| plan.day_of(cell.end, &clock) == date)
            );
        }
    }

    #[test]
    fn clock_columns_leave_the_skipped_hour_and_double_the_repeated_one() {
        let mut clock = LocalClock::new(Zone::named("Europe/Berlin").unwrap());
        let plan = wide(96, DstColumns::Clock, Some(9));
        let spring = plan.cells(day(3, 29), &mut clock);
        assert_eq!(spring.len(), 92);
        assert!(spring.iter().all(|cell| !(8..12).contains(&cell.index)));
        let autumn = plan.cells(day(10, 25), &mut clock);
        assert_eq!(autumn.len(), 100);
        let extra: Vec<_> = autumn
            .iter()
            .filter(|cell| cell.repeated)
            .map(|cell| (cell.index, cell.end.to_string()))
            .collect();
        assert_eq!(extra[0], (0, "2026-10-25T01:15:00Z".to_owned()));
        assert_eq!(extra.len(), 4);
        let mut ends: Vec<_> = autumn.iter().map(|cell| cell.end).collect();
        ends.sort_unstable();
        ends.dedup();
        assert_eq!(ends.len(), 100);
    }

    #[test]
    fn labels_are_times_of_the_clock() {
        let plan = wide(96, DstColumns::Clock, None);
        assert_eq!(
            (plan.label(0).as_str(), plan.label(95).as_str()),
            ("00:15", "24:00")
        );
    }
}
