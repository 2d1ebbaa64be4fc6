//! What it means that a broker has `rejected` a message: never, or not now.
//!
//! The standard calls it invalid and unprocessable (part 3, 3.4.3). Brokers say so too of messages
//! that they would take at another time; the condition tells.

use fe2o3_amqp::types::messaging::Rejected;

use crate::publisher::NotSent;
use crate::words;

/// The broker wants us to slow down.
const BUSY: &[&str] = &["com.microsoft:server-busy"];

/// Troubles of the broker that pass, or that its operator ends.
const PASSING: &[&str] = &[
    "amqp:internal-error",
    // A queue that is full.
    "amqp:resource-limit-exceeded",
    "amqp:resource-locked",
    "amqp:connection:forced",
    "amqp:link:detach-forced",
    "com.microsoft:timeout",
    "com.microsoft:operation-cancelled",
    "com.microsoft:entity-disabled",
];

/// Which rejections are tried again.
#[derive(Debug, Default)]
pub(crate) struct Rejections {
    /// Conditions that a configuration adds.
    further: Vec<String>,
}

impl Rejections {
    pub(crate) fn new(further: Vec<String>) -> Self {
        Self { further }
    }

    /// What one means.
    pub(crate) fn meaning(&self, rejected: &Rejected) -> NotSent {
        let Some(error) = &rejected.error else {
            let reason = "the broker rejected the message, without a reason";
            return NotSent::Refused(reason.to_owned());
        };
        let condition = words::condition(&error.condition);
        if BUSY.contains(&condition.as_str()) {
            return NotSent::Busy;
        }
        let reason = words::error(error);
        match PASSING.contains(&condition.as_str()) || self.further.contains(&condition) {
            true => NotSent::GivenBack(reason),
            false => NotSent::Refused(reason),
        }
    }
}

/// Whether this can be a condition: a symbol of the protocol.
///
/// # Errors
/// Why not.
pub(crate) fn check_condition(condition: &str) -> Result<(), String> {
    match !condition.is_empty() && condition.chars().all(|c| c.is_ascii_graphic()) {
        true => Ok(()),
        false => Err(format!(
            "`{condition}` is no condition, expected one such as `amqp:precondition-failed`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fe2o3_amqp::types::definitions::{AmqpError, Error, ErrorCondition};
    use fe2o3_amqp::types::primitives::Symbol;

    fn meaning(condition: impl Into<ErrorCondition>) -> NotSent {
        let told = Some("try later".to_owned());
        let error = Some(Error::new(condition, told, None));
        let further = Rejections::new(vec!["north:closed-at-night".to_owned()]);
        further.meaning(&Rejected { error })
    }

    fn custom(condition: &str) -> ErrorCondition {
        ErrorCondition::Custom(Symbol::from(condition))
    }

    #[test]
    fn what_passes_is_tried_again() {
        for condition in [
            AmqpError::InternalError.into(),
            AmqpError::ResourceLimitExceeded.into(),
            AmqpError::ResourceLocked.into(),
            custom("com.microsoft:timeout"),
            custom("north:closed-at-night"),
        ] {
            match meaning(condition) {
                NotSent::GivenBack(reason) => assert!(reason.contains("try later"), "{reason}"),
                other => panic!("{other:?}"),
            }
        }
        let busy = meaning(custom("com.microsoft:server-busy"));
        assert!(matches!(busy, NotSent::Busy), "{busy:?}");
    }

    #[test]
    fn what_does_not_pass_is_refused() {
        for condition in [
            AmqpError::PreconditionFailed.into(),
            AmqpError::DecodeError.into(),
            custom("com.microsoft:argument-error"),
        ] {
            match meaning(condition) {
                NotSent::Refused(reason) => assert!(reason.contains("try later"), "{reason}"),
                other => panic!("{other:?}"),
            }
        }
        let silent = Rejections::default().meaning(&Rejected { error: None });
        assert!(matches!(silent, NotSent::Refused(_)), "{silent:?}");
    }

    #[test]
    fn a_condition_is_a_symbol() {
        assert!(check_condition("north:closed-at-night").is_ok());
        for wrong in ["", "a b", "ä"] {
            assert!(check_condition(wrong).is_err(), "{wrong}");
        }
    }
}
