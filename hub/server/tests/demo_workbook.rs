//! The demo's workbook, `fixtures/demo/north-work-orders.xlsx`, is what this program makes.
//!
//! To change it, change the rows below and write it anew:
//! `METERHUB_WRITE_EXPECTED=1 cargo test -p meterhub --test demo_workbook`.

use std::path::PathBuf;

use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

const HEADER: [&str; 14] = [
    "Order no",
    "Rev",
    "Work",
    "Metering point",
    "Meter",
    "New meter",
    "Address",
    "Postcode",
    "Town",
    "From",
    "Until",
    "Priority",
    "Key box",
    "Instructions",
];

/// One order as the ERP has it. Times are `2026-03-30T08:00` or what somebody typed instead.
struct Order {
    number: &'static str,
    revision: u32,
    work: &'static str,
    point: &'static str,
    meters: [&'static str; 2],
    address: [&'static str; 3],
    window: [&'static str; 2],
    priority: &'static str,
    key_box: &'static str,
    instructions: &'static str,
}

#[rustfmt::skip]
const ORDERS: [Order; 9] = [
    Order { number: "WO-26-0401", revision: 1, work: "Meter exchange", point: "640000000000410013", meters: ["NM-410001", "NM-520001"], address: ["Rantatie 12", "00990", "Esimerkkilä"], window: ["2026-03-30T08:00", "2026-03-30T12:00"], priority: "normal", key_box: "", instructions: "Meter in the hallway cupboard" },
    Order { number: "WO-26-0402", revision: 1, work: "Meter exchange", point: "640000000000410020", meters: ["NM-410002", "NM-520002"], address: ["Rantatie 14 B 7", "00990", "Esimerkkilä"], window: ["2026-03-30T12:00", "2026-03-30T16:00"], priority: "normal", key_box: "2", instructions: "" },
    Order { number: "WO-26-0403", revision: 2, work: "New connection", point: "640000000000410044", meters: ["", "NM-520003"], address: ["Mäntykuja 3", "00990", "Esimerkkilä"], window: ["2026-03-31T08:00", "2026-03-31T12:00"], priority: "urgent", key_box: "", instructions: "Site electrician is present, 3 x 25 A" },
    // Nobody's calendar has this day.
    Order { number: "WO-26-0404", revision: 1, work: "Meter exchange", point: "640000000000410037", meters: ["NM-410003", "NM-520004"], address: ["Mäntykuja 8", "00990", "Esimerkkilä"], window: ["31.04.2026 08:00", "30.04.2026 12:00"], priority: "low", key_box: "", instructions: "" },
    Order { number: "WO-26-0405", revision: 1, work: "Inspection", point: "640000000000410051", meters: ["NM-410005", ""], address: ["Koivurinne 1", "00990", "Esimerkkilä"], window: ["2026-04-01T08:00", "2026-04-01T10:00"], priority: "normal", key_box: "", instructions: "Seal was reported broken" },
    Order { number: "WO-26-0406", revision: 1, work: "Removal", point: "640000000000410068", meters: ["NM-410006", ""], address: ["Koivurinne 9", "00990", "Esimerkkilä"], window: ["2026-04-01T10:00", "2026-04-01T12:00"], priority: "low", key_box: "5", instructions: "House is pulled down in May" },
    Order { number: "WO-26-0407", revision: 1, work: "Meter exchange", point: "640000000000410075", meters: ["NM-410007", "NM-520005"], address: ["Satamakatu 2", "00980", "Esimerkkilä"], window: ["2026-04-02T08:00", "2026-04-02T12:00"], priority: "", key_box: "", instructions: "Shop opens at 9" },
    Order { number: "WO-26-0408", revision: 1, work: "New connection", point: "640000000000410082", meters: ["", "NM-520006"], address: ["Satamakatu 5", "00980", "Esimerkkilä"], window: ["2026-04-02T12:00", "2026-04-02T16:00"], priority: "normal", key_box: "", instructions: "" },
    // The number and revision of the third order, with other content.
    Order { number: "WO-26-0403", revision: 2, work: "New connection", point: "640000000000410044", meters: ["", "NM-520009"], address: ["Mäntykuja 3", "00990", "Esimerkkilä"], window: ["2026-04-07T08:00", "2026-04-07T12:00"], priority: "urgent", key_box: "", instructions: "Customer asked for a week later" },
];

fn workbook() -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    // The same bytes whenever it is made.
    let made = ExcelDateTime::from_ymd(2026, 3, 27)?.and_hms(8, 15, 0)?;
    book.set_properties(&DocProperties::new().set_creation_datetime(&made));
    let sheet = book.add_worksheet().set_name("Work orders")?;
    let bold = Format::new().set_bold();
    sheet.write_with_format(0, 0, "North Network: work orders of week 14", &bold)?;
    sheet.write(1, 0, "Exported 27.03.2026 08:15, sorted by window")?;
    for (column, name) in (0..).zip(HEADER) {
        sheet.write_with_format(3, column, name, &bold)?;
    }
    for (row, order) in (4..).zip(&ORDERS) {
        write_order(sheet, row, order)?;
    }
    book.save_to_buffer()
}

fn write_order(sheet: &mut Worksheet, row: u32, order: &Order) -> Result<(), XlsxError> {
    let [meter, new_meter] = order.meters;
    let [street, postcode, town] = order.address;
    sheet
        .write(row, 0, order.number)?
        .write(row, 1, order.revision)?;
    let texts = [
        order.work,
        order.point,
        meter,
        new_meter,
        street,
        postcode,
        town,
    ];
    for (column, text) in (2..).zip(texts) {
        write_text(sheet, row, column, text)?;
    }
    let format = Format::new().set_num_format("dd.mm.yyyy hh:mm");
    for (column, time) in (9..).zip(order.window) {
        match ExcelDateTime::parse_from_str(time) {
            Ok(at) if time.contains('T') => sheet.write_with_format(row, column, &at, &format)?,
            _ => sheet.write(row, column, time)?,
        };
    }
    for (column, text) in (11..).zip([order.priority, order.key_box, order.instructions]) {
        write_text(sheet, row, column, text)?;
    }
    Ok(())
}

/// Empty cells stay out of the file, as in real ones.
fn write_text(sheet: &mut Worksheet, row: u32, column: u16, text: &str) -> Result<(), XlsxError> {
    match text {
        "" => Ok(()),
        text => sheet.write(row, column, text).map(drop),
    }
}

#[test]
fn the_workbook_is_what_this_program_makes() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/demo/north-work-orders.xlsx");
    let made = workbook().unwrap();
    if std::env::var_os("METERHUB_WRITE_EXPECTED").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read(&path).unwrap();
    assert!(
        kept == made,
        "`{}` is not what this test makes; see its first lines",
        path.display()
    );
}
