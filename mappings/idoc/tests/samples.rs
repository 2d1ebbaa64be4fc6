//! Real IDocs of other systems, in both forms. Skips aloud where they are not at hand.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
mod render;

use common::{SERVICE_ORDERS, codes, decode, decoder};
use hub_model::mapping::Decode;
use hub_model::{Record, WorkOrder};

/// The fields of ORDERS05 that the test reads, with the offsets of release 4.6 and later.
const ORDERS05: &str = r#"
[[segment]]
name = "E1EDK01"
fields = [{ name = "CURCY", offset = 4, length = 3 }, { name = "BSART", offset = 79, length = 4 }, { name = "BELNR", length = 35 }]
[[segment]]
name = "E1EDK14"
fields = [{ name = "QUALF", length = 3 }, { name = "ORGID", length = 35 }]
[[segment]]
name = "E1EDKA1"
fields = [{ name = "PARVW", length = 3 }, { name = "PARTN", length = 17 }, { name = "NAME1", offset = 37, length = 35 }]
[[segment]]
name = "E1EDKA3"
parents = ["E1EDKA1"]
fields = [{ name = "QUALP", length = 3 }, { name = "STDPN", length = 70 }]
[[segment]]
name = "E1EDP01"
fields = [{ name = "POSEX", length = 6, type = "alpha" }]
[[segment]]
name = "E1EDP19"
parents = ["E1EDP01"]
fields = [{ name = "QUALF", length = 3 }, { name = "IDTNR", length = 35 }, { name = "KTEXT", length = 70 }]
[[message]]
mestyp = "ORDERS"
idoctyp = "ORDERS05"
record = "work_order"
EACH
[message.work_order]
number = "NUMBER"
kind = "E1EDK01/CURCY"
customer_name = "E1EDKA1[PARVW=WE]/NAME1"
customer_phone = "E1EDKA1[PARVW=AG]/PARTN"
comment = "E1EDP19[QUALF=002]/KTEXT"
device = "E1EDP19[QUALF=002]/IDTNR"
attributes.standard = "E1EDKA1[PARVW=AG]/E1EDKA3[QUALP=001]/STDPN"
attributes.organisation = "E1EDK14[QUALF=008]/ORGID"
"#;

fn orders(file: &std::path::Path, number: &str, each: &str) -> Vec<WorkOrder> {
    let text = ORDERS05.replace("NUMBER", number).replace("EACH", each);
    let found = decode(&decoder(&text), &std::fs::read(file).unwrap());
    assert_eq!(found.findings, [], "{}", file.display());
    let order = |record: Record| match record {
        Record::WorkOrder(order) => *order,
        other => panic!("{other:?}"),
    };
    found
        .records
        .into_iter()
        .map(|(_, record)| order(record))
        .collect()
}

/// Each is read to its end, and its control record says what the file's own expectation says.
#[test]
fn every_sample_is_read_to_its_control_record() {
    let Some(folder) = render::samples("sap") else {
        return;
    };
    let expected = std::fs::read(folder.join("EXPECTED-idoc-computed.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
    let files = expected.as_object().unwrap();
    assert!(files.len() >= 30);
    for (name, file) in files {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let decoder = decoder(SERVICE_ORDERS);
        let found = decode(&decoder, &bytes);
        assert_eq!(
            codes(&found),
            ["unknown_message"],
            "{name}: {:?}",
            found.findings
        );
        let said = |field: &str| file["control"][field].as_str().unwrap_or_default().trim();
        let reason = &found.findings[0].reason;
        let types = format!("`{}` (IDOCTYP `{}`", said("MESTYP"), said("IDOCTYP"));
        assert!(reason.contains(&types), "{name}: {reason}");
        let number = said("DOCNUM").trim_start_matches('0');
        let key = decoder.business_key(&bytes, true).unwrap_or_default();
        assert_eq!(
            key.rsplit('/').next().unwrap_or_default(),
            number,
            "{name}: {key}"
        );
    }
}

/// The same order as a flat file and as XML, both from SAP.
#[test]
fn both_forms_of_an_order_give_the_same_record() {
    let Some(folder) = render::samples("sap") else {
        return;
    };
    let flat = "idoc-flat/cpi_IDOCFlatConvertor_ORDERS_IDOC_Flat2XML_ORDERS05.idoc.txt";
    let xml = "idoc-xml/cpi_IDOCFlatConvertor_ORDERS_IDOC_XML2Flat_ORDERS05.xml";
    let of_flat = orders(&folder.join(flat), "E1EDK01/BELNR", "");
    let of_xml = orders(&folder.join(xml), "E1EDK01/BELNR", "");
    assert_eq!(of_flat.len(), 1);
    assert_eq!(of_flat[0].number, "P8218007");
    assert_eq!(of_flat[0].kind.as_deref(), Some("EUR"));
    assert_eq!(of_flat[0].customer_name.as_deref(), Some("RECIPIENT"));
    assert_eq!(of_flat[0].customer_phone.as_deref(), Some("1460"));
    assert_eq!(
        of_flat[0].attributes[0],
        ("organisation".into(), "1000".into())
    );
    assert_eq!(
        of_flat[0].attributes[1],
        ("standard".into(), "LS_D44".into())
    );
    assert_eq!(of_flat, of_xml);
}

/// A flat file whose `PSGNUM` is not filled: the definition says what stands below an item.
#[test]
fn items_keep_their_own_texts_without_segment_numbers() {
    let Some(folder) = render::samples("sap") else {
        return;
    };
    let file = folder.join("idoc-flat/blueseer_ACME_IDOC_ORDERS05.txt");
    let items = orders(&file, "E1EDP01/POSEX", "each = \"E1EDP01\"");
    let told: Vec<_> = items
        .iter()
        .map(|item| {
            (
                item.number.as_str(),
                item.device.as_ref().and_then(|d| d.id()).unwrap_or(""),
            )
        })
        .collect();
    assert_eq!(told.len(), 4);
    assert_eq!(told[..3], [("1", "ITEM1"), ("2", "ITEM2"), ("3", "ITEM3")]);
    assert!(items.iter().all(|item| item.kind.as_deref() == Some("USD")));
}
