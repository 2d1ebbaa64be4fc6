//! What texts cost, in exact decimals.

use std::collections::BTreeMap;
use std::fmt;

use hub_model::Decimal;
use serde_json::{Value, json};

/// An amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Money {
    pub(crate) amount: Decimal,
    pub(crate) currency: String,
}

impl Money {
    /// So many of them. What cannot be kept exactly is nothing; prices are far too small for that.
    pub(crate) fn times(&self, count: u32) -> Self {
        let mantissa = self.amount.mantissa().checked_mul(i64::from(count));
        let amount = mantissa.and_then(|mantissa| Decimal::new(mantissa, self.amount.scale()));
        Self {
            amount: amount.unwrap_or_default(),
            currency: self.currency.clone(),
        }
    }

    /// Whether it is at most so much, of the same currency.
    pub(crate) fn is_within(&self, limit: &Self) -> bool {
        let scale = self.amount.scale().max(limit.amount.scale());
        let at = |amount: Decimal| amount.mantissa_at(scale);
        match (at(self.amount), at(limit.amount)) {
            (Some(amount), Some(limit)) => amount <= limit,
            // One that needs more digits than there are is the larger; nothing here comes near.
            (amount, _) => amount.is_some(),
        }
    }

    /// The same in millionths, for a counter of whole numbers.
    pub(crate) fn millionths(&self) -> u64 {
        let scaled = self.amount.times_power_of_ten(6);
        let whole = scaled.and_then(|scaled| scaled.mantissa_at(0));
        whole
            .and_then(|whole| u64::try_from(whole).ok())
            .unwrap_or_default()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}

/// Prices of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prices {
    currency: String,
    per_part: Decimal,
    /// The longest prefix first.
    by_prefix: Vec<(String, Decimal)>,
}

impl Prices {
    pub(crate) fn new(
        currency: &str,
        per_part: Decimal,
        mut by_prefix: Vec<(String, Decimal)>,
    ) -> Self {
        by_prefix.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Self {
            currency: currency.to_owned(),
            per_part,
            by_prefix,
        }
    }

    /// That of a part to this number.
    pub(crate) fn per_part(&self, number: &str) -> Money {
        let by_prefix = self.by_prefix.iter();
        let mut fitting = by_prefix.filter(|(prefix, _)| number.starts_with(prefix.as_str()));
        let amount = fitting.next().map_or(self.per_part, |(_, price)| *price);
        Money {
            amount,
            currency: self.currency.clone(),
        }
    }
}

/// Parts, and what they cost by currency.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Total {
    pub(crate) parts: u64,
    pub(crate) cost: BTreeMap<String, Decimal>,
}

impl Total {
    /// `{"parts": 12, "cost": {"EUR": "0.54"}}`, ours. What cannot be read is nothing.
    pub(crate) fn parse(json: &str) -> Self {
        let value: Value = serde_json::from_str(json).unwrap_or_default();
        let cost = value["cost"].as_object().into_iter().flatten();
        let amount = |(currency, amount): (&String, &Value)| {
            Some((currency.clone(), amount.as_str()?.parse().ok()?))
        };
        Self {
            parts: value["parts"].as_u64().unwrap_or_default(),
            cost: cost.filter_map(amount).collect(),
        }
    }

    pub(crate) fn to_json(&self) -> String {
        let cost = self.cost.iter();
        let cost: BTreeMap<_, _> = cost.map(|(c, amount)| (c, amount.to_string())).collect();
        json!({"parts": self.parts, "cost": cost}).to_string()
    }

    /// The amount in a currency.
    pub(crate) fn cost_in(&self, currency: &str) -> Decimal {
        self.cost.get(currency).copied().unwrap_or_default()
    }

    pub(crate) fn add(&mut self, parts: u32, each: Option<&Money>) {
        self.parts = self.parts.saturating_add(u64::from(parts));
        if let Some(each) = each {
            self.add_cost(&each.currency, each.times(parts).amount);
        }
    }

    pub(crate) fn give_back(&mut self, parts: u32, each: Option<&Money>) {
        self.parts = self.parts.saturating_sub(u64::from(parts));
        if let Some(each) = each {
            let amount = each.times(parts).amount;
            let less = Decimal::new(-amount.mantissa(), amount.scale());
            self.add_cost(&each.currency, less.unwrap_or_default());
        }
    }

    fn add_cost(&mut self, currency: &str, amount: Decimal) {
        let sum = self.cost_in(currency).checked_add(amount);
        if let Some(sum) = sum {
            self.cost.insert(currency.to_owned(), sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_says_what_a_part_costs() {
        let by_prefix = [("+372", "0.03"), ("+3725", "0.025")];
        let by_prefix = by_prefix.map(|(p, price)| (p.to_owned(), price.parse().unwrap()));
        let prices = Prices::new("EUR", "0.045".parse().unwrap(), by_prefix.to_vec());
        for (number, expected) in [
            ("+37255500001", "0.025 EUR"),
            ("+37266500001", "0.03 EUR"),
            ("+358401000001", "0.045 EUR"),
            ("12345", "0.045 EUR"),
        ] {
            assert_eq!(prices.per_part(number).to_string(), expected);
        }
        assert_eq!(prices.per_part("1").times(3).to_string(), "0.135 EUR");
        assert_eq!(prices.per_part("1").times(3).millionths(), 135_000);
    }

    #[test]
    fn sums_are_exact_and_kept() {
        let each = Money {
            amount: "0.1".parse().unwrap(),
            currency: "EUR".into(),
        };
        let mut total = Total::default();
        (0..10).for_each(|_| total.add(3, Some(&each)));
        total.give_back(1, Some(&each));
        assert_eq!(total.to_json(), r#"{"cost":{"EUR":"2.9"},"parts":29}"#);
        assert_eq!(Total::parse(&total.to_json()), total);
        assert_eq!(Total::parse("?"), Total::default());
    }
}
