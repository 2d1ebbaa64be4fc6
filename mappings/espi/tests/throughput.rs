//! How fast a feed is decoded. Run by hand, optimised:
//! `cargo test -p mapping-espi --release --test throughput -- --ignored --nocapture`

mod common;

use std::fmt::Write as _;
use std::time::Instant;

use hub_model::mapping::{Decode, Halt, Records};
use hub_model::{Finding, Place, Record};

struct Counted(u64);

impl Records for Counted {
    fn record(&mut self, _: Place, record: Record) -> Result<(), Halt> {
        self.0 += record.count();
        Ok(())
    }

    fn finding(&mut self, finding: Finding) -> Result<(), Halt> {
        assert_eq!(finding.code, "assumed_reading_type");
        Ok(())
    }
}

#[test]
#[ignore = "measures, asserts little"]
fn decodes_megabytes_a_second() {
    let mut feed = String::from(
        "<feed xmlns=\"http://www.w3.org/2005/Atom\"><entry><content><ReadingType xmlns=\"http://naesb.org/espi\"><uom>72</uom></ReadingType></content></entry>",
    );
    for block in 0..2_000 {
        feed += "<entry><link rel=\"up\" href=\"/espi/1_1/resource/RetailCustomer/1/UsagePoint/1/MeterReading/1/IntervalBlock\"/><link rel=\"related\" href=\"ReadingType/1\"/><content><IntervalBlock xmlns=\"http://naesb.org/espi\">\n";
        for i in 0..96 {
            let start = 1_700_000_000 + (block * 96 + i) * 900;
            writeln!(feed, "<IntervalReading>\n\t<timePeriod>\n\t\t<duration>900</duration>\n\t\t<start>{start}</start>\n\t</timePeriod>\n\t<value>{i}</value>\n</IntervalReading>").expect("a string");
        }
        feed += "</IntervalBlock></content></entry>\n";
    }
    feed += "</feed>";
    let bytes = feed.into_bytes();
    let mut best = f64::MAX;
    for _ in 0..5 {
        let begin = Instant::now();
        let mut counted = Counted(0);
        common::decoder()
            .decode(&bytes, &mut counted)
            .expect("no halt");
        assert_eq!(counted.0, 192_000);
        best = best.min(begin.elapsed().as_secs_f64());
    }
    let megabytes = bytes.len() as f64 / 1e6;
    eprintln!(
        "{megabytes:.1} MB in {best:.3} s: {:.0} MB/s, {:.0} readings/s",
        megabytes / best,
        192_000.0 / best
    );
}
