//! Workbooks made to hurt, and damaged ones: always a finding, never a panic.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../csv/tests/render/mod.rs"]
mod render;

use std::io::{Cursor, Write};
use std::sync::Arc;

use hub_model::Zone;
use mapping_tabular::Mapping;
use mapping_xlsx::{XlsxDecoder, limits};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn decoder() -> XlsxDecoder {
    let mapping =
        "record = \"end_device\"\n[end_device]\nid = \"Serial\"\nserial_number = \"Model\"\n";
    XlsxDecoder::new(Arc::new(Mapping::load(mapping).unwrap()), Zone::utc())
}

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes) in entries {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

const TYPES: &[u8] = br#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"></Types>"#;
const PACKAGE: &[u8] = br#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const BOOK: &[u8] = br#"<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>"#;
const RELATIONS: &[u8] = br#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#;

fn xlsx(sheet_data: &str) -> Vec<u8> {
    let sheet = format!(
        "<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetData>{sheet_data}</sheetData></worksheet>"
    );
    zip(&[
        ("[Content_Types].xml", TYPES),
        ("_rels/.rels", PACKAGE),
        ("xl/workbook.xml", BOOK),
        ("xl/_rels/workbook.xml.rels", RELATIONS),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

fn text(place: &str, text: &str) -> String {
    format!("<c r=\"{place}\" t=\"inlineStr\"><is><t>{text}</t></is></c>")
}

fn header() -> String {
    format!(
        "<row r=\"1\">{}{}</row>",
        text("A1", "Serial"),
        text("B1", "Model")
    )
}

fn ods(table: &str) -> Vec<u8> {
    let content = format!(
        "<?xml version=\"1.0\"?><office:document-content xmlns:office=\"o\" xmlns:table=\"t\" xmlns:text=\"x\"><office:body><office:spreadsheet><table:table table:name=\"S\">{table}</table:table></office:spreadsheet></office:body></office:document-content>"
    );
    zip(&[
        (
            "mimetype",
            b"application/vnd.oasis.opendocument.spreadsheet",
        ),
        ("content.xml", content.as_bytes()),
    ])
}

fn said(bytes: Vec<u8>) -> String {
    render::render(&render::decode(&decoder(), &bytes))
}

#[test]
fn two_cells_in_opposite_corners_cost_two_cells() {
    let rows = format!(
        "{}<row r=\"1048576\">{}{}</row>",
        header(),
        text("A1048576", "d1"),
        text("XFD1048576", "far")
    );
    let found = said(xlsx(&rows));
    assert!(
        found.starts_with("sheet `S`, row 1048576: EndDevice"),
        "{found}"
    );
}

#[test]
fn bombs_are_refused_before_they_go_off() {
    // Letters that pack badly, so that it is the length that is refused.
    let mut random = Random(7);
    let letters: String = (0..=limits::MAX_MARKUP_BYTES)
        .map(|_| char::from(b'a' + random.below(26) as u8))
        .collect();
    let long = said(xlsx(&format!(
        "{}<row r=\"2\">{}</row>",
        header(),
        text("A2", &letters)
    )));
    assert!(long.contains("single text of more than"), "{long}");
    let blank_rows = format!("<row>{}</row>", " ".repeat(900_000)).repeat(20);
    let bomb = xlsx(&format!("{}{blank_rows}", header()));
    let blanks = said(bomb);
    assert!(
        blanks.contains("times larger unpacked than packed"),
        "{blanks}"
    );
    let mut names = Vec::new();
    for i in 0..=limits::MAX_ENTRIES {
        names.push(format!("xl/media/{i}.png"));
    }
    let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    assert!(said(zip(&entries)).contains("entries, expected at most"));
    struct Large;
    impl hub_model::mapping::Payload for Large {
        fn len(&self) -> u64 {
            limits::MAX_FILE_BYTES + 1
        }
        fn open_at(&self, _: u64) -> std::io::Result<Box<dyn std::io::Read + Send + '_>> {
            panic!("a payload that is too large is not opened")
        }
    }
    let mut found = hub_model::mapping::Collected::default();
    hub_model::mapping::Decode::decode(&decoder(), &Large, &mut found).unwrap();
    assert_eq!(found.findings[0].code, "too_large");
}

#[test]
fn repeated_cells_and_rows_of_a_document_are_bounded() {
    let head = "<table:table-row><table:table-cell office:value-type=\"string\"><text:p>Serial</text:p></table:table-cell><table:table-cell office:value-type=\"string\"><text:p>Model</text:p></table:table-cell></table:table-row>";
    let cell = "<table:table-cell table:number-columns-repeated=\"999999999999\" office:value-type=\"float\" office:value=\"1\"><text:p>1</text:p></table:table-cell>";
    let one = said(ods(&format!(
        "{head}<table:table-row>{cell}</table:table-row>"
    )));
    assert!(one.starts_with("sheet `S`, row 2: EndDevice"), "{one}");
    let empty = "<table:table-row table:number-rows-repeated=\"1048576\"><table:table-cell table:number-columns-repeated=\"16384\"/></table:table-row>";
    assert_eq!(said(ods(&format!("{head}{empty}"))), "");
    let entity = said(ods("<!DOCTYPE a [<!ENTITY b \"c\">]><table:table-row/>"));
    assert!(entity.contains("fatal"), "{entity}");
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(8) {
            let at = self.below(bytes.len());
            match self.below(8) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes[at] = 0xFF,
                2 => bytes[at] = 0,
                _ => bytes[at] ^= 1 << self.below(8),
            }
        }
    }
}

/// A small fuzzer with a fixed seed, for every run of the tests; `fuzz/` has the endless one.
#[test]
fn damaged_workbooks() {
    let mut random = Random(0x0BAD);
    let mut seeds: Vec<Vec<u8>> = [
        "utility-work-orders",
        "contractor-devices",
        "register-readings",
    ]
    .iter()
    .map(|case| std::fs::read(render::fixtures("xlsx").join(case).join("input.xlsx")).unwrap())
    .collect();
    seeds.push(xlsx(&header()));
    // Old and binary workbooks cannot be made here: the real ones, where they are.
    if let Some(folder) = render::samples("excel/calamine") {
        for name in [
            "date.xls",
            "date.xlsb",
            "date.ods",
            "issues.xls",
            "issues.xlsb",
            "biff5_write.xls",
        ] {
            seeds.extend(std::fs::read(folder.join(name)).ok());
        }
    }
    for round in 0..1_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        random.damage(&mut bytes);
        let _ = render::decode(&decoder(), &bytes);
    }
    // Damage inside the parts, which the zip's checksums would otherwise catch.
    for _ in 0..400 {
        let mut rows = format!(
            "{}<row r=\"2\">{}{}<c r=\"C2\" s=\"1\"><v>44197</v></c></row>",
            header(),
            text("A2", "d"),
            text("B2", "m")
        )
        .into_bytes();
        random.damage(&mut rows);
        let _ = render::decode(&decoder(), &xlsx(&String::from_utf8_lossy(&rows)));
        let mut table = b"<table:table-row table:number-rows-repeated=\"2\"><table:table-cell office:value-type=\"date\" office:date-value=\"2026-01-01\"><text:p>a&amp;b</text:p></table:table-cell></table:table-row>".to_vec();
        random.damage(&mut table);
        let _ = render::decode(&decoder(), &ods(&String::from_utf8_lossy(&table)));
    }
}
