//! Checks that both configurations share.

use hub_core::ConfigProblem;

/// Largest message that may be configured. The library has no streams: a message is in memory as a
/// whole, and while it is sent or read a second time in its encoded form.
pub(super) const LARGEST_MESSAGE: u64 = 512 * 1024 * 1024;

/// Longest address that is taken for one. The protocol has no limit; brokers do.
pub(crate) const LONGEST_ADDRESS: usize = 2_048;

/// An address of a queue or topic.
pub(super) fn check_address(key: &str, address: &str, problems: &mut Vec<ConfigProblem>) {
    if let Err(reason) = usable_address(address) {
        problems.push(ConfigProblem::error(key, reason));
    }
}

/// Whether a broker can be asked for this address.
///
/// # Errors
/// Why not.
pub(crate) fn usable_address(address: &str) -> Result<(), String> {
    let bytes = address.len();
    if address.is_empty() {
        return Err("is empty, expected an address such as `readings`".to_owned());
    }
    if bytes > LONGEST_ADDRESS {
        return Err(format!(
            "has {bytes} bytes, expected at most {LONGEST_ADDRESS}"
        ));
    }
    if address.chars().any(char::is_control) {
        return Err("holds a control character".to_owned());
    }
    Ok(())
}
