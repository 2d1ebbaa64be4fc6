//! Configuration of what holds for every text: quiet hours, the daily limit, prices, opt-outs.

use hub_core::{AdapterContext, ConfigProblem};
use hub_model::{Decimal, Zone};
use schemars::JsonSchema;
use serde::Deserialize;

use super::check_range;
use crate::carriers::check_prefix;
use crate::endpoint::Endpoint;
use crate::memory::{Limit, Memory};
use crate::price::{Money, Prices};
use crate::quiet::Quiet;
use crate::rules::{OptOut, Rules, WhenReached};

/// Most decimal places of a price.
const PRICE_PLACES: u8 = 6;

/// Hours in which nothing is sent.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// When they begin, `21:00` say.
    pub from: String,
    /// When they end, `08:00` say: over midnight, if it is earlier.
    pub to: String,
    /// Where, as an IANA time zone such as `Europe/Tallinn`.
    pub zone: String,
}

impl QuietHours {
    fn quiet(&self) -> Result<Quiet, String> {
        Quiet::parse(&self.from, &self.to, &self.zone)
    }
}

/// How much all SMS sinks of the enterprise together may send in a day, for this sink to go on:
/// parts, money, or both.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DailyLimit {
    /// Parts; a text of 160 characters is one.
    #[serde(default)]
    pub parts: Option<u32>,
    /// What they may cost, as a decimal number in quotes, in the currency of `price`.
    #[serde(default)]
    pub cost: Option<String>,
    /// Where the day is, as an IANA time zone such as `Europe/Tallinn`. All SMS sinks of an
    /// enterprise should have the same.
    pub zone: String,
    /// What becomes of a text beyond it.
    #[serde(default)]
    pub when_reached: WhenReached,
}

/// What a part costs.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// A part, as a decimal number in quotes: `"0.045"`.
    pub per_part: String,
    /// Three letters, `EUR` say.
    pub currency: String,
    /// Other prices, for numbers that begin so; the longest beginning counts.
    #[serde(default)]
    pub prefixes: Vec<PrefixPrice>,
    /// Where the days and months are that costs are summed by, as an IANA time zone. Default:
    /// `daily_limit`'s, else UTC.
    #[serde(default)]
    pub zone: Option<String>,
}

/// What a part to some numbers costs.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrefixPrice {
    /// The beginning of international numbers, such as `+372`.
    pub prefix: String,
    /// A part, as a decimal number in quotes.
    pub per_part: String,
}

/// The tables of a sink, whichever kind it is.
pub(super) struct Tables<'a> {
    pub(super) quiet_hours: Option<&'a QuietHours>,
    pub(super) daily_limit: Option<&'a DailyLimit>,
    pub(super) price: Option<&'a Price>,
    pub(super) opt_out: OptOut,
    /// How many parts one text may need.
    pub(super) max_segments: u8,
}

impl Tables<'_> {
    pub(super) fn validate(&self, problems: &mut Vec<ConfigProblem>) {
        if let Some(Err(reason)) = self.quiet_hours.map(QuietHours::quiet) {
            problems.push(ConfigProblem::error("quiet_hours", reason));
        }
        if let Some(price) = self.price {
            price.validate(problems);
        }
        if let Some(daily) = self.daily_limit {
            daily.validate(self.price, self.max_segments, problems);
        }
        if self.opt_out == OptOut::Ignore {
            problems.push(ConfigProblem::warning(
                "opt_out",
                "those who opted out get texts all the same",
            ));
        }
    }

    /// # Errors
    /// What is wrong, as told by [`Self::validate`] before.
    pub(super) fn rules(&self, context: &AdapterContext) -> Result<Rules, String> {
        let prices = self.price.map(Price::prices).transpose()?;
        let limit = self.daily_limit.map(|daily| daily.limit(self.price));
        let limit_zone = self.daily_limit.map(|daily| daily.zone.as_str());
        let zone = self.price.and_then(|price| price.zone.as_deref());
        Ok(Rules {
            endpoint: Endpoint(context.name.clone()),
            clock: context.clock.clone(),
            memory: Memory::of(context),
            meter: context.meter.clone(),
            opt_out: self.opt_out,
            quiet: self.quiet_hours.map(QuietHours::quiet).transpose()?,
            limit: limit.transpose()?,
            when_reached: self.daily_limit.map(|d| d.when_reached).unwrap_or_default(),
            prices,
            zone: match limit_zone.or(zone) {
                Some(name) => Zone::named(name).map_err(|error| error.to_string())?,
                None => Zone::utc(),
            },
        })
    }
}

impl DailyLimit {
    fn validate(&self, price: Option<&Price>, max_segments: u8, problems: &mut Vec<ConfigProblem>) {
        if let Err(error) = Zone::named(&self.zone) {
            problems.push(ConfigProblem::error("daily_limit.zone", error.to_string()));
        }
        if self.parts.is_none() && self.cost.is_none() {
            let reason = "limits nothing, expected `parts`, `cost` or both";
            problems.push(ConfigProblem::error("daily_limit", reason));
        }
        if let Some(parts) = self.parts {
            // Less, and a text of that many parts would wait for ever.
            let range = u64::from(max_segments)..=u64::from(u32::MAX);
            check_range("daily_limit.parts", u64::from(parts), range, problems);
        }
        if let Err(reason) = self.money(price).and_then(|limit| {
            let (Some(limit), Some(price)) = (limit, price) else {
                return Ok(());
            };
            price.check_covers(&limit, max_segments)
        }) {
            problems.push(ConfigProblem::error("daily_limit.cost", reason));
        }
        if let Some(zone) = price.and_then(|price| price.zone.as_ref())
            && *zone != self.zone
        {
            let reason =
                format!("is `{zone}`, and `daily_limit.zone` is another: one of them counts");
            problems.push(ConfigProblem::error("price.zone", reason));
        }
    }

    fn limit(&self, price: Option<&Price>) -> Result<Limit, String> {
        Ok(Limit {
            parts: self.parts,
            cost: self.money(price)?,
        })
    }

    fn money(&self, price: Option<&Price>) -> Result<Option<Money>, String> {
        let Some(cost) = &self.cost else {
            return Ok(None);
        };
        let price = price.ok_or("needs `price`, which says what a part costs")?;
        Ok(Some(Money {
            amount: amount(cost)?,
            currency: price.currency.clone(),
        }))
    }
}

impl Price {
    fn validate(&self, problems: &mut Vec<ConfigProblem>) {
        let mut error = |key: &str, reason: String| {
            problems.push(ConfigProblem::error(key, reason));
        };
        if self.currency.len() != 3 || !self.currency.bytes().all(|b| b.is_ascii_uppercase()) {
            let reason = format!(
                "is `{}`, expected three letters such as `EUR`",
                self.currency
            );
            error("price.currency", reason);
        }
        if let Err(reason) = amount(&self.per_part) {
            error("price.per_part", reason);
        }
        for further in &self.prefixes {
            if let Err(reason) = check_prefix(&further.prefix) {
                error("price.prefixes.prefix", reason);
            }
            if let Err(reason) = amount(&further.per_part) {
                error("price.prefixes.per_part", reason);
            }
        }
        if let Some(Err(wrong)) = self.zone.as_deref().map(Zone::named) {
            error("price.zone", wrong.to_string());
        }
    }

    fn prices(&self) -> Result<Prices, String> {
        let further = self.prefixes.iter();
        let further = further.map(|f| Ok((f.prefix.clone(), amount(&f.per_part)?)));
        let further: Result<Vec<_>, String> = further.collect();
        Ok(Prices::new(
            &self.currency,
            amount(&self.per_part)?,
            further?,
        ))
    }

    /// Whether the longest text, at the highest price, can be paid for in a day: else it would wait
    /// for ever.
    fn check_covers(&self, limit: &Money, max_segments: u8) -> Result<(), String> {
        let all = self.prefixes.iter().map(|further| &further.per_part);
        for price in all.chain([&self.per_part]) {
            let each = Money {
                amount: amount(price)?,
                currency: self.currency.clone(),
            };
            let most = each.times(u32::from(max_segments));
            if !most.is_within(limit) {
                return Err(format!(
                    "is {limit}, and one text of {max_segments} parts may cost {most}"
                ));
            }
        }
        Ok(())
    }
}

/// An amount of money, not negative.
fn amount(text: &str) -> Result<Decimal, String> {
    let wrong = || {
        format!(
            "`{text}` is no price, expected a number such as `0.045` with at most {PRICE_PLACES} decimal places"
        )
    };
    let amount: Decimal = text.parse().map_err(|_| wrong())?;
    // Sums of years stay far below what can be kept exactly.
    let is_price = amount.mantissa() >= 0
        && amount.scale() <= PRICE_PLACES
        && amount
            .mantissa_at(PRICE_PLACES)
            .is_some_and(|m| m < 1_000_000_000_000_000);
    is_price.then_some(amount).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Sink {
        daily_limit: Option<DailyLimit>,
        price: Option<Price>,
    }

    fn problems(toml: &str) -> Vec<String> {
        let sink: Sink = toml::from_str(toml).unwrap();
        let tables = Tables {
            quiet_hours: None,
            daily_limit: sink.daily_limit.as_ref(),
            price: sink.price.as_ref(),
            opt_out: OptOut::default(),
            max_segments: 3,
        };
        let mut problems = Vec::new();
        tables.validate(&mut problems);
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn prices_are_exact_and_limits_pay_for_the_longest_text() {
        let price = "price = { per_part = '0.045', currency = 'EUR' }\n";
        let limit = |cost: &str| {
            format!("{price}daily_limit = {{ cost = '{cost}', zone = 'Europe/Tallinn' }}")
        };
        assert_eq!(problems(&limit("0.135")), [""; 0]);
        assert!(problems(&limit("0.134"))[0].contains("0.135 EUR"));
        assert!(problems(&limit("-1"))[0].contains("no price"));
        let without = "daily_limit = { cost = '1', zone = 'UTC' }";
        assert!(problems(without)[0].contains("needs `price`"));
        assert!(problems("daily_limit = { zone = 'UTC' }")[0].contains("limits nothing"));
        assert!(problems("daily_limit = { parts = 2, zone = 'UTC' }")[0].contains("expected 3"));
    }

    #[test]
    fn what_is_no_price_is_named() {
        for (price, key) in [
            ("per_part = '0,045', currency = 'EUR'", "price.per_part"),
            ("per_part = '0.0000001', currency = 'EUR'", "price.per_part"),
            ("per_part = '1', currency = 'euro'", "price.currency"),
            (
                "per_part = '1', currency = 'EUR', zone = 'Tallinn'",
                "price.zone",
            ),
            (
                "per_part = '1', currency = 'EUR', prefixes = [{ prefix = '372', per_part = '1' }]",
                "price.prefixes.prefix",
            ),
        ] {
            let found = problems(&format!("price = {{ {price} }}"));
            assert!(
                found.len() == 1 && found[0].contains(key),
                "{price}: {found:?}"
            );
        }
    }
}
