//! The parts of a mail (RFC 2045, 2046), found within limits and without copying.
//!
//! `mail-parser` reads headers and decodes; the tree is walked here, because its own walk turns
//! text attachments into UTF-8 whatever they were, and nests as deep as a stranger wishes.

use std::ops::Range;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{ContentType, Message, MessageParser, MimeHeaders};
use memchr::{memchr, memmem};

/// Longest headers of a mail or of a part, in bytes. Each becomes an object in memory.
const LONGEST_HEAD: usize = 256 * 1024;

/// What a mail may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MimeLimits {
    pub(crate) parts: usize,
    pub(crate) nesting: usize,
}

/// How the bytes of a part are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Identity,
    Base64,
    QuotedPrintable,
}

/// A part that holds content of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Leaf {
    /// Counted from 1 over all leaves of the mail.
    pub(crate) number: usize,
    /// File name, as the sender wrote it.
    pub(crate) name: Option<String>,
    /// Media type with its `charset`, lower case.
    pub(crate) media_type: String,
    /// It is to be read, not to be kept: neither named nor called an attachment.
    pub(crate) is_text: bool,
    range: Range<usize>,
    encoding: Encoding,
}

impl Leaf {
    /// The content.
    ///
    /// # Errors
    /// It is not encoded as it says.
    pub(crate) fn content(&self, mail: &[u8]) -> Result<Vec<u8>, String> {
        let raw = &mail[self.range.clone()];
        let decoded = match self.encoding {
            Encoding::Identity => Some(raw.to_vec()),
            Encoding::Base64 => base64_decode(raw).filter(|_| is_whole_base64(raw)),
            Encoding::QuotedPrintable => quoted_printable_decode(raw),
        };
        decoded.ok_or_else(|| {
            let encoding = match self.encoding {
                Encoding::Base64 => "base64",
                _ => "quoted-printable",
            };
            format!("part {} is not the {encoding} that it says", self.number)
        })
    }
}

/// The decoder takes what is cut off for whole.
fn is_whole_base64(raw: &[u8]) -> bool {
    raw.iter().filter(|b| !b.is_ascii_whitespace()).count() % 4 == 0
}

/// The headers of a mail.
///
/// # Errors
/// There are none, or too many.
pub(crate) fn headers(mail: &[u8]) -> Result<Message<'_>, String> {
    let (head, _) = split(mail)?;
    parse(head).ok_or_else(|| "it has no headers".to_owned())
}

/// All parts that hold content, in their order.
///
/// # Errors
/// It is beyond a limit, or not complete.
pub(crate) fn leaves(mail: &[u8], limits: MimeLimits) -> Result<Vec<Leaf>, String> {
    let mut walk = Walk {
        mail,
        limits,
        leaves: Vec::new(),
    };
    walk.entity(0..mail.len(), 0)?;
    Ok(walk.leaves)
}

struct Walk<'a> {
    mail: &'a [u8],
    limits: MimeLimits,
    leaves: Vec<Leaf>,
}

impl Walk<'_> {
    /// A mail, a mail in a mail, or a part. Calls itself at most `nesting` deep.
    fn entity(&mut self, range: Range<usize>, depth: usize) -> Result<(), String> {
        if depth > self.limits.nesting {
            let most = self.limits.nesting;
            return Err(format!(
                "its parts are nested deeper than `max_nesting`, {most}"
            ));
        }
        let (head, body) = split(&self.mail[range.clone()])?;
        let body = range.start + body..range.end;
        let headers = parse(head);
        let kind = headers.as_ref().and_then(|h| h.content_type());
        let encoding = encoding(headers.as_ref())?;
        let is_plain = encoding == Encoding::Identity;
        match kind {
            Some(kind) if kind.ctype().eq_ignore_ascii_case("multipart") && is_plain => {
                self.multipart(kind, body, depth)
            }
            Some(kind) if is_mail(kind) && is_plain => self.entity(body, depth + 1),
            _ => self.leaf(headers.as_ref(), encoding, body),
        }
    }

    fn multipart(
        &mut self,
        kind: &ContentType<'_>,
        body: Range<usize>,
        depth: usize,
    ) -> Result<(), String> {
        let boundary = kind.attribute("boundary").filter(|b| !b.is_empty());
        let boundary = boundary.ok_or("it is a multipart without a boundary")?;
        let delimiter = format!("--{boundary}");
        let mut part: Option<usize> = None;
        for found in memmem::find_iter(&self.mail[body.clone()], &delimiter) {
            let at = body.start + found;
            let after = at + delimiter.len();
            let Some((line_end, closes)) = self.delimiter_end(at, after, &body) else {
                continue;
            };
            if let Some(start) = part {
                // The line end before a delimiter belongs to the delimiter.
                let end = self.without_line_end(start, at);
                self.entity(start..end, depth + 1)?;
            }
            if closes {
                return Ok(());
            }
            part = Some(line_end);
        }
        Err("it is not complete: a multipart has no end".to_owned())
    }

    /// Where the line of a delimiter ends, and whether it is the last; `None` if it is none.
    fn delimiter_end(&self, at: usize, after: usize, body: &Range<usize>) -> Option<(usize, bool)> {
        if at > body.start && self.mail[at - 1] != b'\n' {
            return None;
        }
        let rest = &self.mail[after..body.end];
        let closes = rest.starts_with(b"--");
        let tail = if closes { &rest[2..] } else { rest };
        let line = memchr(b'\n', tail).unwrap_or(tail.len());
        if !tail[..line].iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        let skipped = rest.len() - tail.len();
        Some(((after + skipped + line + 1).min(body.end), closes))
    }

    fn without_line_end(&self, start: usize, end: usize) -> usize {
        let part = &self.mail[start..end];
        let part = part.strip_suffix(b"\n").unwrap_or(part);
        start + part.strip_suffix(b"\r").unwrap_or(part).len()
    }

    fn leaf(
        &mut self,
        headers: Option<&Message<'_>>,
        encoding: Encoding,
        range: Range<usize>,
    ) -> Result<(), String> {
        if self.leaves.len() >= self.limits.parts {
            let most = self.limits.parts;
            return Err(format!("it has more parts than `max_parts`, {most}"));
        }
        let kind = headers.and_then(|h| h.content_type());
        let name = headers.and_then(|h| h.attachment_name());
        let disposition = headers.and_then(|h| h.content_disposition());
        let is_attachment =
            disposition.is_some_and(|d| d.ctype().eq_ignore_ascii_case("attachment"));
        let media_type = kind.map_or_else(|| "text/plain".to_owned(), media_type);
        let reads = media_type.starts_with("text/plain") || media_type.starts_with("text/html");
        self.leaves.push(Leaf {
            number: self.leaves.len() + 1,
            is_text: reads && name.is_none() && !is_attachment,
            name: name.map(ToOwned::to_owned),
            media_type,
            range,
            encoding,
        });
        Ok(())
    }
}

fn is_mail(kind: &ContentType<'_>) -> bool {
    let is = |subtype: &str| {
        kind.subtype()
            .is_some_and(|s| s.eq_ignore_ascii_case(subtype))
    };
    kind.ctype().eq_ignore_ascii_case("message") && (is("rfc822") || is("global"))
}

fn media_type(kind: &ContentType<'_>) -> String {
    let whole = match kind.subtype() {
        Some(subtype) => format!("{}/{subtype}", kind.ctype()),
        None => "application/octet-stream".to_owned(),
    };
    let whole = match kind.attribute("charset") {
        Some(charset) => format!("{whole}; charset={charset}"),
        None => whole,
    };
    whole.to_ascii_lowercase()
}

fn encoding(headers: Option<&Message<'_>>) -> Result<Encoding, String> {
    let name = headers.and_then(|h| h.content_transfer_encoding());
    let name = name.unwrap_or("7bit").trim().to_ascii_lowercase();
    match name.as_str() {
        "7bit" | "8bit" | "binary" => Ok(Encoding::Identity),
        "base64" => Ok(Encoding::Base64),
        "quoted-printable" => Ok(Encoding::QuotedPrintable),
        other => Err(format!(
            "a part is encoded as `{}`, expected `base64`, `quoted-printable`, `7bit`, `8bit` or `binary`",
            other.chars().take(40).collect::<String>()
        )),
    }
}

fn parse(head: &[u8]) -> Option<Message<'_>> {
    MessageParser::default().parse_headers(head)
}

/// The headers with their empty line, and where the body begins.
fn split(entity: &[u8]) -> Result<(&[u8], usize), String> {
    let mut line = 0;
    while let Some(length) = memchr(b'\n', &entity[line..]) {
        let is_empty = matches!(&entity[line..line + length], b"" | b"\r");
        line += length + 1;
        if line > LONGEST_HEAD {
            break;
        }
        if is_empty {
            return Ok((&entity[..line], line));
        }
    }
    match entity.len() > LONGEST_HEAD {
        true => Err(format!("its headers are longer than {LONGEST_HEAD} bytes")),
        // Headers without a body.
        false => Ok((entity, entity.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: MimeLimits = MimeLimits {
        parts: 10,
        nesting: 4,
    };

    fn found(mail: &str) -> Result<Vec<(String, String, Vec<u8>)>, String> {
        let mail = mail.replace('\n', "\r\n");
        let content = |leaf: &Leaf| {
            let content = leaf.content(mail.as_bytes())?;
            let name = leaf.name.clone().unwrap_or_default();
            Ok((name, leaf.media_type.clone(), content))
        };
        let leaves = leaves(mail.as_bytes(), LIMITS)?;
        leaves.iter().map(content).collect()
    }

    fn leaf(name: &str, media_type: &str, content: &[u8]) -> (String, String, Vec<u8>) {
        (name.to_owned(), media_type.to_owned(), content.to_owned())
    }

    const MIXED: &str = "Subject: x\nContent-Type: multipart/mixed; boundary=\"b b\"\n\npreamble\n--b b\n\
        Content-Type: multipart/alternative; boundary=inner\n\n--inner\n\nhello\n--inner\n\
        Content-Type: text/html\n\n<p>hello\n--inner--\n\n--b b \n\
        Content-Type: text/csv; charset=Windows-1252; name=old.csv\n\
        Content-Disposition: attachment; filename*=utf-8''Z%C3%A4hler.csv\n\
        Content-Transfer-Encoding: quoted-printable\n\na=E4=\nb\n\n--b b\n\
        Content-Type: application/octet-stream; name=\"=?utf-8?B?w6QueGxzeA==?=\"\n\
        Content-Transfer-Encoding: BASE64\n\nAAEC\nAw==\n--b b--\nepilogue";

    #[test]
    fn leaves_are_found_and_decoded_byte_for_byte() {
        assert_eq!(
            found(MIXED).unwrap(),
            [
                leaf("", "text/plain", b"hello"),
                leaf("", "text/html", b"<p>hello"),
                leaf(
                    "Zähler.csv",
                    "text/csv; charset=windows-1252",
                    b"a\xe4b\r\n"
                ),
                leaf("ä.xlsx", "application/octet-stream", &[0, 1, 2, 3]),
            ]
        );
    }

    #[test]
    fn a_simple_mail_is_one_leaf_and_a_forwarded_one_is_opened() {
        assert_eq!(
            found("Subject: x\n\nhello\n").unwrap(),
            [leaf("", "text/plain", b"hello\r\n")]
        );
        let forwarded = format!("Content-Type: message/rfc822\n\n{MIXED}");
        assert_eq!(found(&forwarded).unwrap(), found(MIXED).unwrap());
    }

    #[test]
    fn limits_are_kept() {
        let deep = "Content-Type: message/rfc822\n\n".repeat(100_000);
        assert!(found(&deep).unwrap_err().contains("max_nesting"));
        let many = format!(
            "Content-Type: multipart/mixed; boundary=b\n\n{}--b--",
            "--b\n\n".repeat(100)
        );
        assert!(found(&many).unwrap_err().contains("max_parts"));
        let long = format!("{}\n", "X: y\n".repeat(100_000));
        assert!(found(&long).unwrap_err().contains("headers"));
    }

    #[test]
    fn what_is_cut_off_is_not_taken_for_whole() {
        for end in (MIXED.find("--b b").unwrap()..MIXED.find("--b b--").unwrap() + 6).step_by(7) {
            assert!(found(&MIXED[..end]).is_err(), "cut at {end}");
        }
        let cut = "Content-Transfer-Encoding: base64\n\nAAECAw";
        assert!(found(cut).unwrap_err().contains("base64"));
    }

    proptest::proptest! {
        #[test]
        fn no_mail_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400), cut in 0..600_usize) {
            let mut mail = MIXED.as_bytes()[..cut.min(MIXED.len())].to_vec();
            mail.extend(bytes);
            if let Ok(leaves) = leaves(&mail, LIMITS) {
                for leaf in leaves {
                    let _ = leaf.content(&mail);
                }
            }
            let _ = headers(&mail);
        }
    }
}
