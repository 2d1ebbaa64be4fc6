//! Content that partners send, made from a seed, with what it says: CIM documents, CSV, JSON lines
//! with bad records among the good ones, work orders.
//!
//! No reading is ever said twice, and each revision of an order is higher than the one before, so
//! that every record has exactly one effect.

use std::fmt::Write;

use hub_model::Instant;
use sha2::{Digest, Sha256};

use crate::oracle::{Fact, SentMessage};
use crate::random::Random;

/// Energy in kWh by quarter-hours.
pub const READING_TYPE: &str = "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0";
/// Length of an interval.
const QUARTER_SECONDS: i64 = 900;
/// Where time begins in what is sent: 2026-03-01T00:00:00Z.
const BEGIN_SECONDS: i64 = 1_772_323_200;
/// Stands for the value of a reading that is known to be missing.
pub const MISSING: &str = "missing";
/// The mapping file of what [`Maker::csv`] makes, for the name `quarter-hours`.
pub const CSV_MAPPING: &str = r#"record = "readings"
[readings]
meter = "Meter"
reading_type = { constant = "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0" }
at = "Time"
value = "kWh"
"#;

/// Content with what it says.
#[derive(Debug, Clone)]
pub struct Content {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What can be understood of it.
    pub facts: Vec<Fact>,
    /// Records that cannot.
    pub rejected: u64,
}

impl Content {
    /// The same in UTF-16: a document that cannot be cut into parts, but is decoded in one go.
    #[must_use]
    pub fn in_utf16(self) -> Self {
        let text = String::from_utf8_lossy(&self.bytes).replace("UTF-8", "UTF-16");
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        Self {
            bytes: units.flat_map(u16::to_le_bytes).collect(),
            ..self
        }
    }

    /// A message with this content, as the oracle wants it. Without a key the content is its
    /// identity.
    #[must_use]
    pub fn sent(self, source: &str, key: Option<String>, told: Option<String>) -> SentMessage {
        let identity = key.unwrap_or_else(|| sha256_hex(&self.bytes));
        SentMessage {
            source: source.to_owned(),
            identity,
            told,
            facts: self.facts,
            rejected: self.rejected,
        }
    }
}

/// SHA-256 in lower-case hexadecimal.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// One partner: makes content about meters and orders of its own.
#[derive(Debug, Clone)]
pub struct Maker {
    name: String,
    random: Random,
    meters: u64,
    orders: Vec<i64>,
}

impl Maker {
    /// A partner whose meters and orders bear its name.
    #[must_use]
    pub fn new(name: &str, random: Random) -> Self {
        /// Orders a partner has going at once.
        const ORDERS: usize = 5;
        Self {
            name: name.to_owned(),
            random,
            meters: 0,
            orders: vec![0; ORDERS],
        }
    }

    /// A number of a range, from this partner's own sequence.
    pub fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        self.random.within(range)
    }

    /// A CIM `MeterReadings` document. About 170 bytes a reading.
    pub fn cim(&mut self, meters: u64, readings: u64) -> Content {
        let mut facts = Vec::new();
        let mut text = String::from(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <MeterReadings xmlns=\"http://iec.ch/TC57/2011/MeterReadings#\">\n",
        );
        for _ in 0..meters {
            let meter = self.next_meter();
            text.push_str("<MeterReading><IntervalBlocks>");
            for number in 0..readings {
                let (at, value) = (quarter(number), self.value());
                let _ = write!(
                    text,
                    "<IntervalReadings><timeStamp>{}</timeStamp><value>{value}</value><ReadingQualities>\
                     <ReadingQualityType ref=\"2.0.0\"/></ReadingQualities></IntervalReadings>",
                    utc(at)
                );
                facts.push(reading(&meter, at, value));
            }
            let _ = writeln!(
                text,
                "<ReadingType ref=\"{READING_TYPE}\"/></IntervalBlocks><Meter><mRID>{meter}</mRID></Meter>\
                 </MeterReading>"
            );
        }
        text.push_str("</MeterReadings>\n");
        Content {
            bytes: text.into_bytes(),
            facts,
            rejected: 0,
        }
    }

    /// JSON lines with readings of one meter, and `bad` lines strewn among them.
    pub fn json_readings(&mut self, readings: u64, bad: u64) -> Content {
        let mut content = Content {
            bytes: Vec::new(),
            facts: Vec::new(),
            rejected: bad,
        };
        let meter = self.next_meter();
        let mut lines: Vec<Option<u64>> = (0..readings).map(Some).collect();
        for _ in 0..bad {
            let at = self.random.within(0..lines.len() as u64 + 1);
            lines.insert(usize::try_from(at).unwrap_or(0), None);
        }
        for line in lines {
            let text = match line {
                Some(number) => {
                    let (at, value) = (quarter(number), self.value());
                    let text = json_reading(&meter, at, &value);
                    content.facts.push(reading(&meter, at, value));
                    text
                }
                None => self.bad_line(&meter),
            };
            content.bytes.extend_from_slice(text.as_bytes());
            content.bytes.push(b'\n');
        }
        content
    }

    /// JSON lines with the next revisions of `orders` different orders.
    pub fn json_orders(&mut self, orders: usize) -> Content {
        let mut content = Content {
            bytes: Vec::new(),
            facts: Vec::new(),
            rejected: 0,
        };
        let known = self.orders.len();
        let first = usize::try_from(self.random.within(0..known as u64)).unwrap_or(0);
        for step in 0..orders.min(known) {
            let index = (first + step) % known;
            self.orders[index] += 1;
            let (number, revision) = (format!("{}-{index}", self.name), self.orders[index]);
            let line = format!(
                "{{\"record\":\"work_order\",\"number\":\"{number}\",\"revision\":{revision},\"kind\":\"exchange\",\
                 \"comment\":\"revision {revision}\"}}\n"
            );
            content.bytes.extend_from_slice(line.as_bytes());
            content.facts.push(Fact::Order { number, revision });
        }
        content
    }

    /// A CSV file for [`CSV_MAPPING`], with `bad` rows whose value is no number.
    pub fn csv(&mut self, readings: u64, bad: u64) -> Content {
        let mut content = Content {
            bytes: b"Meter,Time,kWh\n".to_vec(),
            facts: Vec::new(),
            rejected: bad,
        };
        let meter = self.next_meter();
        for number in 0..readings {
            let (at, value) = (quarter(number), self.value());
            let row = format!("{meter},{},{value}\n", utc(at));
            content.bytes.extend_from_slice(row.as_bytes());
            content.facts.push(reading(&meter, at, value));
        }
        for number in 0..bad {
            let row = format!("{meter},{},n/a?\n", utc(quarter(readings + number)));
            content.bytes.extend_from_slice(row.as_bytes());
        }
        content
    }

    fn next_meter(&mut self) -> String {
        self.meters += 1;
        format!("{}-M{:06}", self.name, self.meters)
    }

    /// Thousandths of a kWh, as the hub writes them: without zeros at the end.
    fn value(&mut self) -> String {
        let thousandths = self.random.within(0..100_000);
        let text = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    fn bad_line(&mut self, meter: &str) -> String {
        match self.random.within(0..4) {
            0 => "{\"record\":\"reading\",\"meter\":".to_owned(),
            1 => "{\"record\":\"gossip\"}".to_owned(),
            2 => json_reading(meter, quarter(0), "12,5"),
            _ => json_reading(meter, quarter(0), "1").replace(READING_TYPE, "0.0.2"),
        }
    }
}

fn reading(meter: &str, at: i64, value: String) -> Fact {
    Fact::Reading {
        meter: meter.to_owned(),
        at: at * 1_000_000,
        value,
    }
}

fn json_reading(meter: &str, at: i64, value: &str) -> String {
    format!(
        "{{\"record\":\"reading\",\"meter\":\"{meter}\",\"reading_type\":\"{READING_TYPE}\",\"kind\":\"interval\",\
         \"at\":\"{}\",\"value\":\"{value}\"}}",
        utc(at)
    )
}

/// The end of a quarter-hour, in seconds since 1970.
const fn quarter(number: u64) -> i64 {
    BEGIN_SECONDS + (number.cast_signed() + 1) * QUARTER_SECONDS
}

/// Seconds since 1970 as `2026-03-01T00:15:00Z`.
fn utc(seconds: i64) -> String {
    let mut text = Vec::new();
    Instant::from_seconds(seconds).write(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Reads what a document of JSON lines says, as far as the oracle is concerned.
///
/// # Errors
/// A line is not what the hub writes.
pub fn facts_of_json(bytes: &[u8]) -> Result<Vec<Fact>, String> {
    let lines = bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| fact_of_line(line).ok_or_else(|| String::from_utf8_lossy(line).into_owned()))
        .collect()
}

fn fact_of_line(line: &[u8]) -> Option<Fact> {
    let json: serde_json::Value = serde_json::from_slice(line).ok()?;
    let text = |key: &str| Some(json[key].as_str()?.to_owned());
    match json["record"].as_str()? {
        "work_order" => Some(Fact::Order {
            number: text("number")?,
            revision: json["revision"].as_i64()?,
        }),
        "reading" => Some(Fact::Reading {
            meter: text("meter").or_else(|| text("usage_point"))?,
            at: Instant::parse(json["at"].as_str()?.as_bytes(), None)
                .ok()?
                .micros(),
            value: text("value").unwrap_or_else(|| MISSING.to_owned()),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_makes_the_same_and_what_it_says_can_be_read_back() {
        let made = |seed| {
            let mut maker = Maker::new("p", Random::new(seed));
            (
                maker.json_orders(3),
                maker.json_orders(5),
                maker.json_readings(40, 0),
                maker.cim(2, 3),
                maker.csv(4, 1),
            )
        };
        assert_eq!(made(1).2.bytes, made(1).2.bytes);
        assert_ne!(made(1).2.bytes, made(2).2.bytes);
        let (first, second, readings, cim, csv) = made(1);
        assert_eq!(facts_of_json(&readings.bytes).unwrap(), readings.facts);
        assert_eq!(facts_of_json(&second.bytes).unwrap(), second.facts);
        assert!(
            first
                .facts
                .iter()
                .all(|fact| matches!(fact, Fact::Order { revision: 1, .. }))
        );
        assert_eq!((cim.facts.len(), csv.facts.len(), csv.rejected), (6, 4, 1));
        assert!(
            String::from_utf8(csv.bytes)
                .unwrap()
                .contains("p-M000004,2026-03-01T00:15:00Z,")
        );
    }

    #[test]
    fn bad_lines_are_strewn_among_the_good_ones() {
        let content = Maker::new("p", Random::new(3)).json_readings(10, 7);
        let text = String::from_utf8(content.bytes).unwrap();
        assert_eq!(text.lines().count(), 17);
        let good = text
            .lines()
            .filter_map(|line| fact_of_line(line.as_bytes()));
        assert!(good.count() >= content.facts.len());
    }
}
