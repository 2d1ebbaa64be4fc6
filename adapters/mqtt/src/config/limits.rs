//! Checks that both configurations share.

use hub_core::ConfigProblem;

/// Largest message that may be configured. The protocol's packets end at 256 MiB, and a message is in
/// memory as a whole, here and in the broker.
pub(crate) const LARGEST_MESSAGE: u64 = 64 * 1024 * 1024;

/// Longest client id, in bytes. Brokers promise 23 and take more; one that is longer than this is a
/// mistake. What we add for connections of our own must fit too.
const LONGEST_CLIENT_ID: usize = 200;

/// The name that the broker knows us by.
pub(super) fn check_client_id(client_id: &str, problems: &mut Vec<ConfigProblem>) {
    let reason = match client_id.len() {
        0 => "is empty, expected a name that no other client of the broker has".to_owned(),
        length if length > LONGEST_CLIENT_ID => {
            format!("has {length} bytes, expected at most {LONGEST_CLIENT_ID}")
        }
        _ if client_id.contains(char::is_control) => "holds control characters".to_owned(),
        _ => return,
    };
    problems.push(ConfigProblem::error("client_id", reason));
}
