//! The name by which a part is known to both the answer to its submission and its receipts.
//!
//! Some message centres write the same id in hexadecimal digits in one and in decimal digits in the
//! other. The name is then the number.

use schemars::JsonSchema;
use serde::Deserialize;

/// How receipts write the ids of the answers to submitted messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptIds {
    /// As the answers do.
    #[default]
    Same,
    /// The answers in hexadecimal digits, the receipts in decimal ones.
    HexToDecimal,
    /// The answers in decimal digits, the receipts in hexadecimal ones.
    DecimalToHex,
}

const HEX: u32 = 16;
const DECIMAL: u32 = 10;

impl ReceiptIds {
    /// The name of what an answer calls so.
    pub(crate) fn of_answer(self, id: &str) -> String {
        match self {
            Self::Same => id.to_owned(),
            Self::HexToDecimal => number(id, HEX),
            Self::DecimalToHex => number(id, DECIMAL),
        }
    }

    /// The name of what a receipt calls so.
    pub(crate) fn of_receipt(self, id: &str) -> String {
        match self {
            Self::Same => id.to_owned(),
            Self::HexToDecimal => number(id, DECIMAL),
            Self::DecimalToHex => number(id, HEX),
        }
    }
}

/// What is no number stays as it is.
fn number(id: &str, radix: u32) -> String {
    let prefix = match radix {
        HEX => id.strip_prefix("0x").or_else(|| id.strip_prefix("0X")),
        _ => None,
    };
    let digits = prefix.unwrap_or(id);
    // Nor is what has a sign.
    let is_number = digits.bytes().all(|b| b.is_ascii_alphanumeric());
    match u128::from_str_radix(digits, radix) {
        Ok(number) if is_number => number.to_string(),
        _ => id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_and_receipt_mean_the_same_part() {
        for (ids, answer, receipt) in [
            (ReceiptIds::Same, "m17", "m17"),
            (ReceiptIds::Same, "00A1", "00A1"),
            (ReceiptIds::HexToDecimal, "1a2b", "6699"),
            (ReceiptIds::HexToDecimal, "0x1A2B", "0000006699"),
            (ReceiptIds::DecimalToHex, "6699", "1A2B"),
            (ReceiptIds::DecimalToHex, "6699", "00001a2b"),
            (ReceiptIds::HexToDecimal, "not-a-number", "not-a-number"),
            (ReceiptIds::HexToDecimal, "+1", "+1"),
        ] {
            assert_eq!(ids.of_answer(answer), ids.of_receipt(receipt), "{answer}");
        }
    }

    #[test]
    fn different_parts_have_different_names() {
        let ids = ReceiptIds::HexToDecimal;
        assert_ne!(ids.of_answer("10"), ids.of_receipt("10"));
        assert_ne!(
            ReceiptIds::Same.of_answer("0A"),
            ReceiptIds::Same.of_receipt("0a")
        );
    }
}
