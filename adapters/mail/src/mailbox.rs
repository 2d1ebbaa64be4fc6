//! One mailbox on an IMAP server (RFC 3501), one command at a time, each within a time limit.
//!
//! A command that is given up, by its time limit or by a dropped future, leaves the connection in
//! the middle of an answer: it is of no use then, and everyone is told so.

use std::fmt;
use std::time::Duration;

use async_imap::error::Error;
use async_imap::{Client, Session};
use bytes::Bytes;
use futures_util::TryStreamExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use crate::config::{Endpoint, Security};
use crate::tls::connector;

/// Longest answer of a server that is told on.
const LONGEST_ANSWER: usize = 300;

/// A mail's number in its folder: never given twice.
pub(crate) type Uid = u32;

/// Bytes both ways.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + fmt::Debug> Wire for T {}

type Link = Session<Box<dyn Wire>>;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    /// The connection is of no use any more.
    Lost(String),
    /// The server said no to this one command.
    No(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Lost(reason) | Self::No(reason)) = self;
        f.write_str(reason)
    }
}

/// What the server can do beyond the standard of 2003.
#[derive(Debug, Clone, Copy, Default)]
struct Extras {
    moves: bool,
    expunges_by_uid: bool,
    idles: bool,
}

/// An open folder.
pub(crate) struct Mailbox {
    endpoint: Endpoint,
    extras: Extras,
    /// `None` while a command is under way, and for ever if it was given up.
    link: Mutex<Option<Link>>,
}

impl Mailbox {
    /// Connects and logs in, all within one time limit.
    pub(crate) async fn connect(endpoint: Endpoint) -> Result<Self, Problem> {
        let limit = endpoint.limits.connect;
        let connecting = quiet(async {
            let mut link = log_in(&endpoint).await?;
            let can = link.capabilities().await.map_err(|e| problem(&e))?;
            let extras = Extras {
                moves: can.has_str("MOVE"),
                expunges_by_uid: can.has_str("UIDPLUS"),
                idles: can.has_str("IDLE"),
            };
            Ok((link, extras))
        });
        let connected = timeout(limit, connecting)
            .await
            .map_err(|_| Problem::Lost(format!("no connection within {} s", limit.as_secs())))?;
        let (link, extras) = connected.map_err(|problem: Problem| {
            let (host, port) = (&endpoint.host, endpoint.port);
            Problem::Lost(format!("{host}:{port}: {problem}"))
        })?;
        Ok(Self {
            endpoint,
            extras,
            link: Mutex::new(Some(link)),
        })
    }

    /// Opens a folder, to read only or to take mails out of it.
    pub(crate) async fn open(&self, folder: &str, read_only: bool) -> Result<(), Problem> {
        let mut lease = self.lease().await?;
        let opened = match read_only {
            true => self.answer(lease.link.examine(folder)).await,
            false => self.answer(lease.link.select(folder)).await,
        };
        let opened = lease.give_back(opened);
        opened.map(drop).map_err(|p| named(p, folder))
    }

    /// Makes a folder unless it is there.
    pub(crate) async fn make(&self, folder: &str) -> Result<(), Problem> {
        let mut lease = self.lease().await?;
        let there = self.answer(lease.link.status(folder, "(MESSAGES)")).await;
        match lease.give_back(there) {
            Ok(_) => return Ok(()),
            Err(Problem::No(_)) => {}
            Err(lost) => return Err(lost),
        }
        let mut lease = self.lease().await?;
        let made = self.answer(lease.link.create(folder)).await;
        lease.give_back(made).map_err(|p| named(p, folder))
    }

    /// All mails in the open folder, the oldest first.
    pub(crate) async fn list(&self) -> Result<Vec<Uid>, Problem> {
        let mut lease = self.lease().await?;
        // Those marked as deleted are on their way out, perhaps by us.
        let found = self.answer(lease.link.uid_search("UNDELETED")).await;
        let mut uids: Vec<Uid> = lease.give_back(found)?.into_iter().collect();
        uids.sort_unstable();
        Ok(uids)
    }

    /// The size of a mail in bytes; `None` if it is gone.
    pub(crate) async fn size(&self, uid: Uid) -> Result<Option<u64>, Problem> {
        let mut lease = self.lease().await?;
        let asking = async {
            let items = lease.link.uid_fetch(uid.to_string(), "(UID RFC822.SIZE)");
            items.await?.try_collect::<Vec<_>>().await
        };
        let found = self.answer(asking).await;
        let found = lease.give_back(found)?;
        let of_this = found.iter().find(|item| item.uid == Some(uid));
        Ok(of_this.and_then(|item| item.size).map(u64::from))
    }

    /// A mail, at most so many bytes of it; `None` if it is gone. Leaves it unread.
    pub(crate) async fn fetch(&self, uid: Uid, most: u64) -> Result<Option<Bytes>, Problem> {
        let mut lease = self.lease().await?;
        let query = format!("(UID BODY.PEEK[]<0.{most}>)");
        let asking = async {
            let items = lease.link.uid_fetch(uid.to_string(), query);
            let mut items = items.await?;
            let mut mail = None;
            // To the end, whatever else the server has to say.
            while let Some(item) = items.try_next().await? {
                if item.uid == Some(uid)
                    && let Some(body) = item.body()
                {
                    mail = Some(Bytes::copy_from_slice(body));
                }
            }
            Ok(mail)
        };
        let fetched = within(self.endpoint.limits.transfer(most), asking).await;
        lease.give_back(fetched)
    }

    /// Moves a mail to another folder. One that is gone is no problem.
    pub(crate) async fn move_to(&self, uid: Uid, folder: &str) -> Result<(), Problem> {
        let mut lease = self.lease().await?;
        let id = uid.to_string();
        if self.extras.moves {
            let moved = self.answer(lease.link.uid_mv(&id, folder)).await;
            return lease.give_back(moved);
        }
        let with_uid_expunge = self.extras.expunges_by_uid;
        let moving = async {
            lease.link.uid_copy(&id, folder).await?;
            let marking = lease.link.uid_store(&id, "+FLAGS.SILENT (\\Deleted)");
            marking.await?.try_collect::<Vec<_>>().await?;
            if with_uid_expunge {
                let removing = lease.link.uid_expunge(&id).await?;
                removing.try_collect::<Vec<_>>().await?;
            }
            // Otherwise it stays, marked: a plain EXPUNGE would remove what others have marked.
            Ok(())
        };
        let moved = self.answer(moving).await;
        lease.give_back(moved)
    }

    /// Puts a mail of our own into a folder.
    pub(crate) async fn append(&self, folder: &str, mail: &[u8]) -> Result<(), Problem> {
        let mut lease = self.lease().await?;
        let appended = self
            .answer(lease.link.append(folder, None, None, mail))
            .await;
        lease.give_back(appended)
    }

    /// Waits until something comes in, or for so long. Servers that cannot tell are waited for.
    pub(crate) async fn wait(&self, pause: Duration) -> Result<(), Problem> {
        if !self.extras.idles {
            tokio::time::sleep(pause).await;
            return Ok(());
        }
        let Lease { mut place, link } = self.lease().await?;
        let mut idle = link.idle();
        self.answer(idle.init()).await??;
        {
            let (news, _interrupt) = idle.wait_with_timeout(pause);
            // News or not, an error too: what is asked next shows it.
            let _ = timeout(pause, quiet(news)).await;
        }
        let link = self.answer(idle.done()).await??;
        *place = Some(link);
        Ok(())
    }

    async fn lease(&self) -> Result<Lease<'_>, Problem> {
        let mut place = self.link.lock().await;
        match place.take() {
            Some(link) => Ok(Lease { place, link }),
            None => Err(Problem::Lost("the connection was lost".to_owned())),
        }
    }

    async fn answer<T>(&self, asking: impl Future<Output = Result<T, Error>>) -> Answered<T> {
        within(self.endpoint.limits.answer(), asking).await
    }
}

/// Outside: whether there was an answer in time. Inside: what it was.
type Answered<T> = Result<Result<T, Problem>, Problem>;

async fn within<T>(limit: Duration, asking: impl Future<Output = Result<T, Error>>) -> Answered<T> {
    match timeout(limit, quiet(asking)).await {
        Ok(answer) => Ok(answer.map_err(|error| problem(&error))),
        Err(_) => Err(Problem::Lost(format!(
            "no answer within {} s",
            limit.as_secs()
        ))),
    }
}

/// The right to the connection, for one command.
struct Lease<'a> {
    place: MutexGuard<'a, Option<Link>>,
    link: Link,
}

impl Lease<'_> {
    /// Gives the connection back if it is still of use.
    fn give_back<T>(mut self, answered: Answered<T>) -> Result<T, Problem> {
        let answer = answered?;
        if !matches!(answer, Err(Problem::Lost(_))) {
            *self.place = Some(self.link);
        }
        answer
    }
}

/// The library traces all that goes over the wire, passwords and mails included: nobody hears it.
async fn quiet<T>(future: impl Future<Output = T>) -> T {
    future.with_subscriber(NoSubscriber::default()).await
}

async fn log_in(endpoint: &Endpoint) -> Result<Link, Problem> {
    let lost = |error: std::io::Error| Problem::Lost(tidy(&error.to_string()));
    let address = (endpoint.host.as_str(), endpoint.port);
    let tcp = TcpStream::connect(address).await.map_err(lost)?;
    tcp.set_nodelay(true).map_err(lost)?;
    let client = match endpoint.security {
        Security::InsecurePlain => greeted(Box::new(tcp)).await?,
        Security::Tls => greeted(encrypted(endpoint, Box::new(tcp)).await?).await?,
        Security::Starttls => {
            let mut client = greeted(Box::new(tcp)).await?;
            let asked = client.run_command_and_check_ok("STARTTLS", None).await;
            asked.map_err(|e| Problem::Lost(format!("STARTTLS: {}", problem(&e))))?;
            // What came before the encryption and was not read is dropped with the client.
            Client::new(encrypted(endpoint, client.into_inner()).await?)
        }
    };
    let Some(login) = &endpoint.credentials else {
        return Err(Problem::Lost("`server.login` is missing".to_owned()));
    };
    let let_in = client.login(&login.user, &login.password).await;
    let_in.map_err(|(error, _)| {
        let user = &login.user;
        Problem::Lost(format!("login of `{user}`: {}", problem(&error)))
    })
}

async fn encrypted(endpoint: &Endpoint, stream: Box<dyn Wire>) -> Result<Box<dyn Wire>, Problem> {
    let connector = connector(endpoint).map_err(Problem::Lost)?;
    let name = ServerName::try_from(endpoint.host.clone());
    let name = name.map_err(|_| Problem::Lost(format!("`{}` is no host name", endpoint.host)))?;
    let encrypted = connector.connect(name, stream).await;
    Ok(Box::new(encrypted.map_err(|e| {
        Problem::Lost(format!("TLS: {}", tidy(&e.to_string())))
    })?))
}

async fn greeted(stream: Box<dyn Wire>) -> Result<Client<Box<dyn Wire>>, Problem> {
    let mut client = Client::new(stream);
    match client.read_response().await {
        Ok(Some(_)) => Ok(client),
        Ok(None) => Err(Problem::Lost("the server closed at once".to_owned())),
        Err(error) => Err(Problem::Lost(tidy(&error.to_string()))),
    }
}

fn named(problem: Problem, folder: &str) -> Problem {
    match problem {
        Problem::No(reason) => Problem::No(format!("folder `{folder}`: {reason}")),
        lost @ Problem::Lost(_) => lost,
    }
}

fn problem(error: &Error) -> Problem {
    match error {
        Error::No(text) | Error::Bad(text) => Problem::No(tidy(&own_words(text))),
        // What could not be parsed is in the text, and may be of a mail.
        Error::Parse(_) => Problem::Lost("the server's answer cannot be understood".to_owned()),
        Error::Io(error) if error.kind() == std::io::ErrorKind::Other => {
            let text = error.to_string();
            let kind = text.split(" during parsing of").next().unwrap_or_default();
            Problem::Lost(match kind.len() == text.len() {
                true => tidy(&text),
                false => "the server's answer cannot be understood".to_owned(),
            })
        }
        other => Problem::Lost(tidy(&other.to_string())),
    }
}

/// The server's own words, out of what the library makes of them: `code: None, info: Some("...")`.
fn own_words(text: &str) -> String {
    let said = text.split_once("Some(\"").map(|(_, rest)| rest);
    let said = said.and_then(|rest| rest.rsplit_once("\")"));
    match said {
        Some((words, _)) => words.replace("\\\"", "\"").replace("\\'", "'"),
        None => text.to_owned(),
    }
}

fn tidy(text: &str) -> String {
    text.replace(char::is_control, " ")
        .chars()
        .take(LONGEST_ANSWER)
        .collect()
}
