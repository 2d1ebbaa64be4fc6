//! Mail: Dovecot and async-imap in, Exim and lettre out.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_imap::{Client, Session};
use futures_util::TryStreamExt;
use futures_util::future::try_join_all;
use lettre::Message;
use lettre::message::SinglePart;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use tokio::net::TcpStream;

use super::compare::{Size, Table, Way};
use super::hub_side::{Accepted, Setup, gives_out, kept, takes_in};
use super::servers::{Place, message, message_bytes, unique, variables};
use crate::Outcome;

/// Mails of a run that come in, and that go out.
const MAILS_IN: u64 = 500;
const MAILS_OUT: u64 = 200;
/// Mails that the hub has under way at once.
const WINDOW: usize = 16;
/// Connections that mails are sent over.
const CONNECTIONS: usize = 4;
/// Mails over one connection, as the adapter has it: Exim puts aside what comes after them.
const MAILS_PER_CONNECTION: usize = 10;
/// Whom the test server takes mails for from anybody.
const RECIPIENT: &str = "noauth";
/// Longest wait until the server has delivered what it took.
const PATIENCE: Duration = Duration::from_secs(60);

/// Both rows.
pub(super) async fn run(table: &mut Table<'_>) -> Outcome<()> {
    let [imap, smtp, maildirs] = variables(["IMAP_URL", "SMTP_URL", "MAILDIRS"])?;
    mailbox(table, &Place::parse(&imap)?, maildirs.clone().into()).await?;
    let exim = Exim {
        place: Place::parse(&smtp)?,
        new_mails: PathBuf::from(maildirs).join(RECIPIENT).join("new"),
    };
    letters(table, &exim).await
}

async fn mailbox(table: &mut Table<'_>, imap: &Place, maildirs: PathBuf) -> Outcome<()> {
    let (disk, count) = (table.disk(), table.messages(MAILS_IN));
    let filled = async || Mailbox::filled(imap, &maildirs, count).await;
    let way = Way {
        what: "mail in: IMAP, text of 1 KB, moved",
        bare: "async-imap alone",
        size: Size::Messages(count),
    };
    let with_hub = async || {
        let mailbox = filled().await?;
        let took = takes_in(disk, &mailbox.source(), count).await?;
        mailbox.is_empty().await?;
        Ok(took)
    };
    let alone = async || {
        let mailbox = filled().await?;
        let took = mailbox.take_all().await?;
        mailbox.is_empty().await?;
        Ok(took)
    };
    table.compare(way, with_hub, alone).await
}

async fn letters(table: &mut Table<'_>, exim: &Exim) -> Outcome<()> {
    let (disk, count) = (table.disk(), table.messages(MAILS_OUT));
    let way = Way {
        what: "mail out: SMTP, text of 1 KB, 4 connections",
        bare: "lettre alone",
        size: Size::Messages(count),
    };
    let with_hub = async || {
        let accepted = Accepted::Messages(count, message);
        let took = gives_out(disk, &exim.sink(), accepted).await?;
        exim.delivered(count).await?;
        Ok(took)
    };
    let alone = async || {
        let took = exim.send_all(count).await?;
        exim.delivered(count).await?;
        Ok(took)
    };
    table.compare(way, with_hub, alone).await
}

/// A mailbox of one run; its mails are gone when it is dropped, if they are ours to remove.
struct Mailbox {
    place: Place,
    user: String,
    folder: PathBuf,
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        // They belong to the server's account: only root may.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Mailbox {
    async fn filled(place: &Place, maildirs: &std::path::Path, count: u64) -> Outcome<Self> {
        let user = unique("box");
        let mailbox = Self {
            place: place.clone(),
            folder: maildirs.join(&user),
            user,
        };
        let mut session = mailbox.log_in().await?;
        session.create("Done").await?;
        for number in 0..count {
            let mail = mail(number)?;
            session
                .append("INBOX", None, None, mail.formatted())
                .await?;
        }
        session.logout().await?;
        Ok(mailbox)
    }

    fn source(&self) -> Setup {
        let Place {
            host,
            port,
            password,
            ..
        } = &self.place;
        let user = &self.user;
        let sections = format!(
            "[source.in]\nenterprise = \"north\"\n[source.in.mailbox]\n\
             server = {{ address = \"{host}:{port}\", security = \"insecure-plain\", \
             login = {{ user = \"{user}\", password = \"file:password\" }} }}\n\
             take = \"text\"\nwindow = {WINDOW}\n\n{}",
            kept("in")
        );
        Setup {
            sections,
            files: vec![("password", password.clone())],
        }
    }

    async fn log_in(&self) -> Outcome<Session<TcpStream>> {
        let stream = TcpStream::connect((self.place.host.as_str(), self.place.port)).await?;
        stream.set_nodelay(true)?;
        let mut client = Client::new(stream);
        client.read_response().await?.ok_or("the server closed")?;
        let logged_in = client.login(&self.user, &self.place.password).await;
        Ok(logged_in.map_err(|(error, _)| error)?)
    }

    /// The bare client: fetches each mail and moves it away.
    async fn take_all(&self) -> Outcome<Duration> {
        let begun = Instant::now();
        let mut session = self.log_in().await?;
        session.select("INBOX").await?;
        let mut uids: Vec<u32> = session.uid_search("UNDELETED").await?.into_iter().collect();
        uids.sort_unstable();
        for uid in uids {
            let uid = uid.to_string();
            let mails = session.uid_fetch(&uid, "(UID BODY.PEEK[])").await?;
            let mails: Vec<_> = mails.try_collect().await?;
            std::hint::black_box(mails.iter().filter_map(|mail| mail.body()).count());
            session.uid_mv(&uid, "Done").await?;
        }
        let took = begun.elapsed();
        session.logout().await?;
        Ok(took)
    }

    async fn is_empty(&self) -> Outcome<()> {
        let mut session = self.log_in().await?;
        session.select("INBOX").await?;
        let left = session.uid_search("UNDELETED").await?.len();
        session.logout().await?;
        match left {
            0 => Ok(()),
            left => Err(format!("{left} mails are left in the mailbox").into()),
        }
    }
}

struct Exim {
    place: Place,
    /// Where the recipient's mails are, on disk.
    new_mails: PathBuf,
}

impl Exim {
    fn sink(&self) -> Setup {
        let Place { host, port, .. } = &self.place;
        let sections = format!(
            "[sink.out]\nenterprise = \"north\"\nparallel = {CONNECTIONS}\n[sink.out.mail]\n\
             server = {{ address = \"{host}:{port}\", security = \"insecure-plain\" }}\n\
             from = \"hub@localhost\"\nto = [\"{RECIPIENT}@localhost\"]\nsubject = \"bench\"\n\
             body = \"inline\"\nmedia_type = \"text/plain\"\nconnections = {CONNECTIONS}\n\
             hello_name = \"localhost\"\n"
        );
        Setup {
            sections,
            files: Vec::new(),
        }
    }

    /// The bare client: as many connections, and as many mails over each.
    async fn send_all(&self, count: u64) -> Outcome<Duration> {
        let begun = Instant::now();
        let next = Cell::new(0);
        try_join_all((0..CONNECTIONS).map(|_| self.send_some(&next, count))).await?;
        Ok(begun.elapsed())
    }

    async fn send_some(&self, next: &Cell<u64>, count: u64) -> Outcome<()> {
        let address = (self.place.host.as_str(), self.place.port);
        let hello = ClientId::Domain("localhost".to_owned());
        while next.get() < count {
            let connecting = AsyncSmtpConnection::connect_tokio1(address, None, &hello, None, None);
            let mut connection = connecting.await?;
            for _ in 0..MAILS_PER_CONNECTION {
                let number = next.get();
                if number == count {
                    break;
                }
                next.set(number + 1);
                let mail = mail(number)?;
                connection.send(mail.envelope(), &mail.formatted()).await?;
            }
            connection.quit().await?;
        }
        Ok(())
    }

    /// Waits until the server has delivered so many mails, and removes them: what it still does
    /// would be in the next run's time.
    async fn delivered(&self, count: u64) -> Outcome<()> {
        let begun = Instant::now();
        loop {
            let mails = std::fs::read_dir(&self.new_mails).map_or(0, Iterator::count) as u64;
            if mails >= count {
                break;
            }
            if begun.elapsed() > PATIENCE {
                let folder = self.new_mails.display();
                return Err(format!("{mails} mails are in {folder}, not {count}").into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for mail in std::fs::read_dir(&self.new_mails)? {
            std::fs::remove_file(mail?.path())?;
        }
        Ok(())
    }
}

fn mail(number: u64) -> Outcome<Message> {
    let text = String::from_utf8(message_bytes(number))?;
    let mail = Message::builder()
        .from("hub@localhost".parse()?)
        .to(format!("{RECIPIENT}@localhost").parse()?)
        .subject("bench")
        .message_id(Some(format!("<{}@localhost>", unique("mail"))))
        .singlepart(SinglePart::plain(text))?;
    Ok(mail)
}
