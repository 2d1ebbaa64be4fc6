//! Why somebody was not let in, as WS-Security tells it.

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
