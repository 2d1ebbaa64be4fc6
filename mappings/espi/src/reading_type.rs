//! ESPI `ReadingType` to the 18 parts of IEC 61968-9.

use hub_model::{Finding, Place, ReadingType};

use crate::number::integer;
use crate::xml::{Ns, Stop, Xml};

/// What a feed says about a kind of readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EspiType {
    /// The 18 parts.
    pub(crate) code: ReadingType,
    /// Length of an interval in seconds, if it is said.
    pub(crate) length: Option<u32>,
    /// Quality of the readings that say none of their own.
    pub(crate) default_quality: Option<u16>,
}

impl EspiType {
    /// A type that was given by other means than a feed.
    pub(crate) const fn given(code: ReadingType) -> Self {
        Self {
            code,
            length: code.interval_seconds(),
            default_quality: None,
        }
    }
}

/// A `ReadingType` as it was read, with what is wrong with it.
pub(crate) struct ReadType {
    pub(crate) place: Place,
    /// `None`: a field cannot be read, so readings of this type cannot be told what they are.
    pub(crate) value: Option<EspiType>,
    /// What is wrong or odd.
    pub(crate) findings: Vec<Finding>,
}

/// Elements and the part (from 0) of the canonical type they become.
///
/// `dataQualifier` is the aggregate and `timeAttribute` the macro period of 61968-9; the codes are
/// the same lists (usage.xsd). Absent elements are 0, "not applicable".
const PARTS: [(&str, usize); 13] = [
    ("timeAttribute", 0),
    ("dataQualifier", 1),
    ("measuringPeriod", 2),
    ("accumulationBehaviour", 3),
    ("flowDirection", 4),
    ("commodity", 5),
    ("kind", 6),
    ("tou", 11),
    ("cpp", 12),
    ("consumptionTier", 13),
    ("phase", 14),
    ("powerOfTenMultiplier", 15),
    ("uom", 16),
];

/// Part of the currency (ISO 4217 number); after the unit, as in the table above.
const CURRENCY: usize = 17;

/// `TimePeriodOfInterest` of usage.xsd: the codes that may be a macro period.
const PERIODS_OF_INTEREST: [i32; 7] = [0, 8, 11, 13, 22, 24, 32];

/// Macro period of calendar days.
pub(crate) const DAILY: i32 = 11;

/// Seconds and codes of the measuring period (`TimeAttributeKind`).
const MEASURING_PERIODS: [(u32, i32); 10] = [
    (60, 3),
    (120, 10),
    (180, 14),
    (300, 6),
    (600, 1),
    (900, 2),
    (1_200, 31),
    (1_800, 5),
    (3_600, 7),
    (86_400, 4),
];

/// The code of a measuring period of so many seconds.
pub(crate) fn measuring_period(seconds: u32) -> Option<i32> {
    MEASURING_PERIODS
        .into_iter()
        .find_map(|(length, code)| (length == seconds).then_some(code))
}

/// Reads the open `ReadingType` element and leaves it.
pub(crate) fn read(xml: &mut Xml<'_>) -> Result<ReadType, Stop> {
    let mut reader = Reader {
        place: xml.place(),
        parts: [0; 18],
        length: None,
        default_quality: None,
        findings: Vec::new(),
        unusable: false,
    };
    while let Some(ns) = xml.child()? {
        match ns {
            Ns::Espi => reader.field(xml)?,
            Ns::Atom | Ns::Other => xml.skip()?,
        }
    }
    Ok(reader.finish())
}

struct Reader {
    place: Place,
    parts: [i32; 18],
    length: Option<u32>,
    default_quality: Option<u16>,
    findings: Vec<Finding>,
    unusable: bool,
}

impl Reader {
    fn field(&mut self, xml: &mut Xml<'_>) -> Result<(), Stop> {
        let part = PARTS.into_iter().find(|(name, _)| *name == xml.name());
        if let Some((name, part)) = part {
            let text = xml.text()?;
            let valid = if part == 15 {
                "an integer"
            } else {
                "an integer from 0"
            };
            let value = integer::<i32>(text, valid).and_then(|value| {
                if value < 0 && part != 15 {
                    return Err(format!("`{value}` is not {valid}"));
                }
                Ok(value)
            });
            if let Some(value) = self.usable(name, value) {
                self.parts[part] = value;
            }
            return Ok(());
        }
        match xml.name() {
            "currency" => {
                let value = integer::<u16>(xml.text()?, "an ISO 4217 number such as 840");
                if let Some(value) = self.usable("currency", value) {
                    self.parts[CURRENCY] = i32::from(value);
                }
            }
            "intervalLength" => {
                let value = integer::<u32>(xml.text()?, "a number of seconds such as 900");
                self.length = self.usable("intervalLength", value).filter(|s| *s > 0);
            }
            "defaultQuality" => {
                let value = integer::<u16>(xml.text()?, "a quality code from 0 to 19");
                self.default_quality = self.usable("defaultQuality", value);
            }
            "interharmonic" => self.ratio(xml, "interharmonic", 7)?,
            "argument" => self.ratio(xml, "argument", 9)?,
            _ => xml.skip()?,
        }
        Ok(())
    }

    fn ratio(&mut self, xml: &mut Xml<'_>, name: &str, part: usize) -> Result<(), Stop> {
        while let Some(ns) = xml.child()? {
            let at = match (ns, xml.name()) {
                (Ns::Espi, "numerator") => part,
                (Ns::Espi, "denominator") => part + 1,
                _ => {
                    xml.skip()?;
                    continue;
                }
            };
            let value = integer::<u16>(xml.text()?, "an integer from 0 to 65535");
            if let Some(value) = self.usable(name, value) {
                self.parts[at] = i32::from(value);
            }
        }
        Ok(())
    }

    fn usable<T>(&mut self, name: &str, value: Result<T, String>) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(reason) => {
                self.unusable = true;
                self.findings.push(
                    Finding::error("bad_value", self.place.clone(), reason)
                        .in_field(format!("ReadingType/{name}"))
                        // Counted where its readings are refused.
                        .rejecting(0),
                );
                None
            }
        }
    }

    fn finish(mut self) -> ReadType {
        if self.unusable {
            return ReadType {
                place: self.place,
                value: None,
                findings: self.findings,
            };
        }
        self.check_macro_period();
        self.name_the_interval();
        ReadType {
            place: self.place,
            value: Some(EspiType {
                code: ReadingType(self.parts),
                length: self.length,
                default_quality: self.default_quality,
            }),
            findings: self.findings,
        }
    }

    /// The first edition had lengths of intervals in `timeAttribute`; senders still write them.
    fn check_macro_period(&mut self) {
        let code = self.parts[0];
        if PERIODS_OF_INTEREST.contains(&code) {
            return;
        }
        self.parts[0] = 0;
        self.warn(
            "timeAttribute",
            format!(
                "`{code}` is not a period of interest and is not used, expected one of 0, 8 billing \
                 period, 11 daily, 13 monthly, 22 seasonal, 24 weekly, 32 specified period"
            ),
        );
    }

    /// The measuring period, if it is not said, follows from the length of the intervals.
    ///
    /// 86,400 seconds are the 24-hour period (4), unless the macro period says calendar days.
    fn name_the_interval(&mut self) {
        let Some(length) = self.length else { return };
        let daily = self.parts[0] == DAILY && length == 86_400;
        if self.parts[2] == 0 && !daily {
            self.parts[2] = measuring_period(length).unwrap_or(0);
        }
        let said = ReadingType(self.parts).interval_seconds();
        if let Some(said) = said.filter(|said| *said != length) {
            self.warn(
                "measuringPeriod",
                format!("measuringPeriod is {said} seconds, but intervalLength is {length}"),
            );
        }
    }

    fn warn(&mut self, name: &str, reason: String) {
        self.findings.push(
            Finding::warning("odd_value", self.place.clone(), reason)
                .in_field(format!("ReadingType/{name}")),
        );
    }
}
