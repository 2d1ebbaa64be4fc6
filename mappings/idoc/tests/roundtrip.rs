//! Records to IDocs and back, in both forms, and from one form to the other.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{decode, encode, load};
use hub_model::{
    Address, Instant, ObjectRef, Record, TimePeriod, WorkOrder, WorkOrderAction, Zone,
};
use mapping_idoc::{IdocDecoder, IdocMapping};
use proptest::prelude::*;

/// All that a work order has, in the example's segments.
const ORDERS: &str = r#"
segments = ["service-order"]
[file]
form = "FORM"
encoding = "CHARSET"
line_end = "LINE_END"
[[message]]
mestyp = "ZSRVORD"
idoctyp = "ZSRVORD01"
each = "Z1SRVHD"
record = "work_order"
[message.work_order]
number = "Z1SRVHD/AUFNR"
revision = "Z1SRVHD/REVNR"
action = { column = "Z1SRVHD/ACTION", lookup = { 009 = "upsert", 003 = "cancel", 010 = "report" } }
kind = "Z1SRVHD/AUART"
priority = "Z1SRVHD/PRIOK"
usage_point = "Z1SRVAD/EXT_UI"
street = "Z1SRVAD/STREET"
postal_code = "Z1SRVAD/POST_CODE1"
town = "Z1SRVAD/CITY1"
country = "Z1SRVAD/COUNTRY"
device = "Z1SRVDV[ROLE=OLD]/SERNR"
new_device = "Z1SRVDV[ROLE=NEW]/SERNR"
window_start = { column = "Z1SRVHD/GSTRP", time_column = "Z1SRVHD/GSUZP" }
window_end = { column = "Z1SRVHD/GLTRP", time_column = "Z1SRVHD/GLUZP" }
customer_name = "Z1SRVPA[PARVW=AG]/NAME1"
customer_phone = "Z1SRVPA[PARVW=AG]/TELF1"
comment = "Z1SRVTX[TDID=0001]/TDLINE"
attributes.other = "Z1SRVPA[PARVW=WE]/NAME1"
[message.write]
constants = { "Z1SRVTX[TDID=0009]/TDLINE" = "always there" }
control = { SNDPOR = "MHUB", SNDPRN = "METERHUB", MANDT = "800" }
"#;

fn mapping(form: &str, charset: &str, line_end: &str) -> IdocMapping {
    let text = ORDERS.replace("FORM", form);
    load(
        &text
            .replace("CHARSET", charset)
            .replace("LINE_END", line_end),
    )
}

/// A text that fits a field of so many characters and has no blanks at its ends.
fn text(most: usize, letters: &'static str) -> impl Strategy<Value = String> {
    proptest::string::string_regex(letters)
        .unwrap()
        .prop_map(move |text| {
            text.chars()
                .take(most)
                .collect::<String>()
                .trim()
                .to_owned()
        })
        .prop_filter("empty", |text| !text.is_empty())
}

const ANY: &str = "[ -~¡-ÿĀ-ž€←→𝄞]{1,80}";
const LATIN: &str = "[ -~¡-ÿ]{1,80}";

/// With ALPHA, a number has no zeros before it.
fn id(most: usize) -> impl Strategy<Value = String> {
    text(most, "[A-Z1-9][A-Z0-9-]{0,20}")
}

fn order(letters: &'static str) -> impl Strategy<Value = WorkOrder> {
    let option = |most| proptest::option::of(text(most, letters));
    let head = (
        id(12),
        proptest::option::of(0i64..10_000),
        proptest::sample::select(WorkOrderAction::ALL.to_vec()),
        option(4),
        proptest::option::of(0u8..10),
    );
    let address = (option(60), option(10), option(40), option(3));
    let objects = (
        option(50),
        proptest::option::of(id(18)),
        proptest::option::of(id(18)),
    );
    let window = proptest::option::of((946_684_800i64..4_000_000_000, 0i64..100_000_000));
    let people = (option(40), option(30), option(132), option(40));
    (head, address, objects, window, people).prop_map(
        |(head, (street, postal_code, town, country), objects, window, people)| {
            let address = Address {
                street,
                postal_code,
                town,
                country,
            };
            WorkOrder {
                revision: head.1,
                action: head.2,
                kind: head.3,
                priority: head.4,
                address: Some(address).filter(|address| *address != Address::default()),
                usage_point: objects.0.map(ObjectRef::by_mrid),
                device: objects.1.map(ObjectRef::by_mrid),
                new_device: objects.2.map(ObjectRef::by_mrid),
                window: window.map(|(start, length)| TimePeriod {
                    start: Instant::from_seconds(start),
                    end: Instant::from_seconds(start + length),
                }),
                customer_name: people.0,
                customer_phone: people.1,
                comment: people.2,
                attributes: people
                    .3
                    .map(|name| ("other".to_owned(), name))
                    .into_iter()
                    .collect(),
                ..WorkOrder::new(head.0)
            }
        },
    )
}

fn back(mapping: &IdocMapping, bytes: &Vec<u8>) -> Vec<Record> {
    let found = decode(&IdocDecoder::new(mapping, &Zone::utc()), bytes);
    assert_eq!(found.findings, [], "{}", String::from_utf8_lossy(bytes));
    found
        .records
        .into_iter()
        .map(|(_, record)| record)
        .collect()
}

fn survives(orders: Vec<WorkOrder>, mapping: &IdocMapping) -> Vec<u8> {
    let records: Vec<Record> = orders
        .into_iter()
        .map(|o| Record::WorkOrder(Box::new(o)))
        .collect();
    let bytes = encode(mapping, &records);
    assert_eq!(back(mapping, &bytes), records);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn orders_survive_both_forms(orders in proptest::collection::vec(order(ANY), 1..5)) {
        let xml = mapping("xml", "utf-8", "lf");
        let bytes = survives(orders.clone(), &xml);
        for line_end in ["lf", "crlf", "none"] {
            survives(orders.clone(), &mapping("flat", "utf-8", line_end));
        }
        // From XML to a flat file and back again.
        let flat = mapping("flat", "utf-8", "none");
        let through = encode(&flat, &back(&xml, &bytes));
        prop_assert_eq!(encode(&xml, &back(&flat, &through)), bytes);
    }

    #[test]
    fn orders_survive_single_byte_encodings(orders in proptest::collection::vec(order(LATIN), 1..3)) {
        for charset in ["latin-1", "windows-1252"] {
            for line_end in ["lf", "none"] {
                survives(orders.clone(), &mapping("flat", charset, line_end));
            }
        }
    }
}
