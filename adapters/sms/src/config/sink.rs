//! Configuration of an account that text messages are sent from.

use std::sync::Arc;

use async_trait::async_trait;
use hub_core::{AdapterContext, ConfigProblem, Metric, Sink, SinkConfig, SinkError};
use schemars::JsonSchema;
use serde::Deserialize;

use super::prefixes::{self, PrefixAccount};
use super::rules::{DailyLimit, Price, QuietHours, Tables};
use super::{Account, check_range};
use crate::account::Accounts;
use crate::address;
use crate::carriers::{Carrier, Carriers};
use crate::cutting::{Cutting, NotInGsm7};
use crate::metrics::OF_SINKS;
use crate::outgoing::check_validity;
use crate::rules::OptOut;
use crate::sink::SmsSink;
use crate::submission::{LongMessages, Submissions};

/// Sends text messages (SMS) over SMPP 3.4.
///
/// The body is JSON: `{"to": "+37255500001", "text": "..."}`, with `from` (a sender other than the
/// configured one), `valid_minutes` and `transactional` if wanted. A text goes in the telephones' 7-bit alphabet
/// (GSM 03.38 with its extension table: 160 characters, or 153 in each of several parts) if that has
/// all its characters, and else in UCS-2 (70, or 67). The message centre's ids of all parts are noted
/// with the delivery; receipts, which name them, come in by a source with the same `account`, and are
/// shown with the delivery.
///
/// If a message was accepted only in part, the next attempt goes on with the rest, also after a
/// restart. A telephone may get a part twice if the message centre's answer is lost, or the hub ends
/// between that answer and its own commit: SMPP has nothing by which the second could be recognised.
///
/// Days and money are counted by all SMS sinks of the enterprise together: with a `daily_limit` on disk
/// before anything is sent, else before it is taken for delivered. A part whose answer was lost counts
/// as sent. After a crash the few parts that were on their way are counted though they may not have
/// been sent; without a limit some may have been sent that are not counted.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SmsSinkConfig {
    /// Where and as whom.
    pub account: Account,
    /// The sender that telephones show: `+` and a number, a short code, or a name of at most 11
    /// ASCII characters.
    pub sender: String,
    /// How the parts of a long text say that they belong together.
    #[serde(default)]
    pub long_messages: LongMessages,
    /// What becomes of a text with characters that GSM 03.38 has not, such as `ê` or `õ`.
    #[serde(default)]
    pub not_in_gsm7: NotInGsm7,
    /// Most parts that a text may need. Each is paid for. A longer text is refused.
    #[serde(default = "max_segments")]
    pub max_segments: u8,
    /// Whether delivery receipts are asked for.
    #[serde(default = "yes")]
    pub receipts: bool,
    /// How long the message centre is to try, in minutes, if the message does not say. Default: as
    /// the message centre does.
    #[serde(default)]
    pub valid_minutes: Option<u32>,
    /// Further accounts, for recipients whose number begins so; the longest beginning counts. All
    /// others are `account`'s.
    #[serde(default)]
    pub prefixes: Vec<PrefixAccount>,
    /// When nothing is sent: what comes then waits. For what must go at any time, another sink with
    /// the same `account` shares its bind.
    #[serde(default)]
    pub quiet_hours: Option<QuietHours>,
    /// How much may be sent in a day.
    #[serde(default)]
    pub daily_limit: Option<DailyLimit>,
    /// What a part costs: noted with each delivery, and summed by local day and month.
    #[serde(default)]
    pub price: Option<Price>,
    /// Which texts those get who opted out (see the source's `stop_words`).
    #[serde(default)]
    pub opt_out: OptOut,
}

pub(super) fn max_segments() -> u8 {
    6
}

fn yes() -> bool {
    true
}

impl SmsSinkConfig {
    fn carrier(
        account: &Account,
        sender: &str,
        context: &AdapterContext,
    ) -> Result<Carrier, String> {
        let secret = account.password.resolve(&context.base_dir);
        secret.map_err(|error| error.to_string())?;
        let sender = address::sender(sender);
        Ok(Carrier {
            account: context.shared.get::<Accounts>().get(account, context),
            sender: sender.map_err(|reason| format!("`sender` {reason}"))?,
        })
    }

    fn unavailable(context: &AdapterContext, reason: String) -> SinkError {
        SinkError::Unavailable {
            endpoint: context.name.clone(),
            reason,
            retry_after: None,
            answered: false,
        }
    }

    fn carriers(&self, context: &AdapterContext) -> Result<Carriers, String> {
        let main = Self::carrier(&self.account, &self.sender, context)?;
        let mut by_prefix = Vec::new();
        for further in &self.prefixes {
            let sender = further.sender.as_ref().unwrap_or(&self.sender);
            let carrier = Arc::new(Self::carrier(&further.account, sender, context)?);
            let all = further.prefixes.iter();
            by_prefix.extend(all.map(|prefix| (prefix.clone(), carrier.clone())));
        }
        Ok(Carriers::new(main, by_prefix))
    }

    fn sink(&self, context: &AdapterContext) -> Result<SmsSink, String> {
        Ok(SmsSink {
            carriers: self.carriers(context)?,
            cutting: Cutting {
                not_in_gsm7: self.not_in_gsm7,
                max_segments: self.max_segments,
            },
            submissions: Submissions {
                long_messages: self.long_messages,
                receipts: self.receipts,
                valid_minutes: self.valid_minutes,
            },
            rules: self.tables().rules(context)?,
        })
    }

    fn tables(&self) -> Tables<'_> {
        Tables {
            quiet_hours: self.quiet_hours.as_ref(),
            daily_limit: self.daily_limit.as_ref(),
            price: self.price.as_ref(),
            opt_out: self.opt_out,
            max_segments: self.max_segments,
        }
    }
}

#[async_trait]
impl SinkConfig for SmsSinkConfig {
    const KIND: &'static str = "sms";

    fn example() -> &'static str {
        r#"account = { server = "smsc.example:3550", system_id = "nordkraft", password = "env:SMPP_PASSWORD", tls = {}, window = 10 }
sender = "Nordkraft"
long_messages = "udh"         # or "sar": as the message centre wants it
not_in_gsm7 = "ucs2"          # or "transliterate", "reject"
max_segments = 3
valid_minutes = 1440
quiet_hours = { from = "21:00", to = "08:00", zone = "Europe/Tallinn" }
daily_limit = { parts = 5000, cost = "200.00", zone = "Europe/Tallinn" }
price = { per_part = "0.045", currency = "EUR", prefixes = [{ prefix = "+372", per_part = "0.03" }] }
opt_out = "except_transactional"   # default: "all"
prefixes = [
  { prefixes = ["+372"], account = { server = "smpp.operator.example:3550", system_id = "nk", password = "env:OPERATOR_PASSWORD", tls = {} }, sender = "12345" },
]
"#
    }

    fn metrics() -> &'static [Metric] {
        OF_SINKS
    }

    fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        self.account.validate("account", &mut problems);
        if let Err(reason) = address::sender(&self.sender) {
            problems.push(ConfigProblem::error("sender", reason));
        }
        check_range(
            "max_segments",
            u64::from(self.max_segments),
            1..=255,
            &mut problems,
        );
        if let Some(Err(reason)) = self.valid_minutes.map(check_validity) {
            problems.push(ConfigProblem::error("valid_minutes", reason));
        }
        prefixes::validate(&self.prefixes, &mut problems);
        self.tables().validate(&mut problems);
        problems
    }

    async fn check(&self, context: &AdapterContext) -> Result<(), SinkError> {
        let accounts = context.shared.get::<Accounts>();
        let further = self.prefixes.iter().map(|further| &further.account);
        for account in std::iter::once(&self.account).chain(further) {
            let bound = accounts.get(account, context).session().await;
            bound.map_err(|reason| Self::unavailable(context, reason))?;
        }
        Ok(())
    }

    async fn connect(&self, context: &AdapterContext) -> Result<Box<dyn Sink>, SinkError> {
        match self.sink(context) {
            Ok(sink) => Ok(Box::new(sink)),
            Err(reason) => Err(Self::unavailable(context, reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(toml: &str) -> Vec<ConfigProblem> {
        toml::from_str::<SmsSinkConfig>(toml).unwrap().validate()
    }

    #[test]
    fn the_example_is_valid() {
        assert_eq!(problems(SmsSinkConfig::example()), []);
    }

    #[test]
    fn wrong_values_are_errors() {
        let found = problems(
            "account = { server = 'localhost:2775', system_id = '', password = 'env:P' }\n\
             sender = 'far too long name'\nmax_segments = 0\nvalid_minutes = 99999999\n\
             quiet_hours = { from = '9', to = '10:00', zone = 'UTC' }\n\
             prefixes = [{ prefixes = ['372', '+1', '+1'], account = { server = 'localhost:2775', \
             system_id = 'hub', password = 'env:P' } }]",
        );
        let keys: Vec<&str> = found.iter().map(|p| p.key.as_str()).collect();
        assert_eq!(
            keys,
            [
                "account.system_id",
                "sender",
                "max_segments",
                "valid_minutes",
                "prefixes.prefixes",
                "prefixes.prefixes",
                "quiet_hours"
            ]
        );
    }
}
