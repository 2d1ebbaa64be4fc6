//! Why somebody was not let in, as WS-Security tells it.

use hub_core::Metric;

/// What is counted of requests that are not let in.
pub(crate) const METRICS: [Metric; 6] = [
    Metric::counter(
        "meterhub_soap_unknown_users_total",
        "Requests with the name of a user nobody configured. A partner that was renamed, or a probe.",
    ),
    Metric::counter(
        "meterhub_soap_wrong_passwords_total",
        "Requests of a known user with a wrong password. A password that changed, or a guess.",
    ),
    Metric::counter(
        "meterhub_soap_replays_total",
        "Requests with a nonce that was used before. A partner that repeats its bytes, or an attack.",
    ),
    Metric::counter(
        "meterhub_soap_stale_tokens_total",
        "Requests with a token that is too old or from the future. Clocks that do not agree.",
    ),
    Metric::counter(
        "meterhub_soap_invalid_tokens_total",
        "Requests without a user name token, or with one of a kind that is not taken.",
    ),
    Metric::counter(
        "meterhub_soap_unchecked_tokens_total",
        "Requests put off because their nonce could not be remembered. Raise `max_nonces`.",
    ),
];

/// Reasons. What a partner is told never says whether it was the name or the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// No token.
    #[error("the SOAP header has no `wsse:Security` with a `wsse:UsernameToken`")]
    NoToken,
    /// Nobody is called so. Only we know that.
    #[error("the user name or the password is wrong")]
    UnknownUser,
    /// Only we know that it was this.
    #[error("the user name or the password is wrong")]
    WrongPassword,
    /// It came before.
    #[error("the nonce was used before; each request needs a new one")]
    Replayed,
    /// Older than the window, or expired.
    #[error("the token is too old: {0}")]
    Stale(String),
    /// The clocks do not agree.
    #[error("the token is from the future: {0}; are both clocks right?")]
    TooEarly(String),
    /// Not a token as it must be.
    #[error("{0}")]
    Invalid(String),
    /// A kind that is not taken here.
    #[error("{0}")]
    Unsupported(String),
    /// We cannot remember its nonce, so that it could be used again.
    #[error("no more senders can be checked at the moment")]
    NotNow,
}

impl Denied {
    /// The name of the fault in the profile's namespace (`wsse`, or `wsu` for `MessageExpired`);
    /// `None`: the sender is not to blame.
    pub(crate) const fn fault(&self) -> Option<&'static str> {
        match self {
            Self::NoToken | Self::Invalid(_) => Some("wsse:InvalidSecurity"),
            Self::UnknownUser | Self::WrongPassword | Self::Replayed => {
                Some("wsse:FailedAuthentication")
            }
            Self::Stale(_) | Self::TooEarly(_) => Some("wsu:MessageExpired"),
            Self::Unsupported(_) => Some("wsse:UnsupportedSecurityToken"),
            Self::NotNow => None,
        }
    }

    /// What it is counted as.
    pub(crate) const fn counter(&self) -> &'static str {
        match self {
            Self::UnknownUser => "meterhub_soap_unknown_users_total",
            Self::WrongPassword => "meterhub_soap_wrong_passwords_total",
            Self::Replayed => "meterhub_soap_replays_total",
            Self::Stale(_) | Self::TooEarly(_) => "meterhub_soap_stale_tokens_total",
            Self::NoToken | Self::Invalid(_) | Self::Unsupported(_) => {
                "meterhub_soap_invalid_tokens_total"
            }
            Self::NotNow => "meterhub_soap_unchecked_tokens_total",
        }
    }
}
