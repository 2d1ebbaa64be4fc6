//! Each folder of `fixtures/xlsx`: a mapping file, a workbook, and what must come of it.
//!
//! The workbooks are made here, and written anew where `UPDATE_FIXTURES` is set.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../csv/tests/render/mod.rs"]
mod render;

use std::sync::Arc;

use hub_model::Zone;
use mapping_tabular::Mapping;
use mapping_xlsx::XlsxDecoder;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Formula, Workbook, Worksheet};

fn date(sheet: &mut Worksheet, row: u32, column: u16, text: &str, format: &str) {
    let value = ExcelDateTime::parse_from_str(text).unwrap();
    sheet
        .write_with_format(row, column, value, &Format::new().set_num_format(format))
        .unwrap();
}

fn texts(sheet: &mut Worksheet, row: u32, cells: &[&str]) {
    for (column, cell) in cells.iter().enumerate() {
        if !cell.is_empty() {
            sheet
                .write(row, u16::try_from(column).unwrap(), *cell)
                .unwrap();
        }
    }
}

/// A folder, and what makes its workbook.
type Case = (&'static str, fn() -> Workbook);

fn workbook() -> Workbook {
    let mut book = Workbook::new();
    let day = ExcelDateTime::from_ymd(2026, 3, 1).unwrap();
    book.set_properties(&DocProperties::new().set_creation_datetime(&day));
    book
}

/// Orders 8001 to 8007: one twice, one with a date that is none, one of a kind nobody knows.
fn work_orders() -> Workbook {
    let mut book = workbook();
    let sheet = book.add_worksheet().set_name("Orders week 14").unwrap();
    sheet
        .merge_range(
            0,
            0,
            0,
            13,
            "Nordgrid AB: work orders, week 14",
            &Format::new().set_bold(),
        )
        .unwrap();
    texts(sheet, 1, &["Printed 2026-03-27"]);
    let header = [
        "Order no",
        "Type of work",
        "Priority",
        "Metering point",
        "Street",
        "Postal code",
        "Town",
        "Present meter",
        "Date",
        "From",
        "To",
        "Customer",
        "Phone",
        "Remark",
    ];
    texts(sheet, 3, &header);
    let orders = [
        (
            "8001",
            "Meter exchange",
            "High",
            "735999100000000017",
            "Storgatan 5",
            "111 22",
            "Stockholm",
            "M-77001",
            "2026-03-30",
        ),
        (
            "8002",
            "New installation",
            "Normal",
            "735999100000000024",
            "Lillgatan 1",
            "111 23",
            "Stockholm",
            "",
            "2026-03-30",
        ),
        (
            "8003",
            "Meter exchange",
            "",
            "735999100000000031",
            "Ågatan 12 B",
            "582 22",
            "Linköping",
            "M-77003",
            "bad",
        ),
        (
            "8001",
            "Meter exchange",
            "High",
            "735999100000000017",
            "Storgatan 5",
            "111 22",
            "Stockholm",
            "M-77001",
            "2026-03-31",
        ),
        (
            "8004",
            "Paint the pole",
            "Low",
            "735999100000000048",
            "Sjövägen 3",
            "582 23",
            "Linköping",
            "M-77004",
            "2026-03-31",
        ),
        (
            "",
            "Removal",
            "Low",
            "735999100000000055",
            "Sjövägen 4",
            "582 23",
            "Linköping",
            "M-77005",
            "2026-03-31",
        ),
        (
            "8007",
            "Fault",
            "Normal",
            "735999100000000062",
            "Sjövägen 5",
            "582 23",
            "Linköping",
            "M-77007",
            "2026-03-29",
        ),
    ];
    for (i, order) in orders.iter().enumerate() {
        // A blank row after the third.
        let row = 4 + u32::try_from(i).unwrap() + u32::from(i > 2);
        // Numbers where people type numbers.
        match order.0.parse::<f64>() {
            Ok(number) => drop(sheet.write(row, 0, number).unwrap()),
            Err(_) => texts(sheet, row, &[order.0]),
        }
        for (column, text) in [
            order.1, order.2, order.3, order.4, order.5, order.6, order.7,
        ]
        .iter()
        .enumerate()
        {
            if !text.is_empty() {
                sheet
                    .write(row, u16::try_from(column + 1).unwrap(), *text)
                    .unwrap();
            }
        }
        match order.8 {
            "bad" => drop(sheet.write(row, 8, "sometime in April").unwrap()),
            good => date(sheet, row, 8, good, "yyyy-mm-dd"),
        }
        date(sheet, row, 9, "08:00:00", "hh:mm");
        date(sheet, row, 10, "12:30:00", "hh:mm");
        texts(
            sheet,
            row,
            &[
                "",
                "",
                "",
                "",
                "",
                "",
                "",
                "",
                "",
                "",
                "",
                "Åsa Berg",
                "",
                "Ring first",
            ],
        );
    }
    texts(sheet, 14, &["Total: 7 orders"]);
    book.add_worksheet()
        .set_name("Codes")
        .unwrap()
        .write(0, 0, "nothing here")
        .unwrap();
    book
}

fn devices() -> Workbook {
    let mut book = workbook();
    book.add_worksheet()
        .set_name("Cover")
        .unwrap()
        .write(0, 0, "Elmont Oy")
        .unwrap();
    let sheet = book.add_worksheet().set_name("List").unwrap();
    texts(sheet, 1, &["", "Meters of crew 7"]);
    texts(
        sheet,
        2,
        &[
            "",
            "SERIAL ",
            "Model",
            "Maker",
            "Where",
            "Mounted  on",
            "Point",
        ],
    );
    texts(
        sheet,
        3,
        &[
            "",
            "lg-0001",
            "E360",
            "LG",
            "mounted",
            "",
            "643006966000000011",
        ],
    );
    date(sheet, 3, 5, "2026-02-27", "d.m.yyyy");
    texts(sheet, 4, &["", "lg-0002", "E360", "LG", "van", "-", "n/a"]);
    texts(
        sheet,
        5,
        &[
            "",
            "",
            "Omnipower",
            "KAM",
            "mounted",
            "05.03.2026",
            "643006966000000028",
        ],
    );
    sheet.write(5, 1, 12_345_678).unwrap();
    texts(
        sheet,
        6,
        &["", "kam-3", "Omnipower", "KAM", "lost", "05.03.2026"],
    );
    texts(sheet, 7, &["", "kam-4", "", "XYZ", "scrap", "31.02.2026"]);
    texts(sheet, 8, &["", "kam-5", "Omnipower", "KAM", "van"]);
    sheet
        .write_formula(8, 6, Formula::new("=NA()").set_result("#N/A"))
        .unwrap();
    book
}

fn readings() -> Workbook {
    let mut book = workbook();
    let sheet = book.add_worksheet().set_name("Readings").unwrap();
    texts(
        sheet,
        0,
        &["Meter", "Date", "Time", "Reading kWh", "Read by"],
    );
    texts(
        sheet,
        2,
        &["Meter", "Date", "Time", "Reading kWh", "Read by"],
    );
    for (row, meter, value, by) in [
        (3, 1, 0.1, "customer"),
        (4, 1, 12_345.678, "fitter"),
        (5, 2, 1.0 / 3.0, "customer"),
        (6, 2, -7.0, "robot"),
    ] {
        sheet.write(row, 0, f64::from(meter)).unwrap();
        date(sheet, row, 1, "2026-03-29", "dd.mm.yyyy");
        date(
            sheet,
            row,
            2,
            if row == 6 { "03:30:00" } else { "04:30:00" },
            "hh:mm",
        );
        sheet.write(row, 3, value).unwrap();
        sheet.write(row, 4, by).unwrap();
    }
    texts(sheet, 7, &["3", "2026-10-25", "03:30", "1,5", "fitter"]);
    texts(sheet, 8, &["3", "2026-10-25", "03:30", "1.5", "fitter"]);
    book
}

#[test]
fn every_case_gives_what_it_should() {
    let cases: [Case; 3] = [
        ("utility-work-orders", work_orders),
        ("contractor-devices", devices),
        ("register-readings", readings),
    ];
    for (name, make) in cases {
        let case = render::fixtures("xlsx").join(name);
        let fresh = make().save_to_buffer().unwrap();
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            std::fs::write(case.join("input.xlsx"), &fresh).unwrap();
        }
        let text = std::fs::read_to_string(case.join("mapping.toml")).unwrap();
        let mapping =
            Arc::new(Mapping::load(&text).unwrap_or_else(|error| panic!("{name}: {error}")));
        let decoder = XlsxDecoder::new(mapping, Zone::named("Europe/Helsinki").unwrap());
        let kept = std::fs::read(case.join("input.xlsx")).unwrap();
        let found = render::render(&render::decode(&decoder, &kept));
        render::check(&case.join("expected.txt"), &found);
        assert_eq!(
            found,
            render::render(&render::decode(&decoder, &fresh)),
            "{name}: the kept workbook is another"
        );
    }
}

#[test]
fn what_is_not_there_is_named() {
    let bytes = work_orders().save_to_buffer().unwrap();
    let findings = |mapping: &str| {
        let decoder = XlsxDecoder::new(Arc::new(Mapping::load(mapping).unwrap()), Zone::utc());
        let found = render::decode(&decoder, &bytes);
        assert!(found.records.is_empty());
        found
            .findings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let sheet = findings(
        "record = \"work_order\"\nexcel.sheet = \"Order\"\n[work_order]\nnumber = \"Order no\"\n",
    );
    assert_eq!(
        sheet,
        "fatal: no such sheet, the sheets are `Orders week 14`, `Codes`"
    );
    let header = findings(
        "record = \"work_order\"\n[work_order]\nnumber = \"Order number\"\ntown = \"Town\"\n",
    );
    assert!(header.starts_with("sheet `Orders week 14`, row 4: fatal: no column `Order number`; the columns are `Order no`"), "{header}");
    let header = findings(
        "record = \"work_order\"\nexcel.header_row = 2\n[work_order]\nnumber = \"Order no\"\n",
    );
    assert!(
        header.contains("row 2: fatal: no column `Order no`"),
        "{header}"
    );
}
