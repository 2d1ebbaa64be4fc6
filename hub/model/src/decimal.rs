//! Exact decimals for energy, volume and money: a scaled integer, never a float.

use std::fmt;
use std::str::FromStr;

/// An exact decimal number: `mantissa × 10^-scale`.
///
/// Always in lowest form (no trailing zero after the point), so equality, hashing and printing
/// agree: `1.50` and `1.5` are one value. At most 18 significant digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Decimal {
    mantissa: i64,
    scale: u8,
}

/// Why a text is not a [`Decimal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a number at all.
    #[error("not a decimal number")]
    NotANumber,
    /// More digits than can be kept exactly.
    #[error("more than {max} significant digits", max = Decimal::MAX_DIGITS)]
    TooLong,
}

const POWERS: [i64; 19] = {
    let mut powers = [1i64; 19];
    let mut i = 1;
    while i < 19 {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self {
        mantissa: 0,
        scale: 0,
    };
    /// Largest number of significant digits and of decimal places.
    pub const MAX_DIGITS: u8 = 18;

    /// `mantissa × 10^-scale`, brought to lowest form. `None` if `scale` exceeds [`Self::MAX_DIGITS`]
    /// in lowest form, or the mantissa has more than 18 digits.
    #[must_use]
    pub const fn new(mut mantissa: i64, mut scale: u8) -> Option<Self> {
        while scale > 0 && mantissa % 10 == 0 {
            if mantissa == 0 {
                scale = 0;
                break;
            }
            mantissa /= 10;
            scale -= 1;
        }
        if scale > Self::MAX_DIGITS || mantissa.unsigned_abs() >= POWERS[18] as u64 {
            return None;
        }
        Some(Self { mantissa, scale })
    }

    /// A whole number. `None` beyond 18 digits.
    #[must_use]
    pub const fn whole(value: i64) -> Option<Self> {
        Self::new(value, 0)
    }

    /// The integer part of the representation: the value is `mantissa × 10^-scale`.
    #[must_use]
    pub const fn mantissa(self) -> i64 {
        self.mantissa
    }

    /// Decimal places, 0 to 18.
    #[must_use]
    pub const fn scale(self) -> u8 {
        self.scale
    }

    /// The mantissa this value has at a larger scale, if it fits an `i64`.
    #[must_use]
    pub const fn mantissa_at(self, scale: u8) -> Option<i64> {
        if scale < self.scale || scale - self.scale > 18 {
            return None;
        }
        self.mantissa
            .checked_mul(POWERS[(scale - self.scale) as usize])
    }

    /// This value times `10^power`, if it can be kept exactly.
    #[must_use]
    pub const fn times_power_of_ten(self, power: i32) -> Option<Self> {
        let scale = self.scale as i32 - power;
        if scale >= 0 {
            if scale > 36 {
                return None;
            }
            return Self::new(self.mantissa, scale as u8);
        }
        if scale < -18 {
            return if self.mantissa == 0 {
                Some(Self::ZERO)
            } else {
                None
            };
        }
        match self.mantissa.checked_mul(POWERS[(-scale) as usize]) {
            Some(mantissa) => Self::new(mantissa, 0),
            None => None,
        }
    }

    /// The exact sum, if it fits.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        Self::new(
            self.mantissa_at(scale)?
                .checked_add(other.mantissa_at(scale)?)?,
            scale,
        )
    }

    /// Reads `-12.340`, `+5`, `.5`, `1.5E3` with `point` as the decimal sign.
    ///
    /// # Errors
    /// Not a number, or more digits than can be kept exactly.
    pub fn parse(text: &[u8], point: u8) -> Result<Self, DecimalError> {
        let (negative, digits) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let mut mantissa: i64 = 0;
        let mut scale: u32 = 0;
        let mut seen_point = false;
        let mut seen_digit = false;
        for (i, &c) in digits.iter().enumerate() {
            match c {
                b'0'..=b'9' => {
                    seen_digit = true;
                    if mantissa >= POWERS[17] {
                        return Self::parse_long(digits, point, negative);
                    }
                    mantissa = mantissa * 10 + i64::from(c - b'0');
                    scale += u32::from(seen_point);
                }
                _ if c == point && !seen_point => seen_point = true,
                b'e' | b'E' if seen_digit => {
                    let exponent = parse_exponent(&digits[i + 1..])?;
                    let base = Self::from_parts(mantissa, scale, negative)?;
                    return base
                        .times_power_of_ten(exponent)
                        .ok_or(DecimalError::TooLong);
                }
                _ => return Err(DecimalError::NotANumber),
            }
        }
        if !seen_digit {
            return Err(DecimalError::NotANumber);
        }
        Self::from_parts(mantissa, scale, negative)
    }

    fn from_parts(mantissa: i64, scale: u32, negative: bool) -> Result<Self, DecimalError> {
        let mantissa = if negative { -mantissa } else { mantissa };
        let scale = u8::try_from(scale).map_err(|_| DecimalError::TooLong)?;
        Self::new(mantissa, scale).ok_or(DecimalError::TooLong)
    }

    /// The rare long form: zeros at the end of a fraction may be dropped, nothing else.
    fn parse_long(digits: &[u8], point: u8, negative: bool) -> Result<Self, DecimalError> {
        let valid = |c: &u8| c.is_ascii_digit() || *c == point;
        if digits.iter().any(|c| !valid(c)) || digits.iter().filter(|c| **c == point).count() > 1 {
            return Err(DecimalError::NotANumber);
        }
        let mut kept = digits;
        if digits.contains(&point) {
            while let [rest @ .., b'0'] = kept {
                kept = rest;
            }
        }
        let mut mantissa: i64 = 0;
        let mut scale: u32 = 0;
        let mut seen_point = false;
        for &c in kept {
            if c == point {
                seen_point = true;
                continue;
            }
            mantissa = mantissa
                .checked_mul(10)
                .and_then(|m| m.checked_add(i64::from(c - b'0')))
                .ok_or(DecimalError::TooLong)?;
            scale += u32::from(seen_point);
        }
        Self::from_parts(mantissa, scale, negative)
    }

    /// Prints with `point` as the decimal sign, in the shortest exact form.
    pub fn write(self, out: &mut Vec<u8>, point: u8) {
        let mut buffer = [0u8; 24];
        let mut at = buffer.len();
        let mut rest = self.mantissa.unsigned_abs();
        let mut places = self.scale;
        loop {
            at -= 1;
            buffer[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if places > 0 {
                places -= 1;
                if places == 0 {
                    at -= 1;
                    buffer[at] = point;
                    if rest == 0 {
                        at -= 1;
                        buffer[at] = b'0';
                    }
                }
            }
            if rest == 0 && places == 0 {
                break;
            }
        }
        if self.mantissa < 0 {
            out.push(b'-');
        }
        out.extend_from_slice(&buffer[at..]);
    }
}

fn parse_exponent(text: &[u8]) -> Result<i32, DecimalError> {
    let text = std::str::from_utf8(text).map_err(|_| DecimalError::NotANumber)?;
    if text.len() > 4 {
        return Err(DecimalError::TooLong);
    }
    text.parse().map_err(|_| DecimalError::NotANumber)
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        Self::parse(text.as_bytes(), b'.')
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::with_capacity(24);
        self.write(&mut out, b'.');
        f.pad_integral(true, "", &String::from_utf8_lossy(&out))
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_it_reads_in_lowest_form() {
        for (text, expected) in [
            ("0", "0"),
            ("-0.0", "0"),
            ("1.50", "1.5"),
            (".5", "0.5"),
            ("-12.345", "-12.345"),
            ("100", "100"),
            ("0.001", "0.001"),
            ("1.5E3", "1500"),
            ("25e-4", "0.0025"),
            ("999999999999999999", "999999999999999999"),
            ("1.0000000000000000000000", "1"),
            ("000000000000000000000007", "7"),
            ("+3", "3"),
        ] {
            assert_eq!(
                text.parse::<Decimal>().map(|d| d.to_string()).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_it_cannot_keep_exactly() {
        for text in ["", "-", ".", "1.2.3", "12a", "NaN", "1e", "0x10", "1 2"] {
            assert_eq!(
                text.parse::<Decimal>(),
                Err(DecimalError::NotANumber),
                "{text}"
            );
        }
        for text in ["1234567890123456789", "0.1234567890123456789", "1e40"] {
            assert_eq!(
                text.parse::<Decimal>(),
                Err(DecimalError::TooLong),
                "{text}"
            );
        }
    }

    #[test]
    fn reads_a_decimal_comma() {
        assert_eq!(
            Decimal::parse(b"1,25", b','),
            Ok(Decimal::new(125, 2).unwrap())
        );
    }

    #[test]
    fn shifts_by_powers_of_ten_exactly() {
        let value: Decimal = "1.234".parse().unwrap();
        assert_eq!(value.times_power_of_ten(3).unwrap().to_string(), "1234");
        assert_eq!(value.times_power_of_ten(-2).unwrap().to_string(), "0.01234");
        assert_eq!(value.times_power_of_ten(30), None);
    }
}
