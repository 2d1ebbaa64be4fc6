//! A post office for tests: mailboxes of a test's own on Dovecot, filled by LMTP and read on disk.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hub_core::AdapterContext;
use hub_core::files::OsFiles;
use lettre::message::Body;
use lettre::message::header::ContentTransferEncoding;
use mail_parser::{Message, MessageParser, MimeHeaders};
use meterhub_tests::conformance;
use meterhub_tests::services::service;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};

/// Longest wait for an answer that the tests configure, in seconds.
pub(crate) const ANSWER_SECONDS: u64 = 3;

/// Longest wait for a connection. Dovecot makes everyone at an address wait for a while after a
/// wrong password came from there.
pub(crate) const CONNECT_SECONDS: u64 = 10;

static USERS: AtomicU32 = AtomicU32::new(0);

/// Tests that crash a server keep the others away meanwhile.
static SERVERS: Mutex<()> = Mutex::const_new(());

/// The servers, alone.
pub(crate) async fn servers() -> MutexGuard<'static, ()> {
    SERVERS.lock().await
}

/// Host, port and password of a URL of `deploy/test-services`.
pub(crate) struct Place {
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) password: String,
}

/// `None`, said aloud, without a server.
pub(crate) fn place(variable: &str) -> Option<Place> {
    let url = service(variable)?;
    let (login, address) = url.split_once("://").unwrap().1.split_once('@').unwrap();
    Some(Place {
        address: address.to_owned(),
        port: address.split_once(':').unwrap().1.parse().unwrap(),
        password: login.split_once(':').unwrap().1.to_owned(),
    })
}

/// Somebody with a mailbox that nobody else has.
pub(crate) struct Person {
    pub(crate) user: String,
    /// Our side: secrets.
    _base: TempDir,
    pub(crate) context: AdapterContext,
    maildirs: PathBuf,
    lmtp: String,
    seen: BTreeSet<PathBuf>,
}

impl Person {
    /// `None`, said aloud, without servers.
    pub(crate) fn new() -> Option<Self> {
        let password = place("IMAPS_URL")?.password;
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("password"), password).unwrap();
        fs::write(base.path().join("wrong"), "wrong-password").unwrap();
        let number = USERS.fetch_add(1, Ordering::Relaxed);
        Some(Self {
            user: format!("t{}-{number}", std::process::id()),
            context: conformance::context("mail", base.path(), Arc::new(OsFiles)),
            _base: base,
            maildirs: service("MAILDIRS")?.into(),
            lmtp: service("LMTP_ADDR")?,
            seen: BTreeSet::new(),
        })
    }

    pub(crate) fn address(&self) -> String {
        format!("{}@x.example", self.user)
    }

    /// Delivers a mail into the inbox, as the last mail server on its way does.
    pub(crate) async fn deliver(&self, mail: &str) {
        let mut stream = BufReader::new(TcpStream::connect(&self.lmtp).await.unwrap());
        reply(&mut stream).await;
        for command in [
            "LHLO test".to_owned(),
            "MAIL FROM:<partner@montage.example>".to_owned(),
            format!("RCPT TO:<{}>", self.address()),
            "DATA".to_owned(),
        ] {
            say(&mut stream, &format!("{command}\r\n")).await;
        }
        let answer = say(&mut stream, &format!("{mail}\r\n.\r\n")).await;
        assert!(answer.starts_with("250"), "{answer}");
    }

    /// The mails in a folder, whole.
    pub(crate) fn mails(&self, folder: &str) -> Vec<String> {
        let all = self.files(folder);
        all.iter().map(read).collect()
    }

    /// The mails that came into the inbox since the last call.
    pub(crate) fn new_mails(&mut self) -> Vec<String> {
        let all = self.files("");
        let new: Vec<PathBuf> = all.difference(&self.seen).cloned().collect();
        self.seen = all;
        new.iter().map(read).collect()
    }

    fn files(&self, folder: &str) -> BTreeSet<PathBuf> {
        let root = self.maildirs.join(&self.user);
        let root = match folder {
            "" => root,
            // Maildir++.
            folder => root.join(format!(".{folder}")),
        };
        let entries = ["new", "cur"].map(|sub| fs::read_dir(root.join(sub)).into_iter().flatten());
        entries
            .into_iter()
            .flatten()
            .map(|e| e.unwrap().path())
            .collect()
    }
}

fn read(path: &PathBuf) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

async fn say(stream: &mut BufReader<TcpStream>, text: &str) -> String {
    stream.get_mut().write_all(text.as_bytes()).await.unwrap();
    reply(stream).await
}

async fn reply(stream: &mut BufReader<TcpStream>) -> String {
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).await.unwrap() > 0, "LMTP ended");
        if line.as_bytes().get(3) != Some(&b'-') {
            assert!(line.starts_with(['2', '3']), "{line}");
            return line;
        }
    }
}

/// A mail with attachments of these names and contents.
pub(crate) fn mail_with(id: &str, attachments: &[(&str, &[u8])]) -> String {
    let mut mail = format!(
        "From: Anna <anna@montage.example>\r\nTo: hub@nord.example\r\nSubject: {id}\r\n\
         Message-ID: <{id}@montage.example>\r\nDate: Sun, 29 Mar 2026 02:15:00 +0200\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=\"=_b\"\r\n\r\n--=_b\r\n\r\nHello\r\n"
    );
    for (name, content) in attachments {
        let encoded = Body::new_with_encoding(content.to_vec(), ContentTransferEncoding::Base64);
        let encoded = String::from_utf8(encoded.unwrap().into_vec()).unwrap();
        mail.push_str(&format!(
            "--=_b\r\nContent-Type: text/csv; name=\"{name}\"\r\n\
             Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n"
        ));
    }
    mail.push_str("--=_b--\r\n");
    mail
}

/// The attachment of a mail.
pub(crate) fn attachment(mail: &Message<'_>) -> (String, Vec<u8>) {
    let part = mail.attachment(0).unwrap();
    (
        part.attachment_name().unwrap_or_default().to_owned(),
        part.contents().to_vec(),
    )
}

pub(crate) fn parse(mail: &str) -> Message<'_> {
    MessageParser::default().parse(mail.as_bytes()).unwrap()
}
