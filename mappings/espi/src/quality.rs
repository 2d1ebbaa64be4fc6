//! ESPI `QualityOfReading` to IEC 61968-9 qualities.

use hub_model::{QualityCode, ReadingQuality};

/// Who judged: a system outside ours (61968-9 annex D, system 5 "external"). A feed does not say
/// whether it was the utility's head-end or its meter-data management.
const EXTERNAL: u16 = 5;

/// `x.5.259`: the value is known to be missing.
pub(crate) const KNOWN_MISSING: QualityCode = QualityCode::new(EXTERNAL, 5, 259);

/// What a code means; `None` if ESPI does not define it.
///
/// | ESPI | meaning | canonical |
/// |---|---|---|
/// | 0 | valid: passed all checks | 5.0.1 |
/// | 7 | manually edited | 5.7.0 |
/// | 8 | estimated from a reference day | 5.8.0 |
/// | 9 | estimated by linear interpolation | 5.8.0 |
/// | 10 | questionable: failed a check | 5.10.0 |
/// | 11 | derived | 5.11.0 |
/// | 12 | projected | 5.12.0 |
/// | 13 | mixed | 5.10.0 |
/// | 14 | raw: not validated | 5.0.0 |
/// | 15 | normalised for weather | 5.11.0 |
/// | 16 | other | 5.10.0 |
/// | 17 | validated | 5.0.1 |
/// | 18 | verified: failed a check, found to be right | 5.10.1 |
/// | 19 | revenue quality | 5.0.1 |
///
/// Where two ESPI codes share one canonical code, the comment keeps them apart.
/// Meanings: usage.xsd, `QualityOfReading`; categories: IEC 61968-9 annex D.
pub(crate) fn canonical(code: u16) -> Option<ReadingQuality> {
    let (category, sub, comment) = match code {
        0 => (0, 1, None),
        7 => (7, 0, None),
        8 => (8, 0, Some("reference day")),
        9 => (8, 0, Some("linear interpolation")),
        10 => (10, 0, None),
        11 => (11, 0, None),
        12 => (12, 0, None),
        13 => (10, 0, Some("mixed")),
        14 => (0, 0, None),
        15 => (11, 0, Some("normalised for weather")),
        16 => (10, 0, Some("other")),
        17 => (0, 1, Some("validated")),
        18 => (10, 1, None),
        19 => (0, 1, Some("revenue quality")),
        _ => return None,
    };
    Some(ReadingQuality {
        comment: comment.map(ToOwned::to_owned),
        ..ReadingQuality::of(QualityCode::new(EXTERNAL, category, sub))
    })
}

/// A code that ESPI does not define is kept as a doubt.
pub(crate) fn undefined(code: u16) -> ReadingQuality {
    ReadingQuality {
        comment: Some(format!("undefined ESPI quality {code}")),
        ..ReadingQuality::of(QualityCode::new(EXTERNAL, 10, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defined_codes_stay_apart() {
        let known: Vec<_> = (0..=255).filter_map(canonical).collect();
        assert_eq!(known.len(), 14);
        for (i, one) in known.iter().enumerate() {
            assert!(known[i + 1..].iter().all(|other| other != one), "{one:?}");
        }
    }
}
