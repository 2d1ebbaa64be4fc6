//! The IEC 61968-9 ReadingType: 18 integers that say what was measured and how.

use std::fmt;
use std::str::FromStr;

/// What a reading measures, as the 18 dot-separated parts of IEC 61968-9 (ed. 2) annex C.
///
/// Unknown codes are kept as they came. The parts in order: macro period, aggregate, measuring
/// period, accumulation, flow direction, commodity, measurement kind, interharmonic numerator and
/// denominator, argument numerator and denominator, time of use, critical peak, consumption tier,
/// phases, multiplier (power of ten of the unit), unit, currency (ISO 4217 number).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ReadingType(pub [i32; 18]);

/// Why a text is not a [`ReadingType`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadingTypeError {
    /// The older form of 11 parts cannot be read without guessing.
    #[error("has 11 parts, the form before IEC 61968-9:2011; expected 18 dot-separated integers")]
    OldForm,
    /// Not 18 parts.
    #[error("has {0} parts, expected 18 dot-separated integers")]
    Parts(usize),
    /// One part is not an integer in its range.
    #[error("part {part} (`{text}`) is not an integer that may stand there")]
    Part {
        /// 1 to 18.
        part: usize,
        /// What stood there.
        text: String,
    },
}

macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident = $index:literal;)*) => {
        $($(#[$doc])* #[must_use] pub const fn $name(&self) -> i32 { self.0[$index] })*
    };
}

impl ReadingType {
    parts! {
        /// 11 daily, 13 monthly ... (part 1).
        macro_period = 0;
        /// 2 average, 8 maximum, 9 minimum ... (part 2).
        aggregate = 1;
        /// 2 15-minute, 5 30-minute, 7 60-minute ... (part 3).
        measuring_period = 2;
        /// 1 bulk quantity, 3 cumulative, 4 delta data ... (part 4).
        accumulation = 3;
        /// 1 forward, 19 reverse ... (part 5).
        flow_direction = 4;
        /// 1 electricity, 7 gas, 9 water ... (part 6).
        commodity = 5;
        /// 12 energy, 54 voltage, 58 volume ... (part 7).
        measurement_kind = 6;
        /// Tariff register (part 12).
        tou = 11;
        /// 0 not applicable, 128 A, 224 ABC ... (part 15).
        phases = 14;
        /// Power of ten of the unit: 3 is kilo (part 16).
        multiplier = 15;
        /// 72 Wh, 73 varh, 42 m³, 29 V ... (part 17).
        unit = 16;
        /// ISO 4217 number (part 18).
        currency = 17;
    }

    /// Length of the measuring period in seconds, where part 3 (or a daily macro period) says one.
    #[must_use]
    pub const fn interval_seconds(&self) -> Option<u32> {
        Some(match self.measuring_period() {
            1 => 600,
            2 | 53 => 900,
            3 | 56 => 60,
            4 => 86_400,
            5 | 51 => 1_800,
            6 | 55 => 300,
            7 | 50 => 3_600,
            10 => 120,
            14 => 180,
            31 | 52 => 1_200,
            54 => 600,
            _ => return None,
        })
    }
}

impl FromStr for ReadingType {
    type Err = ReadingTypeError;

    fn from_str(text: &str) -> Result<Self, ReadingTypeError> {
        let count = text.split('.').count();
        match count {
            18 => {}
            11 => return Err(ReadingTypeError::OldForm),
            _ => return Err(ReadingTypeError::Parts(count)),
        }
        let mut parts = [0; 18];
        for (i, part) in text.split('.').enumerate() {
            let multiplier = i == 15;
            parts[i] = part
                .parse::<i32>()
                .ok()
                .filter(|value| (*value >= 0 || multiplier) && !part.starts_with('+'))
                .ok_or_else(|| ReadingTypeError::Part {
                    part: i + 1,
                    text: part.to_owned(),
                })?;
        }
        Ok(Self(parts))
    }
}

impl fmt::Display for ReadingType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            write!(f, "{part}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ReadingType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_examples_print_as_they_were_read() {
        for text in [
            "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0",
            "11.0.0.1.1.1.12.0.0.0.0.0.0.0.0.3.72.0",
            "0.2.1.6.0.1.54.0.0.0.0.0.0.0.129.-3.29.0",
        ] {
            assert_eq!(text.parse::<ReadingType>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn names_what_is_wrong() {
        assert_eq!(
            "1.2.3".parse::<ReadingType>(),
            Err(ReadingTypeError::Parts(3))
        );
        assert_eq!(
            "0.0.2.4.1.1.12.0.0.0.0".parse::<ReadingType>(),
            Err(ReadingTypeError::OldForm)
        );
        let bad = "0.0.2.4.x.1.12.0.0.0.0.0.0.0.0.3.72.0".parse::<ReadingType>();
        assert_eq!(
            bad,
            Err(ReadingTypeError::Part {
                part: 5,
                text: "x".into()
            })
        );
        assert!(
            "0.0.2.-4.1.1.12.0.0.0.0.0.0.0.0.3.72.0"
                .parse::<ReadingType>()
                .is_err()
        );
    }
}
