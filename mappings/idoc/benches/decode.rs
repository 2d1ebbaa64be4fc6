//! How many megabytes a second, in both forms: decoded whole, decoded in parts on two threads,
//! encoded; beside bare quick-xml over the same bytes, and beside looking for line ends.
//!
//! `cargo bench -p mapping-idoc`. Set `MB` for another size than 100. Each mode runs three times;
//! the best is what the machine can do.

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::Instant as Clock;

use hub_model::mapping::{Decode, Encode, Envelope, Halt, Payload, Records};
use hub_model::{Address, Finding, Instant, ObjectRef, Place, Record, TimePeriod, WorkOrder, Zone};
use mapping_idoc::{IdocDecoder, IdocEncoder, IdocMapping};
use quick_xml::events::Event;

const RUNS: usize = 3;

/// The example's orders without what cannot be written (an expression), and how they are written.
fn mapping(form: &str) -> IdocMapping {
    let text = include_str!("../examples/service-orders.toml");
    let text = text
        .replace(
            "{ expression = \"(street + ' ' + house).trim()\" }",
            "\"street\"",
        )
        .replacen(
            "\n[[message]]",
            &format!("\n[file]\nform = \"{form}\"\n[[message]]"),
            1,
        );
    let text = format!("{text}\n[message.write]\ncontrol = {{ SNDPRN = \"METERHUB\" }}\n");
    IdocMapping::load(&text, &[]).expect("the example is sound")
}

fn order(number: i64) -> Record {
    let some = |text: &str| Some(text.to_owned());
    let start = Instant::from_seconds(1_774_850_400);
    Record::WorkOrder(Box::new(WorkOrder {
        revision: Some(2),
        kind: some("exchange"),
        priority: Some(6),
        usage_point: Some(ObjectRef::by_mrid(format!("643007{number:012}"))),
        address: Some(Address {
            street: some("Rantakatu 7 B"),
            postal_code: some("33100"),
            town: some("Tampere"),
            country: some("FI"),
        }),
        device: Some(ObjectRef::by_mrid((11_000_000 + number).to_string())),
        new_device: Some(ObjectRef::by_mrid((99_000_000 + number).to_string())),
        window: Some(TimePeriod {
            start,
            end: start.plus_seconds(14_400),
        }),
        customer_name: some("Anna Makinen"),
        customer_phone: some("+358401234567"),
        comment: some("Key at the neighbour's, ring twice"),
        ..WorkOrder::new((4_000_000 + number).to_string())
    }))
}

fn document(mapping: &IdocMapping, records: &[Record], bytes: usize) -> Vec<u8> {
    let encoder = IdocEncoder::new(mapping, &Zone::utc()).expect("the mapping writes");
    let envelope = Envelope {
        message_id: "m".into(),
        created: Instant::EPOCH,
        zone: Zone::utc(),
    };
    let mut out = Vec::with_capacity(bytes + (1 << 20));
    encoder.head(&envelope, &mut out);
    for record in records.iter().cycle() {
        if out.len() >= bytes {
            break;
        }
        encoder
            .record(&envelope, record, &mut out)
            .expect("the order can be said");
    }
    encoder.tail(&envelope, &mut out);
    out
}

/// Counts, so that nothing is optimised away.
#[derive(Default)]
struct Count(u64);

impl Records for Count {
    fn record(&mut self, _: Place, record: Record) -> Result<(), Halt> {
        self.0 += record.count();
        Ok(())
    }

    fn finding(&mut self, finding: Finding) -> Result<(), Halt> {
        panic!("{finding}");
    }
}

fn in_parts(decoder: &IdocDecoder, payload: &dyn Payload) -> u64 {
    let parts = decoder.segments(payload, 0).expect("memory can be read");
    let parts = Mutex::new(parts.expect("UTF-8 can be cut"));
    let work = || {
        let mut count = Count::default();
        loop {
            let next = parts.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(part) = next.expect("memory can be read") else {
                return count.0;
            };
            (part.decode)(&mut count).expect("nobody stops it");
        }
    };
    std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads
            .map(|thread| thread.join().expect("no panic"))
            .iter()
            .sum()
    })
}

fn bare_xml(bytes: &[u8]) -> u64 {
    let mut reader = quick_xml::Reader::from_reader(bytes);
    let mut events = 0;
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Eof => return events,
            event => {
                black_box(event);
                events += 1;
            }
        }
    }
}

fn measure(name: &str, bytes: usize, mut run: impl FnMut() -> u64) {
    let (mut best, mut count) = (f64::INFINITY, 0);
    for _ in 0..RUNS {
        let begun = Clock::now();
        count = run();
        best = best.min(begun.elapsed().as_secs_f64());
    }
    let (megabytes, many) = (bytes as f64 / 1e6 / best, count as f64 / best);
    println!("{name:<28} {megabytes:>8.0} MB/s {many:>12.0} /s");
}

fn main() {
    let megabytes: usize = std::env::var("MB")
        .ok()
        .and_then(|mb| mb.parse().ok())
        .unwrap_or(100);
    let records: Vec<Record> = (0..10_000).map(order).collect();
    for form in ["xml", "flat"] {
        let mapping = mapping(form);
        let bytes = document(&mapping, &records, megabytes * 1_000_000);
        let decoder = IdocDecoder::new(&mapping, &Zone::utc());
        let whole = || {
            let mut count = Count::default();
            decoder.decode(&bytes, &mut count).expect("nobody stops it");
            count.0
        };
        if form == "xml" {
            measure("xml, bare quick-xml", bytes.len(), || bare_xml(&bytes));
        } else {
            let lines = || bytes.iter().filter(|c| **c == b'\n').count() as u64;
            measure("flat, counting lines", bytes.len(), lines);
        }
        measure(&format!("{form}, decode"), bytes.len(), whole);
        let parts = || in_parts(&decoder, &bytes);
        measure(&format!("{form}, decode, 2 threads"), bytes.len(), parts);
        let encode = || document(&mapping, &records, bytes.len()).len() as u64;
        measure(&format!("{form}, encode (bytes/s)"), bytes.len(), encode);
    }
}
