//! decode ∘ encode: readings, values, qualities, details and names survive.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are not marked as tests"
)]

mod common;

use hub_model::mapping::{Encode, Envelope};
use hub_model::{
    Decimal, Instant, Name, ObjectRef, QualityCode, Reading, ReadingBlock, ReadingDetail,
    ReadingKind, ReadingQuality, ReadingType, Record, TimePeriod, Zone,
};
use mapping_cim::{CimEncoder, CimNamespace};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Texts without space around them, as decoding takes that off.
fn text() -> impl Strategy<Value = String> {
    vec(
        prop_oneof![
            any::<char>().prop_filter("characters XML can hold", |c| {
                !matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
            }),
            proptest::char::ranges(vec!['<'..='>', '!'..='/', '\n'..='\n', '\r'..='\r', ' '..=' '].into()),
        ],
        1..12,
    )
    .prop_map(|chars| chars.into_iter().collect::<String>())
    .prop_filter("no space around", |text: &String| {
        !text.is_empty() && text.trim_ascii().len() == text.len()
    })
}

fn instant() -> impl Strategy<Value = Instant> {
    prop_oneof![
        (1_500_000_000i64..2_000_000_000).prop_map(Instant::from_seconds),
        (0i64..4_000_000_000_000_000).prop_map(Instant::from_micros),
    ]
}

fn decimal() -> impl Strategy<Value = Decimal> {
    (
        -999_999_999_999_999_999i64..=999_999_999_999_999_999,
        0u8..=18,
    )
        .prop_filter_map("in range", |(mantissa, scale)| {
            Decimal::new(mantissa, scale)
        })
}

fn reading_type() -> impl Strategy<Value = ReadingType> {
    (proptest::array::uniform18(0i32..=i32::MAX), any::<i32>()).prop_map(
        |(mut parts, multiplier)| {
            parts[15] = multiplier;
            ReadingType(parts)
        },
    )
}

fn object() -> impl Strategy<Value = ObjectRef> {
    let name = (text(), option::of(text()), option::of(text())).prop_map(
        |(name, name_type, authority)| Name {
            name,
            name_type,
            authority,
        },
    );
    (option::of(text()), vec(name, 0..3))
        .prop_map(|(mrid, names)| ObjectRef { mrid, names })
        .prop_filter("names something", |object| object.id().is_some())
}

fn quality() -> impl Strategy<Value = ReadingQuality> {
    (
        any::<(u16, u16, u16)>(),
        option::of(text()),
        option::of(text()),
        option::of(instant()),
    )
        .prop_map(
            |((system, category, sub), comment, source, timestamp)| ReadingQuality {
                code: QualityCode::new(system, category, sub),
                comment,
                source,
                timestamp,
            },
        )
}

fn detail(kind: ReadingKind) -> impl Strategy<Value = ReadingDetail> {
    let period = (instant(), instant()).prop_map(|(start, end)| TimePeriod { start, end });
    (
        option::of(instant()),
        option::of(text()),
        option::of(text()),
        option::of(period),
    )
        .prop_map(move |(reported, source, reason, period)| ReadingDetail {
            reported,
            source,
            reason: reason.filter(|_| kind == ReadingKind::Register),
            period,
        })
}

/// A reading with its qualities: missing values have the quality that says so.
fn reading(kind: ReadingKind) -> impl Strategy<Value = (Reading, Vec<ReadingQuality>)> {
    (
        instant(),
        option::weighted(0.9, decimal()),
        vec(quality(), 0..3),
        option::weighted(0.3, detail(kind)),
    )
        .prop_map(|(at, value, mut qualities, detail)| {
            if value.is_none() {
                qualities.push(ReadingQuality::of(QualityCode::new(2, 5, 259)));
            }
            let mut reading = Reading::new(at, value);
            reading.detail = detail
                .filter(|detail| *detail != ReadingDetail::default())
                .map(Box::new);
            (reading, qualities)
        })
}

fn block() -> impl Strategy<Value = ReadingBlock> {
    prop_oneof![Just(ReadingKind::Interval), Just(ReadingKind::Register)].prop_flat_map(|kind| {
        (
            reading_type(),
            option::of(object()),
            option::of(object()),
            vec(reading(kind), 1..8),
        )
            .prop_filter("belongs to something", |(_, meter, usage_point, _)| {
                meter.is_some() || usage_point.is_some()
            })
            .prop_map(move |(reading_type, meter, usage_point, readings)| {
                let mut block = ReadingBlock::new(reading_type, kind);
                block.meter = meter;
                block.usage_point = usage_point;
                for (mut reading, qualities) in readings {
                    reading.quality = block.quality_index(qualities).unwrap();
                    block.readings.push(reading);
                }
                block
            })
    })
}

fn encoder() -> impl Strategy<Value = CimEncoder> {
    let namespace = prop_oneof![
        Just(CimNamespace::Year2010),
        Just(CimNamespace::Year2011),
        Just(CimNamespace::Custom("urn:partner?a=1&b=<2>".into())),
    ];
    (namespace, any::<bool>()).prop_map(|(namespace, enveloped)| {
        let encoder = CimEncoder::new(namespace);
        if enveloped {
            encoder.enveloped()
        } else {
            encoder
        }
    })
}

fn encode(encoder: &CimEncoder, blocks: &[ReadingBlock]) -> Vec<u8> {
    let envelope = Envelope {
        message_id: "m-1".into(),
        created: Instant::EPOCH,
        zone: Zone::utc(),
    };
    let mut out = Vec::new();
    encoder.head(&envelope, &mut out);
    for block in blocks {
        let record = Record::Readings(block.clone());
        encoder
            .record(&envelope, &record, &mut out)
            .expect("expressible");
    }
    encoder.tail(&envelope, &mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_encoded_is_decoded(encoder in encoder(), blocks in vec(block(), 1..5)) {
        let bytes = encode(&encoder, &blocks);
        let decoder = common::decoder().accepting("urn:partner?a=1&b=<2>");
        let yielded = common::decode_checked(&decoder, &bytes);
        prop_assert_eq!(&yielded.findings, &vec![], "{}", String::from_utf8_lossy(&bytes));
        let mut decoded = Vec::new();
        for (_, record) in yielded.records {
            let Record::Readings(mut block) = record else { panic!("a block") };
            for reading in &mut block.readings {
                reading.line = 0;
            }
            decoded.push(block);
        }
        prop_assert_eq!(decoded, blocks);
    }
}

/// Partners' own formats leave a value out without a word; ours says that it is missing, once.
#[test]
fn a_value_that_nobody_judged_is_written_as_known_missing() {
    let quality = |code: &str| ReadingQuality::of(code.parse().unwrap());
    let mut block = ReadingBlock::new(ReadingType::default(), ReadingKind::Interval);
    block.meter = Some(ObjectRef::by_mrid("M1"));
    for (at, codes) in [(0, vec![]), (900, vec!["1.4.1"]), (1800, vec!["3.5.259"])] {
        let mut reading = Reading::new(Instant::from_seconds(at), None);
        let set = codes.into_iter().map(quality).collect();
        reading.quality = block.quality_index(set).unwrap();
        block.readings.push(reading);
    }
    let bytes = encode(&CimEncoder::new(CimNamespace::Year2011), &[block]);
    let text = String::from_utf8_lossy(&bytes);
    assert!(!text.contains("<value"), "{text}");
    let yielded = common::decode_checked(&common::decoder(), &bytes);
    assert_eq!(yielded.findings, vec![], "{text}");
    let Record::Readings(decoded) = &yielded.records[0].1 else {
        panic!("a block")
    };
    let codes: Vec<Vec<String>> = decoded
        .readings
        .iter()
        .map(|reading| {
            decoded
                .qualities_of(reading)
                .iter()
                .map(|q| q.code.to_string())
                .collect()
        })
        .collect();
    assert_eq!(
        codes,
        [vec!["2.5.259"], vec!["1.4.1", "2.5.259"], vec!["3.5.259"]]
    );
    assert!(
        decoded
            .readings
            .iter()
            .all(|reading| reading.value.is_none())
    );
}

#[test]
fn what_cannot_be_said_is_refused_and_nothing_written() {
    let encoder = CimEncoder::new(CimNamespace::Year2011);
    let envelope = Envelope {
        message_id: "m-1".into(),
        created: Instant::EPOCH,
        zone: Zone::utc(),
    };
    let mut good = ReadingBlock::new(ReadingType::default(), ReadingKind::Interval);
    good.meter = Some(ObjectRef::by_mrid("M1"));
    good.readings
        .push(Reading::new(Instant::EPOCH, Some(Decimal::ZERO)));
    let refused = |change: fn(&mut ReadingBlock)| {
        let mut block = good.clone();
        change(&mut block);
        let mut out = Vec::new();
        let result = encoder.record(&envelope, &Record::Readings(block), &mut out);
        assert!(out.is_empty(), "nothing is written");
        result.expect_err("refused").field
    };
    assert_eq!(refused(|b| b.meter = None), "meter");
    assert_eq!(refused(|b| b.meter = Some(ObjectRef::default())), "meter");
    assert_eq!(
        refused(|b| b.meter = Some(ObjectRef::by_mrid("a\u{1}"))),
        "meter"
    );
    assert_eq!(
        refused(|b| b.readings[0].at = Instant::from_micros(i64::MAX)),
        "at"
    );
    assert_eq!(
        refused(|b| {
            b.readings[0].detail = Some(Box::new(ReadingDetail {
                reason: Some("billing".into()),
                ..ReadingDetail::default()
            }));
        }),
        "reason"
    );
}
