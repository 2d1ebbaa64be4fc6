//! How many readings a second: bare quick-xml, `decode()`, and `segments()` over two threads.
//!
//! `cargo bench -p mapping-cim`. The document is about 200 MB, made the same every time; set
//! `MB` for another size, `ONLY` for the modes with a word in their name. Each mode runs three times; the best is what the machine can do.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant as Clock};

use hub_model::mapping::{Decode, Halt, Payload, Records};
use hub_model::{Decimal, Finding, Instant, Place, Record, Zone};
use mapping_cim::CimDecoder;
use mapping_cim::synthetic::Synthetic;
use quick_xml::Reader;
use quick_xml::events::Event;

/// Bytes of one meter's day, nearly.
const METER_BYTES: u64 = 16_600;
const RUNS: usize = 3;

/// Counts, so that nothing is optimised away and every mode can be held against the others.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sum {
    readings: u64,
    value: i64,
    findings: u64,
}

impl Sum {
    fn add(&mut self, value: Option<Decimal>) {
        self.readings += 1;
        self.value += value.and_then(|v| v.mantissa_at(3)).unwrap_or(0);
    }
}

impl Records for Sum {
    fn record(&mut self, _: Place, record: Record) -> Result<(), Halt> {
        if let Record::Readings(block) = record {
            for reading in &block.readings {
                self.add(reading.value);
            }
        }
        Ok(())
    }

    fn finding(&mut self, _: Finding) -> Result<(), Halt> {
        self.findings += 1;
        Ok(())
    }
}

fn main() {
    let megabytes: u64 = std::env::var("MB")
        .ok()
        .and_then(|mb| mb.parse().ok())
        .unwrap_or(200);
    let start: Instant = "2026-03-28T23:00:00Z".parse().expect("a valid time");
    let mut text = Vec::new();
    Synthetic::day(megabytes * 1_000_000 / METER_BYTES, start)
        .write(&mut text)
        .expect("writing to memory does not fail");
    println!("{:.1} MB", text.len() as f64 / 1e6);

    let decoder = CimDecoder::new(Zone::utc());
    let general = CimDecoder::new(Zone::utc()).without_express();
    let bytes = text.len();
    let expected = measure("quick-xml, typed values, nothing else", bytes, || {
        bare(&text)
    });
    let modes: [(&str, &dyn Fn() -> Sum); 4] = [
        ("decode()", &|| decode(&decoder, &text)),
        ("decode(), every element by the parser", &|| {
            decode(&general, &text)
        }),
        ("segments(), one thread", &|| segments(&decoder, &text, 1)),
        ("segments(), two threads", &|| segments(&decoder, &text, 2)),
    ];
    let only = std::env::var("ONLY").unwrap_or_default();
    for (name, mode) in modes.into_iter().filter(|(name, _)| name.contains(&only)) {
        assert_eq!(measure(name, bytes, mode), expected, "{name}");
    }
    measure("segments(), cutting only (parts)", bytes, || {
        cut(&decoder, &text)
    });
}

fn measure(name: &str, bytes: usize, mode: impl Fn() -> Sum) -> Sum {
    let mut best = Duration::MAX;
    let mut sum = Sum::default();
    for _ in 0..RUNS {
        let begin = Clock::now();
        sum = mode();
        best = best.min(begin.elapsed());
    }
    println!(
        "{name:40} {:6.2} M readings/s {:7.0} MB/s {:6.3} s",
        sum.readings as f64 / best.as_secs_f64() / 1e6,
        bytes as f64 / best.as_secs_f64() / 1e6,
        best.as_secs_f64()
    );
    sum
}

/// The least any decoder on quick-xml does: read events, tell the fields, parse time and value.
fn bare(text: &[u8]) -> Sum {
    let mut reader = Reader::from_reader(text);
    let mut sum = Sum::default();
    let mut field = 0;
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer).expect("well-formed") {
            Event::Start(tag) => {
                field = match tag.local_name().as_ref() {
                    "timeStamp" => 1,
                    "value" => 2,
                    _ => 0,
                }
            }
            Event::Text(text) if field == 1 => {
                std::hint::black_box(Instant::parse(text.as_bytes(), None).expect("a time"));
            }
            Event::Text(text) if field == 2 => {
                sum.add(Decimal::parse(text.as_bytes(), b'.').ok());
            }
            Event::End(_) => field = 0,
            Event::Eof => return sum,
            _ => {}
        }
    }
}

fn decode(decoder: &CimDecoder, text: &dyn Payload) -> Sum {
    let mut sum = Sum::default();
    decoder.decode(text, &mut sum).expect("no halt");
    sum
}

fn segments(decoder: &CimDecoder, text: &dyn Payload, threads: usize) -> Sum {
    let parts = decoder.segments(text, 0).expect("no halt");
    let parts = Mutex::new(parts.expect("can be cut"));
    let total = Mutex::new(Sum::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut sum = Sum::default();
                loop {
                    let part = parts.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(part) = part.expect("no halt") else {
                        break;
                    };
                    (part.decode)(&mut sum).expect("no halt");
                }
                let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                total.readings += sum.readings;
                total.value += sum.value;
                total.findings += sum.findings;
            });
        }
    });
    total.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Survey and cuts, no decoding.
fn cut(decoder: &CimDecoder, text: &dyn Payload) -> Sum {
    let mut parts = decoder
        .segments(text, 0)
        .expect("no halt")
        .expect("can be cut");
    let mut sum = Sum::default();
    while let Some(part) = parts.next().expect("no halt") {
        sum.readings += 1;
        std::hint::black_box(part.end);
    }
    sum
}
