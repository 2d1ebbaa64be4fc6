//! What the library's errors mean, in words for an operator: the broker's own condition first.

use fe2o3_amqp::connection::{ConnectionStopReason, OpenError};
use fe2o3_amqp::link::{
    LinkStateError, ReceiverAttachError, RecvError, SendError, SenderAttachError, SessionStopReason,
};
use fe2o3_amqp::session::BeginError;
use fe2o3_amqp::transport;
use fe2o3_amqp::types::definitions::{Error, ErrorCondition};
use fe2o3_amqp::types::primitives::Symbol;
use fe2o3_amqp::types::sasl::SaslCode;

/// What a broker means that hangs up without a word.
const HUNG_UP: &str = "the broker hung up";

/// What a link is told whose connection ended without a word.
pub(crate) const CONNECTION_LOST: &str = "the connection was lost";

/// Longest text of a broker's that is repeated, in characters.
const LONGEST_TEXT: usize = 500;

/// The protocol's name of a condition: `amqp:not-found`.
pub(crate) fn condition(condition: &ErrorCondition) -> String {
    let symbol = match condition {
        ErrorCondition::AmqpError(error) => Symbol::from(error),
        ErrorCondition::ConnectionError(error) => Symbol::from(error),
        ErrorCondition::SessionError(error) => Symbol::from(error),
        ErrorCondition::LinkError(error) => Symbol::from(error),
        ErrorCondition::Custom(symbol) => symbol.clone(),
    };
    shortened(symbol.as_str())
}

/// A condition with what the broker says about it.
pub(crate) fn error(error: &Error) -> String {
    let name = condition(&error.condition);
    match error.description.as_deref().map(str::trim) {
        None | Some("") => name,
        Some(description) => format!("{} ({name})", shortened(description)),
    }
}

fn shortened(text: &str) -> String {
    let printable = text.chars().filter(|c| !c.is_control());
    printable.take(LONGEST_TEXT).collect()
}

/// Why there is no connection.
pub(crate) fn opening(problem: &OpenError) -> String {
    match problem {
        OpenError::Io(error) | OpenError::TransportError(transport::Error::Io(error)) => io(error),
        OpenError::SaslError { code, .. } => login(code).to_owned(),
        OpenError::ProtocolHeaderMismatch(_) => {
            "the broker answers in another protocol: is it AMQP 1.0, and does it want SASL, on \
             this port?"
                .to_owned()
        }
        // So the library says that a mechanism is not offered: `Symbol("EXTERNAL") is not supported`.
        OpenError::NotImplemented(Some(what)) if what.contains("not supported") => {
            let mechanism = shortened(what.split('"').nth(1).unwrap_or(what));
            format!("the broker does not offer this way to log in (`broker.auth`): {mechanism}")
        }
        OpenError::NotImplemented(Some(what)) => shortened(what),
        OpenError::RemoteClosedWithError(refusal) => error(refusal),
        OpenError::RemoteClosed => "the broker closed the connection at once".to_owned(),
        // So the library calls any other answer than an `open`; a sign of life, say, of a busy broker.
        OpenError::IllegalState => {
            "the broker answered out of turn while the connection was opened".to_owned()
        }
        OpenError::TransportError(problem) => transport(problem),
        other => other.to_string(),
    }
}

/// A broker's answer to our credentials. Never repeats them.
fn login(code: &SaslCode) -> &'static str {
    match code {
        SaslCode::Auth => "the broker does not accept our credentials (`broker.auth`)",
        SaslCode::Sys | SaslCode::SysPerm => "the broker cannot check our credentials",
        SaslCode::SysTemp => "the broker cannot check our credentials now",
        SaslCode::Ok => "the broker accepted our credentials, and then did not go on",
    }
}

fn io(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            format!("{HUNG_UP} during login: does it speak AMQP 1.0 on this port?")
        }
        _ => error.to_string(),
    }
}

fn transport(problem: &transport::Error) -> String {
    match problem {
        transport::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            HUNG_UP.to_owned()
        }
        transport::Error::Io(error) => error.to_string(),
        transport::Error::IdleTimeoutElapsed => "the broker gave no sign of life".to_owned(),
        other => other.to_string(),
    }
}

/// Why a connection ended.
pub(crate) fn closing(end: Result<(), fe2o3_amqp::connection::Error>) -> String {
    use fe2o3_amqp::connection::Error as Closing;
    match end {
        Ok(()) | Err(Closing::RemoteClosed) => "the broker closed the connection".to_owned(),
        Err(Closing::RemoteClosedWithError(reason)) => {
            format!("the broker closed the connection: {}", error(&reason))
        }
        Err(Closing::TransportError(problem)) => transport(&problem),
        // So the library calls an end of the stream.
        Err(Closing::IllegalState) => HUNG_UP.to_owned(),
        Err(other) => other.to_string(),
    }
}

/// Why there is no session.
pub(crate) fn beginning(problem: &BeginError) -> String {
    match problem {
        BeginError::ConnectionStopped(reason) => connection_stopped(reason),
        BeginError::RemoteEndedWithError(reason) => error(reason),
        other => other.to_string(),
    }
}

fn connection_stopped(reason: &ConnectionStopReason) -> String {
    match reason {
        ConnectionStopReason::RemoteClosedWithError(reason) => {
            format!("the broker closed the connection: {}", error(reason))
        }
        ConnectionStopReason::RemoteClosed => "the broker closed the connection".to_owned(),
        ConnectionStopReason::ClosedWithError(reason) => {
            format!("we closed the connection: {}", error(reason))
        }
        ConnectionStopReason::Closed => CONNECTION_LOST.to_owned(),
    }
}

fn session_stopped(reason: &SessionStopReason) -> String {
    match reason {
        SessionStopReason::RemoteEndedWithError(reason) => {
            format!("the broker ended the session: {}", error(reason))
        }
        SessionStopReason::RemoteEnded => "the broker ended the session".to_owned(),
        SessionStopReason::EndedWithError(reason) => {
            format!("we ended the session: {}", error(reason))
        }
        SessionStopReason::Ended => "the session was ended".to_owned(),
        SessionStopReason::ConnectionStopped(reason) => connection_stopped(reason),
    }
}

/// Why there is no link to a queue.
pub(crate) fn attaching_receiver(problem: &ReceiverAttachError) -> Refused {
    match problem {
        ReceiverAttachError::RemoteClosedWithError(reason) => Refused::by(reason),
        ReceiverAttachError::SessionStopped(reason) => Refused::by_session(reason),
        other => Refused::without_condition(other.to_string()),
    }
}

/// Why there is no link to an address.
pub(crate) fn attaching_sender(problem: &SenderAttachError) -> Refused {
    match problem {
        SenderAttachError::RemoteClosedWithError(reason) => Refused::by(reason),
        SenderAttachError::SessionStopped(reason) => Refused::by_session(reason),
        other => Refused::without_condition(other.to_string()),
    }
}

/// Why there is no link, or none any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: String,
    /// The broker says that the address is none.
    pub(crate) is_unknown: bool,
}

impl Refused {
    fn by(reason: &Error) -> Self {
        Self {
            reason: error(reason),
            is_unknown: is_unknown(reason),
        }
    }

    fn by_session(reason: &SessionStopReason) -> Self {
        match reason {
            SessionStopReason::RemoteEndedWithError(reason) => Self::by(reason),
            other => Self::without_condition(session_stopped(other)),
        }
    }

    pub(crate) fn without_condition(reason: String) -> Self {
        Self {
            reason,
            is_unknown: false,
        }
    }

    /// With the address in the text.
    pub(crate) fn at(mut self, address: &str) -> Self {
        self.reason = format!("address `{address}`: {}", self.reason);
        self
    }
}

/// Why a link ended.
pub(crate) fn link(problem: &LinkStateError) -> String {
    match problem {
        LinkStateError::SessionStopped(reason) => session_stopped(reason),
        LinkStateError::RemoteDetachedWithError(reason)
        | LinkStateError::RemoteClosedWithError(reason) => {
            format!("the broker ended the link: {}", error(reason))
        }
        LinkStateError::RemoteDetached | LinkStateError::RemoteClosed => {
            "the broker ended the link".to_owned()
        }
        other => other.to_string(),
    }
}

/// Why nothing more can be received.
pub(crate) fn receiving(problem: &RecvError) -> String {
    match problem {
        RecvError::LinkStateError(problem) => link(problem),
        RecvError::MessageSizeExceeded(exceeded) => format!(
            "a message has more than {} bytes, twice `max_message_bytes`; it stays in the queue, \
             and all behind it, until the limit is raised or the message is taken away",
            exceeded.max_size
        ),
        other => other.to_string(),
    }
}

/// Why a message could not be handed over, or has no outcome.
pub(crate) fn sending(problem: &SendError) -> Refused {
    match problem {
        SendError::LinkStateError(problem) => Refused {
            reason: link(problem),
            is_unknown: ending(problem).is_some_and(is_unknown),
        },
        other => Refused::without_condition(other.to_string()),
    }
}

/// The condition with which the broker ended a link or its session.
fn ending(problem: &LinkStateError) -> Option<&Error> {
    match problem {
        LinkStateError::SessionStopped(SessionStopReason::RemoteEndedWithError(reason))
        | LinkStateError::RemoteDetachedWithError(reason)
        | LinkStateError::RemoteClosedWithError(reason) => Some(reason),
        _ => None,
    }
}

fn is_unknown(reason: &Error) -> bool {
    use fe2o3_amqp::types::definitions::AmqpError;
    let condition = &reason.condition;
    matches!(condition, ErrorCondition::AmqpError(AmqpError::NotFound))
}
