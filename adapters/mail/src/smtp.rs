//! One connection to an SMTP server (RFC 5321), and one mail over it.

use std::error::Error as _;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use tokio::time::timeout;

use crate::config::{Endpoint, Security};
use crate::tls::smtp_parameters;

/// Bytes of a mail that are handed to the connection at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// Longest answer of a server that is told on.
const LONGEST_ANSWER: usize = 300;

/// How long a server may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(5);

/// The server closes the connection or is about to.
const CLOSING: u16 = 421;

/// What keeps any mail from being sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No connection, no answer, no encryption.
    Silent(String),
    /// We are not let in: someone must act.
    NotLetIn(String),
    /// The server wants us to come later.
    Busy(String),
}

/// What the server says about one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It has taken responsibility.
    Accepted(String),
    /// Perhaps later (4xx).
    Later(String),
    /// Never (5xx).
    Never(String),
}

/// A mail for the wire.
pub(crate) struct Outgoing<'a> {
    pub(crate) sender: &'a Address,
    pub(crate) recipients: &'a [Address],
    pub(crate) mail: &'a [u8],
}

/// How to connect.
pub(crate) struct Dialer {
    endpoint: Endpoint,
    tls: Option<TlsParameters>,
    hello: ClientId,
}

impl Dialer {
    /// # Errors
    /// A certificate is not usable.
    pub(crate) fn new(endpoint: Endpoint, hello: Option<&str>) -> Result<Self, String> {
        let tls = match endpoint.security {
            Security::InsecurePlain => None,
            Security::Starttls | Security::Tls => Some(smtp_parameters(&endpoint)?),
        };
        let hello = hello.map_or_else(ClientId::default, |name| ClientId::Domain(name.to_owned()));
        Ok(Self {
            endpoint,
            tls,
            hello,
        })
    }

    /// Connects, encrypts and logs in, all within one time limit.
    pub(crate) async fn connect(&self) -> Result<AsyncSmtpConnection, Trouble> {
        let limit = self.endpoint.limits.connect;
        match timeout(limit, self.connect_at_leisure()).await {
            Ok(Err(Trouble::Silent(reason))) => {
                let (host, port) = (&self.endpoint.host, self.endpoint.port);
                Err(Trouble::Silent(format!("{host}:{port}: {reason}")))
            }
            Ok(connected) => connected,
            Err(_) => Err(Trouble::Silent(format!(
                "no connection within {} s",
                limit.as_secs()
            ))),
        }
    }

    async fn connect_at_leisure(&self) -> Result<AsyncSmtpConnection, Trouble> {
        let endpoint = &self.endpoint;
        let at_once = match endpoint.security {
            Security::Tls => self.tls.clone(),
            Security::Starttls | Security::InsecurePlain => None,
        };
        let address = (endpoint.host.as_str(), endpoint.port);
        let connecting =
            AsyncSmtpConnection::connect_tokio1(address, None, &self.hello, at_once, None);
        let mut connection = connecting.await.map_err(|e| trouble(&e))?;
        if let (Security::Starttls, Some(tls)) = (endpoint.security, &self.tls) {
            if !connection.can_starttls() {
                let reason = "the server offers no STARTTLS, which `security` requires";
                return Err(Trouble::NotLetIn(reason.to_owned()));
            }
            let encrypted = connection.starttls(tls.clone(), &self.hello).await;
            encrypted.map_err(|e| trouble(&e))?;
        }
        if let Some(login) = &endpoint.credentials {
            let credentials = Credentials::new(login.user.clone(), login.password.clone());
            let let_in = connection.auth(DEFAULT_MECHANISMS, &credentials).await;
            // Whatever the reason, a temporary one included: it is about us, not about a mail.
            let_in.map_err(|e| {
                Trouble::NotLetIn(format!("login of `{}`: {}", login.user, say(&e)))
            })?;
        }
        Ok(connection)
    }

    /// Whether an idle connection still answers.
    pub(crate) async fn is_alive(
        &self,
        connection: &mut AsyncSmtpConnection,
    ) -> Result<bool, Trouble> {
        let limit = self.endpoint.limits.answer();
        let asked = timeout(limit, connection.test_connected()).await;
        asked.map_err(|_| unanswered(limit))
    }

    /// One transaction (RFC 5321, 3.3) for all recipients: the server answers for each of them
    /// before it gets the mail, so one it refuses holds up none of the others. The answers are in
    /// the recipients' order.
    ///
    /// # Errors
    /// The connection is of no use any more. Had the mail been sent whole, the server may have
    /// taken it.
    pub(crate) async fn transact(
        &self,
        connection: &mut AsyncSmtpConnection,
        outgoing: &Outgoing<'_>,
    ) -> Result<Vec<Answer>, Trouble> {
        let everyone = |answer: Answer| Ok(vec![answer; outgoing.recipients.len()]);
        let utf8 = [outgoing.sender]
            .into_iter()
            .chain(outgoing.recipients)
            .any(|address| !address.to_string().is_ascii());
        let can_utf8 = connection
            .server_info()
            .supports_feature(Extension::SmtpUtfEight);
        let parameters = match (utf8, can_utf8) {
            (false, _) => Vec::new(),
            (true, true) => vec![MailParameter::SmtpUtfEight],
            (true, false) => {
                let reason = "the server cannot take addresses beyond ASCII (SMTPUTF8)";
                return everyone(Answer::Never(reason.to_owned()));
            }
        };
        let from = Mail::new(Some(outgoing.sender.clone()), parameters);
        match self.command(connection, from).await? {
            Answer::Accepted(_) => {}
            other => return everyone(other),
        }
        let mut answers = Vec::new();
        for recipient in outgoing.recipients {
            let to = Rcpt::new(recipient.clone(), Vec::new());
            answers.push(self.command(connection, to).await?);
        }
        let is_taken = |answer: &Answer| matches!(answer, Answer::Accepted(_));
        let verdict = match answers.iter().any(is_taken) {
            true => self.hand_over(connection, outgoing.mail).await?,
            false => {
                self.command(connection, Rset).await?;
                return Ok(answers);
            }
        };
        for answer in answers.iter_mut().filter(|a| is_taken(a)) {
            *answer = verdict.clone();
        }
        Ok(answers)
    }

    async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        mail: &[u8],
    ) -> Result<Answer, Trouble> {
        match self.command(connection, Data).await? {
            Answer::Accepted(_) => {}
            other => {
                self.command(connection, Rset).await?;
                return Ok(other);
            }
        }
        let limit = self.endpoint.limits.verdict(mail.len() as u64);
        let sending = connection.message_iter(mail.chunks(PIECE_BYTES));
        within(limit, sending).await
    }

    async fn command<C: std::fmt::Display>(
        &self,
        connection: &mut AsyncSmtpConnection,
        command: C,
    ) -> Result<Answer, Trouble> {
        within(self.endpoint.limits.answer(), connection.command(command)).await
    }
}

/// Ends a connection politely. Whether the server hears it makes no difference.
pub(crate) async fn leave(mut connection: AsyncSmtpConnection) {
    let _ = timeout(GOODBYE, connection.quit()).await;
}

type Response = lettre::transport::smtp::response::Response;

async fn within(
    limit: Duration,
    asking: impl Future<Output = Result<Response, Error>>,
) -> Result<Answer, Trouble> {
    match timeout(limit, asking).await {
        Err(_) => Err(unanswered(limit)),
        Ok(Ok(response)) => {
            let text = response.message().collect::<Vec<_>>().join(" ");
            Ok(Answer::Accepted(tidy(&format!(
                "{} {text}",
                response.code()
            ))))
        }
        Ok(Err(error)) if error.status().is_none() || is_about_us(&error) => Err(trouble(&error)),
        Ok(Err(error)) if error.is_transient() => Ok(Answer::Later(say(&error))),
        Ok(Err(error)) => Ok(Answer::Never(say(&error))),
    }
}

fn unanswered(limit: Duration) -> Trouble {
    Trouble::Silent(format!("no answer within {} s", limit.as_secs()))
}

fn code(error: &Error) -> Option<u16> {
    error.status().map(u16::from)
}

/// An answer that says nothing of the mail: the server closes, or wants another login.
fn is_about_us(error: &Error) -> bool {
    matches!(code(error), Some(CLOSING | 530 | 534 | 535 | 538))
}

fn trouble(error: &Error) -> Trouble {
    match code(error) {
        Some(CLOSING) => Trouble::Busy(say(error)),
        Some(530 | 534 | 535 | 538) => Trouble::NotLetIn(say(error)),
        _ => Trouble::Silent(say(error)),
    }
}

/// The server's own words, or what went wrong down to its cause.
fn say(error: &Error) -> String {
    let cause = error.source().map(ToString::to_string);
    tidy(&match (code(error), cause) {
        (Some(code), cause) => format!("{code} {}", cause.unwrap_or_default()),
        (None, _) => {
            // The library says it once for itself and once for the cause.
            let text = error.to_string();
            text.trim_start_matches("Connection error: ").to_owned()
        }
    })
}

fn tidy(text: &str) -> String {
    text.replace(char::is_control, " ")
        .chars()
        .take(LONGEST_ANSWER)
        .collect::<String>()
        .trim()
        .to_owned()
}
