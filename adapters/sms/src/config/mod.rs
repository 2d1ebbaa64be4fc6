//! Configuration of SMS sources and sinks.

mod account;
mod pace;
mod prefixes;
mod sink;
mod source;

pub use account::{Account, Tls};
pub use pace::{DailyLimit, QuietHours};
pub use prefixes::PrefixAccount;
pub use sink::{LongMessages, NotInGsm7, SmsSinkConfig};
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
