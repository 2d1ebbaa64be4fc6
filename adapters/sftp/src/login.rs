//! Who we are: by key, by agent, by password, or by several where a server asks for that.

use std::fmt;
use std::path::PathBuf;

use ssh2::{ErrorCode, KeyboardInteractivePrompt, Prompt, Session};

use crate::failure::Failure;

/// Most keys of an agent offered: servers hang up after a few (OpenSSH after six).
const MOST_AGENT_KEYS: usize = 5;

/// libssh2's errors that are the server's "no", or about our own key (`LIBSSH2_ERROR_...`
/// `FILE`, `AUTHENTICATION_FAILED`, `PUBLICKEY_UNVERIFIED`, `METHOD_NOT_SUPPORTED`,
/// `PASSWORD_EXPIRED`, `AGENT_PROTOCOL`, `KEYFILE_AUTH_FAILED`, `METHOD_NONE`).
const REFUSALS: &[i32] = &[-15, -16, -17, -18, -19, -33, -42, -48];

/// How we log in.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) private_key: Option<String>,
    pub(crate) passphrase: Option<String>,
    pub(crate) agent: bool,
    pub(crate) agent_socket: Option<PathBuf>,
    pub(crate) password: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl Login {
    /// Logs in. The host key must have been verified.
    ///
    /// # Errors
    /// `Refused` names what the server offers and what we tried; never a secret.
    pub(crate) fn perform(&self, session: &Session, host: &str) -> Result<(), Failure> {
        let lost = |error: ssh2::Error| Failure::Connection(format!("login at {host}: {error}"));
        let offered = match session.auth_methods(&self.user) {
            Ok(offered) => offered.to_owned(),
            // A server that lets everyone in.
            Err(_) if session.authenticated() => return Ok(()),
            Err(error) => return Err(lost(error)),
        };
        let mut tried = Vec::new();
        for (method, attempt) in self.attempts(&offered) {
            match attempt(self, session) {
                Ok(()) if session.authenticated() => return Ok(()),
                // One of several that the server wants.
                Ok(()) => tried.push(method.to_owned()),
                Err(error) if is_refusal(&error) => {
                    tried.push(format!("{method} ({})", error.message()));
                }
                Err(error) => return Err(lost(error)),
            }
        }
        Err(Failure::Refused(format!(
            "`{}` was not let in at {host}: the server offers {offered}; tried {}",
            self.user,
            match tried.is_empty() {
                true => "nothing, as none of it is configured".to_owned(),
                false => tried.join(", "),
            }
        )))
    }

    fn attempts(&self, offered: &str) -> Vec<(&'static str, Attempt)> {
        let offers = |method: &str| offered.split(',').any(|o| o == method);
        let mut attempts: Vec<(&'static str, Attempt)> = Vec::new();
        if offers("publickey") && self.private_key.is_some() {
            attempts.push(("private key", Self::by_key));
        }
        if offers("publickey") && self.agent {
            attempts.push(("agent", Self::by_agent));
        }
        // After a key, a server may ask for a password that it did not offer before.
        if self.password.is_some() {
            if offers("password") || !offers("keyboard-interactive") {
                attempts.push(("password", Self::by_password));
            } else {
                attempts.push(("keyboard-interactive", Self::by_prompt));
            }
        }
        attempts
    }

    fn by_key(&self, session: &Session) -> Result<(), ssh2::Error> {
        let key = self.private_key.as_deref().unwrap_or_default();
        // A secret file's last line end is cut off; the key's own format wants it.
        let key = format!("{key}\n");
        session.userauth_pubkey_memory(&self.user, None, &key, self.passphrase.as_deref())
    }

    fn by_agent(&self, session: &Session) -> Result<(), ssh2::Error> {
        let mut agent = session.agent()?;
        if let Some(socket) = &self.agent_socket {
            agent.set_identity_path(socket)?;
        }
        agent.connect()?;
        agent.list_identities()?;
        let none = || ssh2::Error::new(ErrorCode::Session(REFUSALS[3]), "the agent has no key");
        let mut last = none();
        for identity in agent.identities()?.iter().take(MOST_AGENT_KEYS) {
            match agent.userauth(&self.user, identity) {
                Ok(()) => return Ok(()),
                Err(error) if is_refusal(&error) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn by_password(&self, session: &Session) -> Result<(), ssh2::Error> {
        session.userauth_password(&self.user, self.password.as_deref().unwrap_or_default())
    }

    fn by_prompt(&self, session: &Session) -> Result<(), ssh2::Error> {
        let mut answers = Answers(self.password.as_deref().unwrap_or_default());
        session.userauth_keyboard_interactive(&self.user, &mut answers)
    }
}

type Attempt = fn(&Login, &Session) -> Result<(), ssh2::Error>;

fn is_refusal(error: &ssh2::Error) -> bool {
    matches!(error.code(), ErrorCode::Session(code) if REFUSALS.contains(&code))
}

/// Answers every prompt that hides its answer with the password.
struct Answers<'a>(&'a str);

impl KeyboardInteractivePrompt for Answers<'_> {
    fn prompt(&mut self, _: &str, _: &str, prompts: &[Prompt<'_>]) -> Vec<String> {
        let answer = |prompt: &Prompt<'_>| match prompt.echo {
            true => String::new(),
            false => self.0.to_owned(),
        };
        prompts.iter().map(answer).collect()
    }
}
