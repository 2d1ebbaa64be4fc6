//! Round trips of every shape of day, sizes, and damage.

use std::sync::Arc;

use hub_core::MessageId;
use hub_model::{
    Decimal, Instant, LocalDay, QualityCode, QualitySet, ReadingDetail, ReadingQuality, TimePeriod,
    Zone,
};
use proptest::prelude::*;

use super::*;
use crate::estate::readings::day::Origin;

const MESSAGE: MessageId = MessageId(900_000_000_000_000_000);

fn bytes_of(day: &DayBlock, step: Option<u32>) -> Vec<u8> {
    let mut out = Vec::new();
    encode(day, step, &mut out);
    assert_eq!(&decode(&out).unwrap(), day);
    out
}

/// Quarter-hours of a local day with consumption in Wh that rises and falls, as one CIM file
/// brings it: one place, every reading seven lines after the one before.
fn quarter_hours(zone: &str, (year, month, day): (i16, i8, i8)) -> DayBlock {
    let zone = Zone::named(zone).unwrap();
    let (start, end) = zone.bounds(LocalDay::from_ymd(year, month, day).unwrap());
    let count = end.micros_since(start) / 900_000_000;
    let readings = (1..=count).map(|i| StoredReading {
        value: Decimal::new(150 + (i * 7919) % 97 + (i % 24) * 3, 3),
        offset: 1_234_567,
        line: 98_765 + 7 * i.cast_unsigned(),
        ..blank(start.plus_seconds(900 * i))
    });
    DayBlock {
        readings: readings.collect(),
        qualities: vec![Vec::new()],
        origins: vec![Origin {
            message: MESSAGE,
            sheet: None,
        }],
    }
}

fn estimated() -> QualitySet {
    vec![ReadingQuality {
        comment: Some("no signal".into()),
        source: Some("HES".into()),
        timestamp: Some(Instant::from_seconds(1_800_000_000)),
        ..ReadingQuality::of(QualityCode::new(3, 8, 0))
    }]
}

#[test]
fn days_of_92_96_and_100_quarter_hours_are_exact_and_small() {
    for (date, count) in [
        ((2026, 3, 29), 92),
        ((2026, 6, 1), 96),
        ((2026, 10, 25), 100),
    ] {
        for zone in ["Europe/Helsinki", "Europe/Berlin"] {
            let day = quarter_hours(zone, date);
            assert_eq!(day.readings.len(), count);
            let size = bytes_of(&day, Some(900)).len();
            assert!(size * 10 <= count * 18, "{size} bytes for {count} readings");
        }
    }
}

/// Message, byte offset and lines of a day that is delivered at once.
#[test]
fn lineage_of_a_day_costs_twenty_bytes() {
    let day = quarter_hours("Europe/Berlin", (2026, 6, 1));
    let mut without = day.clone();
    without.origins.clear();
    for reading in &mut without.readings {
        (reading.offset, reading.line) = (0, 0);
    }
    let cost = bytes_of(&day, Some(900)).len() - bytes_of(&without, Some(900)).len();
    assert!(cost <= 20, "{cost} bytes");
}

#[test]
fn a_gap_a_missing_value_and_zero_all_differ() {
    let mut day = quarter_hours("Europe/Berlin", (2026, 6, 1));
    day.readings.remove(40);
    day.readings[10].value = None;
    day.readings[11].value = Some(Decimal::ZERO);
    let back = decode(&bytes_of(&day, Some(900))).unwrap();
    assert_eq!(back.readings.len(), 95);
    assert_eq!(back.readings[10].value, None);
    assert_eq!(back.readings[11].value, Some(Decimal::ZERO));
}

#[test]
fn qualities_origins_and_details_survive() {
    let mut day = quarter_hours("Europe/Berlin", (2026, 6, 1));
    day.qualities.push(estimated());
    day.origins.push(Origin {
        message: MessageId(7),
        sheet: Some(Arc::from("Lastgang Ä")),
    });
    for reading in &mut day.readings[20..30] {
        (reading.quality, reading.origin) = (1, 1);
        (reading.offset, reading.line) = (3, u64::MAX);
    }
    let at = day.readings[5].at;
    day.readings[5].detail = Some(Box::new(ReadingDetail {
        reported: Some(at.plus_seconds(3)),
        source: Some("handheld".into()),
        reason: Some("moveIn".into()),
        period: Some(TimePeriod {
            start: at.plus_seconds(-86_400),
            end: at,
        }),
    }));
    day.readings[95].detail = Some(Box::default());
    bytes_of(&day, Some(900));
    bytes_of(&day, None);
}

#[test]
fn values_of_every_size_survive() {
    let max = 999_999_999_999_999_999;
    for values in [
        vec![(max, 0), (-max, 0), (max, 18), (-1, 18), (0, 0)],
        vec![(max, 0), (-max, 0), (0, 0)],
        vec![(5, 1), (5, 1), (5, 1)],
        vec![(-3, 2)],
    ] {
        let mut day = quarter_hours("Europe/Berlin", (2026, 6, 1));
        day.readings.truncate(values.len());
        for (reading, (mantissa, scale)) in day.readings.iter_mut().zip(values) {
            reading.value = Some(Decimal::new(mantissa, scale).unwrap());
        }
        bytes_of(&day, Some(900));
    }
}

#[test]
fn an_empty_day_is_a_day() {
    let mut day = quarter_hours("Europe/Berlin", (2026, 6, 1));
    day.readings.clear();
    day.origins.clear();
    bytes_of(&day, None);
}

#[test]
fn a_newer_version_is_not_guessed_at() {
    let mut bytes = bytes_of(&quarter_hours("Europe/Berlin", (2026, 6, 1)), None);
    bytes[0] = 2;
    let error = decode(&bytes).unwrap_err().to_string();
    assert!(error.contains("version 2, expected 1"), "{error}");
}

/// Flips, cuts and doubles bytes of real blocks 200,000 times: an error or a day, never a
/// panic, and never more readings than a day may hold.
#[test]
fn damage_is_an_error_or_a_day_never_a_panic() {
    let mut rich = quarter_hours("Europe/Berlin", (2026, 6, 1));
    rich.readings.remove(17);
    rich.readings[3].value = None;
    rich.readings[4].detail = Some(Box::default());
    rich.qualities.push(estimated());
    rich.readings[50].quality = 1;
    rich.origins.push(Origin {
        message: MESSAGE,
        sheet: Some(Arc::from("s")),
    });
    rich.readings[60].origin = 1;
    let seeds = [
        bytes_of(&rich, Some(900)),
        bytes_of(&quarter_hours("Europe/Berlin", (2026, 10, 25)), None),
    ];
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below.max(1) as u64) as usize
    };
    let (mut refused, mut read) = (0, 0);
    for round in 0..40_000 {
        let mut bytes = seeds[round % 2].clone();
        for _ in 0..=next(4) {
            let at = next(bytes.len());
            match next(4) {
                0 => bytes[at] ^= 1 << next(8),
                1 => bytes[at] = next(256) as u8,
                2 => bytes.truncate(at + 1),
                _ => bytes.insert(at, 0xff),
            }
        }
        match decode(&bytes) {
            Ok(day) => {
                assert!(day.readings.len() <= MAX_READINGS);
                read += 1;
            }
            Err(StoreError::Damaged(_)) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > 5_000 && read > 200, "{refused} {read}");
    for length in 0..seeds[0].len() {
        assert!(decode(&seeds[0][..length]).is_err(), "{length}");
    }
}

fn decimals() -> impl Strategy<Value = Decimal> {
    (
        -999_999_999_999_999_999i64..=999_999_999_999_999_999,
        0u8..=18,
        1u32..18,
    )
        .prop_map(|(mantissa, scale, digits)| {
            Decimal::new(mantissa / 10i64.pow(digits), scale).unwrap_or_default()
        })
}

fn details() -> impl Strategy<Value = ReadingDetail> {
    let instants = || any::<i64>().prop_map(Instant::from_micros);
    (
        proptest::option::of(instants()),
        proptest::option::of("\\PC{0,8}"),
        proptest::option::of("\\PC{0,8}"),
        proptest::option::of((instants(), instants())),
    )
        .prop_map(|(reported, source, reason, period)| ReadingDetail {
            reported,
            source,
            reason,
            period: period.map(|(start, end)| TimePeriod { start, end }),
        })
}

/// Days with any values at regular, gappy and odd instants.
fn days() -> impl Strategy<Value = DayBlock> {
    let reading = (
        prop_oneof![8 => Just(900_000_000i64), 2 => 1i64..200_000_000_000, 1 => (1i64..9).prop_map(|n| n * 900_000_000)],
        proptest::option::weighted(0.9, decimals()),
        0u32..3,
        0u32..2,
        (0u64..1 << 40, 0u64..1 << 30),
        proptest::option::weighted(0.1, details()),
    );
    let start = -4_000_000_000i64..8_000_000_000;
    (start, proptest::collection::vec(reading, 0..120)).prop_map(|(start, parts)| {
        let mut at = start * 1_000_000;
        let readings = parts.into_iter().map(|part| {
            let (step, value, quality, origin, (offset, line), detail) = part;
            at += step;
            StoredReading {
                value,
                quality,
                origin,
                offset,
                line,
                detail: detail.map(Box::new),
                ..blank(Instant::from_micros(at))
            }
        });
        let origin = |message, sheet: Option<&str>| Origin {
            message: MessageId(message),
            sheet: sheet.map(Arc::from),
        };
        DayBlock {
            readings: readings.collect(),
            qualities: vec![
                Vec::new(),
                estimated(),
                vec![ReadingQuality::of(QualityCode::new(1, 0, 0))],
            ],
            origins: vec![origin(-5, None), origin(i64::MAX, Some(""))],
        }
    })
}

proptest! {
    #[test]
    fn any_day_survives(day in days(), step in proptest::option::of(1u32..4_000)) {
        let mut bytes = Vec::new();
        encode(&day, step, &mut bytes);
        let mut expected = day;
        if !qualities::needed(&expected) {
            expected.qualities.truncate(1);
        }
        prop_assert_eq!(decode(&bytes).unwrap(), expected);
    }

    #[test]
    fn any_bytes_are_an_error_or_a_day(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }
}
