//! Configuration of when, and how much, is sent.

use hub_core::ConfigProblem;
use hub_model::Zone;
use schemars::JsonSchema;
use serde::Deserialize;

use super::check_range;
use crate::daily::Daily;
use crate::quiet::Quiet;

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
    pub(super) fn validate(&self, problems: &mut Vec<ConfigProblem>) {
        if let Err(reason) = self.quiet() {
            problems.push(ConfigProblem::error("quiet_hours", reason));
        }
    }

    pub(super) fn quiet(&self) -> Result<Quiet, String> {
        Quiet::parse(&self.from, &self.to, &self.zone)
    }
}

/// How much may be sent in a day.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DailyLimit {
    /// Parts; a text of 160 characters is one.
    pub parts: u32,
    /// Where the day is, as an IANA time zone such as `Europe/Tallinn`.
    pub zone: String,
}

impl DailyLimit {
    /// `longest` is how many parts one text may need.
    pub(super) fn validate(&self, longest: u8, problems: &mut Vec<ConfigProblem>) {
        if let Err(reason) = self.daily() {
            problems.push(ConfigProblem::error("daily_limit.zone", reason));
        }
        // Less, and a text of that many parts would wait for ever.
        let parts = u64::from(longest)..=u64::from(u32::MAX);
        check_range("daily_limit.parts", u64::from(self.parts), parts, problems);
    }

    pub(super) fn daily(&self) -> Result<Daily, String> {
        let zone = Zone::named(&self.zone).map_err(|error| error.to_string())?;
        Ok(Daily::new(self.parts, zone))
    }
}
