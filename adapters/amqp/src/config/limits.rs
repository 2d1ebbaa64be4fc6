//! Checks that both configurations share.

use hub_core::ConfigProblem;

/// Largest message that may be configured: what RabbitMQ itself takes at most (`max_message_size`).
/// AMQP 0-9-1 has no streams: a message is in memory as a whole, here and in the broker.
pub(crate) const LARGEST_MESSAGE: u64 = 512 * 1024 * 1024;

/// Longest name that the protocol can carry: queues, exchanges, routing keys.
pub(super) const LONGEST_NAME: usize = 255;

/// A name of a queue or exchange.
pub(super) fn check_name(key: &str, name: &str, problems: &mut Vec<ConfigProblem>) {
    if name.is_empty() {
        problems.push(ConfigProblem::error(key, "is empty, expected a name"));
    }
    check_length(key, name, problems);
}

/// A text that the protocol carries as a short string.
pub(super) fn check_length(key: &str, name: &str, problems: &mut Vec<ConfigProblem>) {
    if name.len() > LONGEST_NAME {
        let reason = format!(
            "has {} bytes, expected at most {LONGEST_NAME}: AMQP has no longer ones",
            name.len()
        );
        problems.push(ConfigProblem::error(key, reason));
    }
}
