//! Reads what a CIM `MeterReadings` document says, as far as the oracle is concerned; by itself, so
//! that the hub's own reader is no judge of its writer.

use hub_model::Instant;
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::oracle::Fact;

/// Every reading of a document, whatever stands around it. Only elements, no attributes; the meter
/// may stand before or behind its readings.
///
/// # Errors
/// It is no XML, or a reading has no time.
pub fn facts_of_cim(document: &[u8]) -> Result<Vec<Fact>, String> {
    let mut reader = Reader::from_reader(document);
    let (mut facts, mut buffer) = (Vec::new(), Vec::new());
    let (mut path, mut meter) = (Vec::new(), String::new());
    let (mut begun, mut at) = (0, None);
    loop {
        let event = reader.read_event_into(&mut buffer);
        match event.map_err(|error| error.to_string())? {
            Event::Eof => return Ok(facts),
            Event::Start(tag) => path.push(tag.local_name().as_ref().to_owned()),
            Event::Text(text) => {
                match path.iter().rev().map(String::as_str).collect::<Vec<_>>()[..] {
                    ["mRID", "Meter", ..] => meter = text.to_string(),
                    ["timeStamp", ..] => at = Instant::parse(text.as_bytes(), None).ok(),
                    ["value", ..] => facts.push(Fact::Reading {
                        meter: String::new(),
                        at: at.take().ok_or("a value without a time")?.micros(),
                        value: text.to_string(),
                    }),
                    _ => {}
                }
            }
            Event::End(_) => {
                let ended = path.pop();
                if ended.as_deref() == Some("MeterReading") {
                    name(&mut facts[begun..], &meter);
                    begun = facts.len();
                }
            }
            _ => {}
        }
        buffer.clear();
    }
}

/// Says of which meter readings are.
fn name(facts: &mut [Fact], of: &str) {
    for fact in facts {
        if let Fact::Reading { meter, .. } = fact {
            of.clone_into(meter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::workload::Maker;

    #[test]
    fn what_was_made_can_be_read_back() {
        let made = Maker::new("p", Random::new(1)).cim(3, 4);
        assert_eq!(made.facts.len(), 12);
        assert_eq!(facts_of_cim(&made.bytes).unwrap(), made.facts);
        assert!(facts_of_cim(b"<a><value>1</value></a>").is_err());
    }
}
