//! Configuration of SMS sources and sinks.

mod account;
mod http_sink;
mod http_source;
mod prefixes;
mod rules;
mod sink;
mod source;

pub use account::{Account, Tls};
pub use http_sink::{
    AnswerRule, GatewayMethod, Reference, RequestBody, SmsHttpSinkConfig, TextBody,
};
pub use http_source::{MessageTable, ReceiptTable, SmsHttpSourceConfig};
pub use prefixes::PrefixAccount;
pub use rules::{DailyLimit, PrefixPrice, Price, QuietHours};
pub use sink::SmsSinkConfig;
pub use source::SmsSourceConfig;

use hub_core::ConfigProblem;

/// A number within its bounds.
fn check_range(
    key: &str,
    value: u64,
    range: std::ops::RangeInclusive<u64>,
    problems: &mut Vec<ConfigProblem>,
) {
    if !range.contains(&value) {
        let (low, high) = (range.start(), range.end());
        let reason = format!("is {value}, expected {low} to {high}");
        problems.push(ConfigProblem::error(key, reason));
    }
}
