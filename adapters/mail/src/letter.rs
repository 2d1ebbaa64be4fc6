//! A mail as messages: which of its parts are taken, under which names and keys.

use bytes::Bytes;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use hub_core::Headers;
use mail_parser::Message;
use sha2::{Digest, Sha256};

use crate::config::Take;
use crate::mime::{Leaf, MimeLimits, headers, leaves};

/// Longest header that is kept, in characters.
const LONGEST_HEADER: usize = 500;

/// Longest file name that is kept, in characters.
const LONGEST_NAME: usize = 200;

/// Longest Message-ID that is a key as it is; of longer ones a digest is.
const LONGEST_ID: usize = 200;

/// Which mails and parts are taken.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) take: Take,
    pub(crate) include: GlobSet,
    pub(crate) exclude: GlobSet,
    /// `None`: anybody.
    pub(crate) senders: Option<GlobSet>,
    pub(crate) limits: MimeLimits,
}

/// A mail's messages.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) head: LetterHead,
    /// What they have in common.
    pub(crate) headers: Headers,
    pub(crate) parts: Vec<TakenPart>,
}

/// What a mail is called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LetterHead {
    pub(crate) message_id: Option<String>,
    pub(crate) subject: String,
}

/// A part that becomes a message.
#[derive(Debug)]
pub(crate) struct TakenPart {
    pub(crate) number: usize,
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) media_type: String,
    pub(crate) content: Bytes,
}

/// A mail that is not taken.
#[derive(Debug)]
pub(crate) struct NotTaken {
    pub(crate) head: LetterHead,
    pub(crate) reason: String,
}

/// Patterns that ignore case: people write `.XLSX`.
///
/// # Errors
/// A pattern cannot be read.
pub(crate) fn globs(patterns: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(GlobBuilder::new(pattern).case_insensitive(true).build()?);
    }
    set.build()
}

impl Letter {
    /// Reads a mail.
    ///
    /// # Errors
    /// Why none of it, or not all that should be, can be taken.
    pub(crate) fn read(mail: &[u8], rules: &Rules) -> Result<Self, NotTaken> {
        let mut head = LetterHead::default();
        let read = Self::read_into(mail, rules, &mut head);
        read.map_err(|reason| NotTaken { head, reason })
    }

    fn read_into(mail: &[u8], rules: &Rules, head: &mut LetterHead) -> Result<Self, String> {
        let parsed = headers(mail)?;
        *head = LetterHead {
            message_id: parsed.message_id().map(ToOwned::to_owned),
            subject: line(parsed.subject().unwrap_or_default(), LONGEST_HEADER),
        };
        let senders = senders(&parsed);
        if let Some(allowed) = &rules.senders
            && (senders.is_empty() || !senders.iter().all(|sender| allowed.is_match(sender)))
        {
            return Err("its sender is not in `allow_from`".to_owned());
        }
        let key = key(mail, head.message_id.as_deref());
        let found = leaves(mail, rules.limits)?;
        let mut parts = Vec::new();
        for leaf in chosen(&found, rules) {
            parts.push(TakenPart {
                number: leaf.number,
                key: format!("{key}#{}", leaf.number),
                name: name(leaf),
                media_type: leaf.media_type.clone(),
                content: leaf.content(mail)?.into(),
            });
        }
        if parts.is_empty() {
            return Err(nothing(&found, rules.take));
        }
        Ok(Self {
            headers: kept(&parsed, head, &senders),
            head: head.clone(),
            parts,
        })
    }
}

/// The parts to take. Of a text and the same in HTML, the first is: they mean one thing.
fn chosen<'a>(found: &'a [Leaf], rules: &'a Rules) -> impl Iterator<Item = &'a Leaf> {
    let text = found.iter().find(|leaf| leaf.is_text);
    let (with_text, with_attachments) = match rules.take {
        Take::Attachments => (false, true),
        Take::Text => (true, false),
        Take::Both => (true, true),
    };
    let is_text = move |leaf: &Leaf| text.is_some_and(|text| text.number == leaf.number);
    found.iter().filter(move |leaf| match leaf.is_text {
        true => with_text && is_text(leaf),
        false => {
            let name = name(leaf);
            with_attachments && rules.include.is_match(&name) && !rules.exclude.is_match(&name)
        }
    })
}

fn nothing(found: &[Leaf], take: Take) -> String {
    let names: Vec<String> = found.iter().filter(|l| !l.is_text).map(name).collect();
    match (take, names.is_empty()) {
        (Take::Text, _) => "it has no text".to_owned(),
        (_, true) => "it has no attachment".to_owned(),
        (_, false) => {
            let names = line(&names.join(", "), LONGEST_HEADER);
            format!("none of its attachments is wanted: {names}")
        }
    }
}

/// The mail's own id; of a mail without one, a digest of all of it.
fn key(mail: &[u8], message_id: Option<&str>) -> String {
    let digest = |bytes: &[u8]| {
        let digest = Sha256::digest(bytes);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{hex}")
    };
    match message_id {
        None | Some("") => digest(mail),
        Some(id) if id.len() > LONGEST_ID => digest(id.as_bytes()),
        Some(id) => line(id, LONGEST_ID),
    }
}

fn senders(mail: &Message<'_>) -> Vec<String> {
    let addresses = mail.from().into_iter().flat_map(|from| from.iter());
    addresses
        .map(|a| line(a.address().unwrap_or_default(), LONGEST_HEADER))
        .collect()
}

fn kept(mail: &Message<'_>, head: &LetterHead, senders: &[String]) -> Headers {
    let mut headers = vec![("from".to_owned(), line(&senders.join(", "), LONGEST_HEADER))];
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            headers.push((name.to_owned(), line(&value, LONGEST_HEADER)));
        }
    };
    add("subject", Some(head.subject.clone()));
    add("date", mail.date().map(|date| date.to_rfc3339()));
    add("message-id", head.message_id.clone());
    add("in-reply-to", ids(mail.in_reply_to()));
    add("references", ids(mail.references()));
    headers
}

fn ids(value: &mail_parser::HeaderValue<'_>) -> Option<String> {
    match value.as_text_list() {
        Some(list) => Some(list.join(" ")),
        None => value.as_text().map(ToOwned::to_owned),
    }
}

/// The name of a part, without the folders that some senders leave in it.
fn name(leaf: &Leaf) -> String {
    let own = leaf.name.as_deref().unwrap_or_default();
    let own = own.rsplit(['/', '\\']).next().unwrap_or_default();
    match (line(own, LONGEST_NAME), leaf.is_text) {
        (name, _) if !name.is_empty() => name,
        (_, true) if leaf.media_type.starts_with("text/html") => "text.html".to_owned(),
        (_, true) => "text.txt".to_owned(),
        (_, false) => format!("part-{}", leaf.number),
    }
}

fn line(text: &str, longest: usize) -> String {
    let cleaned: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(longest)
        .collect();
    cleaned.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(take: Take) -> Rules {
        let all = |patterns: &[&str]| {
            globs(&patterns.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
        };
        Rules {
            take,
            include: all(&["*.xlsx", "*.csv"]),
            exclude: all(&["draft*"]),
            senders: Some(all(&["*@montage.example"])),
            limits: MimeLimits {
                parts: 10,
                nesting: 3,
            },
        }
    }

    fn mail(from: &str, id: &str) -> Vec<u8> {
        let part = |name: &str| {
            format!("--b\r\nContent-Type: application/x; name=\"{name}\"\r\n\r\n{name}\r\n")
        };
        format!(
            "From: {from}\r\nSubject: =?utf-8?Q?Z=C3=A4hler?=\r\nDate: Sun, 29 Mar 2026 02:15:00 +0200\r\n\
             References: <a@x> <b@x>\r\n{id}Content-Type: multipart/mixed; boundary=b\r\n\r\n\
             --b\r\n\r\nhello\r\n{}{}{}{}--b--\r\n",
            part("C:\\\\done\\\\Report.XLSX"),
            part("logo.png"),
            part("DRAFT.csv"),
            part("x.csv")
        )
        .into_bytes()
    }

    const ID: &str = "Message-ID: <1@montage.example>\r\n";

    fn read(mail: &[u8], take: Take) -> Result<Vec<(String, String)>, String> {
        let letter = Letter::read(mail, &rules(take)).map_err(|n| n.reason)?;
        let pair = |part: TakenPart| (part.name, part.key);
        Ok(letter.parts.into_iter().map(pair).collect())
    }

    fn pair(name: &str, key: &str) -> (String, String) {
        (name.to_owned(), key.to_owned())
    }

    #[test]
    fn wanted_parts_become_messages_with_keys_that_no_filter_changes() {
        let mail = mail("Anna <anna@Montage.example>", ID);
        let workbook = pair("Report.XLSX", "1@montage.example#2");
        let rows = pair("x.csv", "1@montage.example#5");
        let text = pair("text.txt", "1@montage.example#1");
        assert_eq!(
            read(&mail, Take::Attachments).unwrap(),
            [workbook.clone(), rows.clone()]
        );
        assert_eq!(
            read(&mail, Take::Text).unwrap(),
            std::slice::from_ref(&text)
        );
        assert_eq!(read(&mail, Take::Both).unwrap(), [text, workbook, rows]);
        let letter = Letter::read(&mail, &rules(Take::Text)).unwrap();
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            letter.headers,
            [
                header("from", "anna@Montage.example"),
                header("subject", "Zähler"),
                header("date", "2026-03-29T02:15:00+02:00"),
                header("message-id", "1@montage.example"),
                header("references", "a@x b@x"),
            ]
        );
    }

    #[test]
    fn a_mail_without_an_id_has_the_key_of_its_bytes() {
        let (one, other) = (mail("a@montage.example", ""), mail("b@montage.example", ""));
        let key = |mail: &[u8]| read(mail, Take::Text).unwrap().remove(0).1;
        assert_eq!(key(&one), key(&one));
        assert_ne!(key(&one), key(&other));
        assert!(key(&one).starts_with("sha256:"));
    }

    #[test]
    fn what_is_not_taken_says_why() {
        for from in ["x@evil.example", "a@montage.example, x@evil.example", ""] {
            let reason = read(&mail(from, ID), Take::Both).unwrap_err();
            assert!(reason.contains("allow_from"), "{from}: {reason}");
        }
        let plain = b"From: a@montage.example\r\n\r\nhello";
        assert!(
            read(plain, Take::Attachments)
                .unwrap_err()
                .contains("no attachment")
        );
        let picture = b"From: a@montage.example\r\nContent-Type: image/png; name=a.png\r\n\r\nx";
        assert!(read(picture, Take::Both).unwrap_err().contains("a.png"));
    }
}
