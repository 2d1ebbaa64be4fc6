//! Configuration of further accounts, for some recipients.

use std::collections::BTreeSet;

use hub_core::ConfigProblem;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Account;
use crate::address;
use crate::carriers::check_prefix;

/// An account for some recipients.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrefixAccount {
    /// Beginnings of international numbers, such as `+372`.
    pub prefixes: Vec<String>,
    /// Where and as whom.
    pub account: Account,
    /// The sender that telephones show. Default: the sink's.
    #[serde(default)]
    pub sender: Option<String>,
}

/// Looks at all of a sink's further accounts.
pub(super) fn validate(all: &[PrefixAccount], problems: &mut Vec<ConfigProblem>) {
    let mut known = BTreeSet::new();
    for further in all {
        further.account.validate("prefixes.account", problems);
        if let Some(Err(reason)) = further.sender.as_deref().map(address::sender) {
            problems.push(ConfigProblem::error("prefixes.sender", reason));
        }
        if further.prefixes.is_empty() {
            problems.push(ConfigProblem::error("prefixes.prefixes", "is empty"));
        }
        for prefix in &further.prefixes {
            let problem = match check_prefix(prefix) {
                Err(reason) => reason,
                Ok(()) if known.insert(prefix) => continue,
                Ok(()) => format!("`{prefix}` stands there twice, expected one account for it"),
            };
            problems.push(ConfigProblem::error("prefixes.prefixes", problem));
        }
    }
}
