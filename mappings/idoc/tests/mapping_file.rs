//! Mapping files: what is wrong is said with its place and what would be valid.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{SERVICE_ORDERS, decode, decoder, encode, envelope, load, numbers, xml_idoc};
use hub_model::mapping::Encode;
use hub_model::{Record, WorkOrder, WorkOrderStatus, Zone};
use mapping_idoc::{Definition, IdocDecoder, IdocEncoder, IdocMapping, asked_definitions};

const SMALL: &str = "segments = [\"service-order\"]\n[[message]]\nmestyp = \"A\"\nidoctyp = \"A01\"\nrecord = \"work_order\"\n[message.work_order]\nnumber = \"Z1SRVHD/AUFNR\"\n";

fn refused(text: &str) -> String {
    IdocMapping::load(text, &[]).expect_err(text).to_string()
}

#[test]
fn unknown_names_are_errors_at_their_place() {
    for (line, at, part) in [
        (
            "kind = \"Z1SRVHD/AUART2\"",
            "line 8, column 9",
            "one of `AUFNR`, `REVNR`, `AUART`",
        ),
        (
            "kind = \"Z1NOPE/AUART\"",
            "line 8, column 9",
            "segment `Z1NOPE` is not defined, expected one of `EDI_DC40`, `Z1SRVAD`",
        ),
        (
            "kind = \"Z1SRVPA[PARVX=AG]/NAME1\"",
            "line 8, column 9",
            "no field `PARVX`",
        ),
        ("kind = \"AUART\"", "line 8, column 9", "not a path"),
        ("kind = 3", "line 5, column 10", "not a path"),
        (
            "kinds = \"Z1SRVHD/AUART\"",
            "line 8, column 1",
            "unknown field `kinds`",
        ),
        (
            "[message.names]\nx = \"Z1SRVHD/NOPE\"",
            "line 9, column 5",
            "no field `NOPE`",
        ),
        (
            "[message.write]\ncontrol = { SNDPRX = \"a\" }",
            "line 9, column 22",
            "no field `SNDPRX`",
        ),
        (
            "[message.write]\ncontrol = { SNDPRN = \"12345678901\" }",
            "line 9, column 22",
            "at most 10",
        ),
        (
            "[message.write]\ncontrol = { DOCNUM = \"1\" }",
            "line 9, column 22",
            "`docnum` says",
        ),
        (
            "[message.write]\nsegments = [\"Z1SRVPA\"]",
            "line 9, column 13",
            "no field that is written",
        ),
        (
            "[[segment]]\nname = \"Z1X\"\nfields = [{ name = \"a\" }]",
            "line 8, column 1",
            "segment `Z1X`: `a` is not a name",
        ),
    ] {
        let error = refused(&format!("{SMALL}{line}\n"));
        assert!(
            error.starts_with(at) && error.contains(part),
            "{line}: {error}"
        );
    }
    let error = refused(&SMALL.replace("service-order", "service-orders"));
    assert!(
        error.starts_with("line 1, column 13")
            && error.contains("`meter-reading-upload`, `service-order`"),
        "{error}"
    );
    let error = refused(&SMALL.replace("idoctyp = \"A01\"", "each = \"Z1SRVHX\""));
    assert!(
        error.starts_with("line 4, column 8") && error.contains("`each`: segment `Z1SRVHX`"),
        "{error}"
    );
    let error = refused(&format!(
        "{}[message.write]\n",
        SMALL.replace("idoctyp = \"A01\"\n", "")
    ));
    assert!(error.contains("`write` needs `idoctyp`"), "{error}");
    let error = refused(&format!(
        "{}[message.write]\n",
        SMALL.replace("A01", "A 01>")
    ));
    assert!(error.contains("cannot be written"), "{error}");
}

#[test]
fn a_new_segment_is_a_file() {
    let text = SMALL
        .replace("service-order", "own")
        .replace("Z1SRVHD/AUFNR", "Z1OWN/NR");
    assert_eq!(asked_definitions(&text), ["own"]);
    let own = "[[segment]]\nname = \"Z1OWN\"\nfields = [{ name = \"NR\", length = 8, type = \"alpha\" }]\n";
    let mapping = IdocMapping::load(
        &text,
        &[Definition {
            name: "own",
            text: own,
        }],
    )
    .unwrap();
    let order = Record::WorkOrder(Box::new(WorkOrder::new("1")));
    assert!(
        IdocEncoder::new(&mapping, &Zone::utc()).is_none(),
        "{order:?}"
    );
    let input = xml_idoc(1, "")
        .replace("ZSRVORD01", "A01")
        .replace("ZSRVORD", "A");
    let input = input
        .replace("Z1SRVHD", "Z1OWN")
        .replace("AUFNR", "NR")
        .into_bytes();
    let found = decode(&IdocDecoder::new(&mapping, &Zone::utc()), &input);
    assert_eq!(numbers(&found), ["1"], "{:?}", found.findings);
    let broken = Definition {
        name: "own",
        text: "[[segment]]\nname = 1\n",
    };
    let error = IdocMapping::load(&text, &[broken]).unwrap_err().to_string();
    assert!(
        error.starts_with("line 1, column 13: definition file `segments/own.toml`: line 2"),
        "{error}"
    );
}

#[test]
fn what_comes_with_the_crate_loads_and_is_described() {
    for text in [
        SERVICE_ORDERS,
        include_str!("../examples/confirmations.toml"),
        include_str!("../examples/meter-readings.toml"),
    ] {
        load(text);
    }
    let schema = serde_json::to_value(mapping_idoc::mapping_schema()).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    for (name, table) in schema["$defs"].as_object().unwrap() {
        for (key, property) in table["properties"].as_object().into_iter().flatten() {
            assert!(
                property.get("description").is_some(),
                "{name}.{key} has no description"
            );
        }
    }
}

#[test]
fn an_expression_sees_named_paths() {
    let text = format!(
        "{SMALL}comment = {{ expression = \"a + '/' + b\" }}\n[message.names]\na = \"Z1SRVHD/KTEXT\"\nb = \"EDI_DC40/DOCNUM\"\n"
    );
    let input = xml_idoc(7, "<KTEXT>T</KTEXT>")
        .replace("ZSRVORD01", "A01")
        .replace("ZSRVORD", "A");
    let found = decode(&decoder(&text), &input.into_bytes());
    let Record::WorkOrder(order) = &found.records[0].1 else {
        panic!("{found:?}")
    };
    assert_eq!(order.comment.as_deref(), Some("T/0000000000000007"));
}

fn confirmation() -> WorkOrder {
    WorkOrder {
        status: Some(WorkOrderStatus::Completed),
        ..WorkOrder::new("4711")
    }
}

#[test]
fn what_a_field_cannot_hold_is_refused_or_cut_as_its_definition_says() {
    let mapping = load(include_str!("../examples/confirmations.toml"));
    let encoder = IdocEncoder::new(&mapping, &Zone::utc()).unwrap();
    let mut out = b"before".to_vec();
    let mut order = confirmation();
    order.deviation = Some("TOO LONG".into());
    let error = encoder.record(&envelope(), &Record::WorkOrder(Box::new(order)), &mut out);
    let reason = error.unwrap_err().reason;
    assert!(reason.contains("`Z1SRVCF/GRUND` holds 4"), "{reason}");
    assert_eq!(out, b"before");

    let mut order = confirmation();
    order.comment = Some(format!("a\nb\u{1}{}", "ö".repeat(200)));
    let text = encode(&mapping, &[Record::WorkOrder(Box::new(order))]);
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.contains(&format!("<TDLINE>a b {}</TDLINE>", "ö".repeat(128))),
        "{text}"
    );
}

#[test]
fn a_character_that_the_encoding_lacks_is_refused() {
    let text = include_str!("../examples/confirmations.toml");
    let text = text.replace("form = \"xml\"", "form = \"flat\"\nencoding = \"latin-1\"");
    let mapping = load(&text);
    let encoder = IdocEncoder::new(&mapping, &Zone::utc()).unwrap();
    let mut order = confirmation();
    order.comment = Some("1 €".into());
    let mut out = Vec::new();
    let error = encoder.record(&envelope(), &Record::WorkOrder(Box::new(order)), &mut out);
    assert!(error.unwrap_err().reason.contains("`€`"));
    assert!(out.is_empty());
}

#[test]
fn a_made_number_is_the_same_for_a_resend_and_differs_between_idocs() {
    let mapping = load(include_str!("../examples/confirmations.toml"));
    let number = |order: WorkOrder| {
        let text = encode(&mapping, &[Record::WorkOrder(Box::new(order))]);
        let text = String::from_utf8(text).unwrap();
        let from = text.find("<DOCNUM>").unwrap() + 8;
        text[from..from + 16].to_owned()
    };
    assert_eq!(number(confirmation()), number(confirmation()));
    assert_ne!(
        number(confirmation()),
        number(WorkOrder {
            number: "4712".into(),
            ..confirmation()
        })
    );
    assert!(number(confirmation()).bytes().all(|c| c.is_ascii_digit()));
}
