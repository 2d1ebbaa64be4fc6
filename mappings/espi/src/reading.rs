//! One `IntervalReading`, as it stands in the payload.

use hub_model::{Decimal, Place};

use crate::limits::MAX_QUALITIES;
use crate::number::integer;
use crate::xml::{Ns, Stop, Xml, shortened};

/// Last second of the year 9999: what is later is no time in seconds.
const LAST_SECOND: i64 = 253_402_300_799;

/// The fields of an `IntervalReading`. One is used for all readings of a block.
#[derive(Debug, Default)]
pub(crate) struct EspiReading {
    pub(crate) place: Place,
    /// Begin of the interval, in seconds since 1970 UTC.
    pub(crate) start: Option<i64>,
    /// Its length in seconds.
    pub(crate) duration: Option<u32>,
    pub(crate) value: Option<Decimal>,
    pub(crate) qualities: Vec<u16>,
    pub(crate) tou: Option<i32>,
    pub(crate) cpp: Option<i32>,
    pub(crate) tier: Option<i32>,
    /// The first field that cannot be read, and why.
    pub(crate) problem: Option<(&'static str, String)>,
}

impl EspiReading {
    /// Reads the open `IntervalReading` element and leaves it. `cost` is not read.
    pub(crate) fn read(&mut self, xml: &mut Xml<'_>) -> Result<(), Stop> {
        self.clear(xml.place());
        while let Some(ns) = xml.child()? {
            if ns != Ns::Espi {
                xml.skip()?;
                continue;
            }
            match xml.name() {
                "timePeriod" => self.time_period(xml)?,
                "value" => {
                    let value = decimal(xml.text()?);
                    self.value = self.noted("value", value);
                }
                "ReadingQuality" => self.quality(xml)?,
                "tou" => self.tou = self.part(xml, "tou")?,
                "cpp" => self.cpp = self.part(xml, "cpp")?,
                "consumptionTier" => self.tier = self.part(xml, "consumptionTier")?,
                _ => xml.skip()?,
            }
        }
        Ok(())
    }

    fn clear(&mut self, place: Place) {
        let mut qualities = std::mem::take(&mut self.qualities);
        qualities.clear();
        *self = Self {
            place,
            qualities,
            ..Self::default()
        };
    }

    fn time_period(&mut self, xml: &mut Xml<'_>) -> Result<(), Stop> {
        while let Some(ns) = xml.child()? {
            match (ns, xml.name()) {
                (Ns::Espi, "start") => {
                    let start = start(xml.text()?);
                    self.start = self.noted("timePeriod/start", start);
                }
                (Ns::Espi, "duration") => {
                    let duration = integer(xml.text()?, "a number of seconds such as 900");
                    self.duration = self.noted("timePeriod/duration", duration);
                }
                _ => xml.skip()?,
            }
        }
        Ok(())
    }

    fn quality(&mut self, xml: &mut Xml<'_>) -> Result<(), Stop> {
        while let Some(ns) = xml.child()? {
            match (ns, xml.name()) {
                (Ns::Espi, "quality") => {
                    let code = integer(xml.text()?, "a quality code from 0 to 19");
                    if let Some(code) = self.noted("ReadingQuality/quality", code)
                        && self.qualities.len() < MAX_QUALITIES
                    {
                        self.qualities.push(code);
                    }
                }
                _ => xml.skip()?,
            }
        }
        Ok(())
    }

    fn part(&mut self, xml: &mut Xml<'_>, name: &'static str) -> Result<Option<i32>, Stop> {
        let value = integer::<u16>(xml.text()?, "an integer from 0 to 65535");
        Ok(self.noted(name, value).map(i32::from))
    }

    fn noted<T>(&mut self, name: &'static str, value: Result<T, String>) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(reason) => {
                self.problem.get_or_insert((name, reason));
                None
            }
        }
    }
}

fn start(text: &str) -> Result<i64, String> {
    const VALID: &str = "a time in seconds since 1970-01-01T00:00:00Z such as 1330578000";
    let seconds = integer::<i64>(text, VALID)?;
    if !(0..=LAST_SECOND).contains(&seconds) {
        return Err(format!(
            "`{seconds}` is not {VALID}; are these milliseconds?"
        ));
    }
    Ok(seconds)
}

/// ESPI says Int48; a fraction that some senders write is kept exactly.
fn decimal(text: &str) -> Result<Decimal, String> {
    text.parse()
        .map_err(|error| format!("`{}`: {error}, expected an integer", shortened(text)))
}
